"""Weight initialisation as one value for kernels and biases, since some rules draw biases from the kernel's fan-in."""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
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
