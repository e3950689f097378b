"""Drawing through the scales of a pyramid: noise for each of them, and one generator after the other adding detail.

Source: Rott Shaham et al. 2019, SinGAN, arXiv 1905.01164, equations 1 to 3 (`genjax.gans.singan`).
"""

import itertools
import math
from collections.abc import Callable, Sequence
from operator import attrgetter
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from genjax import parallel
from genjax.nn.pyramid import Pyramid, Size, resized


def framed(images: jax.Array, border: int) -> jax.Array:
    """Return images in a frame of zeros, `border` pixels wide, which the generator's layers take off again."""
    return jnp.pad(images, ((0, 0), (border, border), (border, border), (0, 0)))


class Scales(NamedTuple):
    """A pyramid and the generator of each of its sizes, the coarsest one first.

    generators: modules (noise, image) -> image with the fields `layers`, so many pixels a frame has on each side, and
    `channels`.
    bordered: noise also where images are framed, instead of zeros (with which samples vary less along their border).
    """

    pyramid: Pyramid
    generators: tuple[Any, ...]
    bordered: bool = False

    @property
    def border(self) -> int:
        """Pixels that a frame adds on each side."""
        return self.generators[0].layers

    def noise(self, key: jax.Array, count: int, sizes: Sequence[Size]) -> list[jax.Array]:
        """Return framed noise of the first scales for images of these sizes: float[count, height', width', c] each.

        c: 1 at the coarsest scale, channels elsewhere. All is cut from one draw, which compiles faster than many.
        """
        shapes = [self.noise_shape(level, size) for level, size in enumerate(sizes)]
        ends = list(itertools.accumulate(math.prod(shape) for shape in shapes))
        drawn = parallel.rows(jax.random.normal, key, (count, ends[-1]))
        parts = jnp.split(drawn, ends[:-1], axis=1)
        return [self.in_frame(z.reshape(count, *shape)) for z, shape in zip(parts, shapes, strict=True)]

    def noise_shape(self, level: int, size: Size) -> tuple[int, int, int]:
        """Return the shape of what is drawn for one image; there is one channel at the coarsest scale."""
        frame = 2 * self.border if self.bordered else 0
        return size[0] + frame, size[1] + frame, self.generators[level].channels if level else 1

    def in_frame(self, noise: jax.Array) -> jax.Array:
        """Return noise of `noise_shape` as generators take it."""
        return noise if self.bordered else framed(noise, self.border)

    def grown(self, images: jax.Array, size: Size) -> jax.Array:
        """Return images of one scale at the next one's size, clipped to [-1, 1]."""
        return jnp.clip(resized(images, 1 / self.pyramid.factor, size), -1, 1)


def noisy(images: jax.Array, noise: jax.Array, amplitude: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Return a generator's inputs: noise times its amplitude, in all channels, and the image to add detail to."""
    shape = (*noise.shape[:3], images.shape[-1])
    return jnp.broadcast_to(amplitude * noise, shape).astype(images.dtype), images


def climb(
    scales: Scales,
    variables: Sequence[Any],
    amplitudes: jax.Array,
    images: jax.Array,
    *,
    noises: Sequence[jax.Array],
    sizes: Sequence[Size],
    first: int = 0,
    applied: Callable[[Any], Callable] = attrgetter("apply"),
) -> jax.Array:
    """Return what the generators from scale `first` on draw, one after the other, evaluated.

    variables, noises: of each of these generators.  images: what the first one adds detail to, zeros at the coarsest.
    sizes: of all scales; where there are more of them than generators, images end at the next one's size.
    """
    for level, (own, noise) in enumerate(zip(variables, noises, strict=True), first):
        images = applied(scales.generators[level])(own, *noisy(images, noise, amplitudes[level]))
        if level + 1 < min(len(sizes), first + len(variables) + 1):
            images = scales.grown(images, sizes[level + 1])
    return images
