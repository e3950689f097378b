"""Layers that are told by a style: each channel normalised over an image, then scaled and shifted by a vector w."""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
from flax import linen as nn

from genjax.nn.blur import blur
from genjax.nn.conv import Conv
from genjax.nn.dense import Dense
from genjax.nn.growing import mix, sizes, width
from genjax.nn.normalization import instance_norm, pixel_norm
from genjax.nn.residual import grow
from genjax.nn.weights import RELU_GAIN, Equalised
from genjax.nn.wide import wide


class Mapping(nn.Module):
    """Latent z -> style vector w: pixel norm, then dense layers with leaky ReLU that learn `rate` times as fast.

    Source: Karras et al. 2019, arXiv 1812.04948, figure 1 and appendix C.
    """

    features: int = 512
    depth: int = 8
    rate: float = 0.01
    dtype: Any = None

    @nn.compact
    def __call__(self, latent: jax.Array) -> jax.Array:
        """Return w, float[batch, features], of z, float[batch, size]."""
        x, weight = pixel_norm(latent), Equalised(RELU_GAIN, self.rate)
        for layer in range(self.depth):
            x = Dense(self.features, weight=weight, dtype=self.dtype, name=f"dense_{layer}")(x)
            x = nn.leaky_relu(x, 0.2)
        return x


class StyledLayer(nn.Module):
    """(grow, 3x3 convolution, blur), (3x3 convolution) or nothing; noise, bias, leaky ReLU, then AdaIN.

        AdaIN(x, w) = (1 + a(w)) (x - mean) / deviation + b(w),  (a, b) dense in w, the statistics per image and channel

    convolves: whether there is a convolution.  doubles: whether the size is doubled before it.
    A noise image enters every channel with a learned strength, which begins at 0.
    Source: arXiv 1812.04948, section 2 and equation 1, in the order of the authors' code.
    """

    features: int
    convolves: bool = True
    doubles: bool = False
    dtype: Any = None

    @nn.compact
    def __call__(self, x: jax.Array, w: jax.Array, noise: jax.Array | None) -> jax.Array:
        """Return float[batch, height, width, features]; w: float[batch, size]; noise: float[batch or 1, h, w, 1]."""
        if self.convolves:
            x = grow(x) if self.doubles else x
            x = Conv(self.features, 3, 1, use_bias=False, weight=Equalised(), dtype=self.dtype, name="conv")(x)
            x = blur(x) if self.doubles else x
        zeros, shape = nn.initializers.zeros_init(), (self.features,)
        strength = self.param("noise", zeros, shape, jnp.float32)[None, None, None].astype(x.dtype)
        bias = self.param("bias", zeros, shape, jnp.float32)[None, None, None].astype(x.dtype)
        if noise is not None:
            x = x + noise.astype(x.dtype) * strength
        x = instance_norm(nn.leaky_relu(x + bias, 0.2), 1e-8)
        style = Dense(2 * self.features, weight=Equalised(1.0), dtype=self.dtype, name="style")(w)[:, None, None]
        scale, shift = jnp.split(style, 2, -1)
        return x.astype(style.dtype) * (1 + scale) + shift


class Synthesis(nn.Module):
    """Styles -> image: a learned constant of 4x4 pixels, two styled layers per resolution, 1x1 to colours.

    size: pixels of this phase.  base, limit: channels at `size` are min(2 base / size, limit).
    There are 1x1 layers to colours at every resolution up to `size`, of which one is used, two during a fade.
    """

    size: int = 1024
    channels: int = 3
    base: int = 8192
    limit: int = 512
    dtype: Any = None

    @nn.compact
    def __call__(
        self, styles: jax.Array, noise: Sequence[jax.Array] | None = None, alpha: jax.Array | None = None
    ) -> jax.Array:
        """Return float32[batch, size, size, channels].

        styles: float[batch, layers, features], a vector for each of `layers(size)`.  noise: as many images as layers,
        see `noise_shapes`, None for none.  alpha: float32[] during a fade, else None (no old path).
        """

        def layer(index, x, features, **kind):
            # The constant keeps full precision until it is normalised: its pixels hardly differ, and are divided by it.
            made = StyledLayer(features, dtype=self.dtype, name=f"layer_{index}", **kind)
            return made(x, styles[:, index], None if noise is None else noise[index])

        def colours(x, size):
            made = Conv(self.channels, 1, 1, weight=Equalised(1.0), dtype=self.dtype, name=f"to_rgb_{size}")
            return wide(made(x))

        first = width(4, self.base, self.limit)
        constant = self.param("constant", nn.initializers.ones_init(), (1, 4, 4, first), jnp.float32)
        x = layer(0, jnp.broadcast_to(constant, (len(styles), *constant.shape[1:])), first, convolves=False)
        x = old = layer(1, x, first)
        for level, size in enumerate(sizes(self.size)[1:], 1):
            if self.is_initializing():
                colours(x, size // 2)
            features = width(size, self.base, self.limit)
            old, x = x, layer(2 * level, x, features, doubles=True)
            x = layer(2 * level + 1, x, features)
        images = colours(x, self.size)
        if alpha is None:
            return images
        return mix(grow(colours(old, self.size // 2)), images, alpha)


def layers(size: int) -> int:
    """Return the styled layers of a synthesis network: two for each of the sizes 4, 8 ... `size`."""
    return 2 * len(sizes(size))


def noise_shapes(size: int, count: int) -> tuple[tuple[int, int, int, int], ...]:
    """Return the shapes [count, height, width, 1] of the noise images, one a layer."""
    return tuple((count, side, side, 1) for side in sizes(size) for _ in range(2))
