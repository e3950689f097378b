"""Ranges of pixels: from the bytes that files hold to what networks see, and back."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from genjax.data.drawn.mixtures import EXTENT


class Range(NamedTuple):
    """Pixels in [low, high], of a data set's bytes (0 is low, 255 is high) or of its floats in [0, 1].

    norm: the length of every image after its mean is taken off (global contrast normalisation), None for none; `low`
    and `high` then hold nearly all pixels, and bytes are clipped there.

    >>> TANH.to_bytes(TANH.from_bytes(np.array([[[[0, 100, 255]]]], np.uint8))).tolist()
    [[[[0, 100, 255]]]]
    """

    low: float
    high: float
    norm: float | None = None

    def prepare(self, batch: Mapping[str, Any], key: jax.Array | None = None) -> dict[str, Any]:
        """Return the batch with "images", and "targets" if there are any, in the range; a transform without chance."""
        names = [name for name in ("images", "targets") if name in batch]
        return {**batch, **{name: self.from_bytes(batch[name]) for name in names}}

    def from_bytes(self, images: Any) -> jax.Array:
        """Return uint8 images (or float in [0, 1]) [..., height, width, channels] as float32 in [low, high].

        low + (high - low) x / 255, or with `norm`: norm (x - mean x) / |x - mean x|.
        """
        images = jnp.asarray(images)
        if self.norm is not None:
            images = images.astype(jnp.float32)
            images = images - images.mean((-3, -2, -1), keepdims=True)
            length = jnp.sqrt((images**2).sum((-3, -2, -1), keepdims=True))
            return self.norm * images / jnp.maximum(length, 1e-8)
        share = images.astype(jnp.float32) / 255.0 if jnp.issubdtype(images.dtype, jnp.integer) else images
        return self.low + (self.high - self.low) * share

    def quantised(self, images: jax.Array) -> jax.Array:
        """Return what `to_bytes` returns, as a function that jax can trace: NaN is not refused."""
        share = (jnp.asarray(images, jnp.float32) - self.low) / (self.high - self.low)
        return jnp.round(255 * jnp.clip(share, 0, 1)).astype(jnp.uint8)

    def to_bytes(self, images: Any) -> np.ndarray:
        """Return round(255 (x - low) / (high - low)), clipped: uint8 of the same shape, as a picture file holds it.

        ValueError where a pixel is NaN or infinite, for then there is no picture.
        """
        images = np.asarray(images, np.float32)
        bad = np.count_nonzero(~np.isfinite(images))
        if bad:
            raise ValueError(
                f"{bad} of {images.size} pixels are NaN or infinite; the model has diverged, nothing is drawn"
            )
        share = (images - self.low) / (self.high - self.low)
        return np.round(255 * np.clip(share, 0, 1)).astype(np.uint8)


UNIT = Range(0.0, 1.0)
TANH = Range(-1.0, 1.0)
PLANE = Range(-EXTENT, EXTENT)
"""Points of a mixture where they lie in the plane."""
CONTRAST = Range(-3.0, 3.0, norm=55.0)
"""Global contrast normalisation as the authors' code of GAN and CGAN has it."""
