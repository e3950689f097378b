"""Pure functions (batch, key) -> batch, to be called inside the compiled step, on the device.

`batch["images"]` is [..., height, width, channels] with any leading axes. Bind options with functools.partial and
chain with `compose`:  compose(flip, partial(scale, low=-1.0, high=1.0)).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

Batch = dict[str, Any]
Transform = Callable[[Batch, jax.Array], Batch]


def _unit(images):
    return images.astype(jnp.float32) / 255.0 if jnp.issubdtype(images.dtype, jnp.integer) else images


def scale(batch: Batch, key: jax.Array, *, low: float = 0.0, high: float = 1.0) -> Batch:
    """Images = low + (high - low) x / 255 for uint8 images (floats are in [0, 1] already): float32 in [low, high]."""
    return {**batch, "images": low + (high - low) * _unit(batch["images"])}


def flip(batch: Batch, key: jax.Array) -> Batch:
    """Mirrors each image left to right with probability 1/2; any dtype."""
    images = batch["images"]
    coin = jax.random.bernoulli(key, 0.5, (*images.shape[:-3], 1, 1, 1))
    return {**batch, "images": jnp.where(coin, images[..., ::-1, :], images)}


def dequantize(batch: Batch, key: jax.Array) -> Batch:
    """(x + u) / 256 with u ~ U[0, 1): uint8 images to float32 in [0, 1] with a density (Theis et al., 1511.01844)."""
    images = batch["images"]
    noise = jax.random.uniform(key, images.shape)
    return {**batch, "images": (images.astype(jnp.float32) + noise) / 256.0}


def binarize(batch: Batch, key: jax.Array) -> Batch:
    """Images ~ Bernoulli(pixel), pixels uint8 or in [0, 1]: float32 in {0, 1} (Salakhutdinov & Murray 2008).

    A fixed key over a whole set gives the usual single fixed binarisation; a key per step, the dynamic one.
    """
    pixels = _unit(batch["images"])
    return {**batch, "images": jax.random.bernoulli(key, pixels).astype(jnp.float32)}


def threshold(batch: Batch, key: jax.Array, *, level: float = 0.5) -> Batch:
    """1 where the pixel (uint8 or in [0, 1]) exceeds `level`, else 0: float32, without randomness."""
    return {**batch, "images": (_unit(batch["images"]) > level).astype(jnp.float32)}


def compose(*transforms: Transform) -> Transform:
    """The transforms one after another, number i with fold_in(key, i)."""

    def composed(batch: Batch, key: jax.Array) -> Batch:
        for number, transform in enumerate(transforms):
            batch = transform(batch, jax.random.fold_in(key, number))
        return batch

    return composed
