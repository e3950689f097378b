"""Taylor series of a head along many directions at once, with the values at the point itself computed only once.

Along a direction every value is x(t) = x + t x_1 + t^2 x_2 / 2 + t^3 x_3 / 6. Linear operations act on every order by
itself; a function of single entries needs its derivatives at x alone,

    y_1 = f' x_1,   y_2 = f'' x_1^2 + f' x_2,   y_3 = f''' x_1^3 + 3 f'' x_1 x_2 + f' x_3,

and products follow Leibniz. Any other operation is differentiated by nested `jvp`, so that every head that has forward
mode has a series. Orders that vanish, such as the second up to the first curved operation, are not computed. A chain of
functions of single entries is one function.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.extend.core as jex
import jax.numpy as jnp

from genjax.saliency.calculus.forward import curve3, taylor3
from genjax.saliency.calculus.jaxpr import apply_equation, live, program, variables
from genjax.saliency.calculus.proof import is_piecewise_linear
from genjax.saliency.calculus.shifted import shifted, summed
from genjax.saliency.calculus.smooth_layer import by_entries
from genjax.saliency.calculus.structure import Flat

BINOMIAL = ((1,), (1, 1), (1, 2, 1), (1, 3, 3, 1))
ENTRIES, LINEAR, PRODUCT, QUOTIENT, ANY = "entries", "linear", "product", "quotient", "any"
BILINEAR = frozenset({"mul", "dot_general", "conv_general_dilated"})

Terms = tuple[jax.Array | None, jax.Array | None, jax.Array | None]  # float[directions, ...]; None where they vanish
ZERO: Terms = (None, None, None)


class Step(NamedTuple):
    """A part of a program with one `rule`: `outputs` (inexact) = function(*`inputs`)."""

    inputs: list[Any]
    outputs: list[Any]
    function: Callable[..., list[jax.Array]]
    rule: str


class Prepared(NamedTuple):
    """The program between variables and `outputs`: its steps, all values at the point, and slopes of the steps.

    `slopes[n]`: first three derivatives of step n, entry by entry, where that is its rule.
    """

    steps: list[Step]
    values: dict[Any, jax.Array]
    slopes: list[Any]
    outputs: list[Any]


def prepare(flat: Flat, start: dict[Any, jax.Array], outputs: Sequence[Any]) -> Prepared:
    """Read the program from `start` on, and evaluate what no direction changes."""
    equations = live(flat.equations, outputs, start)
    every = list(dict.fromkeys(v for e in equations for v in e.outvars if not isinstance(v, jex.DropVar)))
    run = flat.function(list(start), every)
    values = flat.values | start | dict(zip(every, run(*start.values()), strict=True))
    moving = {v for v in start if _is_inexact(v)}
    chains: dict[Any, _Chain] = {}
    steps: list[Step] = []
    slopes: list[Any] = []

    def end_chain(variable: Any) -> None:
        """Make a step of the chain up to a variable that is read otherwise than entry by entry."""
        chain = chains.get(variable)
        if chain is not None and all(variable not in step.outputs for step in steps):
            function = _through_chain(chain, variable, flat, values)
            steps.append(Step([chain.base], [variable], function, ENTRIES))
            x = values[chain.base]
            first, second, third = taylor3(lambda x: function(x)[0], x, jnp.ones_like(x))
            slopes.append((first, second, third) if chain.curved else (first, None, None))

    for equation in equations:
        inputs = [v for v in dict.fromkeys(variables(equation.invars)) if v in moving]
        results = [v for v in equation.outvars if _is_inexact(v)]
        if not inputs or not results:
            continue
        moving.update(results)
        linear = is_piecewise_linear(equation, flat.jaxpr, set(inputs))
        so_far = [chains.get(v, _Chain(v, [], False)) for v in inputs]
        if by_entries(equation, inputs) and len({c.base for c in so_far}) == 1:
            before = list({id(e): e for c in so_far for e in c.equations}.values())
            curved = not linear or any(c.curved for c in so_far)
            chains[results[0]] = _Chain(so_far[0].base, [*before, equation], curved)
            continue
        for variable in inputs:
            end_chain(variable)
        steps.append(_step(equation, inputs, results, flat, values, linear))
        slopes.append(None)
    for variable in outputs:
        end_chain(variable)
    return Prepared(steps, values, slopes, list(outputs))


class _Chain(NamedTuple):
    """A value as a function of the entries of `base`."""

    base: Any
    equations: list[Any]
    curved: bool


def _through_chain(chain: _Chain, end: Any, flat: Flat, values: dict[Any, jax.Array]) -> Callable[..., list[jax.Array]]:
    inside = {v for e in chain.equations for v in e.outvars}
    fixed = {v for e in chain.equations for v in variables(e.invars)} - inside - {chain.base}
    given = list(fixed)
    run = program(flat.jaxpr, [chain.base, *given], [end], live(chain.equations, [end], [chain.base]))
    return lambda x: run(x, *(values[v] for v in given))


def _is_inexact(variable: Any) -> bool:
    return not isinstance(variable, jex.DropVar) and jnp.issubdtype(variable.aval.dtype, jnp.inexact)


def _step(
    equation: Any, inputs: list[Any], results: list[Any], flat: Flat, values: dict[Any, jax.Array], linear: bool
) -> Step:
    """An equation as a step of its own."""
    apply, name = apply_equation(equation, flat.jaxpr), equation.primitive.name
    fixed = [v.val if isinstance(v, jex.Literal) else values[v] for v in equation.invars]

    def function(*moved: jax.Array) -> list[jax.Array]:
        now = dict(zip(inputs, moved, strict=True))
        pairs = zip(equation.invars, fixed, strict=True)
        found = apply(*(x if isinstance(v, jex.Literal) else now.get(v, x) for v, x in pairs))
        return [y for y, v in zip(found, equation.outvars, strict=True) if _is_inexact(v)]

    if linear:
        return Step(inputs, results, shifted(equation, inputs, fixed) or summed(equation) or function, LINEAR)
    if name in BILINEAR and len(inputs) == 2:
        return Step(inputs, results, function, PRODUCT)
    return Step(inputs, results, function, QUOTIENT if name == "div" and len(inputs) == 2 else ANY)


def series(prepared: Prepared, start: dict[Any, Terms]) -> list[tuple[jax.Array, ...]]:
    """First three derivatives of the outputs, each float[directions, *shape], from those of what moves."""
    found = sparse_series(prepared, start)
    return [dense(v, found.get(v, ZERO), count_of(start)) for v in prepared.outputs]


def two_orders(
    prepared: Prepared, start: dict[Any, Terms], cotangents: dict[Any, jax.Array]
) -> tuple[list[tuple[jax.Array, ...]], jax.Array]:
    """`series` up to the second order, and the third derivative of one number, float[directions].

    A number's third derivative is linear in the third-order terms of all values, so these need not be carried along:
    what each curved step adds to its outputs' third order counts with their cotangents (`cotangents_of`).
    """
    added: list[jax.Array] = []

    def keep(variable: Any, terms: Terms) -> Terms:
        if terms[2] is not None:
            added.append(_total(terms[2] * cotangents[variable][None]))
        return (*terms[:2], None)

    start = {v: keep(v, x) for v, x in start.items()}

    found = sparse_series(prepared, start, keep)
    terms = [dense(v, found.get(v, ZERO), count_of(start)) for v in prepared.outputs]
    return terms, sum(added, start=jnp.zeros(count_of(start), terms[0][0].dtype))


def _total(values: jax.Array) -> jax.Array:
    """float[count, ...] -> float[count], first over the last axis: XLA turns that into loops that CPUs run fast."""
    rows = values.reshape(-1, values.shape[-1] if values.ndim > 1 else 1)
    rows = (rows @ jnp.ones((rows.shape[1], 1), values.dtype)).reshape(values.shape[0], -1)
    return (rows @ jnp.ones((rows.shape[1], 1), values.dtype))[:, 0]


def cotangents_of(prepared: Prepared, start: Sequence[Any], cotangent: jax.Array) -> dict[Any, jax.Array]:
    """The cotangents of `start` and of every step's outputs, for one of the program's only output."""
    targets = [*(v for v in start if _is_inexact(v)), *(v for step in prepared.steps for v in step.outputs)]

    def output(offsets: list[jax.Array]) -> jax.Array:
        offset = dict(zip(targets, offsets, strict=True))
        values = {v: prepared.values[v] + offset[v] for v in start if v in offset}
        for step in prepared.steps:
            found = step.function(*(values[v] for v in step.inputs))
            values.update({v: y + offset[v] for v, y in zip(step.outputs, found, strict=True)})
        return values[prepared.outputs[0]]

    zeros = [jnp.zeros(v.aval.shape, v.aval.dtype) for v in targets]
    return dict(zip(targets, jax.vjp(output, zeros)[1](cotangent)[0], strict=True))


def sparse_series(
    prepared: Prepared, start: dict[Any, Terms], keep: Callable[[Any, Terms], Terms] = lambda variable, terms: terms
) -> dict[Any, Terms]:
    """The terms of all values that move; those that `keep(variable, terms)` gives are gone on with."""
    moved = {v: x for v, x in start.items() if any(t is not None for t in x)}
    for step, slopes in zip(prepared.steps, prepared.slopes, strict=True):
        if any(v in moved for v in step.inputs):
            terms = _push(
                step, slopes, [prepared.values[v] for v in step.inputs], [moved.get(v, ZERO) for v in step.inputs]
            )
            moved.update({v: keep(v, x) for v, x in zip(step.outputs, terms, strict=True)})
    return moved


def count_of(start: dict[Any, Terms]) -> int:
    """The number of directions."""
    return next(t.shape[0] for x in start.values() for t in x if t is not None)


def dense(variable: Any, terms: Terms, count: int) -> tuple[jax.Array, ...]:
    """Terms with zeros for those that vanish, float[count, *shape of `variable`] each."""
    zeros = jnp.zeros((count, *variable.aval.shape), variable.aval.dtype)
    return tuple(zeros if x is None else jnp.broadcast_to(x, zeros.shape) for x in terms)


def _push(step: Step, slopes: Any, values: list[jax.Array], terms: list[Terms]) -> list[Terms]:
    """The terms of a step's outputs."""
    if step.rule == ENTRIES:
        return [_through_entries(slopes, terms[0])]
    if step.rule == LINEAR:
        return _through_linear(step.function, values, terms)
    if step.rule == ANY:
        return _through_anything(step.function, values, terms)
    (x, y), (x_terms, y_terms) = values, terms
    if step.rule == PRODUCT:
        return [_through_product(lambda x, y: step.function(x, y)[0], (x, *x_terms), (y, *y_terms))]
    inverse = _through_entries(taylor3(lambda y: 1 / y, y, jnp.ones_like(y)), y_terms)
    return [_through_product(jnp.multiply, (x, *x_terms), (1 / y, *inverse))]


