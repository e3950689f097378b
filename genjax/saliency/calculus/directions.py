"""Streams Taylor series along the elements of A, in blocks of directions: all elements, or those that a map needs.

Where A enters attention, what comes before the positions meet is computed for all positions of a channel in one pass,
the attention by `attention.one_token`, and what follows as a series of all tokens.
"""

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax.sharding import AxisType, PartitionSpec

from genjax.saliency.calculus.attention import Attention, Matrices, at_point, one_token, read_attentions
from genjax.saliency.calculus.float64 import Pair
from genjax.saliency.calculus.forward import (
    Derivatives,
    Head,
    Route,
    assemble,
    one_hot,
    score_gradient,
    score_value,
    through_score,
)
from genjax.saliency.calculus.jaxpr import live, variables
from genjax.saliency.calculus.rows import Rows, read_rows
from genjax.saliency.calculus.series import (
    ZERO,
    Terms,
    cotangents_of,
    dense,
    prepare,
    series,
    sparse_series,
    two_orders,
)
from genjax.saliency.calculus.slices import slices_first
from genjax.saliency.calculus.structure import Flat, flatten
from genjax.saliency.calculus.sums import sums_first
from genjax.saliency.calculus.widen import wide_logits
from genjax.saliency.compiled import each, scan
from genjax.saliency.scores import Score

NAME = "Taylor series"
BLOCK = 2**20  # bytes of the largest series of a block of directions: what stays in cache
GROUP = 2**23  # bytes of the series before attention: channels whose directions share blocks


def series_mode(
    head: Head, activations: jax.Array, score: Score, class_index: jax.Array, *, chunk: int | None = None
) -> Derivatives:
    """Taylor series along every element: exact for any head without a `custom_vjp`, as `forward_mode`, and faster.

    `chunk` directions are computed at a time; None: as many as keep the values of a block in the cache.
    """
    flat = flatten(head, activations)
    logits = wide_logits(head, activations)
    return series_route(flat, activations, logits, score, class_index, chunk, "chosen by the caller", False)


