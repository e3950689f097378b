"""Take sums over positions before the linear layers that they commute with: sum_j (W v_j + b) = W sum_j v_j + P b.

The last layer of a block, and its residual sum, often stand right before the mean over P positions. Taken after the
sum, the layer costs a direction one product instead of P. What is scaled by one number a position, as a layer norm
does, is summed as a product with these numbers: sum_j s_j v_j = v^T s.
"""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.extend.core as jex
import jax.numpy as jnp

from genjax.saliency.calculus.jaxpr import apply_equation
from genjax.saliency.calculus.locality import kept_axes
from genjax.saliency.calculus.structure import Flat, constant_axes, flatten

ADDITIVE = frozenset({"add", "sub", "neg", "add_any"})


def sums_first(flat: Flat, activations: jax.Array) -> Flat:
    """The same head with its sums taken as early as they can be; `flat` itself where no product is saved."""
    producers = {v: equation for equation in flat.equations for v in equation.outvars}
    every = {v: equation for equation in flat.jaxpr.eqns for v in equation.outvars}
    early = [e for e in flat.equations if _is_sum(e) and _saves(e.invars[0], e.params["axes"], producers, every)]
    if not early:
        return flat

    def head(activations: jax.Array) -> jax.Array:
        values = {**flat.values, flat.jaxpr.invars[0]: activations}

        def read(atom: Any) -> Any:
            return atom.val if isinstance(atom, jex.Literal) else values[atom]

        def total(atom: Any, axes: Sequence[int], shape: tuple[int, ...]) -> jax.Array:
            """The sum of a value, broadcast to `shape`, with the axes kept at a length of one."""
            step = scaled = None
            if not isinstance(atom, jex.Literal) and atom.aval.shape == shape:
                step = _step(producers.get(atom), axes, producers, every)
                scaled = _scaled(atom, axes, producers, every) if step is None else None
            if scaled is not None:
                numbers = read(scaled.numbers).reshape([shape[a] for a in axes])
                meeting = (tuple(axes), tuple(range(len(axes)))), ((), ())
                sums = jax.lax.dot_general(read(scaled.values), numbers, meeting, precision=jax.lax.Precision.HIGHEST)
                fixed = (_first(read(factor), axes) for factor in scaled.fixed)
                return math.prod(fixed, start=jnp.expand_dims(sums, tuple(axes)))
            if step is None:
                value = jnp.asarray(read(atom), atom.aval.dtype)
                value = value.reshape((1,) * (len(shape) - value.ndim) + value.shape)
                return jnp.sum(jnp.broadcast_to(value, shape), axes, keepdims=True)
            equation, moving = step
            inputs = []
            for n, operand in enumerate(equation.invars):
                if n in moving:
                    adds = equation.primitive.name in ADDITIVE
                    inputs.append(total(operand, moving[n], atom.aval.shape if adds else operand.aval.shape))
                elif equation.primitive.name in ("mul", "div"):
                    inputs.append(_first(read(operand), axes))
                else:
                    inputs.append(read(operand))
            return equation.primitive.bind(*inputs, **_with_short_axes(equation, axes))

        for equation in flat.equations:
            if equation in early:
                (operand,), (out,), axes = equation.invars, equation.outvars, equation.params["axes"]
                values[out] = total(operand, axes, operand.aval.shape).reshape(out.aval.shape)
            else:
                outputs = apply_equation(equation, flat.jaxpr)(*map(read, equation.invars))
                values.update(zip(equation.outvars, outputs, strict=True))
        return read(flat.jaxpr.outvars[0])

    return flatten(head, activations)


def _is_sum(equation: Any) -> bool:
    return equation.primitive.name == "reduce_sum" and bool(equation.params["axes"])


