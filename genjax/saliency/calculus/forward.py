"""Unmixed derivatives of a score along one direction at a time: for any head.

Y along the n-th activation is a function of one number, t -> score(head(A + t e_n)). Nested `jax.jvp` gives its first
three derivatives at about the price of two forward passes; directions are streamed in chunks, so that memory stays
bounded.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from genjax.saliency.calculus.float64 import Pair, as_pairs, from_pair, in_double
from genjax.saliency.calculus.widen import wide_logits
from genjax.saliency.compiled import each
from genjax.saliency.scores import Score

Head = Callable[[jax.Array], jax.Array]


class Route(NamedTuple):
    """Which method computed the derivatives (`name`), and why it was chosen and is exact or not (`reason`)."""

    name: str
    reason: str


# Strings are no arrays: a registered static node lets a result carry them through jit and vmap.
jax.tree_util.register_static(Route)


class Derivatives(NamedTuple):
    """d^n Y / dA^n along each activation, each of A's shape; divided by Y = exp(log_score) for an exponentiated score.

    `residual` holds what rounding to float32 left over of each order (zero where x64 is on): `first.astype(float64) +
    residual[0]` has the full precision. `log_score` is the score's function itself: the logit, the log-probability, or
    your own.
    """

    first: jax.Array
    second: jax.Array | None
    third: jax.Array | None
    log_score: jax.Array
    residual: tuple[jax.Array | None, ...]
    route: Route


def curve3(curve: Callable[[jax.Array], Any], dtype: Any) -> tuple[Any, Any, Any]:
    """First, second and third derivative at 0 of a function of one number, by three shared nested `jvp`."""
    one, zero = jnp.ones((), dtype), jnp.zeros((), dtype)

    def first(t):
        return jax.jvp(curve, (t,), (one,))

    def second(t):
        (_, d1), (_, d2) = jax.jvp(first, (t,), (one,))
        return d1, d2

    (d1, d2), (_, d3) = jax.jvp(second, (zero,), (one,))
    return d1, d2, d3


def taylor3(function: Callable[[jax.Array], Any], point: jax.Array, direction: jax.Array) -> tuple[Any, Any, Any]:
    """First, second and third derivative of t -> function(point + t direction) at 0."""
    return curve3(lambda t: function(point + t * direction), point.dtype)


def of_exponential(u1: jax.Array, u2: jax.Array, u3: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Derivatives of Y = exp(u), divided by Y: u', u'^2 + u'', u'^3 + 3 u' u'' + u'''."""
    return u1, u1**2 + u2, u1**3 + 3 * u1 * u2 + u3


def through_score(
    score: Score, logits: Pair, class_index: jax.Array, along: tuple[jax.Array, ...], third: Any = 0.0
) -> Any:
    """Derivatives of Y along a curve of logits with derivatives `along` (three arrays float[classes]), in float64.

    `logits` are the sum of a pair (`wide_logits`); `third` is added to the third derivative of `score.function`.
    Returns pairs ((d1, d2, d3), (their residuals)) in the dtype of the curve; divided by Y for an exponentiated score.
    """

    def wide(logits, class_index, third, s1, s2, s3):
        s0, s1, s2, s3, third = (v.astype(jnp.float64) for v in (from_pair(logits), s1, s2, s3, third))

        def curve(t):
            along = s0 + t * (s1 + t * (s2 / 2 + t * (s3 / 6)))
            return score.function(along, class_index) + t**3 / 6 * third

        derivatives = curve3(curve, jnp.float64)
        return as_pairs(of_exponential(*derivatives) if score.exponentiated else derivatives, along[0].dtype)

    return in_double(wide, logits, class_index, jnp.asarray(third, along[0].dtype), *along)


def score_gradient(score: Score, logits: Pair, class_index: jax.Array) -> jax.Array:
    """The gradient of `score.function` in the logits, computed in float64."""

    def wide(logits, class_index):
        return jax.grad(lambda s: score.function(s, class_index))(from_pair(logits)).astype(logits[0].dtype)

    return in_double(wide, logits, class_index)


def score_value(score: Score, logits: Pair, class_index: jax.Array) -> jax.Array:
    """`score.function(logits, class_index)`, computed in float64."""
    return in_double(lambda s, c: score.function(from_pair(s), c).astype(s[0].dtype), logits, class_index)


def stream(function: Callable[[jax.Array], Any], count: int, chunk: int) -> Any:
    """`function(0), ..., function(count - 1)` stacked, `chunk` at a time."""
    return each(function, jnp.arange(count, dtype=jnp.int32), min(chunk, count))


