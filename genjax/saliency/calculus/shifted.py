"""Linear operations in the form that CPUs run fast inside loops: convolutions as shifts, short sums as products."""

import math
from collections.abc import Callable, Collection
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

LARGEST = 2**22  # entries of the matrices that a convolution may become


def shifted(equation: Any, moving: Collection[Any], fixed: list[Any]) -> Callable[..., list[jax.Array]] | None:
    """A convolution with a constant kernel, as a sum over its taps; None for other operations and other machines.

    On CPUs XLA computes convolutions inside loops many times slower than products and sums, and directions are streamed
    in a loop.
    """
    if equation.primitive.name != "conv_general_dilated" or jax.default_backend() != "cpu":
        return None
    parameters, kernel = equation.params, fixed[1]
    numbers, groups = parameters["dimension_numbers"], parameters["feature_group_count"]
    channels = equation.invars[0].aval.shape[numbers.lhs_spec[1]]
    depthwise = groups == channels == kernel.shape[numbers.rhs_spec[0]]
    simple = all(d == 1 for d in parameters["lhs_dilation"]) and parameters["batch_group_count"] == 1
    if equation.invars[1] in moving or not simple or not (groups == 1 or depthwise):
        return None
    taps = kernel.transpose((*numbers.rhs_spec[2:], numbers.rhs_spec[1], numbers.rhs_spec[0]))
    out_shape = [equation.outvars[0].aval.shape[n] for n in numbers.out_spec[2:]]
    strides, dilation = parameters["window_strides"], parameters["rhs_dilation"]
    back = [0] * len(numbers.out_spec)
    for source, target in enumerate((0, len(back) - 1, *range(1, len(back) - 1))):
        back[numbers.out_spec[source]] = target

    def convolve(x: jax.Array) -> list[jax.Array]:
        x = x.transpose((numbers.lhs_spec[0], *numbers.lhs_spec[2:], numbers.lhs_spec[1]))
        pads = [(0, 0, 0), *((low, high, 0) for low, high in parameters["padding"]), (0, 0, 0)]
        x = jax.lax.pad(x, jnp.zeros((), x.dtype), pads)
        total: Any = 0
        for index in np.ndindex(*taps.shape[:-2]):
            start = [0, *(n * d for n, d in zip(index, dilation, strict=True)), 0]
            stop = [
                x.shape[0],
                *(a + (size - 1) * s + 1 for a, size, s in zip(start[1:-1], out_shape, strides, strict=True)),
                x.shape[-1],
            ]
            part = jax.lax.slice(x, start, stop, (1, *strides, 1))
            total = total + (
                part * taps[index].reshape((1,) * (x.ndim - 1) + (-1,)) if depthwise else part @ taps[index]
            )
        return [total.transpose(back)]

    in_shape = [equation.invars[0].aval.shape[n] for n in numbers.lhs_spec[2:]]
    if not depthwise or channels * math.prod(in_shape) * math.prod(out_shape) > LARGEST:
        return convolve
    return _as_products(convolve, equation, kernel.dtype)


def _as_products(convolve: Callable[..., list[jax.Array]], equation: Any, dtype: Any) -> Callable[..., list[jax.Array]]:
    """A depthwise convolution of few positions as one matrix for each channel.

    Besides being faster, products are computed once, where XLA computes sums over taps anew in each operation that
    reads them: with both, the head after the first stage of a small ConvNeXt takes less than half of the time.
    """
    (x,), (out,), numbers = equation.invars[:1], equation.outvars, equation.params["dimension_numbers"]
    grid, channels = [x.aval.shape[n] for n in numbers.lhs_spec[2:]], x.aval.shape[numbers.lhs_spec[1]]
    count = math.prod(grid)
    order = (numbers.lhs_spec[0], *numbers.lhs_spec[2:], numbers.lhs_spec[1])  # batch, positions, channels
    order_out = (numbers.out_spec[0], *numbers.out_spec[2:], numbers.out_spec[1])
    units = jnp.broadcast_to(jnp.eye(count, dtype=dtype).reshape(count, *grid, 1), (count, *grid, channels))
    answers = convolve(units.transpose(np.argsort(order)))[0].transpose(order_out)
    matrices = answers.reshape(count, -1, channels).transpose(2, 0, 1)
    shape = [out.aval.shape[n] for n in order_out]

    def multiply(x: jax.Array) -> list[jax.Array]:
        rows = x.transpose(order).reshape(-1, count, channels)
        products = jnp.einsum("bpc,cpq->bqc", rows, matrices)
        return [products.reshape(-1, *shape[1:]).transpose(np.argsort(order_out))]

    return multiply


def summed(equation: Any) -> Callable[..., list[jax.Array]] | None:
    """A sum over the last axes as a product with ones; None for other operations and other machines.

    XLA's own sum over a few channels took 2 to 7 times as long (CPU, 2026-11-27).
    """
    if equation.primitive.name != "reduce_sum" or jax.default_backend() != "cpu":
        return None
    shape, axes = equation.invars[0].aval.shape, equation.params["axes"]
    kept = len(shape) - len(axes)
    if not axes or sorted(axes) != list(range(kept, len(shape))):
        return None

    def total(x: jax.Array) -> list[jax.Array]:
        rows = x.reshape(math.prod(shape[:kept]), math.prod(shape[kept:]))
        return [(rows @ jnp.ones((rows.shape[1], 1), x.dtype)).reshape(shape[:kept])]

    return total
