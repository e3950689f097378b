"""Softmax attention in which one token moves: the derivatives of every output, at a price of one score each.

Let o_j = sum_m p_jm v_m, where the weights p_j are the softmax of the scores q_j . k_m (scaled, biased or masked). When
token i moves, every other token sees one key and one value move. With E(t) = exp(s_ji(t) - s_ji(0)) - 1 and w = p_ji,

    o_j(t) = c(t) (o_j - w v_i) + b(t) v_i(t),    c = 1 / (1 + w E),    b = w (1 + E) c = 1 - (1 - w) c:

scalar series times a few vectors. Token i itself asks with a query that moves, and has a row of moving scores.
"""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.extend.core as jex
import jax.numpy as jnp

from genjax.saliency.calculus.forward import of_exponential
from genjax.saliency.calculus.jaxpr import variables
from genjax.saliency.calculus.proof import is_piecewise_linear
from genjax.saliency.calculus.rows import Rows
from genjax.saliency.calculus.smooth_layer import by_entries
from genjax.saliency.calculus.structure import Flat

BINOMIAL = ((1,), (1, 1), (1, 2, 1), (1, 3, 3, 1))


class Matrices(NamedTuple):
    """A variable as matrices [B, rows, columns]: which of its axes those are."""

    variable: Any
    batch: tuple[int, ...]
    rows: tuple[int, ...]
    columns: tuple[int, ...]

    def read(self, value: jax.Array) -> jax.Array:
        """float[*lead, *shape of the variable] -> float[*lead, B, rows, columns]."""
        lead, shape = value.ndim - len(self.variable.aval.shape), self.variable.aval.shape
        groups = (self.batch, self.rows, self.columns)
        value = value.transpose(*range(lead), *(a + lead for group in groups for a in group))
        return value.reshape(*value.shape[:lead], *(math.prod(shape[a] for a in group) for group in groups))

    def write(self, value: jax.Array) -> jax.Array:
        """The inverse of `read`."""
        lead, shape = value.ndim - 3, self.variable.aval.shape
        order = [*self.batch, *self.rows, *self.columns]
        value = value.reshape(*value.shape[:lead], *(shape[a] for a in order))
        return value.transpose(*range(lead), *(order.index(a) + lead for a in range(len(shape))))


class Attention(NamedTuple):
    """out = p v with p = softmax(scores), and scores a linear function, entry by entry, of products = q k^T.

    Position n of A is row n + `offset` of k and v, and row n + `query_offset` of q (None: q does not move).
    """

    q: Matrices
    k: Matrices
    v: Matrices
    products: Matrices
    scores: Matrices
    weights: Matrices
    out: Matrices
    offset: int
    query_offset: int | None


def read_attentions(flat: Flat, places: dict[Any, Rows]) -> list[Attention]:
    """The attentions whose keys and values keep the positions of A in rows of their own, at `places`."""
    producers = {v: equation for equation in flat.equations for v in equation.outvars}
    moving = {*flat.jaxpr.invars, *producers}
    found = []
    for equation in flat.equations:
        if equation.primitive.name == "dot_general" and moving.issuperset(equation.invars):
            found += [_read(equation, which, producers, places, flat) for which in (0, 1)]
    return [attention for attention in found if attention is not None]


