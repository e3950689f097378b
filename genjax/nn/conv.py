"""Convolutions with the numbers of `jax.lax`, rewritten where XLA for CPUs is slow; convolutional encoder and decoder.

Other backends have one tuned program for a strided or transposed convolution and for each of its gradients, and get it.
"""

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from flax import linen as nn
from jax import lax
from jax.ad_checkpoint import checkpoint_name
from jax.custom_derivatives import SymbolicZero

from genjax.nn.initializers import GLOROT, Initializer
from genjax.nn.normalization import BatchNorm

_LAYOUT = ("NHWC", "HWIO", "NHWC")
_Padding = tuple[int, int]
Padding = str | tuple[_Padding, _Padding]


class _Plain(NamedTuple):
    """A convolution of stride 1: its kernel, float[rows, columns, i, o], and the padding, which may be negative."""

    kernel: jax.Array
    rows: _Padding
    columns: _Padding


def _on_cpu() -> bool:
    return jax.default_backend() == "cpu"


def _convolve(x: jax.Array, parts: Sequence[_Plain]) -> list[jax.Array]:
    """Return each plain convolution of x."""
    taken, features = parts[0].kernel.shape[2:]
    if 4 * features <= taken:
        return _few(x, parts)
    return [
        lax.conv_general_dilated(x, part.kernel, (1, 1), (part.rows, part.columns), dimension_numbers=_LAYOUT)
        for part in parts
    ]


