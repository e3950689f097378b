"""Convolutions for CPUs: the numbers of `jax.lax`, with derivatives of every order made of plain convolutions.

XLA for CPUs has no fast path for dilated convolutions, which are the gradients of strided and transposed ones, and is
slow from and to few channels. Other backends have tuned programs for all of these.
"""

import math
from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jax.custom_derivatives import SymbolicZero

LAYOUT = ("NHWC", "HWIO", "NHWC")
NAME = "convolution"
"""Of a convolution's result in a program on CPUs, where it may be made of products and sums."""

Pads = tuple[int, int]


class _Plain(NamedTuple):
    """A convolution of stride 1: its kernel, float[rows, columns, i, o], and the padding, which may be negative."""

    kernel: jax.Array
    rows: Pads
    columns: Pads

    @property
    def pointwise(self) -> bool:
        return self.kernel.shape[:2] == (1, 1) and self.rows == self.columns == (0, 0)


def conv(x: jax.Array, kernel: jax.Array, stride: int, rows: Pads, columns: Pads) -> jax.Array:
    """Return the convolution; its derivatives to x are sums over the stride^2 sub-lattices of x.

    y[u] = sum_p sum_j x_p[u + q_p + j] w_p[j] with x_p = x[p::stride], w_p = the taps that fall on that sub-lattice.
    The same multiplications as the strided convolution, but no derivative to x, of any order, contains a dilated one,
    which takes up to a hundred times as long: gradients to images, and penalties on them, need just that.
    """
    if stride == 1:
        return _convolve(x, [_Plain(kernel, rows, columns)])[0]
    if _heavy(x, kernel, stride, rows, columns):
        return _by_patches(x, kernel, stride, rows, columns)
    if _light(kernel):
        return _by_pairs(x, kernel, stride, rows, columns)
    return _strided(x, kernel, stride, rows, columns)


def conv_transpose(x: jax.Array, kernel: jax.Array, stride: int) -> jax.Array:
    """Return the transposed convolution with "SAME" padding as stride^2 convolutions whose outputs interlace.

    Output row stride u + p takes part only in every stride-th tap: y_p[u] = sum_j x[u + d_p - j] w_p[j].
    The same multiplications, and plain convolutions in every derivative of any order and mode.
    Source: Shi et al. 2016, Is the deconvolution layer the same as a convolutional layer?, arXiv 1609.07009.
    """
    (batch, height, width, _), features = x.shape, kernel.shape[-1]
    scattered = jnp.flip(kernel, (0, 1))

    def taps(taken: int, phase: int) -> tuple[int, Pads] | None:
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
    return y.reshape(batch, stride * height, stride * width, features)


@partial(jax.custom_jvp, nondiff_argnums=(2, 3, 4))
def _strided(x: jax.Array, kernel: jax.Array, stride: int, rows: Pads, columns: Pads) -> jax.Array:
    return lax.conv_general_dilated(x, kernel, (stride, stride), (rows, columns), dimension_numbers=LAYOUT)


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


def _by_lattices(x: jax.Array, kernel: jax.Array, stride: int, rows: Pads, columns: Pads) -> jax.Array:
    def taps(size: int, taken: int, padding: Pads, phase: int) -> tuple[int, Pads] | None:
        out = _outputs(size, taken, stride, padding)
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


def _convolve(x: jax.Array, parts: Sequence[_Plain]) -> list[jax.Array]:
    """Return each plain convolution of x."""
    taken, features = parts[0].kernel.shape[2:]
    if _heavy(x, parts[0].kernel, 1, parts[0].rows, parts[0].columns):
        return [_by_patches(x, part.kernel, 1, part.rows, part.columns) for part in parts]
    if 4 * features <= taken:
        return _few(x, parts)
    if _light(parts[0].kernel):
        return [_by_pairs(x, part.kernel, 1, part.rows, part.columns) for part in parts]
    return [_pointwise(x, part.kernel[0, 0]) if part.pointwise else _windowed(x, part) for part in parts]


def _heavy(x: jax.Array, kernel: jax.Array, stride: int, rows: Pads, columns: Pads) -> bool:
    """Return whether the kernel has as many numbers as all patches together, or more."""
    axes = zip(x.shape[1:3], kernel.shape[:2], (rows, columns), strict=True)
    pixels = x.shape[0] * math.prod(_outputs(size, taken, stride, padding) for size, taken, padding in axes)
    return pixels <= kernel.shape[-1]


def _outputs(size: int, taken: int, stride: int, padding: Pads) -> int:
    return (size + sum(padding) - taken) // stride + 1


