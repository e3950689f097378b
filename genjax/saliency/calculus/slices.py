"""Take slices before the operations that they commute with: nothing is computed for rows that do not reach the logits.

A network with a class token reads one row of its last block; of all tokens only keys and values are needed then.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.extend.core as jex

from genjax.saliency.calculus.jaxpr import apply_equation
from genjax.saliency.calculus.locality import ELEMENTWISE, REDUCTIONS, kept_axes
from genjax.saliency.calculus.structure import Flat, flatten

MOVING_AXES = frozenset({"reshape", "squeeze", "broadcast_in_dim", "transpose", "dot_general", "concatenate"})


class Part(NamedTuple):
    """The indices `start` to `stop` - 1 along an axis of a variable."""

    variable: Any
    axis: int
    start: int
    stop: int


def slices_first(flat: Flat, activations: jax.Array) -> Flat:
    """The same head with its slices taken as early as they can be; `flat` itself where no product is saved."""
    producers = {v: equation for equation in flat.equations for v in equation.outvars}
    early = {e.outvars[0]: part for e in flat.equations if (part := _sliced_by(e)) is not None}
    early = {v: part for v, part in early.items() if _saves(part, flat, producers)}
    if not early:
        return flat
    wanted = _all_parts(list(early.values()), flat, producers)

    def head(activations: jax.Array) -> jax.Array:
        values = {**flat.values, flat.jaxpr.invars[0]: activations}
        parts: dict[Part, jax.Array] = {}

        def read(atom: Any, part: Part | None) -> Any:
            if isinstance(atom, jex.Literal):
                return atom.val
            if part is None:
                return values[atom]
            return parts[part] if part in parts else jax.lax.slice_in_dim(values[atom], *part[2:], axis=part.axis)

        for equation in flat.equations:
            for part in (p for v in equation.outvars for p in wanted.get(v, ())):
                before = _before(part, equation)
                if before is not None and equation.primitive.name == "split":
                    (whole,), axis = before, equation.params["axis"]
                    assert whole is not None
                    first = _split_at(equation, part.variable)
                    size = part.variable.aval.shape[axis]
                    rows = read(whole.variable, whole)
                    if part.axis != axis:
                        rows = jax.lax.slice_in_dim(rows, first, first + size, axis=axis)
                    parts[part] = rows
                elif before is not None and equation.primitive.name == "concatenate" and len(before) == 1:
                    (only,) = before
                    assert only is not None
                    parts[part] = read(only.variable, only)
                elif before is not None:
                    inputs = (read(v, p) for v, p in zip(equation.invars, before, strict=True))
                    parts[part] = equation.primitive.bind(*inputs, **_resized(equation, part))
            if equation.outvars[0] in early:
                part = early[equation.outvars[0]]
                values[equation.outvars[0]] = read(part.variable, part)
            else:
                outputs = apply_equation(equation, flat.jaxpr)(*(read(v, None) for v in equation.invars))
                values.update(zip(equation.outvars, outputs, strict=True))
        return read(flat.jaxpr.outvars[0], None)

    return flatten(head, activations)


def _sliced_by(equation: Any) -> Part | None:
    """What a slice along one axis takes."""
    if equation.primitive.name != "slice" or isinstance(equation.invars[0], jex.Literal):
        return None
    parameters, shape = equation.params, equation.invars[0].aval.shape
    axes = [n for n, size in enumerate(shape) if equation.outvars[0].aval.shape[n] != size]
    if len(axes) != 1 or (parameters["strides"] is not None and parameters["strides"][axes[0]] != 1):
        return None
    (axis,) = axes
    return Part(equation.invars[0], axis, parameters["start_indices"][axis], parameters["limit_indices"][axis])


def _saves(part: Part, flat: Flat, producers: dict[Any, Any]) -> bool:
    """Whether a product is computed for fewer rows where this part alone is wanted."""
    parts = _all_parts([part], flat, producers)
    return any(
        producers[v].primitive.name == "dot_general" and _before(p, producers[v]) is not None
        for v, of_variable in parts.items()
        for p in of_variable
    )


def _all_parts(parts: Sequence[Part], flat: Flat, producers: dict[Any, Any]) -> dict[Any, dict[Part, None]]:
    """The parts of all variables that `parts` are computed from, by variable."""
    wanted: dict[Any, dict[Part, None]] = {}
    for part in parts:
        wanted.setdefault(part.variable, {})[part] = None
    for equation in reversed(flat.equations):
        for part in (p for v in equation.outvars for p in wanted.get(v, ())):
            for before in _before(part, equation) or ():
                if before is not None and before.variable in producers:
                    wanted.setdefault(before.variable, {})[before] = None
    return {v: p for v, p in wanted.items() if v in producers}


def _before(part: Part, equation: Any) -> list[Part | None] | None:
    """The parts of an equation's inputs from which it makes `part` of its output; None for an input as a whole.

    Of a concatenation along the axis it may be the one input that holds the part. None where the slice stops.
    """
    name, axis = equation.primitive.name, part.axis
    size = part.variable.aval.shape[axis]
    if name == "split":
        first = _split_at(equation, part.variable) if axis == equation.params["axis"] else 0
        return [Part(equation.invars[0], axis, part.start + first, part.stop + first)]
    if len(equation.outvars) != 1:
        return None
    if name == "concatenate" and equation.params["dimension"] == axis:
        first = 0
        for atom in equation.invars:
            length = atom.aval.shape[axis]
            if first <= part.start and part.stop <= first + length and not isinstance(atom, jex.Literal):
                return [Part(atom, axis, part.start - first, part.stop - first)]
            first += length
        return None
    found: list[Part | None] = []
    if name in ELEMENTWISE:
        for atom in equation.invars:
            shape = atom.aval.shape
            along = not isinstance(atom, jex.Literal) and len(shape) > axis and shape[axis] == size
            found.append(part._replace(variable=atom) if along else None)
        return found
    if name not in MOVING_AXES | REDUCTIONS:
        return None
    for n, atom in enumerate(equation.invars):
        back = {b: a for a, b in kept_axes(equation, n).items()}
        along = axis in back and not isinstance(atom, jex.Literal)
        found.append(Part(atom, back[axis], part.start, part.stop) if along else None)
    return found if any(p is not None for p in found) else None


def _split_at(equation: Any, output: Any) -> int:
    """Where an output of a `split` starts along its axis."""
    return sum(equation.params["sizes"][: equation.outvars.index(output)])


def _resized(equation: Any, part: Part) -> dict[str, Any]:
    """The parameters of an equation for a part of its output."""
    shape = list(equation.outvars[0].aval.shape)
    shape[part.axis] = part.stop - part.start
    key = {"reshape": "new_sizes", "broadcast_in_dim": "shape"}.get(equation.primitive.name)
    return equation.params if key is None else equation.params | {key: tuple(shape)}