def _few(x: jax.Array, parts: Sequence[_Plain]) -> list[jax.Array]:
    """Return convolutions to few channels: one product gives all taps of all pixels, which are shifted and added.

    XLA for CPUs copies every pixel's patch of all channels instead, and takes several times as long. Backwards, a
    split becomes a concatenation: patches of the few channels' gradients, and a product with each factor.
    """
    flat = [part.kernel.transpose(2, 0, 1, 3).reshape(x.shape[-1], -1) for part in parts]
    features = parts[0].kernel.shape[-1]
    y = jnp.matmul(x, jnp.concatenate(flat, 1), preferred_element_type=jnp.promote_types(x.dtype, jnp.float32))
    taps = iter(lax.split(y, [features] * (y.shape[-1] // features), axis=3))
    zero = jnp.zeros((), y.dtype)

    def total(part: _Plain) -> jax.Array:
        (top, bottom), (left, right), (rows, columns) = part.rows, part.columns, part.kernel.shape[:2]
        shifted = [
            lax.pad(next(taps), zero, ((0, 0, 0), (top - u, bottom + u + 1 - rows, 0),
                                       (left - v, right + v + 1 - columns, 0), (0, 0, 0)))
            for u in range(rows)
            for v in range(columns)
        ]  # fmt: skip
        return sum(shifted[1:], shifted[0]).astype(x.dtype)

    return [total(part) for part in parts]


def conv(x: jax.Array, kernel: jax.Array, stride: int, padding: Padding = "SAME") -> jax.Array:
    """`lax.conv_general_dilated`, whose derivatives to x are on CPUs sums over the stride^2 sub-lattices of x.

    y[u] = sum_p sum_j x_p[u + q_p + j] w_p[j] with x_p = x[p::stride], w_p = the taps that fall on that sub-lattice.
    x: float[batch, h, w, i].  kernel: float[k, k, i, o].  padding: "SAME", "VALID" or pixels around each axis.
    Returns float[batch, h', w', o].
    The same multiplications as the strided convolution, but no derivative to x, of any order, contains a dilated one,
    which takes up to a hundred times as long there: gradients to images, and penalties on them, need just that.
    """
    if isinstance(padding, str):
        rows, columns = lax.padtype_to_pads(x.shape[1:3], kernel.shape[:2], (stride, stride), padding)
    else:
        rows, columns = padding
    if not _on_cpu():
        return lax.conv_general_dilated(x, kernel, (stride, stride), (rows, columns), dimension_numbers=_LAYOUT)
    if stride == 1:
        return _kept(_convolve(x, [_Plain(kernel, rows, columns)])[0])
    return _kept(_strided(x, kernel, stride, rows, columns))


# Rematerialised losses keep what has this name, as they keep convolutions: see `genjax.engine.step`.
_kept = partial(checkpoint_name, name="convolution")


@partial(jax.custom_jvp, nondiff_argnums=(2, 3, 4))
def _strided(x: jax.Array, kernel: jax.Array, stride: int, rows: _Padding, columns: _Padding) -> jax.Array:
    return lax.conv_general_dilated(x, kernel, (stride, stride), (rows, columns), dimension_numbers=_LAYOUT)


@partial(_strided.defjvp, symbolic_zeros=True)
def _strided_jvp(stride, rows, columns, primals, tangents):
    (x, kernel), (dx, dkernel) = primals, tangents
    y = _strided(x, kernel, stride, rows, columns)
    parts = []
    if not isinstance(dx, SymbolicZero):
        parts.append(_by_lattices(dx, kernel, stride, rows, columns))
    if not isinstance(dkernel, SymbolicZero):
        parts.append(_strided.fun(x, dkernel, stride, rows, columns))
    return y, sum(parts[1:], parts[0])


def _by_lattices(x: jax.Array, kernel: jax.Array, stride: int, rows: _Padding, columns: _Padding) -> jax.Array:
    def taps(size: int, taken: int, padding: _Padding, phase: int) -> tuple[int, _Padding] | None:
        out = (size + sum(padding) - taken) // stride + 1
        first = (phase + padding[0]) % stride
        count, offset = len(range(first, taken, stride)), (first - padding[0] - phase) // stride
        length = len(range(phase, size, stride))
        return (first, (-offset, out - length + offset + count - 1)) if count and length else None

    height, width = (
        [(phase, taps(size, taken, padding, phase)) for phase in range(stride)]
        for size, taken, padding in zip(x.shape[1:3], kernel.shape[:2], (rows, columns), strict=True)
    )
    parts = [
        _convolve(
            x[:, row::stride, column::stride],
            [_Plain(kernel[down[0] :: stride, across[0] :: stride], down[1], across[1])],
        )[0]
        for row, down in height
        for column, across in width
        if down and across
    ]
    return sum(parts[1:], parts[0])


def conv_transpose(x: jax.Array, kernel: jax.Array, stride: int) -> jax.Array:
    """`lax.conv_transpose` with "SAME" padding, on CPUs as stride^2 convolutions whose outputs interlace.

    Output row stride u + p takes part only in every stride-th tap: y_p[u] = sum_j x[u + d_p - j] w_p[j].
    x: float[batch, h, w, i].  kernel: float[k, k, i, o].  Returns float[batch, stride h, stride w, o].
    The same multiplications, and plain convolutions in every derivative of any order and mode: see `conv`. Source of
    the sub-pixel form: Shi et al. 2016, Is the deconvolution layer the same as a convolutional layer?, 1609.07009.
    """
    if stride == 1 or not _on_cpu():
        return lax.conv_transpose(x, kernel, (stride, stride), "SAME")
    (batch, height, width, _), features = x.shape, kernel.shape[-1]
    scattered = jnp.flip(kernel, (0, 1))

    def taps(taken: int, phase: int) -> tuple[int, _Padding] | None:
        before = taken - 1 if stride > taken - 1 else -(-(taken + stride - 2) // 2)  # what lax pads
        shift = phase + taken - 1 - before
        first, offset = shift % stride, shift // stride
        count = len(range(first, taken, stride))
        return (first, (count - 1 - offset, offset)) if count else None

    rows, columns = ([taps(taken, phase) for phase in range(stride)] for taken in kernel.shape[:2])
    plain = [
        _Plain(jnp.flip(scattered[down[0] :: stride, across[0] :: stride], (0, 1)), down[1], across[1])
        for down in rows
        for across in columns
        if down and across
    ]
    parts, gap = iter(_convolve(x, plain)), jnp.zeros((batch, height, width, features), x.dtype)
    # A stride above the kernel's size leaves gaps.
    phases = [[next(parts) if down and across else gap for across in columns] for down in rows]
    y = jnp.stack([jnp.stack(row, 3) for row in phases], 2)
    return _kept(y.reshape(batch, stride * height, stride * width, features))


class Conv(nn.Module):
    """Convolution with fast derivatives: see `conv`."""

    features: int
    kernel_size: int = 4
    stride: int = 2
    use_bias: bool = True
    initializer: Initializer = GLOROT
    dtype: Any = None
    padding: Padding = "SAME"

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """Return float[batch, height / stride, width / stride, features], rounded up, with "SAME" padding."""
        return _layer(self, partial(conv, padding=self.padding), x)


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
