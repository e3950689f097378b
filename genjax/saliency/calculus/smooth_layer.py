"""Derivatives of heads with one smooth layer: three backward passes for all activations.

Let the head be piecewise linear but for functions taken entry by entry, v = f(u), of values u = K A + b in which every
entry of A and every entry of u are joined by at most one path. With g = dS/dv, the n-th derivative of a logit S along
the activation A_i is then

    S^(n)_i = sum_j g_j f^(n)(u_j) K_ji^n        (n >= 2; the gradient for n = 1),

a backward pass through K with all its constants raised to the n-th power: a transposed convolution with the n-th power
of the kernel for `conv -> gelu -> mean -> dense`, one matrix product for `mean -> dense -> tanh -> dense`. A head
without f is the piecewise linear case, S'' = 0.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.extend.core as jex
import jax.numpy as jnp

from genjax.saliency.calculus.forward import taylor3
from genjax.saliency.calculus.jaxpr import CALLS, apply_equation, variables
from genjax.saliency.calculus.locality import ELEMENTWISE, keeps_entries, kept_axes
from genjax.saliency.calculus.proof import is_piecewise_linear
from genjax.saliency.calculus.structure import Flat


class Single(NamedTuple):
    """Piecewise linear in A, entries joined by one path at most.

    `known`: the axes whose index is fixed by the entry of A. `base`: the value of which this one is a function entry by
    entry.
    """

    known: frozenset[int]
    base: Any


class Entries(NamedTuple):
    """A function, entry by entry, of the `Single` value `base`."""

    base: Any


class Mixed(NamedTuple):
    """Piecewise linear in A and in the smooth values read so far."""


class Step(NamedTuple):
    """Constant on pieces."""


class SmoothLayer(NamedTuple):
    """What is read: the values u (`bases`), the values v = f(u) that linear operations use (`leaves`), all states."""

    flat: Flat
    bases: list[Any]
    leaves: list[Any]
    states: dict[Any, Any]


class _NotSmoothLayerError(Exception):
    """An equation that is curved in another way."""


def read_smooth_layer(flat: Flat) -> SmoothLayer | None:
    """The smooth layer of a head, or None where its jaxpr does not show that it has just one."""
    source = flat.jaxpr.invars[0]
    states: dict[Any, Any] = {source: Single(frozenset(range(len(source.aval.shape))), source)}
    leaves: dict[Any, None] = {}
    try:
        for equation in flat.equations:
            states.update(_follow(equation, flat, states, leaves))
    except _NotSmoothLayerError:
        return None
    if isinstance(states.get(flat.jaxpr.outvars[0]), Entries):
        leaves[flat.jaxpr.outvars[0]] = None
    bases = list(dict.fromkeys(states[leaf].base for leaf in leaves))
    return SmoothLayer(flat, bases, list(leaves), states)


def along_every_activation(
    layer: SmoothLayer, activations: jax.Array
) -> Callable[[jax.Array], tuple[jax.Array, jax.Array, jax.Array]]:
    """Cotangent of the logits -> first three derivatives of (cotangent . logits) along every activation."""
    flat, source = layer.flat, layer.flat.jaxpr.invars[0]
    gradient = jax.vjp(flat.call, activations)[1]
    values = flat.function([source], layer.leaves)(activations)
    tail = flat.function([source, *layer.leaves], flat.jaxpr.outvars)
    to_leaves = jax.vjp(lambda *leaves: tail(activations, *leaves)[0], *values)[1]
    curvatures, pullbacks = [], []
    for base in layer.bases:
        leaves = [leaf for leaf in layer.leaves if layer.states[leaf].base is base]
        u = flat.function([source], [base])(activations)[0]
        curve = flat.function([base], leaves)
        _, second, third = taylor3(curve, u, jnp.ones_like(u))
        curvatures.append((leaves, second, third))
        pullbacks.append([jax.vjp(_powered(layer, base, activations, n), activations)[1] for n in (2, 3)])

    def along(cotangent: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
        slopes = dict(zip(layer.leaves, to_leaves(cotangent), strict=True))
        orders = [jnp.zeros_like(activations), jnp.zeros_like(activations)]
        for (leaves, *curved), pulls in zip(curvatures, pullbacks, strict=True):
            for n in range(2):
                pulled = sum(slopes[leaf] * c for leaf, c in zip(leaves, curved[n], strict=True))
                orders[n] += pulls[n](pulled)[0]
        return gradient(cotangent)[0], orders[0], orders[1]

    return along


def _powered(layer: SmoothLayer, base: Any, activations: jax.Array, power: int) -> Callable[[jax.Array], jax.Array]:
    """T -> K^n T: the local linear map from A to `base`, each of its entries raised to `power`."""
    flat, source = layer.flat, layer.flat.jaxpr.invars[0]
    producers = {v: equation for equation in flat.equations for v in equation.outvars}
    chain, last = [], base
    while last is not source:
        equation = producers[last]
        operand = next(v for v in variables(equation.invars) if isinstance(layer.states.get(v), Single))
        chain.append((equation, operand))
        last = layer.states[operand].base
    needed = list(dict.fromkeys(v for e, _ in chain for v in variables(e.invars) if v in layer.states))
    values = dict(zip(needed, flat.function([source], needed)(activations), strict=True))
    starts = [layer.states[operand].base for _, operand in chain]
    bases = dict(zip(starts, flat.function([source], starts)(activations), strict=True))

    def run(tangent: jax.Array) -> jax.Array:
        for equation, operand in reversed(chain):
            start = layer.states[operand].base
            if start is not operand:
                entries = flat.function([start], [operand])
                slope = jax.jvp(entries, (bases[start],), (jnp.ones_like(bases[start]),))[1][0]
                tangent = tangent * slope**power
            tangent = _step(equation, operand, tangent)
        return tangent

    def _step(equation: Any, operand: Any, tangent: jax.Array) -> jax.Array:
        apply = apply_equation(equation, flat.jaxpr)
        known = {**flat.values, **values}
        given: list[Any] = [v.val if isinstance(v, jex.Literal) else known[v] for v in equation.invars]
        if equation.primitive.name in ("dot_general", "conv_general_dilated"):
            # A product may take a float32 kernel with float64 values: its powers need all digits too.
            wide = (jnp.asarray(x).astype(jnp.promote_types(jnp.result_type(x), tangent.dtype)) for x in given)
            moved = (tangent if v is operand else x**power for v, x in zip(equation.invars, wide, strict=True))
            return apply(*moved)[0]

        def of_operand(x):
            return apply(*(x if v is operand else y for v, y in zip(equation.invars, given, strict=True)))[0]

        return jax.jvp(of_operand, (values[operand],), (tangent,))[1]

    return run


def _follow(equation: Any, flat: Flat, states: dict[Any, Any], leaves: dict[Any, None]) -> dict[Any, Any]:
    """The states of the outputs; smooth values that `equation` reads otherwise than by entries become leaves."""
    inputs = list(dict.fromkeys(v for v in variables(equation.invars) if v in states))
    moving = [v for v in inputs if not isinstance(states[v], Step)]
    outputs = equation.outvars
    if not moving or not any(jnp.issubdtype(v.aval.dtype, jnp.inexact) for v in outputs):
        return dict.fromkeys(outputs, Step())
    found = [states[v] for v in moving]
    linear = is_piecewise_linear(equation, flat.jaxpr, set(inputs))
    if not any(isinstance(s, Mixed) for s in found) and by_entries(equation, moving):
        bases = {s.base for s in found}
        if len(bases) == 1 and linear and all(isinstance(s, Single) for s in found):
            return {outputs[0]: found[0]}
        if len(bases) == 1:
            return {outputs[0]: Entries(bases.pop())}
    if not linear:
        raise _NotSmoothLayerError
    if len(moving) == 1 and isinstance(found[0], Single) and list(equation.invars).count(moving[0]) == 1:
        known = _known_axes(equation, moving[0], found[0].known)
        if known is not None and len(outputs) == 1:
            return {outputs[0]: Single(known, outputs[0])}
    leaves.update(dict.fromkeys(v for v, s in zip(moving, found, strict=True) if isinstance(s, Entries)))
    return dict.fromkeys(outputs, Mixed())


def by_entries(equation: Any, moving: Sequence[Any]) -> bool:
    """Whether the output has the shape of `moving`, and each of its entries depends on the same entry of them alone."""
    name, shape = equation.primitive.name, equation.outvars[0].aval.shape
    if len(equation.outvars) != 1 or any(v.aval.shape != shape for v in moving):
        return False
    return (name in ELEMENTWISE or name in CALLS) and keeps_entries(equation, list(moving))


# Each entry of the output is a copy of an entry of the operand.
COPIES = frozenset(
    """
    squeeze expand_dims broadcast_in_dim transpose concatenate slice dynamic_slice pad rev gather reduce_max reduce_min
    reduce_window_max copy
    """.split()
)


def _known_axes(equation: Any, operand: Any, known: frozenset[int]) -> frozenset[int] | None:
    """Axes of the output that an entry of A fixes; None where the operation adds a second path, or might."""
    name, parameters, shape = equation.primitive.name, equation.params, operand.aval.shape
    out = equation.outvars[0].aval.shape
    if name == "reshape" and parameters["dimensions"] is None:
        return _reshaped(shape, out, known)
    which = list(equation.invars).index(operand)
    kept = kept_axes(equation, which)
    after = frozenset(kept[a] for a in known if a in kept)
    if name in COPIES:
        return after
    if name == "reduce_window_sum":
        windows = frozenset(n for n, size in enumerate(parameters["window_dimensions"]) if size > 1)
        return after if windows <= known else None
    if name not in ("dot_general", "reduce_sum", "conv_general_dilated"):
        return None
    if name == "conv_general_dilated" and which == 0:
        numbers = parameters["dimension_numbers"]
        source, target = numbers.lhs_spec[1], numbers.out_spec[1]
        if parameters["feature_group_count"] == shape[source] == out[target] and source in known:  # depthwise
            after |= {target}
    return after if all(n in known for n in range(len(shape)) if n not in kept) else None


def _reshaped(old: tuple[int, ...], new: tuple[int, ...], known: frozenset[int]) -> frozenset[int]:
    """Known axes after a reshape: those of a group of axes with the same product, all of which were known."""
    found: set[int] = set()
    a = b = 0
    while b < len(new):
        first_a, first_b, p, q = a, b, 1, new[b]
        b += 1
        while p != q:
            if p < q:
                p, a = p * old[a], a + 1
            else:
                q, b = q * new[b], b + 1
        if all(n in known for n in range(first_a, a) if old[n] > 1):
            found |= set(range(first_b, b))
    return frozenset(found)
