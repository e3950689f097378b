"""Layers whose weight is divided by its largest singular value, with the state of the power iteration kept apart.

Miyato et al. 2018, Spectral Normalization for Generative Adversarial Networks, arXiv 1802.05957, algorithm 1.
The vector u of each weight lives in the collection "spectral". It moves on only in an `apply` that makes that
collection mutable: its owner's moves. Everywhere else the weight is a pure function of parameters and state.
"""

from typing import Any

import jax
import jax.numpy as jnp
from flax import linen as nn
from jax import lax

from genjax.nn.initializers import GLOROT, Initializer


def _unit(x: jax.Array) -> jax.Array:
    return x * lax.rsqrt(jnp.sum(x**2) + 1e-12)


def power_iteration(matrix: jax.Array, u: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Return sigma = v^T W u' and u' after v = W u / |W u|, u' = W^T v / |W^T v|.

    matrix: float[inputs, outputs].  u: float[outputs].  u and v are constants to differentiation, sigma is linear in W.
    """
    fixed = lax.stop_gradient(matrix)
    v = _unit(fixed @ u)
    u = _unit(v @ fixed)
    return v @ matrix @ u, u


class SpectralNorm(nn.Module):
    """W / sigma(W), one power iteration per call; the last axis of the kernel is its outputs."""

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


class SpectralConv(nn.Module):
    """Convolution, "SAME" padding, with a spectrally normalised kernel."""

    features: int
    kernel_size: int = 3
    stride: int = 1
    use_bias: bool = True
    initializer: Initializer = GLOROT
    dtype: Any = None

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """Return float[batch, height / stride, width / stride, features]."""
        shape = (self.kernel_size, self.kernel_size, x.shape[-1], self.features)
        kernel = SpectralNorm(name="norm")(self.param("kernel", self.initializer.kernel, shape, jnp.float32))
        x, kernel = nn.dtypes.promote_dtype(x, kernel, dtype=self.dtype)
        strides = (self.stride, self.stride)
        y = lax.conv_general_dilated(x, kernel, strides, "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC"))
        return _with_bias(self, y, shape[0] * shape[1] * shape[2])


class SpectralDense(nn.Module):
    """Dense layer with a spectrally normalised kernel."""

    features: int
    use_bias: bool = True
    initializer: Initializer = GLOROT
    dtype: Any = None

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """Return float[..., features]."""
        shape = (x.shape[-1], self.features)
        kernel = SpectralNorm(name="norm")(self.param("kernel", self.initializer.kernel, shape, jnp.float32))
        x, kernel = nn.dtypes.promote_dtype(x, kernel, dtype=self.dtype)
        return _with_bias(self, x @ kernel, shape[0])


class SpectralEmbed(nn.Module):
    """A row per class, the whole table spectrally normalised (the transpose has the same largest singular value)."""

    classes: int
    features: int
    initializer: Initializer = GLOROT
    dtype: Any = None

    @nn.compact
    def __call__(self, labels: jax.Array) -> jax.Array:
        """Return float[..., features] for int[...] labels in [0, classes)."""
        shape = (self.classes, self.features)
        table = SpectralNorm(name="norm")(self.param("table", self.initializer.kernel, shape, jnp.float32))
        rows, table = nn.dtypes.promote_dtype(jax.nn.one_hot(labels, self.classes), table, dtype=self.dtype)
        return rows @ table


def _with_bias(module: SpectralConv | SpectralDense, y: jax.Array, fan_in: int) -> jax.Array:
    if not module.use_bias:
        return y
    bias = module.param("bias", module.initializer.bias(fan_in), (module.features,), jnp.float32)
    return y + bias.astype(y.dtype).reshape((1,) * (y.ndim - 1) + (-1,))
