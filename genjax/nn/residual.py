"""Pre-activation residual blocks of GANs: nearest-neighbour growth in generators, average pooling in discriminators.

Gulrajani et al. 2017, arXiv 1704.00028, appendix F, and Miyato et al. 2018, arXiv 1802.05957, tables 4 to 6, as their
authors' codes have them: growth comes before the first convolution and before the 1x1 convolution of the shortcut.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from flax import linen as nn

from genjax.nn.conv import Conv
from genjax.nn.initializers import GLOROT, Initializer
from genjax.nn.normalization import BatchNorm
from genjax.nn.weights import Plain, Weight

WIDE = Initializer(nn.initializers.variance_scaling(2.0, "fan_avg", "uniform"), GLOROT.bias)
"""Glorot's uniform rule with gain sqrt 2, of the 3x3 convolutions of these blocks."""


def grow(x: jax.Array) -> jax.Array:
    """Return every pixel four times: float[batch, 2 height, 2 width, channels]."""
    return jnp.repeat(jnp.repeat(x, 2, axis=1), 2, axis=2)


def grow_smoothly(x: jax.Array) -> jax.Array:
    """Return the linear interpolation between pixels at twice the size: float[batch, 2 height, 2 width, channels]."""
    batch, height, width, channels = x.shape
    return jax.image.resize(x, (batch, 2 * height, 2 * width, channels), "bilinear")


def pool(x: jax.Array) -> jax.Array:
    """Return means of 2x2 pixels; ValueError for an odd height or width."""
    batch, height, width, channels = x.shape
    if height % 2 or width % 2:
        raise ValueError(
            f"{height} x {width} pixels cannot be halved; use images whose sides are a power of two times 4"
        )
    return jnp.mean(x.reshape(batch, height // 2, 2, width // 2, 2, channels), (2, 4))


class ClassNorm(nn.Module):
    """Batch norm with a scale and a bias for every class (one pair for all if `classes` is 0).

    Source: Dumoulin et al. 2017, arXiv 1610.07629; the table starts at scale 1 and bias 0.
    """

    classes: int = 0
    epsilon: float = 1e-5
    dtype: Any = None
    momentum: float = 0.9

    @nn.compact
    def __call__(self, x: jax.Array, labels: jax.Array | None, train: bool) -> jax.Array:
        """Return x, float[batch, height, width, channels], normalised; labels: int[batch] in [0, classes)."""
        plain = not self.classes
        norm = BatchNorm(self.momentum, self.epsilon, plain, plain, dtype=self.dtype)
        y = norm(x, train)
        if plain:
            return y
        shape = (self.classes, x.shape[-1])
        chosen = jax.nn.one_hot(labels, self.classes)
        scale = chosen @ self.param("scale", nn.initializers.ones_init(), shape, jnp.float32)
        bias = chosen @ self.param("bias", nn.initializers.zeros_init(), shape, jnp.float32)
        return y * scale[:, None, None].astype(y.dtype) + bias[:, None, None].astype(y.dtype)


class UpBlock(nn.Module):
    """norm, ReLU, grow, 3x3, norm, ReLU, 3x3, plus the grown input through a 1x1 convolution: doubles the size.

    first_bias: of the first 3x3 convolution, whose batch norm cancels it.
    weight: of the convolutions, made of an initializer: `Plain` or `Spectral`.
    norm: before each ReLU, makes a layer of its own each time; if not given, `ClassNorm` of `classes` and `epsilon`.
    growth: how the size is doubled, `grow` or `grow_smoothly`.
    """

    features: int
    classes: int = 0
    epsilon: float = 1e-5
    dtype: Any = None
    first_bias: bool = True
    weight: Callable[[Initializer], Weight] = Plain
    norm: Callable[[jax.Array], jax.Array] | None = None
    growth: Callable[[jax.Array], jax.Array] = grow

    @nn.compact
    def __call__(self, x: jax.Array, labels: jax.Array | None, train: bool) -> jax.Array:
        """Return float[batch, 2 height, 2 width, features]; labels and train are for `ClassNorm`."""

        def by_class(y):
            return ClassNorm(self.classes, self.epsilon, self.dtype)(y, labels, train)

        norm = by_class if self.norm is None else self.norm
        y = self.growth(nn.relu(norm(x)))
        y = Conv(self.features, 3, 1, self.first_bias, self.weight(WIDE), self.dtype)(y)
        y = nn.relu(norm(y))
        y = Conv(self.features, 3, 1, weight=self.weight(WIDE), dtype=self.dtype)(y)
        # A 1x1 convolution commutes with copying and averaging pixels: before the growth it costs a quarter.
        x = Conv(self.features, 1, 1, weight=self.weight(GLOROT), dtype=self.dtype, name="shortcut")(x)
        return y + self.growth(x)


class DownBlock(nn.Module):
    """ReLU, 3x3, ReLU, 3x3, mean of 2x2, plus the input through a 1x1 convolution, pooled likewise.

    weight: of the convolutions, made of an initializer: `Plain` or `Spectral`.  down: whether to halve the size.
    first: the block stands on images, which get no ReLU.  norm: before each ReLU, makes a layer of its own each time.
    first_bias: of the first convolution.  hidden: channels between the convolutions; if not given, as many as before
    the block, in a first block `features`.
    The shortcut is the identity where neither size nor channels change.
    """

    features: int
    weight: Callable[[Initializer], Weight] = Plain
    down: bool = True
    first: bool = False
    dtype: Any = None
    norm: Callable[[jax.Array], jax.Array] | None = None
    first_bias: bool = True
    hidden: int | None = None

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """Return float[batch, height / 2, width / 2, features]."""
        hidden = self.hidden or (self.features if self.first else x.shape[-1])
        norm = self.norm if self.norm is not None else (lambda y: y)
        wide = partial(Conv, kernel_size=3, stride=1, weight=self.weight(WIDE), dtype=self.dtype)
        y = x if self.first else nn.relu(norm(x))
        y = wide(hidden, use_bias=self.first_bias, name="conv1")(y)
        y = wide(self.features, name="conv2")(nn.relu(norm(y)))
        if self.down:
            y = pool(y)
        if self.down or x.shape[-1] != self.features:
            # Pooling commutes with a 1x1 convolution and comes first, where it costs a quarter.
            x = pool(x) if self.down else x
            x = Conv(self.features, 1, 1, weight=self.weight(GLOROT), dtype=self.dtype, name="shortcut")(x)
        return y + x


def doublings(size: int, blocks: int) -> int:
    """Return the side from which `blocks` doublings reach `size`; ValueError where there is none."""
    start = size // 2**blocks
    if start * 2**blocks != size or start < 1:
        near = max(1, round(size / 2**blocks)) * 2**blocks
        raise ValueError(f"{blocks} doublings do not reach {size} pixels; give --image-size {near}, for example")
    return start
