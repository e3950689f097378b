"""Pure functions (batch, key) -> batch, to be called inside the compiled step, on the device.

`batch["images"]` is [..., height, width, channels] with any leading axes. Bind options with functools.partial and
chain with `compose`:  compose(flip, partial(scale, low=-1.0, high=1.0)).
"""

from collections.abc import Callable
from typing import Any, TypeVar

import jax
import jax.numpy as jnp
import numpy as np

from genjax.data.ranges import UNIT, Range

Batch = dict[str, Any]
Transform = Callable[[Batch, jax.Array], Batch]
Array = TypeVar("Array", jax.Array, np.ndarray)


def scale(batch: Batch, key: jax.Array, *, low: float = 0.0, high: float = 1.0) -> Batch:
    """Return images = low + (high - low) x / 255 for uint8 images (floats are in [0, 1] already): float32."""
    return {**batch, "images": Range(low, high).from_bytes(batch["images"])}


def flip(batch: Batch, key: jax.Array) -> Batch:
    """Mirror each image left to right with probability 1/2; any dtype."""
    images = batch["images"]
    coin = jax.random.bernoulli(key, 0.5, (*images.shape[:-3], 1, 1, 1))
    return {**batch, "images": jnp.where(coin, images[..., ::-1, :], images)}


def random_crop(batch: Batch, key: jax.Array, *, size: int | tuple[int, int]) -> Batch:
    """Cut a window of `size` (a side, or height and width) out of each image, anywhere with equal chance; any dtype.

    ValueError where it does not fit.
    """
    images = batch["images"]
    height, width = _window(images.shape, size)
    room = jnp.array([images.shape[-3] - height + 1, images.shape[-2] - width + 1])
    flat = images.reshape(-1, *images.shape[-3:])
    corners = jax.random.randint(key, (len(flat), 2), 0, room[None])

    def cut(image: jax.Array, corner: jax.Array) -> jax.Array:
        return jax.lax.dynamic_slice(image, (corner[0], corner[1], 0), (height, width, image.shape[-1]))

    crops = jax.vmap(cut)(flat, corners)
    return {**batch, "images": crops.reshape(*images.shape[:-3], *crops.shape[1:])}


def centre_crop(images: Array, size: int | tuple[int, int]) -> Array:
    """Return the middle of images [..., height, width, channels], `size` (a side, or height and width) large.

    ValueError where it does not fit.
    """
    height, width = _window(images.shape, size)
    top, left = (images.shape[-3] - height) // 2, (images.shape[-2] - width) // 2
    return images[..., top : top + height, left : left + width, :]


def dequantize(batch: Batch, key: jax.Array) -> Batch:
    """Return (x + u) / 256 with u ~ U[0, 1): uint8 images to float32 in [0, 1] with a density.

    Source: Theis et al. 2016, arXiv 1511.01844.
    """
    images = batch["images"]
    noise = jax.random.uniform(key, images.shape)
    return {**batch, "images": (images.astype(jnp.float32) + noise) / 256.0}


def binarize(batch: Batch, key: jax.Array) -> Batch:
    """Draw images ~ Bernoulli(pixel), pixels uint8 or in [0, 1]: float32 in {0, 1} (Salakhutdinov & Murray 2008).

    A fixed key over a whole set gives the usual single fixed binarisation; a key per step, the dynamic one.
    """
    pixels = UNIT.from_bytes(batch["images"])
    return {**batch, "images": jax.random.bernoulli(key, pixels).astype(jnp.float32)}


def threshold(batch: Batch, key: jax.Array, *, level: float = 0.5) -> Batch:
    """Return 1 where the pixel (uint8 or in [0, 1]) exceeds `level`, else 0: float32, without randomness."""
    return {**batch, "images": (UNIT.from_bytes(batch["images"]) > level).astype(jnp.float32)}


def compose(*transforms: Transform) -> Transform:
    """Return the transforms one after another, number i with fold_in(key, i)."""

    def composed(batch: Batch, key: jax.Array) -> Batch:
        for number, transform in enumerate(transforms):
            batch = transform(batch, jax.random.fold_in(key, number))
        return batch

    return composed


def _window(shape: tuple[int, ...], size: int | tuple[int, int]) -> tuple[int, int]:
    height, width = (size, size) if isinstance(size, int) else size
    if not (1 <= height <= shape[-3] and 1 <= width <= shape[-2]):
        raise ValueError(
            f"a window of {height} x {width} does not fit into images of {shape[-3]} x {shape[-2]} (height x width); "
            "choose a smaller one"
        )
    return height, width
