"""Strided and transposed convolutions whose derivatives are fast, and convolutional encoder and decoder."""

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from flax import linen as nn
from jax import lax
from jax.ad_checkpoint import checkpoint_name

from genjax.nn.initializers import GLOROT, Initializer
from genjax.nn.normalization import BatchNorm

_LAYOUT = ("NHWC", "HWIO", "NHWC")
_Padding = tuple[int, int]


def _convolve(x: jax.Array, kernel: jax.Array, rows: _Padding, columns: _Padding) -> jax.Array:
    taken, features = kernel.shape[2:]
    if jax.default_backend() == "cpu" and 4 * features <= taken and kernel.shape[:2] != (1, 1):
        x = lax.pad(x, jnp.zeros((), x.dtype), ((0, 0, 0), (*rows, 0), (*columns, 0), (0, 0, 0)))
        return checkpoint_name(_few(x, kernel), "convolution")  # worth keeping, see `genjax.engine.step`
    return lax.conv_general_dilated(x, kernel, (1, 1), (rows, columns), dimension_numbers=_LAYOUT)


@jax.custom_jvp
def _few(x: jax.Array, kernel: jax.Array) -> jax.Array:
    """Return the "VALID" convolution to few channels: one product gives all taps of all pixels, shifts add them up.

    XLA for CPUs copies every pixel's patch of all channels first, which takes up to forty times as long.
    """
    (rows, columns, taken, features), (batch, height, width, _) = kernel.shape, x.shape
    flat = kernel.transpose(2, 0, 1, 3).reshape(taken, -1)
    y = jnp.matmul(x, flat, preferred_element_type=jnp.promote_types(x.dtype, jnp.float32))
    y = y.reshape(batch, height, width, rows, columns, features)
    height, width = height - rows + 1, width - columns + 1
    parts = [y[:, u : u + height, v : v + width, u, v] for u in range(rows) for v in range(columns)]
    return sum(parts[1:], parts[0]).astype(x.dtype)


@partial(_few.defjvp, symbolic_zeros=True)
def _few_jvp(primals, tangents):
    parts = [
        _by_columns(x, kernel)
        for x, kernel in ((tangents[0], primals[1]), (primals[0], tangents[1]))
        if not any(isinstance(each, jax.custom_derivatives.SymbolicZero) for each in (x, kernel))
    ]
    return _few(*primals), sum(parts[1:], parts[0])


def _by_columns(x: jax.Array, kernel: jax.Array) -> jax.Array:
    # The same sum, a column of taps at a time: its gradients are those of a convolution to several times as many
    # channels, which XLA computes fast, where those of `_few` would scatter.
    (rows, columns, taken, features), width = kernel.shape, x.shape[2] - kernel.shape[1] + 1
    beside = kernel.transpose(0, 2, 1, 3).reshape(rows, 1, taken, columns * features)
    y = lax.conv_general_dilated(x, beside, (1, 1), "VALID", dimension_numbers=_LAYOUT)
    y = y.reshape(*y.shape[:3], columns, features)
    parts = [y[:, :, v : v + width, v] for v in range(columns)]
    return sum(parts[1:], parts[0])


