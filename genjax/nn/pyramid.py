"""Pyramids of one image: sizes from coarse to fine, and the bicubic resizing between them."""

import math
from functools import cache
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

Size = tuple[int, int]
"""(height, width)."""
SUPPORT = 4.0
"""Pixels under Keys' cubic filter."""


class Pyramid(NamedTuple):
    """Sizes of an image from coarse to fine.

    first: factor by which the image is reduced before.  factor: by which each size is smaller than the next one.
    sizes: (height, width), the last one that of the reduced image.
    """

    first: float
    factor: float
    sizes: tuple[Size, ...]

    def of(self, height: int, width: int) -> tuple[Size, ...]:
        """Return as many sizes that lead to another image of that height and width."""
        steps = len(self.sizes) - 1
        return tuple(scaled((height, width), self.factor ** (steps - level)) for level in range(steps + 1))


def scaled(size: Size, factor: float) -> Size:
    """Return a size times a factor, rounded up."""
    height, width = size
    return math.ceil(height * factor), math.ceil(width * factor)


def pyramid(height: int, width: int, *, factor: float = 0.75, least: int = 25, most: int = 250) -> Pyramid:
    """Return the sizes of an image whose longest side is brought to `most`, if it is longer, from `least` pixels on.

    factor: about by how much each size is smaller than the next; it is refitted so that the shorter side of the
    coarsest size is `least` (a pixel more where rounding up has it so). An image that is no larger than that has one
    size. Source: the authors' code of arXiv 1905.01164, SinGAN/functions.py.
    """
    shorter, longer = min(height, width), max(height, width)
    base = math.log(factor)
    levels = math.ceil(math.log(least / shorter) / base) + 1
    levels -= math.ceil(math.log(min(most, longer) / longer) / base)
    first = min(most / longer, 1.0)
    finest = scaled((height, width), first)
    if min(finest) <= least or levels < 1:
        return Pyramid(first, factor, (finest,))
    fitted = (least / min(finest)) ** (1 / levels)
    return Pyramid(first, fitted, Pyramid(first, fitted, ((0, 0),) * (levels + 1)).of(*finest))


def resized(images: jax.Array, factor: float | tuple[float, float], size: Size) -> jax.Array:
    """Return images scaled by a factor, of each axis if there are two, of which the first `size` pixels are kept.

    images: float[batch, height, width, channels] -> float[batch, *size, channels], size at most the scaled one rounded
    up. Keys' cubic filter (a = -1/2), stretched when shrinking so as not to alias, images mirrored at their border. It
    overshoots the range a little at edges. Source: as `pyramid`, there imresize.py.
    """
    factors = (factor, factor) if isinstance(factor, float) else factor
    rows, columns = (
        jnp.asarray(_weights(length, by, out), images.dtype)
        for length, by, out in zip(images.shape[1:3], factors, size, strict=True)
    )
    images = jnp.einsum("oh,bhwc->bowc", rows, images, precision="highest")
    return jnp.einsum("ow,bhwc->bhoc", columns, images, precision="highest")


def fitted(images: jax.Array, size: Size) -> jax.Array:
    """Return images at another size by the filter of `resized`, each axis by the factor that fits."""
    height, width = (after / before for before, after in zip(images.shape[1:3], size, strict=True))
    return resized(images, (height, width), size)


@cache
def _weights(length: int, factor: float, out: int) -> np.ndarray:
    """Return the matrix float64[out, length] of a resizing along one axis."""
    stretch = min(factor, 1.0)
    centres = (np.arange(out) + 0.5) / factor - 0.5
    reach = math.ceil(SUPPORT / stretch) + 2
    taps = np.floor(centres - SUPPORT / stretch / 2).astype(int)[:, None] + np.arange(reach)
    weights = _cubic(stretch * (centres[:, None] - taps))
    weights /= weights.sum(1, keepdims=True)
    mirrored = taps % (2 * length)
    mirrored = np.where(mirrored < length, mirrored, 2 * length - 1 - mirrored)
    matrix = np.zeros((out, length))
    np.add.at(matrix, (np.arange(out)[:, None], mirrored), weights)
    return matrix


def _cubic(x: Any) -> np.ndarray:
    x = np.abs(x)
    inner, outer = 1.5 * x**3 - 2.5 * x**2 + 1, -0.5 * x**3 + 2.5 * x**2 - 4 * x + 2
    return np.where(x <= 1, inner, np.where(x <= 2, outer, 0.0))
