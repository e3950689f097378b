"""Latents, ranges and data of the published presets."""

import math

import jax
import numpy as np
import pytest

from genjax import data
from tests.presets.built import dataset_of, run_of


def test_plain_sngan_has_a_uniform_latent_and_images_without_noise():
    run = run_of("sngan", "plain")
    latents = np.asarray(run.task.latents(jax.random.key(0), 500))
    assert np.abs(latents).max() <= 1 and latents.std() == pytest.approx(1 / math.sqrt(3), rel=0.02)
    batch = {"images": np.arange(256, dtype=np.uint8).reshape(1, 16, 16, 1)}
    prepared = run.phases[0].feed.prepare(batch, jax.random.key(0))["images"]
    np.testing.assert_allclose(prepared.ravel(), np.arange(256) / 127.5 - 1, atol=1e-6)
    noisy = run_of("sngan", "paper").phases[0].feed.prepare(batch, jax.random.key(0))["images"].ravel()
    low = np.arange(256) / 128 - 1
    assert ((noisy >= low - 1e-6) & (noisy <= low + 1 / 128 + 1e-6)).all()
    assert np.abs(np.asarray(noisy) - low - 1 / 256).mean() > 1e-3


def test_the_plane_of_wgan_gp_is_smaller():
    mixture = dataset_of("mixture:ring-1.414", None).mixture
    np.testing.assert_allclose(np.linalg.norm(mixture.centres, axis=1), 2 / 1.414)
    assert mixture.deviation == pytest.approx(0.01414, rel=1e-3)


def test_stl10_is_its_unlabelled_images():
    facts = data.known("tfds:stl10@unlabelled", image_size=48)
    assert (facts.train, facts.class_names, facts.shape) == (100_000, (), (48, 48, 3))
