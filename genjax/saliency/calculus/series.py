"""Taylor series of a head along many directions at once, with the values at the point itself computed only once.

Along a direction every value is x(t) = x + t x_1 + t^2 x_2 / 2 + t^3 x_3 / 6. Linear operations act on all orders of
all directions in one batch; a function of single entries needs its derivatives at x alone,

    y_1 = f' x_1,   y_2 = f'' x_1^2 + f' x_2,   y_3 = f''' x_1^3 + 3 f'' x_1 x_2 + f' x_3,

and products follow Leibniz. Any other operation is differentiated by nested `jvp`, so that every head that has forward
mode has a series. Orders that vanish, such as the second up to the first curved operation, are not computed.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.extend.core as jex
import jax.numpy as jnp
import numpy as np

from genjax.saliency.calculus.float64 import Pair
from genjax.saliency.calculus.forward import (
    Derivatives,
    Head,
    Route,
    assemble,
    curve3,
    one_hot,
    score_value,
    taylor3,
    through_score,
)
from genjax.saliency.calculus.jaxpr import apply_equation, interpret, live
from genjax.saliency.calculus.proof import is_piecewise_linear
from genjax.saliency.calculus.smooth_layer import by_entries
from genjax.saliency.calculus.structure import Flat, flatten
from genjax.saliency.calculus.sums import sums_first
from genjax.saliency.calculus.widen import wide_logits
from genjax.saliency.scores import Score

NAME = "Taylor series"
BLOCK = 4 * 2**20  # bytes of the largest series of a block of directions: what stays in cache
BINOMIAL = ((1,), (1, 1), (1, 2, 1), (1, 3, 3, 1))
BILINEAR = frozenset({"mul", "dot_general", "conv_general_dilated"})


class Series(NamedTuple):
    """A value at the point, and its derivatives of order 1 to 3, float[directions, ...]; None where they vanish."""

    value: jax.Array
    terms: tuple[jax.Array | None, ...]


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
    flat = sums_first(flat, activations)
    count = activations.size
    if chunk is None:
        largest = max(math.prod(v.aval.shape) for e in flat.equations for v in e.outvars)
        chunk = min(64, max(1, BLOCK // (3 * largest * activations.dtype.itemsize)))
    chunk = min(chunk, count)

    def block(members: jax.Array) -> Any:
        directions = jax.vmap(lambda n: one_hot(n, activations))(members)
        start = {flat.jaxpr.invars[0]: Series(activations, (directions, None, None))}
        (along,) = series(flat, start, flat.jaxpr.outvars)
        return jax.vmap(lambda *s: through_score(score, logits, class_index, s))(*along)

    blocks = -(-count // chunk)
    order, needed = jnp.arange(count, dtype=jnp.int32), None
    if for_map and not flat.has_while:
        first = jax.grad(lambda a: score.function(flat.call(a), class_index))(activations)
        worth = (first > 0) & jnp.any(activations != 0, tuple(range(activations.ndim - 1)), keepdims=True)
        order, needed = jnp.argsort(~worth.ravel()).astype(jnp.int32), jnp.sum(worth, dtype=jnp.int32)
    order = jnp.concatenate([order, jnp.full(blocks * chunk - count, count, jnp.int32)]).reshape(blocks, chunk)

    def step(number: jax.Array, members: jax.Array) -> Any:
        if needed is None:
            return number + chunk, block(members)
        nothing = jax.tree.map(lambda v: jnp.zeros(v.shape, v.dtype), jax.eval_shape(block, members))
        return number + chunk, jax.lax.cond(number < needed, block, lambda _: nothing, members)

    _, pairs = jax.lax.scan(step, jnp.zeros((), jnp.int32), order)
    pairs = jax.tree.map(lambda v: jnp.zeros(count, v.dtype).at[order.ravel()].set(v.ravel(), mode="drop"), pairs)
    reason = f"{why}: {count} directions, {chunk} at a time"
    if needed is not None:
        (d1, d2, d3), residuals = pairs
        pairs = (jnp.where(worth.ravel(), d1, first.ravel()), d2, d3), residuals
        reason += ", of which those that the map needs"
    return assemble(pairs, activations.shape, score_value(score, logits, class_index), Route(NAME, reason))


def series(flat: Flat, start: dict[Any, Series], outputs: Sequence[Any]) -> list[tuple[jax.Array, ...]]:
    """First three derivatives of `outputs`, each float[directions, *shape], from the series of what they depend on."""

    def rule(equation: Any, inputs: list[Any]) -> Sequence[Any]:
        return _push(equation, flat, inputs)

    constants, equations = list(flat.values), live(flat.equations, outputs, start)
    jaxpr = flat.jaxpr.replace(
        constvars=constants,
        invars=list(start),
        outvars=list(outputs),
        eqns=equations,
        debug_info=flat.jaxpr.debug_info,
    )
    found = interpret(jaxpr, [flat.values[v] for v in constants], list(start.values()), rule)
    count = next(t.shape[0] for x in start.values() for t in x.terms if t is not None)

    def dense(variable: Any, value: Any) -> tuple[jax.Array, ...]:
        terms = value.terms if isinstance(value, Series) else (None, None, None)
        zeros = jnp.zeros((count, *variable.aval.shape), variable.aval.dtype)
        return tuple(zeros if x is None else jnp.broadcast_to(x, zeros.shape) for x in terms)

    return [dense(v, x) for v, x in zip(outputs, found, strict=True)]


def _push(equation: Any, flat: Flat, inputs: list[Any]) -> Sequence[Any]:
    """The outputs of one equation."""
    apply = apply_equation(equation, flat.jaxpr)
    moving: dict[Any, Series] = {v: x for v, x in zip(equation.invars, inputs, strict=True) if isinstance(x, Series)}
    fixed = [x.value if isinstance(x, Series) else x for x in inputs]
    values = apply(*fixed)
    if not moving or not any(jnp.issubdtype(v.aval.dtype, jnp.inexact) for v in equation.outvars):
        return values
    given = list(moving.values())

    def function(*moved: jax.Array) -> list[jax.Array]:
        """The inexact outputs as a function of the moving inputs alone."""
        now = dict(zip(moving, moved, strict=True))
        pairs = zip(equation.invars, fixed, strict=True)
        outputs = apply(*(x if isinstance(v, jex.Literal) else now.get(v, x) for v, x in pairs))
        return [y for y in outputs if y is not None and jnp.issubdtype(y.dtype, jnp.inexact)]

    name = equation.primitive.name
    linear = is_piecewise_linear(equation, flat.jaxpr, set(moving))
    convolve = _shifted(equation, moving, fixed)
    if convolve is not None:
        function = convolve
    if len(given) == 1 and by_entries(equation, list(moving)):
        terms = [_through_function(lambda x: function(x)[0], given[0], linear)]
    elif linear:
        terms = _through_linear(function, given)
    elif name in BILINEAR and len(given) == 2:
        terms = [_through_product(lambda x, y: function(x, y)[0], *given)]
    elif name == "div" and len(given) == 2:
        over, under = given
        inverse = Series(1 / under.value, _through_function(lambda x: 1 / x, under, False))
        terms = [_through_product(jnp.multiply, over, inverse)]
    else:
        terms = _through_anything(function, given)
    pending = iter(terms)
    return [y if y is None or not jnp.issubdtype(y.dtype, jnp.inexact) else _series(y, next(pending)) for y in values]


def _shifted(equation: Any, moving: dict[Any, Series], fixed: list[Any]) -> Callable[..., list[jax.Array]] | None:
    """A convolution with a constant kernel, as a sum over its taps; None for other operations and other machines.

    On CPUs XLA computes convolutions inside loops many times slower than products and sums, and directions are streamed
    in a loop.
    """
    if equation.primitive.name != "conv_general_dilated" or jax.default_backend() != "cpu":
        return None
    parameters, kernel = equation.params, fixed[1]
    numbers, groups = parameters["dimension_numbers"], parameters["feature_group_count"]
    channels = equation.invars[0].aval.shape[numbers.lhs_spec[1]]
    depthwise = groups == channels == kernel.shape[numbers.rhs_spec[0]]
    simple = all(d == 1 for d in parameters["lhs_dilation"]) and parameters["batch_group_count"] == 1
    if equation.invars[1] in moving or not simple or not (groups == 1 or depthwise):
        return None
    taps = kernel.transpose((*numbers.rhs_spec[2:], numbers.rhs_spec[1], numbers.rhs_spec[0]))
    out_shape = [equation.outvars[0].aval.shape[n] for n in numbers.out_spec[2:]]
    strides, dilation = parameters["window_strides"], parameters["rhs_dilation"]
    back = [0] * len(numbers.out_spec)
    for source, target in enumerate((0, len(back) - 1, *range(1, len(back) - 1))):
        back[numbers.out_spec[source]] = target

    def convolve(x: jax.Array) -> list[jax.Array]:
        x = x.transpose((numbers.lhs_spec[0], *numbers.lhs_spec[2:], numbers.lhs_spec[1]))
        pads = [(0, 0, 0), *((low, high, 0) for low, high in parameters["padding"]), (0, 0, 0)]
        x = jax.lax.pad(x, jnp.zeros((), x.dtype), pads)
        total: Any = 0
        for index in np.ndindex(*taps.shape[:-2]):
            start = [0, *(n * d for n, d in zip(index, dilation, strict=True)), 0]
            stop = [
                x.shape[0],
                *(a + (size - 1) * s + 1 for a, size, s in zip(start[1:-1], out_shape, strides, strict=True)),
                x.shape[-1],
            ]
            part = jax.lax.slice(x, start, stop, (1, *strides, 1))
            total = total + (
                part * taps[index].reshape((1,) * (x.ndim - 1) + (-1,)) if depthwise else part @ taps[index]
            )
        return [total.transpose(back)]

    return convolve


def _series(value: jax.Array, terms: tuple[jax.Array | None, ...]) -> Any:
    return value if all(x is None for x in terms) else Series(value, terms)


def _through_function(
    function: Callable[[jax.Array], jax.Array], x: Series, linear: bool
) -> tuple[jax.Array | None, ...]:
    f1, f2, f3 = (f[None] for f in taylor3(function, x.value, jnp.ones_like(x.value)))
    x1, x2, x3 = x.terms
    if linear:
        return tuple(None if x is None else f1 * x for x in x.terms)
    first = _sum((f1, x1))
    second = _sum((f2, x1, x1), (f1, x2))
    third = _sum((f3, x1, x1, x1), (3 * f2, x1, x2), (f1, x3))
    return first, second, third


def _sum(*products: tuple[Any, ...]) -> jax.Array | None:
    """The sum of products without those that have a vanishing factor (None)."""
    total = None
    for product in products:
        if all(x is not None for x in product):
            value = product[0]
            for factor in product[1:]:
                value = value * factor
            total = value if total is None else total + value
    return total


def _through_linear(function: Callable[..., list[jax.Array]], given: list[Series]) -> list[tuple[Any, ...]]:
    """One batch of all orders and directions."""
    orders = [n for n in range(3) if any(x.terms[n] is not None for x in given)]
    count = next(t.shape[0] for t in given[0].terms if t is not None)

    def term(x: Series, n: int) -> jax.Array:
        found = x.terms[n]
        return jnp.zeros((count, *x.value.shape), x.value.dtype) if found is None else found

    tangents = [jnp.concatenate([term(x, n) for n in orders]) for x in given]
    values = [x.value for x in given]
    pushed = jax.vmap(lambda *moved: jax.jvp(function, values, list(moved))[1])(*tangents)
    results = []
    for y in pushed:
        parts = dict(zip(orders, jnp.split(y, len(orders)), strict=True))
        results.append(tuple(parts.get(n) for n in range(3)))
    return results


def _through_product(product: Callable[..., jax.Array], x: Series, y: Series) -> tuple[jax.Array | None, ...]:
    """Leibniz: (x y)_n = sum_m binomial(n, m) x_m y_{n - m}."""
    terms = []
    for n in (1, 2, 3):
        total = None
        for m, factor in enumerate(BINOMIAL[n]):
            left = x.value if m == 0 else x.terms[m - 1]
            right = y.value if m == n else y.terms[n - m - 1]
            if left is None or right is None:
                continue
            axes = (None if m == 0 else 0, None if m == n else 0)
            value = factor * jax.vmap(product, axes)(left, right)
            total = value if total is None else total + value
        terms.append(total)
    return tuple(terms)


def _through_anything(function: Callable[..., list[jax.Array]], given: list[Series]) -> list[tuple[Any, ...]]:
    """By nested forward mode along the curves of the inputs."""
    values = [x.value for x in given]
    terms = [tuple(t for t in x.terms) for x in given]

    def along(terms: list[tuple[Any, ...]]) -> Any:
        def curve(t: jax.Array) -> list[jax.Array]:
            moved = []
            for x, (x1, x2, x3) in zip(values, terms, strict=True):
                for n, (term, factor) in enumerate(zip((x1, x2, x3), (1, 2, 6), strict=True), 1):
                    x = x if term is None else x + (t**n * term / factor).astype(x.dtype)
                moved.append(x)
            return function(*moved)

        return curve3(curve, values[0].dtype)

    first, second, third = jax.vmap(along)(terms)
    return list(zip(first, second, third, strict=True))
