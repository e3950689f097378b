"""Convolutions in compiled loops on CPUs, brought into the layout of axes that XLA computes fast.

XLA for CPUs has a fast routine for convolutions of images [batch, height, width, channels] with a kernel [height,
width, inputs, outputs]. Their gradients are convolutions with these axes exchanged. The compiler exchanges them back,
but not inside loops and branches, where such a convolution falls to a routine that takes up to a hundred times as long.
"""

import math
from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any

import jax
import jax.extend.core as jex
from jax import lax


def in_fast_layout(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return `function` with every convolution in the fast layout, in its derivatives, loops and branches too.

    function: of arrays, complete, such as a training step; not a loss that is still to be differentiated.
    The numbers are those of `function`. Other operations, and the programs of other backends, stay as they are.

        fast = jax.jit(in_fast_layout(lambda state, batches: lax.scan(step, state, batches)))
    """

    @wraps(function)
    def rewritten(*arguments: Any) -> Any:
        if jax.default_backend() != "cpu":
            return function(*arguments)
        program, shapes = jax.make_jaxpr(function, return_shape=True)(*arguments)
        outputs = jex.jaxpr_as_fun(_Rewriting().closed(program))(*jax.tree.leaves(arguments))
        return jax.tree.unflatten(jax.tree.structure(shapes), outputs)

    return rewritten


class _Rewriting:
    """One pass over a program. What occurs twice, sub-program or convolution, is rewritten once and so traced once."""

    def __init__(self) -> None:
        self.done: dict[jex.Jaxpr, jex.Jaxpr] = {}
        self.convolutions: dict[Any, jex.JaxprEqn] = {}

    def closed(self, program: jex.ClosedJaxpr) -> jex.ClosedJaxpr:
        return program.replace(jaxpr=self.program(program.jaxpr))

    def program(self, program: jex.Jaxpr) -> jex.Jaxpr:
        if program not in self.done:
            self.done[program] = program.replace(eqns=[self.equation(each) for each in program.eqns])
        return self.done[program]

    def equation(self, equation: jex.JaxprEqn) -> jex.JaxprEqn:
        if equation.primitive is lax.conv_general_dilated_p:
            operands = tuple(variable.aval for variable in equation.invars)
            key = (operands, *sorted(equation.params.items()))
            if key not in self.convolutions:
                self.convolutions[key] = _convolution(equation, operands)
            return self.convolutions[key].replace(invars=equation.invars, outvars=equation.outvars)
        return equation.replace(params={name: self.parameter(value) for name, value in equation.params.items()})

    def parameter(self, value: Any) -> Any:
        if isinstance(value, jex.ClosedJaxpr):
            return self.closed(value)
        if isinstance(value, jex.Jaxpr):
            return self.program(value)
        if type(value) is tuple:
            return tuple(map(self.parameter, value))
        return value


def _convolution(equation: jex.JaxprEqn, operands: Sequence[Any]) -> jex.JaxprEqn:
    """Return the convolution with transpositions around it, as one call, if its axes are not in order."""
    parameters = dict(equation.params)
    inputs, kernel, outputs = axes = parameters.pop("dimension_numbers")
    last = len(inputs) - 1
    images, taps = (0, last, *range(1, last)), (last, last - 1, *range(last - 1))
    standard = lax.ConvDimensionNumbers(images, taps, images)
    grouped = max(parameters["feature_group_count"], parameters["batch_group_count"]) > 1
    if grouped or axes == standard:
        return equation

    @jax.jit
    def convolution(x: jax.Array, w: jax.Array) -> jax.Array:
        x, w = lax.transpose(x, _order(inputs, images)), lax.transpose(w, _order(kernel, taps))
        exchanged = _exchanged(x.shape[1:-1], w.shape[:-2], parameters)
        if exchanged is None:
            y = lax.conv_general_dilated(x, w, dimension_numbers=standard, **parameters)
        else:
            w, x = lax.transpose(w, (last, *range(last))), lax.transpose(x, (*range(1, last + 1), 0))
            y = lax.conv_general_dilated(w, x, dimension_numbers=standard, **parameters | {"padding": exchanged})
            y = lax.transpose(lax.rev(y, range(1, last)), (last, *range(1, last), 0))
        return lax.transpose(y, _order(images, outputs))

    return jax.make_jaxpr(convolution)(*operands).eqns[0]


def _exchanged(size: Sequence[int], window: Sequence[int], parameters: dict[str, Any]) -> list[tuple[int, int]] | None:
    """Return the padding of the same convolution with image and kernel exchanged, where the kernel is the larger.

    sum_h x(i + h - p) k(h) = sum_g x(g) k(g - i + p), which is read backwards in i. XLA exchanges the two itself, and
    then falls off the fast routine. Such convolutions are gradients, by kernels, of what pads on all sides.
    """
    plain = all(n == 1 for name in ("window_strides", "lhs_dilation", "rhs_dilation") for n in parameters[name])
    if not plain or math.prod(window) <= math.prod(size):
        return None
    pads = zip(size, window, parameters["padding"], strict=True)
    return [(low + high + x - k - low, low + high + x - k - high) for x, k, (low, high) in pads]


def _order(before: Sequence[int], after: Sequence[int]) -> tuple[int, ...]:
    """Return the permutation that takes axes from their places `before` to those `after`."""
    where = dict(zip(after, before, strict=True))
    return tuple(where[axis] for axis in range(len(where)))