def _through_entries(slopes: tuple[jax.Array | None, ...], terms: Terms) -> Terms:
    f1, f2, f3 = (None if f is None else f[None] for f in slopes)
    x1, x2, x3 = terms
    first = _sum((f1, x1))
    second = _sum((f2, x1, x1), (f1, x2))
    third = _sum((f3, x1, x1, x1), (f2, 3, x1, x2), (f1, x3))
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


def _through_linear(
    function: Callable[..., list[jax.Array]], values: list[jax.Array], terms: list[Terms]
) -> list[Terms]:
    """Each order by itself: joined, they would be copied."""
    results: list[list[Any]] = []
    for n in range(3):
        moved = [x[n] for x in terms]
        if all(x is None for x in moved):
            results.append([])
            continue
        count = next(x.shape[0] for x in moved if x is not None)
        given = [jnp.zeros((count, *v.shape), v.dtype) if x is None else x for v, x in zip(values, moved, strict=True)]
        results.append(jax.vmap(lambda *moved: jax.jvp(function, values, list(moved))[1])(*given))
    some = max(map(len, results))
    first, second, third = (found or [None] * some for found in results)
    return list(zip(first, second, third, strict=True))


def _through_product(product: Callable[..., jax.Array], x: tuple[Any, ...], y: tuple[Any, ...]) -> Terms:
    """Leibniz: (x y)_n = sum_m binomial(n, m) x_m y_{n - m}."""
    terms = []
    for n in (1, 2, 3):
        total = None
        for m, factor in enumerate(BINOMIAL[n]):
            left, right = x[m], y[n - m]
            if left is None or right is None:
                continue
            value = factor * jax.vmap(product, (None if m == 0 else 0, None if m == n else 0))(left, right)
            total = value if total is None else total + value
        terms.append(total)
    return terms[0], terms[1], terms[2]


def _through_anything(
    function: Callable[..., list[jax.Array]], values: list[jax.Array], terms: list[Terms]
) -> list[Terms]:
    """By nested forward mode along the curves of the inputs."""

    def along(terms: list[Terms]) -> Any:
        def curve(t: jax.Array) -> list[jax.Array]:
            moved = []
            for x, derivatives in zip(values, terms, strict=True):
                for n, (term, factor) in enumerate(zip(derivatives, (1, 2, 6), strict=True), 1):
                    x = x if term is None else x + (t**n * term / factor).astype(x.dtype)
                moved.append(x)
            return function(*moved)

        return curve3(curve, values[0].dtype)

    first, second, third = jax.vmap(along)(terms)
    return list(zip(first, second, third, strict=True))
