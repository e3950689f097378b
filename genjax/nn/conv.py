"""Convolutional encoder and decoder, and a transposed convolution whose gradient is fast."""

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from flax import linen as nn
from jax import lax

from genjax.nn.initializers import GLOROT, Initializer
from genjax.nn.normalization import BatchNorm

_LAYOUT = ("NHWC", "HWIO", "NHWC")


def _same_padding(kernel: int, stride: int) -> tuple[int, int]:
    total = kernel + stride - 2
    before = kernel - 1 if stride > kernel - 1 else -(-total // 2)
    return before, total - before


@partial(jax.custom_vjp, nondiff_argnums=(2,))
def conv_transpose(x: jax.Array, kernel: jax.Array, stride: int) -> jax.Array:
    """`lax.conv_transpose` with "SAME" padding: float[batch, h, w, i] -> float[batch, stride h, stride w, o].

    kernel: float[k, k, i, o]. The gradient is the same numbers by strided convolutions: that of the dilated convolution
    to its kernel falls on a path of XLA that takes ten times as long. Reverse mode only, to any order.
    """
    return lax.conv_transpose(x, kernel, (stride, stride), "SAME")


def _adjoint(g, kernel, stride):
    padding = [tuple(k - 1 - side for side in _same_padding(k, stride)) for k in kernel.shape[:2]]
    flipped = jnp.flip(kernel, (0, 1)).swapaxes(2, 3)
    return lax.conv_general_dilated(g, flipped, (stride, stride), padding, dimension_numbers=_LAYOUT)


def _backward(stride, residuals, g):
    x, kernel = residuals
    dx, to_kernel = jax.vjp(lambda kernel: _adjoint(g, kernel, stride), kernel)
    return dx, to_kernel(x)[0]


conv_transpose.defvjp(lambda x, kernel, stride: (conv_transpose(x, kernel, stride), (x, kernel)), _backward)


class ConvTranspose(nn.Module):
    """Transposed convolution, "SAME" padding: spatial sizes are multiplied by `stride`."""

    features: int
    kernel_size: int = 4
    stride: int = 2
    use_bias: bool = True
    initializer: Initializer = GLOROT
    dtype: Any = None

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """Return float[batch, stride height, stride width, features]."""
        shape = (self.kernel_size, self.kernel_size, x.shape[-1], self.features)
        kernel = self.param("kernel", self.initializer.kernel, shape, jnp.float32)
        x, kernel = nn.dtypes.promote_dtype(x, kernel, dtype=self.dtype)
        y = conv_transpose(x, kernel, self.stride)
        if self.use_bias:
            bias = self.param("bias", self.initializer.bias(math.prod(shape[:3])), (self.features,), jnp.float32)
            y = y + bias.astype(y.dtype).reshape(1, 1, 1, -1)
        return y


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
        """Return float32[..., size] for each size in `heads`; arguments as in `genjax.nn.dense.DenseEncoder`."""
        leading, shape = images.shape[:-3], images.shape[-3:]
        x = images
        if condition is not None:
            leading = jnp.broadcast_shapes(leading, condition.shape[:-1])
            planes = jnp.broadcast_to(condition[..., None, None, :], (*leading, *shape[:2], condition.shape[-1]))
            x = jnp.concatenate([jnp.broadcast_to(images, (*leading, *shape)), planes.astype(images.dtype)], -1)
        x = x.reshape(-1, *x.shape[-3:])
        for features in self.channels:
            x = nn.Conv(
                features,
                (4, 4),
                (2, 2),
                use_bias=not self.batch_norm,
                kernel_init=self.initializer.kernel,
                bias_init=self.initializer.bias(16 * x.shape[-1]),
                dtype=self.dtype,
            )(x)
            if self.batch_norm:
                x = BatchNorm(dtype=self.dtype)(x, train)
            x = self.activation(x)
        x = x.reshape(*leading, -1)
        return tuple(_dense(self, size, x, f"head_{i}")(x).astype(jnp.float32) for i, size in enumerate(heads))


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
        """Return float32[..., height, width, channels]; arguments as in `genjax.nn.dense.DenseDecoder`."""
        height, width, pixel = image_shape
        sizes = [(-(-height // 2**i), -(-width // 2**i)) for i in reversed(range(len(self.channels) + 1))]
        leading, x = latent.shape[:-1], latent
        if condition is not None:
            leading = jnp.broadcast_shapes(leading, condition.shape[:-1])
            parts = (jnp.broadcast_to(part, (*leading, part.shape[-1])) for part in (latent, condition))
            x = jnp.concatenate([part.astype(latent.dtype) for part in parts], -1)
        x = x.reshape(-1, x.shape[-1])
        (rows, columns), first = sizes[0], self.channels[0]
        x = _dense(self, rows * columns * first, x, "grid", not self.batch_norm)(x).reshape(-1, rows, columns, first)
        for (rows, columns), features in zip(sizes[1:], (*self.channels[1:], pixel), strict=True):
            if self.batch_norm:
                x = BatchNorm(dtype=self.dtype)(x, train)
            x = self.activation(x)
            last = (rows, columns) == (height, width)
            layer = ConvTranspose(
                features, use_bias=last or not self.batch_norm, initializer=self.initializer, dtype=self.dtype
            )
            x = layer(x)[:, :rows, :columns]
        return x.astype(jnp.float32).reshape(*leading, height, width, pixel)


def _dense(module: ConvEncoder | ConvDecoder, features: int, x: jax.Array, name: str, bias: bool = True) -> nn.Dense:
    return nn.Dense(
        features,
        use_bias=bias,
        kernel_init=module.initializer.kernel,
        bias_init=module.initializer.bias(x.shape[-1]),
        dtype=module.dtype,
        name=name,
    )
