"""Weights of layers: as they are stored, divided by their largest singular value, or scaled for an equal learning rate.

A layer that asks its weight for kernel and bias works with each of the three: `Conv(64, weight=Spectral(NORMAL))`,
`Dense(10, weight=Equalised(gain=1.0))`. The last axis of a kernel is its outputs; fan-in is the product of the others.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, Protocol

import jax
import jax.numpy as jnp
from flax import linen as nn
from jax import lax

from genjax.nn.initializers import GLOROT, Initializer

RELU_GAIN = math.sqrt(2.0)
"""Of an equalised layer with a (leaky) ReLU behind it; 1 for linear outputs."""


class Weight(Protocol):
    """What a layer calls in its compact method: makes parameters of `module` and returns what to compute with."""

    def kernel(self, module: nn.Module, shape: Sequence[int], name: str = "kernel") -> jax.Array:
        """Return float32[*shape]."""

    def bias(self, module: nn.Module, features: int, fan_in: int) -> jax.Array:
        """Return float32[features]; fan_in: of the kernel beside it."""


class Plain(NamedTuple):
    """Kernel and bias as they are stored."""

    initializer: Initializer = GLOROT

    def kernel(self, module: nn.Module, shape: Sequence[int], name: str = "kernel") -> jax.Array:
        """Return the parameter `name`, float32[*shape]."""
        return module.param(name, self.initializer.kernel, shape, jnp.float32)

    def bias(self, module: nn.Module, features: int, fan_in: int) -> jax.Array:
        """Return the parameter "bias", float32[features]."""
        return module.param("bias", self.initializer.bias(fan_in), (features,), jnp.float32)


class Spectral(NamedTuple):
    """Spectral normalisation: a kernel divided by its largest singular value, and a plain bias; see `SpectralNorm`."""

    initializer: Initializer = GLOROT

    def kernel(self, module: nn.Module, shape: Sequence[int], name: str = "kernel") -> jax.Array:
        """Return W / sigma(W), float32[*shape], of the parameter `name`."""
        return SpectralNorm(name="norm")(Plain(self.initializer).kernel(module, shape, name))

    def bias(self, module: nn.Module, features: int, fan_in: int) -> jax.Array:
        """Return the parameter "bias", float32[features]."""
        return Plain(self.initializer).bias(module, features, fan_in)


class Equalised(NamedTuple):
    """Equalised learning rate: W gain rate / sqrt(fan_in) with W from N(0, 1 / rate^2), and b rate with b from 0.

    Adam's steps do not depend on a gradient's size, so weights that are stored with one standard deviation learn at
    the same relative speed in every layer. rate: factor on the learning rate of this layer.
    Source: Karras et al. 2018, arXiv 1710.10196, section 4.1. The text divides by the constant; with the constant of He
    et al. 2015 it is a multiplication by sqrt(2 / fan_in), as in the authors' code.
    """

    gain: float = RELU_GAIN
    rate: float = 1.0

    def coefficient(self, fan_in: int) -> float:
        """Return gain rate / sqrt(fan_in), by which stored kernels are multiplied."""
        return self.gain * self.rate / math.sqrt(fan_in)

    def kernel(self, module: nn.Module, shape: Sequence[int], name: str = "kernel") -> jax.Array:
        """Return the parameter `name` times its coefficient, float32[*shape]."""
        stored = module.param(name, nn.initializers.normal(1 / self.rate), shape, jnp.float32)
        return stored * self.coefficient(math.prod(shape[:-1]))

    def bias(self, module: nn.Module, features: int, fan_in: int) -> jax.Array:
        """Return the parameter "bias" times the rate, float32[features]."""
        return module.param("bias", nn.initializers.zeros_init(), (features,), jnp.float32) * self.rate


class SpectralNorm(nn.Module):
    """W / sigma(W) with sigma(W) from one step of the power iteration per call; the last axis of W is its outputs.

    The vector u of the iteration lives in the collection "spectral". It moves on only in an `apply` that makes that
    collection mutable: its owner's moves. Everywhere else the weight is a pure function of parameters and state.
    Source: Miyato et al. 2018, arXiv 1802.05957, algorithm 1.
    """

    @nn.compact
    def __call__(self, kernel: jax.Array) -> jax.Array:
        """Return the normalised kernel, float32 of the same shape."""
        outputs = kernel.shape[-1]

        def draw() -> jax.Array:
            return jax.random.normal(self.make_rng("params"), (outputs,), jnp.float32)

        u = self.variable("spectral", "u", draw)
        sigma, new = power_iteration(kernel.reshape(-1, outputs), u.value)
        if self.is_mutable_collection("spectral") and not self.is_initializing():
            u.value = new
        return kernel / sigma


def power_iteration(matrix: jax.Array, u: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Return sigma = v^T W u' and u' after v = W u / |W u|, u' = W^T v / |W^T v|.

    matrix: float[inputs, outputs].  u: float[outputs].  u and v are constants to differentiation, sigma is linear in W.
    """
    fixed = lax.stop_gradient(matrix)
    v = _unit(fixed @ u)
    u = _unit(v @ fixed)
    return v @ matrix @ u, u


def _unit(x: jax.Array) -> jax.Array:
    return x * lax.rsqrt(jnp.sum(x**2) + 1e-12)


def affine(
    layer: Any, x: jax.Array, shape: Sequence[int], product: Callable[[jax.Array, jax.Array], jax.Array]
) -> jax.Array:
    """Return product(x, kernel) + bias, float[..., features]; to be called in the layer's compact method.

    layer: a module with the fields weight, use_bias and dtype (to compute in; None for that of x and the parameters).
    shape: of the kernel.  The bias runs along the last axis of the product.
    """
    kernel = layer.weight.kernel(layer, shape)
    x, kernel = nn.dtypes.promote_dtype(x, kernel, dtype=layer.dtype)
    y = product(x, kernel)
    if not layer.use_bias:
        return y
    bias = layer.weight.bias(layer, y.shape[-1], math.prod(shape[:-1]))
    return y + bias.astype(y.dtype).reshape((1,) * (y.ndim - 1) + (-1,))
