"""Dense layers, also on several inputs at once, and embeddings of labels."""

from typing import Any

import jax
import jax.numpy as jnp
from flax import linen as nn

from genjax.nn.initializers import GLOROT, Initializer
from genjax.nn.weights import Plain, Weight, affine


class Dense(nn.Module):
    """y = x W + b; weight: plain, spectral or equalised."""

    features: int
    use_bias: bool = True
    weight: Weight = Plain()
    dtype: Any = None

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """Return float[..., features]."""
        return affine(self, x, (x.shape[-1], self.features), jnp.matmul)


class ConcatDense(nn.Module):
    """y = concatenate(parts) W + b, without building the concatenation; leading axes of the parts broadcast.

    parts: float[..., features_i] of one rank. Costs less than concatenation where a part has leading axes of 1.
    """

    features: int
    initializer: Initializer = GLOROT
    dtype: Any = None

    @nn.compact
    def __call__(self, *parts: jax.Array) -> jax.Array:
        """Return float[..., features]."""
        fan_in = sum(part.shape[-1] for part in parts)
        kernel = self.param("kernel", self.initializer.kernel, (fan_in, self.features), jnp.float32)
        bias = self.param("bias", self.initializer.bias(fan_in), (self.features,), jnp.float32)
        *inputs, kernel, bias = nn.dtypes.promote_dtype(*parts, kernel, bias, dtype=self.dtype)
        start, total = 0, bias.reshape((1,) * (inputs[0].ndim - 1) + (-1,))
        for part in inputs:
            # As matrices: with more axes, XLA for CPUs takes three times as long over the gradients.
            rows = part.reshape(-1, part.shape[-1]) @ kernel[start : start + part.shape[-1]]
            total = total + rows.reshape(*part.shape[:-1], self.features)
            start += part.shape[-1]
        return total


class Embedding(nn.Module):
    """A learned row per class, and zeros for label -1, "no label": such images give the table no gradient."""

    classes: int
    features: int
    weight: Weight = Plain()
    dtype: Any = None

    @nn.compact
    def __call__(self, labels: jax.Array) -> jax.Array:
        """Return float[..., features] for int[...] labels in [-1, classes)."""
        table = self.weight.kernel(self, (self.classes, self.features), "table")
        rows, table = nn.dtypes.promote_dtype(jax.nn.one_hot(labels, self.classes), table, dtype=self.dtype)
        return rows @ table
