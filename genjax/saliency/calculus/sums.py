"""Take sums over positions before the linear layers that they commute with: sum_j (W v_j + b) = W sum_j v_j + P b.

The last layer of a block, and its residual sum, often stand right before the mean over P positions. Taken after the
sum, the layer costs a direction one product instead of P.
"""

from collections.abc import Sequence
from typing import Any

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
            step = None
            if not isinstance(atom, jex.Literal) and atom.aval.shape == shape:
                step = _step(producers.get(atom), axes, producers, every)
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
                elif equation.primitive.name in ("mul", "div") and operand.aval.shape:
                    inputs.append(jax.lax.slice_in_dim(read(operand), 0, 1, axis=axes[0]))
                    for axis in axes[1:]:
                        inputs[-1] = jax.lax.slice_in_dim(inputs[-1], 0, 1, axis=axis)
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
    step = None if isinstance(atom, jex.Literal) else _step(producers.get(atom), axes, producers, every)
    if step is None:
        return False
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


def _with_short_axes(equation: Any, axes: Sequence[int]) -> dict[str, Any]:
    """The parameters of an equation whose output has a length of one along `axes`."""
    shape = [1 if n in axes else size for n, size in enumerate(equation.outvars[0].aval.shape)]
    if equation.primitive.name == "reshape":
        return equation.params | {"new_sizes": tuple(shape)}
    if equation.primitive.name == "broadcast_in_dim":
        return equation.params | {"shape": tuple(shape)}
    return equation.params
