"""Derivatives in closed form, for heads that are proved piecewise linear.

For a head proved piecewise linear, with d_q = dS_q/dA along one activation, Y = exp(S_c) has the derivatives d_c, d_c^2
and d_c^3 (divided by Y). For the probability p_c = 1 / f, f = sum_q exp(S_q - S_c), the derivatives of f are class
moments, E_n = sum_q p_q (d_q - d_c)^n, and

    p'/p = -E_1,   p''/p = 2 E_1^2 - E_2,   p'''/p = -6 E_1^3 + 6 E_1 E_2 - E_3.

The class itself contributes nothing to E_n: it is left out, so that no digits are lost as p approaches 1.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from genjax.saliency.calculus.float64 import Pair, as_pairs, from_pair, in_double
from genjax.saliency.calculus.forward import (
    Derivatives,
    Head,
    Route,
    assemble,
    curve3,
    of_exponential,
    one_hot,
    powers,
    score_value,
    stream,
)
from genjax.saliency.calculus.pooled import kernels, matrix_of, spread
from genjax.saliency.calculus.proof import prove_piecewise_linear
from genjax.saliency.calculus.structure import PooledHead, flatten, read_structure
from genjax.saliency.calculus.widen import wide_logits
from genjax.saliency.compiled import scan
from genjax.saliency.scores import Score, class_log_probability, class_log_sigmoid, class_logit

BLOCK = 2**26  # bytes of a block of gradients
BYTES = 32  # compiled programs take for each element of a gradient, measured: SqueezeNet fire5, ResNet-50 layer3


def piecewise_linear(
    head: Head, activations: jax.Array, score: Score, class_index: jax.Array, *, chunk: int | None = None
) -> Derivatives:
    """Closed form for a head that is proved piecewise linear, and the scores `EXP`, `SIGMOID`, `SOFTMAX` and `LOGIT`.

    EXP, SIGMOID and LOGIT need one gradient. SOFTMAX needs the class moments: from one matrix for heads with a spatial
    mean, otherwise streamed over the classes, `chunk` gradients at a time (None: what fits). Raises ValueError for
    other heads (naming what is in the way) and scores.
    """
    proof = prove_piecewise_linear(head, activations)
    if not proof.piecewise_linear:
        raise ValueError(
            f"the closed form needs a piecewise linear head, and this one has {proof.obstacle} in its jaxpr: use auto"
        )
    if not has_closed_form(score):
        raise ValueError(
            "the closed form knows the scores EXP, SIGMOID, SOFTMAX and LOGIT: use forward_mode or auto for your own"
        )
    flat = flatten(head, activations)
    if flat.has_while:
        raise ValueError("the closed form needs gradients, and a while loop in this head forbids them: use auto")
    structure = None if proof.reverse_only else read_structure(flat, activations)
    return linear_route(flat.call, structure, activations, score, class_index, chunk)


def has_closed_form(score: Score) -> bool:
    """Whether a piecewise linear head needs no higher derivative rule for this score."""
    return of_one_logit(score) or (score.function is class_log_probability and score.exponentiated)


def of_one_logit(score: Score) -> bool:
    """Whether the score is a function of the explained class's logit alone."""
    return score.function in (class_logit, class_log_sigmoid)


def linear_route(
    head: Head,
    structure: PooledHead | None,
    activations: jax.Array,
    score: Score,
    class_index: jax.Array,
    chunk: int | None,
) -> Derivatives:
    """`piecewise_linear` without the proof, for a head whose structure has been read."""
    if of_one_logit(score):
        return _of_one_logit(head, activations, score, class_index)
    if structure is not None and structure.uniform:
        return _moments_of_pooled(
            structure, activations, wide_logits(head, activations), score, class_index, chunk or 64
        )
    if structure is not None and structure.kernel is not None and structure.tail_is_diagonal:
        return _moments_of_masked(
            structure, activations, wide_logits(head, activations), score, class_index, chunk or 64
        )
    return _moments_streamed(head, activations, score, class_index, chunk or fitting(activations))