def _read(
    equation: Any, which: int, producers: dict[Any, Any], places: dict[Any, Rows], flat: Flat
) -> Attention | None:
    """An attention whose weights are operand number `which` of a product."""
    p, v = equation.invars[which], equation.invars[1 - which]
    scores = _under_softmax(p, producers)
    products = None if scores is None else _under_entries(scores, producers, flat)
    if scores is None or products is None:
        return None
    product = producers[products]
    (contracted, batch), rank = equation.params["dimension_numbers"], len(p.aval.shape)
    (inner, shared) = product.params["dimension_numbers"]
    number = len(shared[0])
    free = [
        tuple(a for a in range(len(x.aval.shape)) if a not in (*inner[n], *shared[n]))
        for n, x in enumerate(product.invars)
    ]
    axes = (tuple(range(number, number + len(free[0]))), tuple(range(number + len(free[0]), rank)))
    keys = next((n for n in (0, 1) if axes[n] == tuple(contracted[which])), None)
    if keys is None or _softmax_axes(p, producers) != axes[keys] or sorted(batch[which]) != list(range(number)):
        return None
    sides = [Matrices(x, tuple(shared[n]), free[n], tuple(inner[n])) for n, x in enumerate(product.invars)]
    q, k = sides[1 - keys], sides[keys]
    order = [batch[which].index(a) for a in range(number)]
    value_batch = tuple(batch[1 - which][n] for n in order)
    columns = tuple(a for a in range(len(v.aval.shape)) if a not in (*batch[1 - which], *contracted[1 - which]))
    values = Matrices(v, value_batch, tuple(contracted[1 - which]), columns)
    still = isinstance(q.variable, jex.Literal) or q.variable in flat.values
    offset, query_offset = _offset(k, places), None if still else _offset(q, places)
    if offset is None or offset != _offset(values, places) or (query_offset is None and not still):
        return None
    lengths = len(q.rows), len(columns)
    first = tuple(range(number, number + lengths[which]))
    second = tuple(range(number + lengths[which], number + sum(lengths)))
    out = Matrices(equation.outvars[0], tuple(order), *((first, second) if which == 0 else (second, first)))
    under, shifted, weights = (
        Matrices(x, tuple(range(number)), axes[1 - keys], axes[keys]) for x in (products, scores, p)
    )
    return Attention(q, k, values, under, shifted, weights, out, offset, query_offset)


def _offset(matrices: Matrices, places: dict[Any, Rows]) -> int | None:
    """Which row is the first position of A; None where the rows are no positions."""
    place = places.get(matrices.variable)
    return place.offset if place is not None and matrices.rows == tuple(range(place.first, place.last)) else None


def _softmax_axes(p: Any, producers: dict[Any, Any]) -> tuple[int, ...] | None:
    """The axes over which p = e / sum(e), e = exp(s), is normalised; None where p is something else."""
    quotient = producers.get(p)
    if quotient is None or quotient.primitive.name != "div":
        return None
    if any(isinstance(v, jex.Literal) or v not in producers for v in quotient.invars):
        return None
    above, spread = (producers[v] for v in quotient.invars)
    if above.primitive.name != "exp" or spread.primitive.name != "broadcast_in_dim":
        return None
    total = producers.get(spread.invars[0])
    if total is None or total.primitive.name != "reduce_sum" or total.invars[0] is not quotient.invars[0]:
        return None
    axes = tuple(total.params["axes"])
    kept = tuple(a for a in range(len(p.aval.shape)) if a not in axes)
    return axes if spread.params["broadcast_dimensions"] == kept else None


def _under_softmax(p: Any, producers: dict[Any, Any]) -> Any:
    """The scores s of p = softmax(s), which may be shifted by anything that is the same for all keys; or None."""
    axes = _softmax_axes(p, producers)
    if axes is None:
        return None
    scores = producers[producers[p].invars[0]].invars[0]
    shift = producers.get(scores)
    if shift is not None and shift.primitive.name == "sub" and not isinstance(shift.invars[0], jex.Literal):
        off = shift.invars[1].aval.shape
        if shift.invars[0].aval.shape == scores.aval.shape and all(off[a] == 1 for a in axes if off):
            return shift.invars[0]
    return scores


def _under_entries(scores: Any, producers: dict[Any, Any], flat: Flat) -> Any:
    """The product of which `scores` are a linear function, entry by entry; or None."""
    moving = {*flat.jaxpr.invars, *producers}
    while scores in producers:
        equation = producers[scores]
        if equation.primitive.name == "dot_general":
            return scores
        inputs = list(dict.fromkeys(v for v in variables(equation.invars) if v in moving))
        linear = len(inputs) == 1 and by_entries(equation, inputs)
        if not linear or not is_piecewise_linear(equation, flat.jaxpr, set(inputs)):
            return None
        scores = inputs[0]
    return None


class Point(NamedTuple):
    """An attention's values where nothing moves, as matrices; `slope`: the scores' by the products."""

    q: jax.Array
    k: jax.Array
    v: jax.Array
    slope: jax.Array
    weights: jax.Array
    out: jax.Array


