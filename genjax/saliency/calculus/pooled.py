"""Derivatives for heads that are a function of sums over positions: one probe serves them all, for any score."""

import math
from collections.abc import Callable
from typing import Any

import jax
import jax.extend.core as jex
import jax.numpy as jnp

from genjax.saliency.calculus.float64 import Pair
from genjax.saliency.calculus.forward import (
    Derivatives,
    Head,
    Route,
    assemble,
    curve3,
    one_hot,
    score_value,
    stream,
    through_score,
)
from genjax.saliency.calculus.locality import Local
from genjax.saliency.calculus.series import prepare, series
from genjax.saliency.calculus.structure import PooledHead, flatten, read_structure
from genjax.saliency.calculus.widen import wide_logits
from genjax.saliency.calculus.windows import lattice, owners
from genjax.saliency.scores import Score

KEEPS_ORDER = ("reshape", "squeeze", "broadcast_in_dim", "copy")  # where the number of entries stays the same


def pooled(head: Head, activations: jax.Array, score: Score, class_index: jax.Array, *, chunk: int = 64) -> Derivatives:
    """One direction per channel, for a head that A enters through its spatial mean only; any score.

    All positions of a channel then have the same derivatives. Raises ValueError where the head's jaxpr does not show
    this form.
    """
    structure = read_structure(flatten(head, activations), activations)
    if structure is None or not structure.uniform:
        raise ValueError(
            "the activations do not enter this head through their spatial mean alone: use auto or forward_mode"
        )
    return pooled_route(structure, activations, wide_logits(head, activations), score, class_index, chunk)


def per_position(
    head: Head, activations: jax.Array, score: Score, class_index: jax.Array, *, chunk: int = 64
) -> Derivatives:
    """Many positions probed at once, for a head that treats each position, or window of them, alone and then sums.

    The part before the sum is run once per channel instead of once per element, or r^2 times for windows of r x r
    positions (convolutions, pooling). For any score. Raises ValueError where the head's
    jaxpr does not show this form.
    """
    structure = read_structure(flatten(head, activations), activations)
    if structure is None:
        raise ValueError("the head does not treat positions alone before a spatial sum: use auto or forward_mode")
    return position_route(structure, activations, wide_logits(head, activations), score, class_index, chunk)


def pooled_route(
    structure: PooledHead, activations: jax.Array, logits: Pair, score: Score, class_index: jax.Array, chunk: int
) -> Derivatives:
    """`pooled` for a structure that has been read."""
    matrices = kernels(structure.local, activations, chunk)
    channels = activations.shape[-1]

    def derivatives(k):
        def curve(t):
            return structure.tail(*(v + t * w[k] for v, w in zip(structure.sums, matrices, strict=True)))

        return through_score(score, logits, class_index, curve3(curve, activations.dtype))

    pairs = stream(derivatives, channels, chunk)
    route = Route("one direction per channel", f"A enters through its spatial mean only: {channels} directions")
    return spread(pairs, activations, score_value(score, logits, class_index), route)


