"""Taylor series of a head along many directions at once, with the values at the point itself computed only once.

Along a direction every value is x(t) = x + t x_1 + t^2 x_2 / 2 + t^3 x_3 / 6. Linear operations act on all orders of
all directions in one batch; a function of single entries needs its derivatives at x alone,

    y_1 = f' x_1,   y_2 = f'' x_1^2 + f' x_2,   y_3 = f''' x_1^3 + 3 f'' x_1 x_2 + f' x_3,

and products follow Leibniz. Any other operation is differentiated by nested `jvp`, so that every head that has forward
mode has a series. Orders that vanish, such as the second up to the first curved operation, are not computed.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.extend.core as jex
import jax.numpy as jnp

from genjax.saliency.calculus.forward import curve3, taylor3
from genjax.saliency.calculus.jaxpr import apply_equation, interpret, live
from genjax.saliency.calculus.proof import is_piecewise_linear
from genjax.saliency.calculus.shifted import shifted
from genjax.saliency.calculus.smooth_layer import by_entries
from genjax.saliency.calculus.structure import Flat

BINOMIAL = ((1,), (1, 1), (1, 2, 1), (1, 3, 3, 1))
BILINEAR = frozenset({"mul", "dot_general", "conv_general_dilated"})
Keep = Callable[[Any, list[tuple[Any, ...]]], list[tuple[Any, ...]]]


class Series(NamedTuple):
    """A value at the point, and its derivatives of order 1 to 3, float[directions, ...]; None where they vanish."""

    value: jax.Array
    terms: tuple[jax.Array | None, ...]


def series(flat: Flat, start: dict[Any, Any], outputs: Sequence[Any]) -> list[tuple[jax.Array, ...]]:
    """First three derivatives of `outputs`, each float[directions, *shape], from the series of what they depend on.

    `start` gives values of variables, as `Series` where they move.
    """
    found, count = sparse_series(flat, start, outputs), count_of(start)
    return [dense(v, x, count) for v, x in zip(outputs, found, strict=True)]


def sparse_series(
    flat: Flat, start: dict[Any, Any], outputs: Sequence[Any], keep: Keep = lambda equation, terms: terms
) -> list[Any]:
    """`series` as `Series` and, where nothing moves, arrays; `keep(equation, terms)` gives the terms to go on with."""

    def rule(equation: Any, inputs: list[Any]) -> Sequence[Any]:
        return _push(equation, flat, inputs, keep)

    return interpret(*_part(flat, start, outputs), list(start.values()), rule)


def two_orders(
    flat: Flat, start: dict[Any, Any], outputs: Sequence[Any], cotangents: dict[Any, jax.Array]
) -> tuple[list[tuple[jax.Array, ...]], jax.Array]:
    """`series` up to the second order, and the third derivative of one number, float[directions].

    A number's third derivative is linear in the third-order terms of all values, so these need not be carried along:
    what each curved operation adds to its outputs' third order counts with their cotangents (`cotangents_of`). The
    third-order terms of `start` are left out.
    """
    start = {v: x._replace(terms=(*x.terms[:2], None)) if isinstance(x, Series) else x for v, x in start.items()}
    added: list[jax.Array] = []

    def keep_two(equation: Any, terms: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
        for variable, (_, _, third) in zip(filter(_is_inexact, equation.outvars), terms, strict=True):
            if third is not None:
                added.append(jnp.sum(third * cotangents[variable][None], range(1, third.ndim)))
        return [(*term[:2], None) for term in terms]

    found, count = sparse_series(flat, start, outputs, keep_two), count_of(start)
    terms = [dense(v, x, count) for v, x in zip(outputs, found, strict=True)]
    return terms, sum(added, start=jnp.zeros(count, terms[0][0].dtype))


def cotangents_of(flat: Flat, start: dict[Any, jax.Array], cotangent: jax.Array) -> dict[Any, jax.Array]:
    """The cotangents of `start`, and of all values between them and the logits, for one of the logits."""
    outputs = flat.jaxpr.outvars
    equations = live(flat.equations, outputs, start)
    inner = [v for e in equations for v in e.outvars if _is_inexact(v)]
    targets = [*(v for v in start if _is_inexact(v)), *inner]

    def logits(offsets: list[jax.Array]) -> jax.Array:
        offset = dict(zip(targets, offsets, strict=True))

        def rule(equation: Any, inputs: list[Any]) -> Sequence[Any]:
            values = apply_equation(equation, flat.jaxpr)(*inputs)
            return [y + offset[v] if v in offset else y for v, y in zip(equation.outvars, values, strict=True)]

        moved = {v: x + offset[v] if v in offset else x for v, x in start.items()}
        return interpret(*_part(flat, start, outputs), list(moved.values()), rule)[0]

    zeros = [jnp.zeros(v.aval.shape, v.aval.dtype) for v in targets]
    return dict(zip(targets, jax.vjp(logits, zeros)[1](cotangent)[0], strict=True))


def _is_inexact(variable: Any) -> bool:
    return not isinstance(variable, jex.DropVar) and jnp.issubdtype(variable.aval.dtype, jnp.inexact)


def _part(flat: Flat, start: dict[Any, Any], outputs: Sequence[Any]) -> tuple[Any, list[Any]]:
    """The program between `start` and `outputs`, and its constants."""
    constants, equations = list(flat.values), live(flat.equations, outputs, start)
    jaxpr = flat.jaxpr.replace(
        constvars=constants,
        invars=list(start),
        outvars=list(outputs),
        eqns=equations,
        debug_info=flat.jaxpr.debug_info,
    )
    return jaxpr, [flat.values[v] for v in constants]


def count_of(start: dict[Any, Any]) -> int:
    """The number of directions."""
    moving = (x for x in start.values() if isinstance(x, Series))
    return next(t.shape[0] for x in moving for t in x.terms if t is not None)


def dense(variable: Any, value: Any, count: int) -> tuple[jax.Array, ...]:
    """The terms of a `Series` (or of a value that does not move), float[count, *shape of `variable`] each."""
    terms = value.terms if isinstance(value, Series) else (None, None, None)
    zeros = jnp.zeros((count, *variable.aval.shape), variable.aval.dtype)
    return tuple(zeros if x is None else jnp.broadcast_to(x, zeros.shape) for x in terms)


def _push(equation: Any, flat: Flat, inputs: list[Any], keep: Keep) -> Sequence[Any]:
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
    convolve = shifted(equation, moving, fixed)
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
    pending = iter(keep(equation, terms))
    return [y if y is None or not jnp.issubdtype(y.dtype, jnp.inexact) else _series(y, next(pending)) for y in values]


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