def at_point(attention: Attention, flat: Flat, activations: jax.Array) -> Point:
    """Evaluate an attention at the activations themselves."""
    product_variable = attention.products.variable
    matrices = (attention.q, attention.k, attention.v, attention.weights, attention.out)
    wanted = [product_variable, *(m.variable for m in matrices if m.variable not in flat.values)]
    found = dict(zip(wanted, flat.function(flat.jaxpr.invars, wanted)(activations), strict=True)) | flat.values
    q, k, v, weights, out = (m.read(found[m.variable]) for m in matrices)
    entries, product = flat.function([product_variable], [attention.scores.variable]), found[product_variable]
    slope = jax.jvp(lambda x: entries(x)[0], (product,), (jnp.ones_like(product),))[1]
    return Point(q, k, v, attention.scores.read(slope), weights, out)


Orders = Sequence[jax.Array]


def one_token(
    attention: Attention, point: Point, moved: tuple[Orders | None, Orders, Orders], index: jax.Array, adjoint: Any
) -> tuple[jax.Array, jax.Array, jax.Array]:
    """First and second derivatives of the outputs [B, queries, columns], and the third, summed with weights `adjoint`.

    The position `index` moves; `moved`: the first three derivatives of its rows of q, k, v, [B, columns] each.
    """
    row = index + attention.offset
    k, v = [point.k[:, row], *moved[1]], [point.v[:, row], *moved[2]]
    w, slope = point.weights[:, :, row], point.slope[:, :, row]
    e1, e2, e3 = of_exponential(*(slope * jnp.einsum("bqd,bd->bq", point.q, term) for term in k[1:]))
    e1, e2, e3 = w * e1, w * e2, w * e3
    c = (jnp.ones_like(w), -e1, 2 * e1**2 - e2, 6 * e1 * e2 - 6 * e1**3 - e3)
    b = (w, *((w - 1) * term for term in c[1:]))

    def others(order: int, out: jax.Array, v: Orders) -> jax.Array:
        terms = [BINOMIAL[order][m] * b[order - m][..., None] * v[m] for m in range(1, order + 1)]
        return c[order][..., None] * (out - v[0]) + sum(terms)

    first, second = (others(n, point.out, [term[:, None] for term in v]) for n in (1, 2))
    along = [jnp.einsum("bqd,bd->bq", adjoint, term)[..., None] for term in v]
    third = others(3, jnp.sum(adjoint * point.out, -1, keepdims=True), along)[..., 0]
    if attention.query_offset is None or moved[0] is None:
        return first, second, jnp.sum(third)
    asking = index + attention.query_offset
    own = _asking(point, [point.q[:, asking], *moved[0]], k, v, row, asking)
    here = jnp.arange(point.q.shape[1], dtype=jnp.int32) == asking
    first, second = (jnp.where(here[None, :, None], o[:, None], x) for o, x in zip(own, (first, second), strict=False))
    return first, second, jnp.sum(jnp.where(here[None], 0, third)) + jnp.sum(adjoint[:, asking] * own[2])


def _asking(
    point: Point, q: Orders, k: Orders, v: Orders, row: jax.Array, asking: jax.Array
) -> tuple[jax.Array, jax.Array, jax.Array]:
    """The output [B, columns] of the token that moves: all its scores do, and one key and value."""
    here = jnp.arange(point.k.shape[1], dtype=jnp.int32) == row
    weights, slope = point.weights[:, asking], point.slope[:, asking]
    scores = []
    for n in (1, 2, 3):
        met = jnp.sum(sum(BINOMIAL[n][m] * q[n - m] * k[m] for m in range(1, n + 1)), -1)
        scores.append(slope * (jnp.einsum("bd,bmd->bm", q[n], point.k) + here[None] * met[:, None]))
    e = [weights, *(weights * term for term in of_exponential(*scores))]
    out = [point.out[:, asking]]
    for n in (1, 2, 3):
        above = jnp.einsum("bm,bmd->bd", e[n], point.v)
        above += sum(BINOMIAL[n][m] * e[n - m][:, row][:, None] * v[m] for m in range(1, n + 1))
        below = (BINOMIAL[n][m] * jnp.sum(e[m], -1, keepdims=True) * out[n - m] for m in range(1, n + 1))
        out.append(above - sum(below))
    return out[1], out[2], out[3]