def _by_patches(x: jax.Array, kernel: jax.Array, stride: int, rows: Pads, columns: Pads) -> jax.Array:
    """Return the convolution as the product of all patches with the kernel, which stays as it lies in memory.

    Where kernels are large and pixels few, most of the time goes into transposing kernels for gradients, and XLA
    exchanges image and kernel where the latter is larger. Taps that only ever meet the padding are left out.
    """

    def met(size: int, taken: int, padding: Pads) -> tuple[int, slice, Pads]:
        """Return the number of outputs, the taps that meet a pixel, and the padding that these need."""
        outputs = _outputs(size, taken, stride, padding)
        places = {tap: range(tap - padding[0], tap - padding[0] + outputs * stride, stride) for tap in range(taken)}
        taps = [tap for tap, where in places.items() if any(0 <= place < size for place in where)] or [0]
        low = padding[0] - taps[0]
        return (
            outputs,
            slice(taps[0], taps[-1] + 1),
            (low, (outputs - 1) * stride + taps[-1] + 1 - taps[0] - size - low),
        )

    (height, down, vertical), (width, across, horizontal) = map(met, x.shape[1:3], kernel.shape[:2], (rows, columns))
    kernel = kernel[down, across]
    padded = lax.pad(x, jnp.zeros((), x.dtype), ((0, 0, 0), (*vertical, 0), (*horizontal, 0), (0, 0, 0)))
    patches = [
        padded[:, u : u + (height - 1) * stride + 1 : stride, v : v + (width - 1) * stride + 1 : stride]
        for u in range(kernel.shape[0])
        for v in range(kernel.shape[1])
    ]
    return _product(jnp.concatenate(patches, -1), kernel.reshape(-1, kernel.shape[-1])).astype(x.dtype)


def _light(kernel: jax.Array) -> bool:
    """Return whether there are so few channels that patches take as long to copy as to multiply, or longer."""
    _, across, taken, features = kernel.shape
    return across > 1 and taken < 4 and features <= 128


def _by_pairs(x: jax.Array, kernel: jax.Array, stride: int, rows: Pads, columns: Pads) -> jax.Array:
    """Return the convolution as one product that gives two neighbouring pixels at a time.

    Their common patch is hardly larger than that of one: half as much to copy, at a few more multiplications by zero.
    """
    (batch, size, width, taken), (down, across, _, features) = x.shape, kernel.shape
    height, outputs = _outputs(size, down, stride, rows), _outputs(width, across, stride, columns)
    pairs, span, step = -(-outputs // 2), across + stride, 2 * stride
    pieces = -(-span // step)  # of a patch's line, which overlaps with its neighbours'
    right = step * (pairs + pieces - 1) - width - columns[0]
    padded = lax.pad(x, jnp.zeros((), x.dtype), ((0, 0, 0), (*rows, 0), (columns[0], right, 0), (0, 0, 0)))
    lines = padded.reshape(batch, -1, pairs + pieces - 1, step * taken)
    parts = [lines[:, :, n : n + pairs, : min(step, span - n * step) * taken] for n in range(pieces)]
    common = jnp.concatenate(parts, -1)
    patches = jnp.concatenate([common[:, u : u + (height - 1) * stride + 1 : stride] for u in range(down)], -1)
    first, second = (jnp.pad(kernel, ((0, 0), gap, (0, 0), (0, 0))) for gap in ((0, stride), (stride, 0)))
    y = _product(patches, jnp.stack([first, second], 3).reshape(-1, 2 * features)).astype(x.dtype)
    return y.reshape(batch, height, 2 * pairs, features)[:, :, :outputs]


def _windowed(x: jax.Array, part: _Plain) -> jax.Array:
    return lax.conv_general_dilated(x, part.kernel, (1, 1), (part.rows, part.columns), dimension_numbers=LAYOUT)


def _pointwise(x: jax.Array, matrix: jax.Array) -> jax.Array:
    """Return the same product for every pixel; as a convolution, XLA would transpose x for the matrix's gradient."""
    return _product(x, matrix).astype(x.dtype)


def _product(x: jax.Array, matrix: jax.Array) -> jax.Array:
    """Return x @ matrix, at least in float32.

    With all pixels on one axis: the matrix's gradient takes half as long again where it sums over several.
    """
    wide = jnp.promote_types(x.dtype, jnp.float32)
    rows = jnp.matmul(x.reshape(-1, x.shape[-1]), matrix, preferred_element_type=wide)
    return rows.reshape(*x.shape[:-1], -1)


def _few(x: jax.Array, parts: Sequence[_Plain]) -> list[jax.Array]:
    """Return convolutions to few channels: one product gives all taps of all pixels, which are shifted and added.

    XLA for CPUs copies every pixel's patch of all channels instead, and takes several times as long. Backwards, a
    split becomes a concatenation: patches of the few channels' gradients, and a product with each factor.
    """
    flat = [part.kernel.transpose(2, 0, 1, 3).reshape(x.shape[-1], -1) for part in parts]
    features = parts[0].kernel.shape[-1]
    y = _product(x, jnp.concatenate(flat, 1))
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