def conv(x: jax.Array, kernel: jax.Array, stride: int, padded: bool = True) -> jax.Array:
    """`lax.conv` with "SAME" padding, or none, as a sum over the stride^2 sub-lattices of x, each convolved plainly.

    y[u] = sum_p sum_j x_p[u + q_p + j] w_p[j] with x_p = x[p::stride], w_p = the taps that fall on that sub-lattice.
    x: float[batch, h, w, i].  kernel: float[k, k, i, o].  Returns float[batch, ceil(h / stride), ceil(w / stride), o].
    The same multiplications as the strided convolution, but no derivative of any order contains a dilated one, whose
    gradient to the kernel falls on a path of XLA that takes ten times as long: a gradient penalty needs just that.
    """

    def taps(size: int, taken: int, phase: int) -> tuple[int, _Padding] | None:
        out = -(-size // stride) if padded else (size - taken) // stride + 1
        before = max((out - 1) * stride + taken - size, 0) // 2 if padded else 0
        first = (phase + before) % stride
        count, offset = len(range(first, taken, stride)), (first - before - phase) // stride
        length = len(range(phase, size, stride))
        return (first, (-offset, out - length + offset + count - 1)) if count and length else None

    height, width = (
        [(phase, taps(size, taken, phase)) for phase in range(stride)]
        for size, taken in zip(x.shape[1:3], kernel.shape[:2], strict=True)
    )
    parts = [
        _convolve(x[:, row::stride, column::stride], kernel[down[0] :: stride, across[0] :: stride], down[1], across[1])
        for row, down in height
        for column, across in width
        if down and across
    ]
    return sum(parts[1:], parts[0])


def conv_transpose(x: jax.Array, kernel: jax.Array, stride: int) -> jax.Array:
    """`lax.conv_transpose` with "SAME" padding, as stride^2 convolutions whose outputs interlace.

    Output row stride u + p takes part only in every stride-th tap: y_p[u] = sum_j x[u + d_p - j] w_p[j].
    x: float[batch, h, w, i].  kernel: float[k, k, i, o].  Returns float[batch, stride h, stride w, o].
    The same multiplications, and plain convolutions in every derivative of any order and mode: see `conv`. Source of
    the sub-pixel form: Shi et al. 2016, Is the deconvolution layer the same as a convolutional layer?, 1609.07009.
    """
    if stride == 1:
        return lax.conv_transpose(x, kernel, (1, 1), "SAME")
    (batch, height, width, _), features = x.shape, kernel.shape[-1]
    scattered = jnp.flip(kernel, (0, 1))

    def taps(taken: int, phase: int) -> tuple[int, _Padding] | None:
        before = taken - 1 if stride > taken - 1 else -(-(taken + stride - 2) // 2)  # what lax pads
        shift = phase + taken - 1 - before
        first, offset = shift % stride, shift // stride
        count = len(range(first, taken, stride))
        return (first, (count - 1 - offset, offset)) if count else None

    def part(down: tuple[int, _Padding] | None, across: tuple[int, _Padding] | None) -> jax.Array:
        if down is None or across is None:  # a stride above the kernel's size leaves gaps
            return jnp.zeros((batch, height, width, features), x.dtype)
        own = jnp.flip(scattered[down[0] :: stride, across[0] :: stride], (0, 1))
        return _convolve(x, own, down[1], across[1])

    rows, columns = ([taps(taken, phase) for phase in range(stride)] for taken in kernel.shape[:2])
    y = jnp.stack([jnp.stack([part(down, across) for across in columns], 3) for down in rows], 2)
    return y.reshape(batch, stride * height, stride * width, features)


class Conv(nn.Module):
    """Convolution for networks that stand under a gradient penalty, or to few channels: see `conv`."""

    features: int
    kernel_size: int = 4
    stride: int = 2
    use_bias: bool = True
    initializer: Initializer = GLOROT
    dtype: Any = None
    padded: bool = True

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """Return float[batch, height / stride, width / stride, features], rounded up; less the rim unless `padded`."""
        return _layer(self, partial(conv, padded=self.padded), x)


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
        return _layer(self, conv_transpose, x)


def _layer(module: Conv | ConvTranspose, function: Callable[..., jax.Array], x: jax.Array) -> jax.Array:
    shape = (module.kernel_size, module.kernel_size, x.shape[-1], module.features)
    kernel = module.param("kernel", module.initializer.kernel, shape, jnp.float32)
    x, kernel = nn.dtypes.promote_dtype(x, kernel, dtype=module.dtype)
    y = function(x, kernel, module.stride)
    if module.use_bias:
        bias = module.param("bias", module.initializer.bias(math.prod(shape[:3])), (module.features,), jnp.float32)
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
