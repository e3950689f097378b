"""Derivatives for heads that are a function of sums over positions: one probe serves them all, for any score."""

from collections.abc import Callable
from typing import Any

import jax
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
    taylor3,
    through_score,
)
from genjax.saliency.calculus.structure import PooledHead, flatten, read_structure
from genjax.saliency.calculus.widen import wide_logits
from genjax.saliency.scores import Score


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
    """All positions probed at once, for a head that treats each position alone and then sums; any score.

    The part before the sum is run once per channel instead of once per element. Raises ValueError where the head's
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
    """`per_position` for a structure that has been read."""
    channels = activations.shape[-1]
    positions = activations.size // channels

    def channel(k):
        direction = jnp.broadcast_to(one_hot(k, activations.reshape(positions, channels)[0]), activations.shape)
        along = taylor3(structure.local, activations, direction)

        def position(d1, d2, d3):
            def curve(t):
                moved = zip(structure.sums, d1, d2, d3, strict=True)
                return structure.tail(*(v + t * (a + t * (b / 2 + t * (c / 6))) for v, a, b, c in moved))

            return through_score(score, logits, class_index, curve3(curve, activations.dtype))

        return jax.vmap(position)(*along)

    pairs = stream(channel, channels, max(1, chunk // positions))
    pairs = jax.tree.map(lambda v: v.T, pairs)
    route = Route("all positions at once", f"positions stay apart until a spatial sum: {channels} probes")
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


def spread(pairs: Any, activations: jax.Array, log_score: jax.Array, route: Route) -> Derivatives:
    """The derivatives of each channel, float[channels], repeated at all its positions."""
    pairs = jax.tree.map(lambda v: jnp.broadcast_to(v, activations.shape), pairs)
    return assemble(pairs, activations.shape, log_score, route)
