"""Transforms run on the device, inside the compiled step."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from genjax.data.transforms import binarize, compose, dequantize, flip, scale, threshold

KEY = jax.random.key(0)


def batch(shape=(2, 3, 8, 4, 5, 1), seed=0):
    images = np.random.default_rng(seed).integers(0, 256, shape, np.uint8)
    return {"images": jnp.asarray(images), "labels": jnp.zeros(shape[:-3], jnp.int32)}


def test_scale():
    given = {"images": jnp.array([0, 51, 255], jnp.uint8).reshape(1, 1, 3, 1)}
    np.testing.assert_allclose(scale(given, KEY)["images"].ravel(), [0, 0.2, 1], rtol=1e-6)
    got = scale(given, KEY, low=-1.0, high=1.0)["images"]
    assert got.dtype == jnp.float32
    np.testing.assert_allclose(got.ravel(), [-1, -0.6, 1], rtol=1e-6)
    floats = scale({"images": jnp.full((1, 1, 1, 1), 0.25)}, KEY, low=-1.0, high=1.0)["images"]
    np.testing.assert_allclose(floats.ravel(), [-0.5])


def test_flip_mirrors_half_of_the_images():
    given = batch((400, 4, 5, 1))
    got = np.asarray(flip(given, KEY)["images"])
    images = np.asarray(given["images"])
    kept = (got == images).all((1, 2, 3))
    mirrored = (got == images[:, :, ::-1]).all((1, 2, 3))
    assert (kept ^ mirrored).all() and 150 < mirrored.sum() < 250
    assert got.dtype == np.uint8


@pytest.mark.parametrize("transform", [scale, flip, dequantize, binarize, threshold])
def test_any_leading_axes_and_the_rest_untouched(transform):
    given = batch()
    got = jax.jit(transform)(given, KEY)
    assert got["images"].shape == given["images"].shape
    np.testing.assert_array_equal(got["labels"], given["labels"])


def test_dequantize_fills_the_bins():
    images = jnp.full((1, 100, 100, 1), 255, jnp.uint8)
    got = np.asarray(dequantize({"images": images}, KEY)["images"])
    assert got.min() >= 255 / 256 and got.max() <= 1 and abs(got.mean() - 255.5 / 256) < 1e-4


def test_binarize_has_the_pixel_as_its_mean():
    images = jnp.full((1, 100, 100, 1), 64, jnp.uint8)
    got = np.asarray(binarize({"images": images}, KEY)["images"])
    assert set(np.unique(got)) == {0.0, 1.0} and got.dtype == np.float32
    assert abs(got.mean() - 64 / 255) < 0.02
    again = binarize({"images": images}, KEY)["images"]
    np.testing.assert_array_equal(got, again)


def test_threshold():
    images = jnp.array([0, 127, 128, 255], jnp.uint8).reshape(1, 1, 4, 1)
    assert threshold({"images": images}, KEY)["images"].ravel().tolist() == [0, 0, 1, 1]
    assert threshold({"images": images}, KEY, level=0.9)["images"].ravel().tolist() == [0, 0, 0, 1]


def test_compose_gives_each_its_own_key():
    noise = compose(partial(scale, low=0.0, high=0.5), binarize)
    twice = compose(flip, flip)
    given = batch((200, 4, 5, 1))
    np.testing.assert_array_equal(
        noise(given, KEY)["images"],
        binarize(scale(given, KEY, high=0.5), jax.random.fold_in(KEY, 1))["images"],
    )
    # With one shared key two flips would cancel.
    assert not np.array_equal(twice(given, KEY)["images"], given["images"])
