"""Windows: which positions of A an entry depends on, through convolutions and pooling; and probes that share a pass.

Along one spatial axis, entry n of a value with the window (stride, low, high) depends on the positions n stride + low
to n stride + high of A. Positions of A that lie `width` = high - low + 1 apart reach no entry together, so that a whole
lattice of them is probed in one pass: `width` probes along an axis instead of one for each position.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp


class Window(NamedTuple):
    """Entry n depends on the positions n * stride + low, ..., n * stride + high."""

    stride: int = 1
    low: int = 0
    high: int = 0

    @property
    def width(self) -> int:
        """Positions in the window."""
        return self.high - self.low + 1

    def of(self, step: "Window") -> "Window":
        """The window of an operation with the window `step` on a value with this one."""
        return Window(self.stride * step.stride, self.stride * step.low + self.low, self.stride * step.high + self.high)


def hull(windows: Sequence[Window]) -> Window | None:
    """The smallest window around some; None where their strides differ."""
    if len({w.stride for w in windows}) != 1:
        return None
    return Window(windows[0].stride, min(w.low for w in windows), max(w.high for w in windows))


def window_of(equation: Any, axis: int) -> tuple[int, Window] | None:
    """Where axis `axis` of the first operand is after an operation that slides along it, and its window; or None."""
    name, parameters = equation.primitive.name, equation.params
    if name == "conv_general_dilated":
        numbers = parameters["dimension_numbers"]
        if parameters["batch_group_count"] != 1 or axis not in numbers.lhs_spec[2:]:
            return None
        n = numbers.lhs_spec[2:].index(axis)
        if parameters["lhs_dilation"][n] != 1:
            return None
        taps = equation.invars[1].aval.shape[numbers.rhs_spec[2 + n]]
        dilation, low = parameters["rhs_dilation"][n], -parameters["padding"][n][0]
        stride, target = parameters["window_strides"][n], numbers.out_spec[2 + n]
        return target, Window(stride, low, low + (taps - 1) * dilation)
    if name.startswith("reduce_window_") and parameters["base_dilation"][axis] == 1:
        low = -parameters["padding"][axis][0]
        reach = (parameters["window_dimensions"][axis] - 1) * parameters["window_dilation"][axis]
        return axis, Window(parameters["window_strides"][axis], low, low + reach)
    if name == "slice":
        start = parameters["start_indices"][axis]
        return axis, Window((parameters["strides"] or (1,) * (axis + 1))[axis], start, start)
    if name == "pad" and parameters["padding_config"][axis][2] == 0:
        low = -parameters["padding_config"][axis][0]
        return axis, Window(1, low, low)
    return None


def lattice(size: int, period: int, offset: jax.Array) -> jax.Array:
    """bool[size]: the positions offset, offset + period, ..."""
    return jnp.arange(size, dtype=jnp.int32) % period == offset


def owners(window: Window, size: int, period: int, offset: jax.Array, points: int) -> jax.Array:
    """bool[points, size]: which point of the lattice the entries of a value depend on, if any.

    It is the first one in the entry's window; there is no second where the window is not wider than `period`.
    """
    if points == 1:  # nobody else
        return jnp.ones((1, size), bool)
    first = jnp.arange(size, dtype=jnp.int32) * window.stride + window.low
    number = -((offset - first) // period)
    return number[None] == jnp.arange(points, dtype=jnp.int32)[:, None]
