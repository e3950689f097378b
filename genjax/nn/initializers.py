"""Weight initialisation as one value for kernels and biases, since some rules draw biases from the kernel's fan-in."""

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from flax import linen as nn

Draw = Callable[..., jax.Array]


class Initializer(NamedTuple):
    """kernel: `(key, shape, dtype) -> array`.  bias: fan-in of the layer -> `(key, shape, dtype) -> array`."""

    kernel: Draw
    bias: Callable[[int], Draw]


def _zeros(fan_in: int) -> Draw:
    return nn.initializers.zeros_init()


def _uniform_bias(fan_in: int) -> Draw:
    bound = 1.0 / math.sqrt(fan_in)

    def draw(key: jax.Array, shape: Any, dtype: Any) -> jax.Array:
        return jax.random.uniform(key, shape, dtype, -bound, bound)

    return draw


GLOROT = Initializer(nn.initializers.glorot_uniform(), _zeros)
"""Kernels U[-a, a] with a^2 = 6 / (fan_in + fan_out), zero biases (Glorot & Bengio 2010, equation 16)."""

LECUN = Initializer(nn.initializers.lecun_normal(), _zeros)
"""Kernels from a normal truncated at two deviations, variance 1 / fan_in, zero biases: the default of Flax."""

TORCH = Initializer(nn.initializers.variance_scaling(1 / 3, "fan_in", "uniform"), _uniform_bias)
"""Kernels and biases U[-a, a] with a = 1 / sqrt(fan_in): the default of PyTorch's linear and convolution layers."""

HE = Initializer(nn.initializers.variance_scaling(2.0, "fan_in", "uniform"), _zeros)
"""Kernels U[-a, a] with a^2 = 6 / fan_in, zero biases (He et al. 2015, arXiv 1502.01852, equation 10)."""


ORTHOGONAL = Initializer(nn.initializers.orthogonal(), _zeros)
"""Kernels as matrices [inputs, outputs] with orthonormal columns or rows, whichever are fewer, zero biases.

Source: Saxe et al. 2014, arXiv 1312.6120.
"""


def scaled_glorot(gain: float) -> Initializer:
    """Return the rule: kernels N(0, gain^2 2 / (fan_in + fan_out)), zero biases ("Xavier normal" with a gain)."""
    return Initializer(nn.initializers.variance_scaling(gain**2, "fan_avg", "normal"), _zeros)


def normal(deviation: float, *, biases: bool = False) -> Initializer:
    """Return the rule: kernels N(0, deviation^2), and biases too, or zero."""
    draw = nn.initializers.normal(deviation)
    return Initializer(draw, (lambda fan_in: draw) if biases else _zeros)


def uniform(bound: float) -> Initializer:
    """Return the rule: kernels U[-bound, bound], zero biases."""
    return Initializer(_between(lambda shape: bound), _zeros)


def strided(stride: int, *, transposed: bool = False, gain: float = 2.0) -> Initializer:
    """Return the rule for strided convolutions: kernels U[-a, a], a^2 = 6 gain / (fan_in + fan_out), zero biases.

    A kernel [k, k, i, o] has fan_in k^2 i and fan_out k^2 o, of which the one on the side of the larger map is used in
    only 1 / stride^2 of the positions and divided by it: fan_out, or fan_in of a transposed convolution. gain: 2 before
    ReLU, 1 before a linear output. Source: the authors' code of arXiv 1704.00028, its library for layers.
    """

    def bound(shape: Sequence[int]) -> float:
        *sides, inputs, outputs = shape
        area = math.prod(sides)
        down = stride**2
        fans = area * inputs / down + area * outputs if transposed else area * inputs + area * outputs / down
        return math.sqrt(6.0 * gain / fans)

    return Initializer(_between(bound), _zeros)


def _between(bound: Callable[[Sequence[int]], float]) -> Draw:
    def draw(key: jax.Array, shape: Any, dtype: Any = jnp.float32) -> jax.Array:
        return jax.random.uniform(key, shape, dtype, -bound(shape), bound(shape))

    return draw
