"""Equalised learning rate and pixel norm: layers whose weights start from N(0, 1) and are scaled when they are used.

Karras et al. 2018, arXiv 1710.10196, sections 4.1 and 4.2. Adam's steps do not depend on a gradient's size, so a weight
that is stored with standard deviation 1 learns at the same relative speed in every layer. The text divides by the
constant; with the constant of He et al. 2015 it is a multiplication by sqrt(2 / fan_in), as in the authors' code.
"""

import math
from typing import Any

import jax
import jax.numpy as jnp
from flax import linen as nn

from genjax.nn.conv import conv
from genjax.nn.wide import wide

RELU_GAIN = math.sqrt(2.0)
"""Of a layer with a (leaky) ReLU behind it; 1 for linear outputs."""


def coefficient(fan_in: int, gain: float = RELU_GAIN, rate: float = 1.0) -> float:
    """Return gain * rate / sqrt(fan_in), by which stored weights are multiplied."""
    return gain * rate / math.sqrt(fan_in)


def pixel_norm(x: jax.Array, epsilon: float = 1e-8) -> jax.Array:
    """Return x / sqrt(mean over channels of x^2 + epsilon), float[..., channels]; the mean in at least float32.

    Source: arXiv 1710.10196, section 4.2.
    """
    square = jnp.mean(wide(x) ** 2, -1, keepdims=True)
    return x * jax.lax.rsqrt(square + epsilon).astype(x.dtype)


class EqualizedDense(nn.Module):
    """y = coefficient * (x w) + rate * b, reshaped to `shape`, with a bias for each entry of the last axis.

    rate: a factor on the learning rate of this layer; weights are then stored with standard deviation 1 / rate.
    """

    shape: tuple[int, ...]
    gain: float = RELU_GAIN
    rate: float = 1.0
    dtype: Any = None

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """Return float[batch, *shape] for x float[batch, features]."""
        size = (x.shape[-1], math.prod(self.shape))
        kernel = self.param("kernel", nn.initializers.normal(1 / self.rate), size, jnp.float32)
        kernel = kernel * coefficient(x.shape[-1], self.gain, self.rate)
        x, kernel = nn.dtypes.promote_dtype(x, kernel, dtype=self.dtype)
        return _with_bias(self, (x @ kernel).reshape(x.shape[0], *self.shape), self.rate)


class EqualizedConv(nn.Module):
    """y = coefficient * (x * w) + b: a convolution of stride 1 with "SAME" padding."""

    features: int
    kernel_size: int = 3
    gain: float = RELU_GAIN
    dtype: Any = None

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """Return float[batch, height, width, features]."""
        size = (self.kernel_size, self.kernel_size, x.shape[-1], self.features)
        kernel = self.param("kernel", nn.initializers.normal(1.0), size, jnp.float32)
        kernel = kernel * coefficient(math.prod(size[:3]), self.gain)
        x, kernel = nn.dtypes.promote_dtype(x, kernel, dtype=self.dtype)
        return _with_bias(self, conv(x, kernel, 1), 1.0)


def _with_bias(module: EqualizedDense | EqualizedConv, y: jax.Array, rate: float) -> jax.Array:
    bias = module.param("bias", nn.initializers.zeros_init(), (y.shape[-1],), jnp.float32) * rate
    return y + bias.astype(y.dtype).reshape((1,) * (y.ndim - 1) + (-1,))