def series_route(
    flat: Flat,
    activations: jax.Array,
    logits: Pair,
    score: Score,
    class_index: jax.Array,
    chunk: int | None,
    why: str,
    for_map: bool,
) -> Derivatives:
    """`series_mode` for a head that is flat already.

    With `for_map` only what a map needs: directions with a positive first derivative, in channels that are not zero
    everywhere; the second and third derivatives of others may be 0. The cost is the activations times the price of a
    few forward passes, less what `sums_first` saves: it grows with the square of the positions.
    """
    flat = sums_first(slices_first(flat, activations), activations)
    count, reversible = activations.size, _has_reverse(flat, activations)
    places = read_rows(flat)
    attentions = read_attentions(flat, places) if reversible else []
    equations = live(flat.equations, flat.jaxpr.outvars, {*places, *(a.out.variable for a in attentions)})
    if chunk is None:
        largest = max(math.prod(v.aval.shape) for e in equations or flat.equations for v in e.outvars)
        # Through attention, products of many rows, which the cores of a CPU share, count for more than the cache does.
        fitting = 8 * BLOCK if attentions else BLOCK // 2
        chunk = min(64, max(1, fitting // (largest * activations.dtype.itemsize)))
    chunk = min(chunk, count)
    first = worth = None
    if for_map and reversible:
        first = jax.grad(lambda a: score.function(flat.call(a), class_index))(activations)
        worth = (first > 0) & jnp.any(activations != 0, tuple(range(activations.ndim - 1)), keepdims=True)

    def finish(along: tuple[jax.Array, ...], third: Any = None) -> Any:
        third = jnp.zeros(along[0].shape[0], activations.dtype) if third is None else third
        return jax.vmap(lambda third, *s: through_score(score, logits, class_index, s, third))(third, *along)

    mesh = _mesh()
    where = f" on each of {mesh.size} devices" if mesh else ""
    reason = f"{why}: {count} directions, {chunk} at a time{where}"
    if attentions:
        pairs = _by_channels(
            flat, activations, attentions, places, score_gradient(score, logits, class_index), finish, worth, chunk
        )
        reason += f", through {len(attentions)} attention{'s' * (len(attentions) > 1)} of which one token moves"
    else:
        source = flat.jaxpr.invars[0]
        program = prepare(flat, {source: activations}, flat.jaxpr.outvars)
        cotangents = cotangents_of(program, [source], score_gradient(score, logits, class_index)) if reversible else {}

        def block(members: jax.Array) -> Any:
            directions = jax.vmap(lambda n: one_hot(n, activations))(members)
            start: dict[Any, Terms] = {source: (directions, None, None)}
            if not reversible:
                return finish(*series(program, start))
            (along,), third = two_orders(program, start, cotangents)
            return finish(along, third)

        pairs = _in_blocks(block, count, chunk, None if worth is None else worth.ravel())
    if worth is not None and first is not None:
        (d1, d2, d3), residuals = pairs
        pairs = (jnp.where(worth.ravel(), d1, first.ravel()), d2, d3), residuals
        reason += ", of which those that the map needs"
    return assemble(pairs, activations.shape, score_value(score, logits, class_index), Route(NAME, reason))


def _has_reverse(flat: Flat, activations: jax.Array) -> bool:
    """Whether the head has gradients: loops of unknown length and derivative rules of one's own may forbid them."""
    try:
        jax.eval_shape(lambda a: jax.vjp(flat.call, a)[1](flat.call(a)), activations)
    except (ValueError, NotImplementedError, AssertionError):
        # A loop of unknown length; an operation on tangents without a transpose; a rule that multiplies tangents.
        return False
    return True


def _mesh() -> Any:
    """The mesh in use, if it leaves to the compiler what its devices do, or None."""
    mesh = jax.sharding.get_abstract_mesh()
    return mesh if not mesh.empty and set(mesh.axis_types) == {AxisType.Auto} else None


def _in_blocks(block: Callable[[jax.Array], Any], count: int, chunk: int, worth: jax.Array | None) -> Any:
    """`block(members)` for the members 0 to `count` - 1, `chunk` at a time; those without `worth` may be left at 0.

    Where a mesh of devices is in use (`jax.set_mesh`), each of them computes `chunk` members at a time.
    """
    mesh = _mesh()
    chunk = min(chunk, -(-count // mesh.size)) * mesh.size if mesh else min(chunk, count)
    blocks = -(-count // chunk)
    order, needed = jnp.arange(count, dtype=jnp.int32), None
    if worth is not None:
        order, needed = jnp.argsort(~worth).astype(jnp.int32), jnp.sum(worth, dtype=jnp.int32)
    order = jnp.concatenate([order, jnp.full(blocks * chunk - count, count, jnp.int32)]).reshape(blocks, chunk)

    def step(number: jax.Array, members: jax.Array) -> Any:
        if mesh:
            members = jax.lax.with_sharding_constraint(members, PartitionSpec(mesh.axis_names))
        if needed is None:
            return number + chunk, block(members)
        nothing = jax.tree.map(lambda v: jnp.zeros(v.shape, v.dtype), jax.eval_shape(block, members))
        return number + chunk, jax.lax.cond(number < needed, block, lambda _: nothing, members)

    _, pairs = scan(step, jnp.zeros((), jnp.int32), order)
    return jax.tree.map(lambda v: jnp.zeros(count, v.dtype).at[order.ravel()].set(v.ravel(), mode="drop"), pairs)


def _by_channels(
    flat: Flat,
    activations: jax.Array,
    attentions: list[Attention],
    places: dict[Any, Rows],
    gradient: jax.Array,
    finish: Callable[..., Any],
    worth: jax.Array | None,
    chunk: int,
) -> Any:
    """The derivatives along all elements through attentions, some channels at a time."""
    source, outputs, channels = flat.jaxpr.invars[0], flat.jaxpr.outvars, activations.shape[-1]
    count = activations.size // channels
    outs = [a.out.variable for a in attentions]
    used = {v for e in live(flat.equations, outputs, {*places, *outs}) for v in variables(e.invars)}
    rows = [v for v in places if v in used]
    values = dict(zip(rows, flat.function([source], rows)(activations), strict=True))
    points = [at_point(a, flat, activations) for a in attentions]
    values |= {a.out.variable: a.out.write(p.out) for a, p in zip(attentions, points, strict=True)}
    program = prepare(flat, values, outputs)
    cotangents = cotangents_of(program, list(values), gradient)
    adjoints = [a.out.read(cotangents[a.out.variable]) for a in attentions]
    operands = (m.variable for a in attentions for m in (a.q, a.k, a.v))
    before = prepare(flat, {source: activations}, list(dict.fromkeys([*rows, *(v for v in operands if v in places)])))

    size = 3 * sum(math.prod(v.aval.shape) for v in before.outputs) * activations.dtype.itemsize
    together = max(n for n in range(1, channels + 1) if channels % n == 0 and (n == 1 or n * size <= GROUP))

    def group(numbers: jax.Array) -> Any:
        directions = jnp.arange(channels, dtype=jnp.int32)[None] == numbers[:, None]
        directions = directions.reshape(together, *(1 for _ in activations.shape[1:]), channels)
        directions = jnp.broadcast_to(directions, (together, *activations.shape)).astype(activations.dtype)
        found = sparse_series(before, {source: (directions, None, None)})
        moved = {v: dense(v, found.get(v, ZERO), together) for v in before.outputs}

        def block(members: jax.Array) -> Any:
            channel, position = members // count, members % count

            def rows_of(m: Matrices, offset: int) -> list[jax.Array]:
                """The derivatives of the row of each member's position."""
                return [m.read(t)[channel, :, position + offset] for t in moved[m.variable]]

            start: dict[Any, Any] = {}
            for v in rows:
                terms = found.get(v, ZERO)
                start[v] = tuple(None if t is None else _only(t[channel], places[v], position) for t in terms)
            third = jnp.zeros(members.shape, activations.dtype)
            for a, point, adjoint in zip(attentions, points, adjoints, strict=True):
                q = None if a.query_offset is None else rows_of(a.q, a.query_offset)
                k, v = rows_of(a.k, a.offset), rows_of(a.v, a.offset)
                one = jax.vmap(partial(one_token, a, point, adjoint=adjoint))
                first, second, added = one((q, k, v), position)
                third += added
                start[a.out.variable] = (a.out.write(first), a.out.write(second), None)
            (along,), added = two_orders(program, start, cotangents)
            return finish(along, third + added)

        needed = None if worth is None else worth.reshape(count, channels)[:, numbers].T.ravel()
        return _in_blocks(block, together * count, chunk, needed)

    pairs = each(group, jnp.arange(channels, dtype=jnp.int32).reshape(-1, together))
    return jax.tree.map(lambda v: v.reshape(channels, count).T.ravel(), pairs)


def _only(terms: jax.Array, place: Rows, members: jax.Array) -> jax.Array:
    """float[members, ...], zero but at the position of each member."""
    shape = terms.shape[1:]
    length = math.prod(shape[place.first : place.last])
    here = jnp.arange(length, dtype=jnp.int32)[None] == members[:, None] + place.offset
    here = here.reshape(-1, *(1 for _ in shape[: place.first]), *shape[place.first : place.last])
    return jnp.where(here.reshape(*here.shape, *(1 for _ in shape[place.last :])), terms, 0)