def _of_one_logit(head: Head, activations: jax.Array, score: Score, class_index: jax.Array) -> Derivatives:
    """Y^(n) = f^(n)(S_c) g^n with the gradient g of S_c."""
    value, gradient = jax.value_and_grad(lambda a: head(a)[class_index])(activations)
    route = Route("powers of the gradient", "the head is proved piecewise linear")
    if score.function is class_logit:
        derivatives = powers(gradient, value, route)
        if score.exponentiated:
            return derivatives
        nothing = jnp.zeros_like(gradient)
        residual = (derivatives.residual[0], nothing, nothing)
        return derivatives._replace(second=nothing, third=nothing, residual=residual)
    logits = wide_logits(head, activations)

    def wide(logits, class_index, gradient):
        s, slope = from_pair(logits), jnp.arange(logits[0].size, dtype=jnp.int32) == class_index
        along = curve3(lambda t: score.function(s + t * slope, class_index), jnp.float64)
        scale = of_exponential(*along) if score.exponentiated else along
        g = gradient.astype(jnp.float64)
        return as_pairs(tuple(c * g**n for n, c in enumerate(scale, 1)), gradient.dtype)

    pairs = in_double(wide, logits, class_index, gradient)
    return assemble(pairs, activations.shape, score_value(score, logits, class_index), route)


def _moments_of_pooled(
    structure: PooledHead, activations: jax.Array, logits: Pair, score: Score, class_index: jax.Array, chunk: int
) -> Derivatives:
    classes, channels = logits[0].size, activations.shape[-1]
    push = jax.linearize(structure.tail, *structure.sums)[1]
    alone = structure.kernel_is_diagonal and len(structure.sums) == 1
    matrix = matrix_of(push, structure.sums[0]) if alone else None
    if alone and matrix is None and classes < channels:
        pullback = jax.vjp(structure.tail, *structure.sums)[1]
        matrix = stream(lambda q: pullback(one_hot(q, logits[0]))[0], classes, chunk).T
    if matrix is not None:
        scale = jax.jvp(structure.local, (activations,), (jnp.ones_like(activations),))[1][0][0]
    else:
        vectors = kernels(structure.local, activations, chunk)

    def along(k):
        """What channel k does to the logits."""
        return push(*(v[k] for v in vectors)) if matrix is None else scale[k] * matrix[k]

    def wide(logits, class_index, slopes):
        others, _ = _probabilities(logits, class_index)
        d = slopes.astype(jnp.float64)
        sums = [jnp.sum(others)] + [others @ d**n for n in (1, 2, 3)]
        return as_pairs(_from_raw_moments(sums, d[class_index]), slopes.dtype)

    pairs = stream(lambda k: in_double(wide, logits, class_index, along(k)), channels, chunk)
    route = Route(
        "class moments, one matrix",
        f"the head is proved piecewise linear, and A enters through its mean: a {classes} x {channels} Jacobian",
    )
    return spread(pairs, activations, score_value(score, logits, class_index), route)


def _moments_of_masked(
    structure: PooledHead, activations: jax.Array, logits: Pair, score: Score, class_index: jax.Array, chunk: int
) -> Derivatives:
    """dS_q/dA_ijk = slope_ijq W_kq, so that the moments over classes are three matrix products."""
    assert structure.kernel is not None and structure.elementwise is not None
    uniform = structure.kernel
    kernel, before = kernels(lambda a: [uniform(a)], activations, chunk)[0], uniform(activations)
    slope = jax.jvp(structure.elementwise, (before,), (jnp.ones_like(before),))[1]
    outer = jax.jvp(structure.tail, structure.sums, [jnp.ones_like(structure.sums[0])])[1]

    def wide(logits, class_index, kernel, slope, outer):
        others, _ = _probabilities(logits, class_index)
        w, g = kernel.astype(jnp.float64), slope.astype(jnp.float64) * outer.astype(jnp.float64)[None]
        sums = [jnp.sum(others)] + [(others[None] * g**n) @ (w**n).T for n in (1, 2, 3)]
        own = g[:, class_index][:, None] * w[:, class_index][None]
        return as_pairs(_from_raw_moments(sums, own), kernel.dtype)

    pairs = in_double(wide, logits, class_index, kernel, slope, outer)
    route = Route(
        "class moments, matrix products",
        "the head is proved piecewise linear, and is a uniform kernel, a function entry by entry and a spatial mean",
    )
    return assemble(pairs, activations.shape, score_value(score, logits, class_index), route)


