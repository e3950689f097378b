"""Dense encoder and decoder, with an optional condition joined before or after the hidden layers.

A condition (a label's embedding, say) that joins after the last hidden layer can only add a fixed vector per condition
to the outputs: logits = f(latent) + g(condition). Joined before the first hidden layer it can interact.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
from flax import linen as nn

from genjax.nn.dropout import Dropout
from genjax.nn.initializers import GLOROT, Initializer
from genjax.nn.normalization import BatchNorm
from genjax.nn.wide import wide


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


class LabelEmbedding(nn.Module):
    """A learned row per class, and zeros for label -1, "no label": such images give the table no gradient."""

    classes: int
    features: int
    initializer: Initializer = GLOROT
    dtype: Any = None

    @nn.compact
    def __call__(self, labels: jax.Array) -> jax.Array:
        """Return float[..., features] for int[...] labels in [-1, classes)."""
        table = self.param("table", self.initializer.kernel, (self.classes, self.features), jnp.float32)
        rows, table = nn.dtypes.promote_dtype(jax.nn.one_hot(labels, self.classes), table, dtype=self.dtype)
        return rows @ table


class _Hidden(nn.Module):
    """Dense layers, each with activation, then batch norm, then dropout, where asked for."""

    hidden: Sequence[int]
    activation: Callable[[jax.Array], jax.Array]
    batch_norm: bool
    dropout: float
    late: bool
    initializer: Initializer
    dtype: Any

    @nn.compact
    def __call__(self, x: jax.Array, condition: jax.Array | None, train: bool) -> tuple[jax.Array, ...]:
        parts = (x,) if condition is None or self.late else (x, condition)
        for features in self.hidden:
            y = self.activation(ConcatDense(features, self.initializer, self.dtype)(*parts))
            if self.batch_norm:
                y = BatchNorm(dtype=self.dtype)(y, train)
            if self.dropout:
                y = Dropout(self.dropout)(y, train)
            parts = (y,)
        return (*parts, self.activation(condition)) if condition is not None and self.late else parts


class DenseEncoder(nn.Module):
    """Flattened images -> hidden layers -> one linear output per head.

    hidden: sizes of the hidden layers.  batch_norm, dropout: after each activation.
    late: join the condition after the hidden layers instead of before them.
    """

    hidden: Sequence[int] = (128,)
    activation: Callable[[jax.Array], jax.Array] = nn.tanh
    batch_norm: bool = False
    dropout: float = 0.0
    late: bool = False
    initializer: Initializer = GLOROT
    dtype: Any = None

    @nn.compact
    def __call__(
        self, images: jax.Array, condition: jax.Array | None, heads: Sequence[int], train: bool
    ) -> tuple[jax.Array, ...]:
        """Return float32[..., size] for each size in `heads`.

        images: float[..., height, width, channels].  condition: float[..., features] or None; leading axes broadcast.
        """
        x = images.reshape(*images.shape[:-3], math.prod(images.shape[-3:]))
        shape = (self.hidden, self.activation, self.batch_norm, self.dropout, self.late, self.initializer, self.dtype)
        parts = _Hidden(*shape, name="body")(x, condition, train)
        return tuple(
            wide(ConcatDense(size, self.initializer, self.dtype, name=f"head_{index}")(*parts))
            for index, size in enumerate(heads)
        )


class DenseDecoder(nn.Module):
    """Latent -> hidden layers -> a linear output per pixel and channel; fields as in `DenseEncoder`."""

    hidden: Sequence[int] = (128,)
    activation: Callable[[jax.Array], jax.Array] = nn.tanh
    batch_norm: bool = False
    dropout: float = 0.0
    late: bool = False
    initializer: Initializer = GLOROT
    dtype: Any = None

    @nn.compact
    def __call__(
        self, latent: jax.Array, condition: jax.Array | None, image_shape: Sequence[int], train: bool
    ) -> jax.Array:
        """Return float32[..., height, width, channels] with `image_shape` = (height, width, channels).

        latent: float[..., size].  condition: float[..., features] or None; leading axes broadcast.
        """
        shape = (self.hidden, self.activation, self.batch_norm, self.dropout, self.late, self.initializer, self.dtype)
        parts = _Hidden(*shape, name="body")(latent, condition, train)
        pixels = ConcatDense(math.prod(image_shape), self.initializer, self.dtype, name="head")(*parts)
        return wide(pixels).reshape(*pixels.shape[:-1], *image_shape)