def one_hot(index: jax.Array, like: jax.Array) -> jax.Array:
    """The direction of the `index`-th element of `like`."""
    return (jnp.arange(like.size, dtype=jnp.int32) == index).astype(like.dtype).reshape(like.shape)


def assemble(pairs: Any, shape: tuple[int, ...], log_score: jax.Array, route: Route) -> Derivatives:
    """`Derivatives` from ((d1, d2, d3), residuals), each reshaped to `shape`."""
    (first, second, third), low = jax.tree.map(lambda v: v.reshape(shape), pairs)
    return Derivatives(first, second, third, log_score, low, route)


def forward_mode(
    head: Head,
    activations: jax.Array,
    score: Score,
    class_index: jax.Array,
    *,
    chunk: int = 64,
    why: str = "chosen by the caller",
) -> Derivatives:
    """Nested forward mode along every element: exact for any head, one pass of about two forwards per element."""
    logits = wide_logits(head, activations)
    pairs = stream(
        lambda n: through_score(score, logits, class_index, taylor3(head, activations, one_hot(n, activations))),
        activations.size,
        chunk,
    )
    route = Route("forward mode", f"{why}: {activations.size} directions, {min(chunk, activations.size)} at a time")
    return assemble(pairs, activations.shape, score_value(score, logits, class_index), route)


def reverse_mode(
    head: Head,
    activations: jax.Array,
    score: Score,
    class_index: jax.Array,
    *,
    chunk: int = 64,
    why: str = "chosen by the caller",
) -> Derivatives:
    """`jax.grad` composed three times along every element: the reference, and for heads that forbid forward mode.

    Everything, the score included, is computed in the activations' dtype.
    """

    def along(n):
        direction = one_hot(n, activations)

        def curve(t):
            return score.function(head(activations + t * direction), class_index)

        first, second = jax.grad(curve), jax.grad(jax.grad(curve))
        zero = jnp.zeros((), activations.dtype)
        derivatives = first(zero), second(zero), jax.grad(second)(zero)
        return as_pairs(of_exponential(*derivatives) if score.exponentiated else derivatives, activations.dtype)

    pairs = stream(along, activations.size, chunk)
    route = Route("reverse mode", f"{why}: {activations.size} triple gradients")
    return assemble(pairs, activations.shape, score.function(head(activations), class_index), route)


def taylor_mode(
    head: Head,
    activations: jax.Array,
    score: Score,
    class_index: jax.Array,
    *,
    chunk: int = 64,
    why: str = "chosen by the caller",
) -> Derivatives:
    """`jax.experimental.jet` along every element, where it has a rule for every operation of the head.

    It has none for `jax.nn.relu` and other functions with their own derivative, max pooling, sorting, loops and
    rematerialisation: then NotImplementedError is raised.
    """
    from jax.experimental import jet

    logits = wide_logits(head, activations)

    def derivatives(n):
        zeros = jnp.zeros_like(activations)
        try:
            _, along = jet.jet(head, (activations,), ([one_hot(n, activations), zeros, zeros],))
        except Exception as error:
            raise NotImplementedError(
                f"Taylor mode has no rule for an operation of this head ({type(error).__name__}): "
                "use forward_mode, which is as exact and faster"
            ) from error
        return through_score(score, logits, class_index, tuple(along))

    pairs = stream(derivatives, activations.size, chunk)
    route = Route("Taylor mode", f"{why}: {activations.size} series")
    return assemble(pairs, activations.shape, score_value(score, logits, class_index), route)


def exp_trick(
    head: Head, activations: jax.Array, score: Score, class_index: jax.Array, *, chunk: int = 64
) -> Derivatives:
    """The usual approximation: powers g, g^2, g^3 of the gradient of `score.function`, whatever the head and the score.

    Exact for `EXP` on a piecewise linear head only (Chattopadhay et al. 2018, arXiv:1710.11063, equations 16 to 19).
    """
    value, gradient = jax.value_and_grad(lambda a: score.function(head(a), class_index))(activations)
    del chunk
    return powers(gradient, value, Route("exp-trick", "powers of the first gradient, not derivatives"))


def powers(gradient: jax.Array, value: jax.Array, route: Route) -> Derivatives:
    """g, g^2 and g^3 with what rounding leaves over."""

    def wide(gradient):
        g = gradient.astype(jnp.float64)
        return as_pairs((g, g**2, g**3), gradient.dtype)

    return assemble(in_double(wide, gradient), gradient.shape, value, route)
