"""Encoders and decoders of autoencoders, dense and convolutional, with an optional condition joined to their inputs.

A condition (a label's embedding, say) that joins after the last hidden layer can only add a fixed vector per condition
to the outputs: logits = f(latent) + g(condition). Joined before the first hidden layer it can interact.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
from flax import linen as nn

from genjax.nn.conv import Conv, ConvTranspose
from genjax.nn.dense import ConcatDense, Dense
from genjax.nn.dropout import Dropout
from genjax.nn.initializers import GLOROT, Initializer
from genjax.nn.normalization import BatchNorm
from genjax.nn.weights import Plain
from genjax.nn.wide import wide


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


class ConvEncoder(nn.Module):
    """Strided 4x4 convolutions, each halving the image (rounded up), then one linear output per head.

    channels: of each convolution.  batch_norm: after each convolution, which then has no bias (it would cancel).
    A condition joins as constant planes beside the image's channels.
    """

    channels: Sequence[int] = (32, 64)
    activation: Callable[[jax.Array], jax.Array] = nn.relu
    batch_norm: bool = True
    initializer: Initializer = GLOROT
    dtype: Any = None

    @nn.compact
    def __call__(
        self, images: jax.Array, condition: jax.Array | None, heads: Sequence[int], train: bool
    ) -> tuple[jax.Array, ...]:
        """Return float32[..., size] for each size in `heads`; arguments as in `DenseEncoder`."""
        leading, shape = images.shape[:-3], images.shape[-3:]
        x = images
        if condition is not None:
            leading = jnp.broadcast_shapes(leading, condition.shape[:-1])
            planes = jnp.broadcast_to(condition[..., None, None, :], (*leading, *shape[:2], condition.shape[-1]))
            x = jnp.concatenate([jnp.broadcast_to(images, (*leading, *shape)), planes.astype(images.dtype)], -1)
        x = x.reshape(-1, *x.shape[-3:])
        weight = Plain(self.initializer)
        for features in self.channels:
            x = Conv(features, use_bias=not self.batch_norm, weight=weight, dtype=self.dtype)(x)
            if self.batch_norm:
                x = BatchNorm(dtype=self.dtype)(x, train)
            x = self.activation(x)
        x = x.reshape(*leading, -1)
        return tuple(
            wide(Dense(size, weight=weight, dtype=self.dtype, name=f"head_{index}")(x))
            for index, size in enumerate(heads)
        )


class ConvDecoder(nn.Module):
    """A linear map to the smallest grid, then transposed 4x4 convolutions, each doubling it (cropped to the image).

    channels: of the grid and of each layer but the last, from coarse to fine; the layers' outputs are the image's.
    batch_norm: after every layer but the last; such layers have no bias. A condition joins the latent.
    """

    channels: Sequence[int] = (64, 32)
    activation: Callable[[jax.Array], jax.Array] = nn.relu
    batch_norm: bool = True
    initializer: Initializer = GLOROT
    dtype: Any = None

    @nn.compact
    def __call__(
        self, latent: jax.Array, condition: jax.Array | None, image_shape: Sequence[int], train: bool
    ) -> jax.Array:
        """Return float32[..., height, width, channels]; arguments as in `DenseDecoder`."""
        height, width, pixel = image_shape
        sizes = [(-(-height // 2**i), -(-width // 2**i)) for i in reversed(range(len(self.channels) + 1))]
        leading, x = latent.shape[:-1], latent
        if condition is not None:
            leading = jnp.broadcast_shapes(leading, condition.shape[:-1])
            parts = (jnp.broadcast_to(part, (*leading, part.shape[-1])) for part in (latent, condition))
            x = jnp.concatenate([part.astype(latent.dtype) for part in parts], -1)
        x = x.reshape(-1, x.shape[-1])
        (rows, columns), first = sizes[0], self.channels[0]
        make = {"weight": Plain(self.initializer), "dtype": self.dtype}
        grid = Dense(rows * columns * first, not self.batch_norm, **make, name="grid")
        x = grid(x).reshape(-1, rows, columns, first)
        for (rows, columns), features in zip(sizes[1:], (*self.channels[1:], pixel), strict=True):
            if self.batch_norm:
                x = BatchNorm(dtype=self.dtype)(x, train)
            x = self.activation(x)
            last = (rows, columns) == (height, width)
            x = ConvTranspose(features, use_bias=last or not self.batch_norm, **make)(x)[:, :rows, :columns]
        return wide(x).reshape(*leading, height, width, pixel)