def _moments_streamed(
    head: Head, activations: jax.Array, score: Score, class_index: jax.Array, chunk: int
) -> Derivatives:
    logits, pullback = wide_logits(head, activations), jax.vjp(head, activations)[1]
    pairs = stream_moments(pullback, activations, logits, class_index, chunk)
    classes = logits[0].size
    route = Route(
        "class moments, streamed",
        f"the head is proved piecewise linear: {classes} gradients, {min(chunk, classes)} at a time",
    )
    return assemble(pairs, activations.shape, score_value(score, logits, class_index), route)


def fitting(activations: jax.Array) -> int:
    """How many gradients `stream_moments` should take at a time: larger blocks leave the cache, and are slower."""
    return max(4, min(64, BLOCK // (BYTES * activations.size)))


def stream_moments(
    along: Callable[[jax.Array], tuple[jax.Array, ...]],
    like: jax.Array,
    logits: Pair,
    class_index: jax.Array,
    chunk: int,
) -> Any:
    """Derivatives of a probability (over it) from those of the logits, class by class: ((d1, d2, d3), residuals).

    `along(cotangent of the logits)` gives their first derivatives (or the first three), each of the shape of `like`.
    With the derivatives x_n of S_q - S_c, those of f = sum_q exp(S_q - S_c), over f, are E_1 = E x_1, E_2 = E (x_1^2 +
    x_2) and E_3 = E (x_1^3 + 3 x_1 x_2 + x_3).
    """
    own = along(one_hot(class_index, logits[0]))
    classes, dtype = logits[0].size, like.dtype
    chunk = min(chunk, classes)

    def wide(high, low, logits, class_index, members, derivatives, own):
        _, probabilities = _probabilities(logits, class_index)
        weights = jnp.where(members < classes, probabilities[jnp.minimum(members, classes - 1)], 0)
        x = [d.astype(jnp.float64) - o.astype(jnp.float64)[None] for d, o in zip(derivatives, own, strict=True)]
        terms = (x[0], x[0] ** 2, x[0] ** 3) if len(x) == 1 else of_exponential(*x)
        total = (h.astype(jnp.float64) + r for h, r in zip(high, low, strict=True))
        return as_pairs(tuple(t + jnp.tensordot(weights, x, 1) for x, t in zip(terms, total, strict=True)), dtype)

    def add(moments, members):
        derivatives = jax.vmap(lambda q: along(one_hot(q, logits[0])))(members)
        return in_double(wide, *moments, logits, class_index, members, derivatives, own), None

    blocks = -(-classes // chunk)
    members = jnp.arange(blocks * chunk, dtype=jnp.int32).reshape(blocks, chunk)
    zeros = (jnp.zeros_like(like),) * 3
    moments, _ = scan(add, (zeros, zeros), members)

    def finish(high, low):
        e1, e2, e3 = (h.astype(jnp.float64) + r for h, r in zip(high, low, strict=True))
        return as_pairs(_from_moments(e1, e2, e3), dtype)

    return in_double(finish, *moments)


def _probabilities(logits: Pair, class_index: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Float64 class probabilities: with the explained class set to zero, and all of them."""
    probabilities = jax.nn.softmax(from_pair(logits))
    others = jnp.where(jnp.arange(probabilities.size, dtype=jnp.int32) == class_index, 0, probabilities)
    return others, probabilities


def _from_raw_moments(sums: list[jax.Array], own: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
    """From M_n = sum_{q != c} p_q d_q^n (n = 0 to 3) and d_c."""
    m0, m1, m2, m3 = sums
    e1 = m1 - m0 * own
    e2 = m2 - 2 * own * m1 + m0 * own**2
    e3 = m3 - 3 * own * m2 + 3 * own**2 * m1 - m0 * own**3
    return _from_moments(e1, e2, e3)


def _from_moments(e1: jax.Array, e2: jax.Array, e3: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
    return -e1, 2 * e1**2 - e2, -6 * e1**3 + 6 * e1 * e2 - e3
