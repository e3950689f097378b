"""Structure of a head, read off its jaxpr: where the positions of A stop mattering one by one.

A value is *local* while its entry at position ij depends on A at ij alone (1x1 convolutions, dense layers on channels,
activations, norms over channels). A sum over all positions ends that. When A reaches the logits only through such sums,

    logits = tail(sum_ij local(A_ij)),

one perturbation of a channel at all positions at once serves every position. Through convolutions and pooling an entry
depends on a window of A (`windows`); then a lattice of positions, a window apart, is perturbed at once. A local map
that is affine and the same everywhere is *uniform*: then A enters through its spatial mean only, and all positions of a
channel share their derivatives.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from genjax.saliency.calculus.jaxpr import (
    apply_equation,
    call_jaxpr,
    contains,
    interpret,
    is_call,
    live,
    moved_by,
    program,
    variables,
)
from genjax.saliency.calculus.locality import Local, NotLocalError, Pooled, follow, keeps_entries
from genjax.saliency.calculus.windows import Window


class PooledHead(NamedTuple):
    """logits = tail(*sums(local(A))), as functions.

    `local(A)` gives the summed values, each as float[positions, entries]; `sums` what the tail starts from, likewise
    float[entries] each; `tail(*sums)` the logits. `uniform`: A enters through its spatial mean only. `kernel(A)` and
    `elementwise(u)`: for a single local value that is `elementwise(kernel(A))` with a uniform kernel, both
    float[positions, entries]; None otherwise. `kernel_is_diagonal`: entry k of each local value is a multiple of
    channel k, plus a constant. `tail_is_diagonal`: logit q is a function of the q-th entry of a single sum.
    `parts`: the program itself, the variables that are summed and their sums, and the summed variables' places.
    """

    local: Callable[[jax.Array], list[jax.Array]]
    sums: list[jax.Array]
    tail: Callable[..., jax.Array]
    uniform: bool
    kernel: Callable[[jax.Array], jax.Array] | None
    elementwise: Callable[[jax.Array], jax.Array] | None
    kernel_is_diagonal: bool
    tail_is_diagonal: bool
    parts: "Parts"

    def other_axes(self, place: Local, pool: Any) -> tuple[int, ...]:
        """The axes that the sum `pool` of a value at `place` runs over beside the spatial ones."""
        equation = next(e for e in self.parts.flat.equations if pool in e.outvars)
        return tuple(a for a in equation.params.get("axes", ()) if a not in place.axes)

    def period(self, grid: Sequence[int]) -> tuple[int, ...]:
        """How far apart positions have to lie along each axis of `grid` so that no summed entry depends on two."""
        widths = zip(*([w.width for w in place.windows] for place in self.parts.places), strict=True)
        return tuple(min(size, max(width)) for size, width in zip(grid, widths, strict=True))


class Parts(NamedTuple):
    """`summed[n]` has the place `places[n]`; `pools[n]` is its sum over all positions, and other axes perhaps."""

    flat: "Flat"
    summed: list[Any]
    pools: list[Any]
    places: list[Local]


class Flat(NamedTuple):
    """A head without calls: the equations that depend on A and reach the logits, and the values of everything else."""

    jaxpr: Any
    equations: list[Any]
    values: dict[Any, jax.Array]

    @property
    def has_while(self) -> bool:
        """Whether A passes a loop of unknown length, which forbids gradients."""
        return contains(self.equations, "while")

    def call(self, activations: jax.Array) -> jax.Array:
        """The logits."""
        return self.function(self.jaxpr.invars, self.jaxpr.outvars)(activations)[0]

    def function(self, inputs: Sequence[Any], outputs: Sequence[Any]) -> Callable[..., list[jax.Array]]:
        """The part of the program between two sets of variables."""
        equations = live(self.equations, outputs, inputs)
        needed = {*variables(outputs), *(v for e in equations for v in variables(e.invars))}
        constants = [v for v in self.values if v in needed and v not in inputs]
        run = program(self.jaxpr, [*constants, *inputs], outputs, equations)
        return lambda *values: run(*(self.values[v] for v in constants), *values)


def flatten(head: Callable[[jax.Array], jax.Array], activations: jax.Array) -> Flat:
    """Inline the calls of `head`, evaluate once what does not depend on A, and drop what does not reach the logits."""
    spec = jax.ShapeDtypeStruct(activations.shape, activations.dtype)
    inner = jax.make_jaxpr(head)(spec)
    closed = jax.make_jaxpr(lambda a: _run_inlined(inner.jaxpr, inner.consts, [a]))(spec)
    jaxpr = closed.jaxpr
    depends, alive = moved_by(jaxpr.eqns, jaxpr.invars), live(jaxpr.eqns, jaxpr.outvars)
    needed = {*variables(jaxpr.outvars), *(v for e in alive for v in variables(e.invars))}
    moving = [e for e in alive if any(v in depends for v in e.outvars)]
    still = [e for e in alive if not any(v in depends for v in e.outvars)]
    values = dict(zip(jaxpr.constvars, closed.consts, strict=True))
    fixed = list(dict.fromkeys(v for e in still for v in e.outvars if v in needed))
    if fixed:
        used = [v for v in values if v in needed]
        evaluated = jax.jit(program(jaxpr, used, fixed, still))(*(values[v] for v in used))
        values.update(zip(fixed, evaluated, strict=True))
    return Flat(jaxpr, moving, values)


def read_structure(flat: Flat, activations: jax.Array) -> PooledHead | None:
    """The head as a function of sums over positions, or None where its jaxpr does not show that it is one."""
    if activations.ndim < 2:
        return None
    source = flat.jaxpr.invars[0]
    spatial = tuple(range(activations.ndim - 1))
    producers = {v: equation for equation in flat.jaxpr.eqns for v in equation.outvars}
    constants = {v: constant_axes(v, producers.get(v)) for v in flat.values}
    places: dict[Any, Any] = {source: Local(spatial, True, source, (Window(),) * len(spatial))}
    pools: list[Any] = []
    try:
        for equation in flat.equations:
            follow(equation, places, constants, pools)
    except NotLocalError:
        return None
    if not pools or not isinstance(places.get(flat.jaxpr.outvars[0]), Pooled):
        return None
    summed = list(dict.fromkeys(equation.invars[0] for equation in pools))
    pooled = [equation.outvars[0] for equation in pools]

    local_part = flat.function([source], [equation.invars[0] for equation in pools])
    tail_part = flat.function(pooled, flat.jaxpr.outvars)
    shapes = [v.aval.shape for v in pooled]
    pool_part = flat.function([source], pooled)
    kernel = elementwise = None
    base = places[summed[0]].base
    per_entry = len(pools) == 1 and not _other_axes(pools[0], places)
    if per_entry and base is not None:
        kernel_part = flat.function([source], [base])
        elementwise_part = flat.function([base], summed)
        shape, base_axes, axes = base.aval.shape, places[base].axes, places[summed[0]].axes

        def kernel(a):
            return _by_position(kernel_part(a)[0], base_axes)

        def elementwise(u):
            return _by_position(elementwise_part(_from_position(u, shape, base_axes))[0], axes)

    def local(a):
        # A sum that runs over channels too is taken over them first.
        pairs = zip(local_part(a), pools, strict=True)
        values = [jnp.sum(v, _other_axes(pool, places), keepdims=True) for v, pool in pairs]
        return [_by_position(v, places[pool.invars[0]].axes) for v, pool in zip(values, pools, strict=True)]

    return PooledHead(
        local,
        [v.reshape(-1) for v in pool_part(activations)],
        lambda *sums: tail_part(*(v.reshape(s) for v, s in zip(sums, shapes, strict=True)))[0],
        all(places[name].uniform for name in summed),
        kernel,
        elementwise,
        per_entry and all(places[name].uniform and places[name].base is source for name in summed),
        per_entry and _is_diagonal(flat, pooled[0]),
        Parts(flat, [e.invars[0] for e in pools], pooled, [places[e.invars[0]] for e in pools]),
    )


def _other_axes(pool: Any, places: dict[Any, Any]) -> tuple[int, ...]:
    """The axes that a sum over positions runs over beside the spatial ones."""
    return tuple(a for a in pool.params.get("axes", ()) if a not in places[pool.invars[0]].axes)


def _by_position(values: jax.Array, axes: tuple[int, ...]) -> jax.Array:
    moved = jnp.moveaxis(values, axes, range(len(axes)))
    return moved.reshape(math.prod(moved.shape[: len(axes)]), -1)


def _from_position(values: jax.Array, shape: tuple[int, ...], axes: tuple[int, ...]) -> jax.Array:
    others = [n for n in range(len(shape)) if n not in axes]
    moved = values.reshape([shape[n] for n in (*axes, *others)])
    return jnp.moveaxis(moved, range(len(axes)), axes)


def _run_inlined(jaxpr: Any, constants: Sequence[Any], inputs: Sequence[Any]) -> list[Any]:
    """Evaluate a jaxpr with its calls replaced by their contents; functions with their own derivative stay whole."""

    def rule(equation: Any, values: list[Any]) -> Sequence[Any]:
        if is_call(equation):
            inner, inner_constants = call_jaxpr(equation)
            return _run_inlined(inner, inner_constants, values)
        return apply_equation(equation, jaxpr)(*values)

    return interpret(jaxpr, constants, inputs, rule)


def constant_axes(variable: Any, producer: Any) -> frozenset[int]:
    """Axes along which a value that does not depend on A is known to repeat."""
    shape = variable.aval.shape
    if producer is None or producer.primitive.name != "broadcast_in_dim":
        return frozenset(n for n, size in enumerate(shape) if size == 1)
    source = producer.invars[0].aval.shape
    kept = {d for d, n in zip(producer.params["broadcast_dimensions"], source, strict=True) if n != 1}
    return frozenset(range(len(shape))) - kept


def _is_diagonal(flat: Flat, pooled: Any) -> bool:
    """Whether logit q is a function of the q-th entry of `pooled` alone."""
    moving, kept = moved_by(flat.equations, [pooled]), {pooled}
    for equation in flat.equations:
        inputs = [v for v in variables(equation.invars) if v in moving]
        if inputs and kept.issuperset(inputs) and keeps_entries(equation, inputs):
            kept.update(equation.outvars)
    return flat.jaxpr.outvars[0] in kept
