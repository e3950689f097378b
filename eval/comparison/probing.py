"""What the experiments ask of a trained member: latents, decoded images, scores."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from genjax.data import Dataset
from genjax.tasks.reconstruction import decoded, encoded, test_sums

from .training import Family, Member

AE, VAE = "AE", "VAE"
CVAE_TRUE, CVAE_NONE, CVAE_WRONG = "CVAE, right label", "CVAE, no label", "CVAE, wrong label"
VARIANTS = {AE: "ae", VAE: "vae", CVAE_TRUE: "cvae", CVAE_NONE: "cvae", CVAE_WRONG: "cvae"}
"""A model and the label that its encoder and decoder are given -> the kind of the model."""


SCORES = {"nll_at_mean": "nll at the mean", "nll": "nll", "kl": "kl"}
"""Test scores of the autoencoders -> their names in the comparison."""


def test_images(dataset: Dataset, limit: int | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Return the first images of the test split, float32[count, height, width, channels] in [0, 1], and labels."""
    images, labels = (dataset.test.take(np.arange(len(dataset.test))[:limit])[name] for name in ("images", "labels"))
    return (images / np.float32(255) if images.dtype == np.uint8 else images), labels


def given_labels(variant: str, labels: np.ndarray, classes: int) -> np.ndarray:
    """Return the labels that a variant gives to its model: the true ones, -1 for none, or random other ones."""
    if variant == CVAE_WRONG:
        shift = np.random.Generator(np.random.Philox(0)).integers(1, classes, len(labels))
        return ((labels + shift) % classes).astype(np.int32)
    return labels if variant == CVAE_TRUE else np.full_like(labels, -1)


def variants(family: Family, *chosen: str):
    """Yield (variant, size of the latent, its members over seeds)."""
    for variant in chosen:
        for latent in family.options.latents:
            yield variant, latent, family.of(VARIANTS[variant], latent)


def encode(member: Member, images: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Return the posterior's mean (the AE's latent), float[images, latent]."""
    return np.asarray(encoded(member.model, member.kind != "ae", member.variables, images, labels)[0])


def decode(member: Member, latent: Any, labels: np.ndarray) -> np.ndarray:
    """Return decoded images in [0, 1], float[..., height, width, channels]; labels int[...]."""
    return np.asarray(decoded(member.model, member.variables, jnp.asarray(latent, jnp.float32), jnp.asarray(labels)))


def scores(member: Member, images: np.ndarray, labels: np.ndarray) -> dict[str, float]:
    """Return means over the images in nats: nll at the mean and, for models with a prior, nll of one draw, and kl."""
    totals: dict[str, float] = {}
    for start in range(0, len(images), 1000):
        rows = slice(start, start + 1000)
        key = jax.random.fold_in(jax.random.key(member.seed), start)
        sums, _ = test_sums(member.model, member.kind != "ae", member.variables, images[rows], labels[rows], key=key)
        named = {name: sums[metric] for metric, name in SCORES.items() if metric in sums}
        totals = {name: totals.get(name, 0.0) + float(value) for name, value in named.items()}
    return {name: value / len(images) for name, value in totals.items()}


def one_of_each(labels: np.ndarray, classes: int) -> np.ndarray:
    """Return the index of the first image of each class that occurs."""
    return np.array([np.flatnonzero(labels == c)[0] for c in range(classes) if np.any(labels == c)])