def position_route(
    structure: PooledHead, activations: jax.Array, logits: Pair, score: Score, class_index: jax.Array, chunk: int
) -> Derivatives:
    """`per_position` for a structure that has been read.

    With windows of r x r positions before the sums: one pass before the sums for each of K channels and each of r^2
    lattices, r^2 K in all (K for r = 1) instead of H W K; and one curve of the tail for each element.
    """
    flat, summed, pools, places = structure.parts
    *grid, channels = activations.shape
    period = structure.period(grid)
    points = [-(-size // step) for size, step in zip(grid, period, strict=True)]
    source = flat.jaxpr.invars[0]
    sums = dict(zip(pools, flat.function([source], pools)(activations), strict=True))
    before, after = prepare(flat, {source: activations}, summed), prepare(flat, sums, flat.jaxpr.outvars)

    def collected(values: jax.Array, place: Local, pool: Any, offsets: Any) -> jax.Array:
        """The changes of a summed value float[1, ...] -> those of its sum by each point of the lattice."""
        names = list(range(values.ndim))  # of the axes; the first is of length one
        inputs: list[Any] = [values, names]
        for n, (axis, window) in enumerate(zip(place.axes, place.windows, strict=True)):
            belongs = owners(window, values.shape[axis + 1], period[n], offsets[n], points[n])
            inputs += [belongs.astype(values.dtype), [values.ndim + n, axis + 1]]
        summed_over = {a + 1 for a in (*place.axes, *structure.other_axes(place, pool))}
        kept = [n for n in names[1:] if n not in summed_over]
        found = jnp.einsum(*inputs, [*range(values.ndim, values.ndim + len(points)), *kept])
        return found.reshape(-1, *pool.aval.shape)

    def probe(number: jax.Array) -> Any:
        offsets = jnp.unravel_index(number // channels, period)
        direction = one_hot(number % channels, activations[(0,) * len(grid)]).reshape(*(1 for _ in grid), channels)
        for n, size in enumerate(grid):
            along_axis = [size if m == n else 1 for m in range(len(grid))]
            direction = direction * lattice(size, period[n], offsets[n]).reshape(*along_axis, 1)
        changes = zip(series(before, {source: (direction[None], None, None)}), places, pools, strict=True)
        tail: dict[Any, Any] = {v: tuple(collected(t, place, v, offsets) for t in terms) for terms, place, v in changes}
        (along,) = series(after, tail)
        return jax.vmap(lambda *s: through_score(score, logits, class_index, s))(*along)

    lattices = math.prod(period)
    pairs = stream(probe, lattices * channels, max(1, chunk // math.prod(points)))

    def placed(values: jax.Array) -> jax.Array:
        """float[lattices * channels, points] -> the shape of A: position = point * period + offset."""
        rank = len(grid)
        values = values.reshape(*period, channels, *points)
        order = [a for n in range(rank) for a in (rank + 1 + n, n)]
        values = values.transpose(*order, rank)
        values = values.reshape(*(p * q for p, q in zip(points, period, strict=True)), channels)
        return values[tuple(slice(0, size) for size in grid)]

    if lattices == 1:
        reason = f"positions stay apart until a spatial sum: {channels} probes"
        route = Route("all positions at once", reason)
    else:
        window = " x ".join(map(str, period))
        reason = f"windows of {window} positions until a spatial sum: {lattices} lattices x {channels} channels"
        route = Route("lattices of positions", f"{reason}, instead of {activations.size} directions")
    pairs = jax.tree.map(placed, pairs)
    return assemble(pairs, activations.shape, score_value(score, logits, class_index), route)


def kernels(local: Callable[[jax.Array], list[jax.Array]], activations: jax.Array, chunk: int) -> list[jax.Array]:
    """The matrices float[channels, entries] of uniform local maps.

    Positions do not mix and are all alike, so each position of one probe carries another channel.
    """
    channels = activations.shape[-1]
    positions = activations.size // channels
    push = jax.linearize(local, activations)[1]

    def probe(m):
        row = jnp.arange(positions, dtype=jnp.int32)[:, None] + m * positions
        direction = row == jnp.arange(channels, dtype=jnp.int32)[None]
        return push(direction.astype(activations.dtype).reshape(activations.shape))

    probes = -(-channels // positions)
    rows = stream(probe, probes, max(1, chunk // positions))
    return [v.reshape(probes * positions, -1)[:channels] for v in rows]


def matrix_of(linear: Callable[[jax.Array], jax.Array], vector: jax.Array) -> jax.Array | None:
    """The matrix float[inputs, outputs] of a linear map that is one product with it and a factor; None for others.

    It is read off the program: to push unit vectors through the map would cost a product of two matrices.
    """
    flat = flatten(linear, vector)
    (carried,), matrix, factor = flat.jaxpr.invars, None, jnp.ones((), vector.dtype)
    for equation in flat.equations:
        which = next((n for n, v in enumerate(equation.invars) if v is carried), None)
        others = [v.val if isinstance(v, jex.Literal) else flat.values.get(v) for v in equation.invars]
        name, other = equation.primitive.name, others[1 - which] if which is not None and len(others) == 2 else None
        if which is None or len(equation.outvars) != 1:
            return None
        if name == "dot_general" and other is not None and matrix is None:
            inner, shared = equation.params["dimension_numbers"]
            if shared[0] or math.prod(carried.aval.shape[a] for a in inner[which]) != vector.size:
                return None
            axes = [there for _, there in sorted(zip(inner[which], inner[1 - which], strict=True))]
            matrix = jnp.moveaxis(other, axes, range(len(axes))).reshape(vector.size, -1)
        elif (name == "mul" or (name == "div" and which == 0)) and other is not None and jnp.size(other) == 1:
            factor = (factor * other if name == "mul" else factor / other).reshape(()).astype(vector.dtype)
        elif name not in KEEPS_ORDER or (name == "reshape" and equation.params["dimensions"] is not None):
            return None
        if name != "dot_general" and equation.outvars[0].aval.size != carried.aval.size:
            return None
        (carried,) = equation.outvars
    return None if matrix is None or carried is not flat.jaxpr.outvars[0] else factor * matrix


def spread(pairs: Any, activations: jax.Array, log_score: jax.Array, route: Route) -> Derivatives:
    """The derivatives of each channel, float[channels], repeated at all its positions."""
    pairs = jax.tree.map(lambda v: jnp.broadcast_to(v, activations.shape), pairs)
    return assemble(pairs, activations.shape, log_score, route)
