"""Rows: which values hold each position of A in one place of its own, whatever their shape, until positions meet.

The tokens of a network are a grid, a list, or a list after a class token; a value is a *row* value while what it
holds of position p depends on A at p alone, and nothing else of it depends on A. One pass that moves a channel at all
positions at once then serves every position.
"""

import math
from typing import Any, NamedTuple

from genjax.saliency.calculus.jaxpr import CALLS, variables
from genjax.saliency.calculus.locality import ELEMENTWISE, kept_axes
from genjax.saliency.calculus.smooth_layer import by_entries
from genjax.saliency.calculus.structure import Flat


class Rows(NamedTuple):
    """Position p, counted in row-major order, is at index p + `offset` of the axes `first` to `last` - 1 together."""

    first: int
    last: int
    offset: int = 0


def read_rows(flat: Flat) -> dict[Any, Rows]:
    """The row values of a head: the positions of A, if it has any, followed as far as they stay apart."""
    source = flat.jaxpr.invars[0]
    shape = source.aval.shape[:-1]
    if not shape:
        return {}
    places = {source: Rows(0, len(shape))}
    depends = {source}
    for equation in flat.equations:
        place = _follow(equation, places, depends, math.prod(shape))
        depends.update(equation.outvars)
        if place is not None:
            places.update(dict.fromkeys(equation.outvars, place))
    return places


def _follow(equation: Any, places: dict[Any, Rows], depends: set[Any], count: int) -> Rows | None:
    """Where the positions are in the output; None where they meet, or might."""
    moving = [v for v in variables(equation.invars) if v in depends]
    single = len(equation.outvars) == 1 or equation.primitive.name == "split"
    if not single or any(v not in places for v in moving):
        return None
    name, out = equation.primitive.name, equation.outvars[0].aval.shape
    place = places[moving[0]]
    axes = range(place.first, place.last)
    if name in ELEMENTWISE or name in CALLS:
        alike = all(places[v] == place for v in moving)
        full = all(len(v.aval.shape) == len(out) and all(v.aval.shape[a] == out[a] for a in axes) for v in moving)
        return place if alike and full and (name in ELEMENTWISE or by_entries(equation, moving)) else None
    if len(moving) > 1:
        return None
    which = list(equation.invars).index(moving[0])
    shape = moving[0].aval.shape
    if name == "reshape":
        return _reshaped(shape, out, place) if equation.params["dimensions"] is None else None
    if place.last - place.first == 1:
        if name == "concatenate" and equation.params["dimension"] == place.first:
            before = sum(v.aval.shape[place.first] for v in equation.invars[:which])
            return place._replace(offset=place.offset + before)
        if name == "slice" and out[place.first] != shape[place.first]:
            start, strides = equation.params["start_indices"][place.first], equation.params["strides"]
            plain = strides is None or strides[place.first] == 1
            whole = start <= place.offset and place.offset + count <= equation.params["limit_indices"][place.first]
            return place._replace(offset=place.offset - start) if plain and whole else None
    kept = kept_axes(equation, which)
    moved = [kept.get(a, -1) for a in axes]
    if -1 in moved or moved != list(range(moved[0], moved[0] + len(moved))):
        return None
    return Rows(moved[0], moved[0] + len(moved), place.offset)


def _reshaped(old: tuple[int, ...], new: tuple[int, ...], place: Rows) -> Rows | None:
    """The axes of `new` that together are those of `old` at `place`."""
    before, count = math.prod(old[: place.first]), math.prod(old[place.first : place.last])
    for first in reversed(range(len(new))):
        for last in range(first + 1, len(new) + 1):
            same = math.prod(new[:first]) == before and math.prod(new[first:last]) == count
            if same and (last - first == 1 or not place.offset):
                return Rows(first, last, place.offset)
    return None