def _saves(atom: Any, axes: Sequence[int], producers: dict[Any, Any], every: dict[Any, Any]) -> bool:
    """Whether the sum of a value over `axes` can be taken before a product."""
    if isinstance(atom, jex.Literal):
        return False
    step = _step(producers.get(atom), axes, producers, every)
    if step is None:
        return _scaled(atom, axes, producers, every) is not None
    equation, moving = step
    if equation.primitive.name == "dot_general":
        return True
    return any(_saves(equation.invars[n], at, producers, every) for n, at in moving.items())


def _step(
    equation: Any, axes: Sequence[int], producers: dict[Any, Any], every: dict[Any, Any]
) -> tuple[Any, dict[int, tuple[int, ...]]] | None:
    """An equation with which a sum over `axes` commutes, and the operands to sum instead, over which axes; or None."""
    if equation is None or len(equation.outvars) != 1:
        return None
    name, shape = equation.primitive.name, equation.outvars[0].aval.shape
    moves = [n for n, v in enumerate(equation.invars) if not isinstance(v, jex.Literal) and v in producers]
    if name in ADDITIVE:
        return equation, dict.fromkeys(range(len(equation.invars)), tuple(axes))
    if len(moves) != 1:
        return None
    (which,) = moves
    if name == "mul" or (name == "div" and which == 0):
        other = equation.invars[1 - which]
        repeats = not other.aval.shape or set(axes) <= constant_axes(other, every.get(other))
        fits = equation.invars[which].aval.shape == shape
        return (equation, {which: tuple(axes)}) if repeats and fits else None
    if name not in ("dot_general", "reshape", "transpose", "squeeze", "broadcast_in_dim"):
        return None
    back = {b: a for a, b in kept_axes(equation, which).items()}
    return (equation, {which: tuple(back[a] for a in axes)}) if all(a in back for a in axes) else None


class _Scaled(NamedTuple):
    """A product: values times one number for each position, times factors that are fixed and the same everywhere."""

    values: Any
    numbers: Any
    fixed: list[Any]


def _scaled(atom: Any, axes: Sequence[int], producers: dict[Any, Any], every: dict[Any, Any]) -> _Scaled | None:
    """A value as a scaled one, where `axes` are the positions; or None."""
    moving, fixed = _factors(atom, axes, producers, every)
    if len(moving) != 2 or moving[0] is moving[1]:
        return None
    if any(v.aval.shape[a] != atom.aval.shape[a] for v in moving for a in axes):
        return None
    for values, numbers in (moving, moving[::-1]):
        if all(size == 1 for a, size in enumerate(numbers.aval.shape) if a not in axes):
            return _Scaled(values, numbers, fixed)
    return None


def _factors(
    atom: Any, axes: Sequence[int], producers: dict[Any, Any], every: dict[Any, Any]
) -> tuple[list[Any], list[Any]]:
    """The factors of a value: those that move, and those that do not and repeat along `axes`."""
    equation = producers.get(atom)
    if equation is None or equation.primitive.name != "mul":
        return [atom], []
    moving: list[Any] = []
    fixed: list[Any] = []
    for operand in equation.invars:
        if not isinstance(operand, jex.Literal) and operand in producers:
            found = _factors(operand, axes, producers, every)
            moving, fixed = moving + found[0], fixed + found[1]
        elif not operand.aval.shape or set(axes) <= constant_axes(operand, every.get(operand)):
            fixed.append(operand)
        else:
            return [atom], []
    return moving, fixed


def _first(value: Any, axes: Sequence[int]) -> Any:
    """A value that repeats along `axes`, once."""
    for axis in axes if jnp.ndim(value) else ():
        value = jax.lax.slice_in_dim(value, 0, 1, axis=axis)
    return value


def _with_short_axes(equation: Any, axes: Sequence[int]) -> dict[str, Any]:
    """The parameters of an equation whose output has a length of one along `axes`."""
    shape = [1 if n in axes else size for n, size in enumerate(equation.outvars[0].aval.shape)]
    if equation.primitive.name == "reshape":
        return equation.params | {"new_sizes": tuple(shape)}
    if equation.primitive.name == "broadcast_in_dim":
        return equation.params | {"shape": tuple(shape)}
    return equation.params
