"""Which operations keep positions apart: the rules behind `structure`, one equation at a time."""

import math
from typing import Any, NamedTuple

import jax
import jax.extend.core as jex
import jax.numpy as jnp

from genjax.saliency.calculus.jaxpr import (
    CALLS,
    apply_equation,
    call_jaxpr,
    interpret,
    moved_by,
    program,
    specs,
    variables,
)
from genjax.saliency.calculus.windows import Window, hull, window_of

ELEMENTWISE = frozenset(
    """
    add sub mul div rem max min pow neg exp exp2 log log1p expm1 sin cos tan tanh sinh cosh asin acos atan asinh
    acosh atanh atan2 logistic erf erfc erf_inv sqrt rsqrt cbrt square integer_pow abs sign floor ceil round
    is_finite select_n clamp eq ne lt le gt ge and or xor not convert_element_type reduce_precision copy copy_p
    stop_gradient nextafter
    """.split()
)
REDUCTIONS = frozenset(
    """
    reduce_sum reduce_max reduce_min reduce_prod reduce_and reduce_or argmax argmin
    """.split()
)


class Local(NamedTuple):
    """A value whose entry at position ij depends on A in a window at ij alone.

    `axes[n]` of it is the n-th spatial axis of A, and `windows[n]` the window along it: a single point up to the first
    convolution or pooling. `uniform`: affine in A with the same linear part everywhere. `base`: a uniform variable of
    which the value is a function entry by entry, up to a reshape (None if there is none).
    """

    axes: tuple[int, ...]
    uniform: bool
    base: Any
    windows: tuple[Window, ...]


class Pooled(NamedTuple):
    """A value that depends on A only through sums over all positions."""


class NotLocalError(Exception):
    """An equation that mixes positions in another way."""


def follow(equation: Any, places: dict[Any, Any], constants: dict[Any, frozenset[int]], pools: list[Any]) -> None:
    """Enter the outputs of `equation` into `places`, and the equation into `pools` if it sums over all positions.

    `constants` lists the variables that do not depend on A, with the axes along which they repeat. Raises
    NotLocalError.
    """
    sources = [places.get(v) if not isinstance(v, jex.Literal) else None for v in equation.invars]
    local = [p for p in sources if isinstance(p, Local)]
    if not local:
        places.update(dict.fromkeys(equation.outvars, Pooled()))
        return
    if any(isinstance(p, Pooled) for p in sources) or any(p.axes != local[0].axes for p in local):
        raise NotLocalError
    name, axes = equation.primitive.name, local[0].axes
    if name in CALLS:
        results = _follow_call(equation, sources, constants)
    elif name in ELEMENTWISE:
        results = [_elementwise(equation, sources, constants)]
    elif _sums_positions(equation, axes):
        pools.append(equation)
        places[equation.outvars[0]] = Pooled()
        return
    else:
        axes, windows, slides = _moved_axes(equation, sources)
        uniform = name in UNIFORM and all(p.uniform for p in local) and not slides
        kept = local[0].base if keeps_entries(equation, [equation.invars[0]]) and not slides else None
        bases = [kept if kept is not None or not uniform else v for v in equation.outvars]
        results = [Local(axes, uniform, base, windows) for base in bases]
    places.update(zip(equation.outvars, results, strict=True))


def keeps_entries(equation: Any, moving: list[Any]) -> bool:
    """Whether the n-th entry (in row-major order) of the output depends on the n-th entries of `moving` alone."""
    out = equation.outvars[0].aval
    if any(math.prod(v.aval.shape) != math.prod(out.shape) for v in moving):
        return False
    name = equation.primitive.name
    if name in ELEMENTWISE:
        return all(v.aval.shape == out.shape for v in moving)
    if name == "reshape":
        return equation.params["dimensions"] is None
    if name in CALLS:
        inner, pairs = _inside(equation, moving)
        kept = {a for a, b in pairs if not isinstance(b, jex.Literal) and b in moving}
        depends = moved_by(inner.eqns, kept)
        for inside in inner.eqns:
            inputs = [v for v in variables(inside.invars) if v in depends]
            if inputs and kept.issuperset(inputs) and keeps_entries(inside, inputs):
                kept.update(inside.outvars)
        return kept.issuperset(variables(inner.outvars))
    return name in ("squeeze", "expand_dims", "broadcast_in_dim")


def _elementwise(equation: Any, sources: list[Any], constants: dict[Any, frozenset[int]]) -> Local:
    name, out = equation.primitive.name, equation.outvars[0]
    local = [p for p in sources if isinstance(p, Local)]
    axes = local[0].axes
    shapes = [atom.aval.shape for atom, p in zip(equation.invars, sources, strict=True) if p is not None]
    if any(len(s) != len(out.aval.shape) or any(s[a] != out.aval.shape[a] for a in axes) for s in shapes):
        raise NotLocalError

    def repeats(atom):
        return isinstance(atom, jex.Literal) or not atom.aval.shape or set(axes) <= constants.get(atom, frozenset())

    uniform = all(p.uniform for p in local)
    if name in ("mul", "div"):
        uniform &= isinstance(sources[0], Local) != isinstance(sources[1], Local)
        uniform &= name == "mul" or isinstance(sources[0], Local)
        uniform &= all(repeats(atom) for atom, p in zip(equation.invars, sources, strict=True) if p is None)
    elif name == "convert_element_type":
        uniform &= str(equation.params["new_dtype"]).startswith(("float", "bfloat"))
    else:
        uniform &= name in ("add", "sub", "neg", "copy", "copy_p")
    bases = {p.base for p in local}
    # An operand that repeats over channels is local, but no longer entry by entry.
    base = bases.pop() if len(bases) == 1 and all(s == out.aval.shape for s in shapes) else None
    return Local(axes, uniform, out if uniform and base is None else base, _hulls(local))


def _hulls(local: list[Any]) -> tuple[Window, ...]:
    """The windows of a value that depends on several; NotLocalError where strides differ."""
    found = [hull(along) for along in zip(*(p.windows for p in local), strict=True)]
    if any(w is None for w in found):
        raise NotLocalError
    return tuple(w for w in found if w is not None)


def _follow_call(equation: Any, sources: list[Any], constants: dict[Any, frozenset[int]]) -> list[Local]:
    """A function with its own derivative, by its contents; it is not taken for affine, whatever it contains."""
    given: dict[Any, Any] = {v: p for v, p in zip(equation.invars, sources, strict=True) if p is not None}
    inner, pairs = _inside(equation, list(given))
    places = {v: given[outer] for v, outer in pairs if not isinstance(outer, jex.Literal) and outer in given}
    inside: dict[Any, frozenset[int]] = {
        v: constants.get(outer, frozenset())
        for v, outer in pairs
        if not isinstance(outer, jex.Literal) and outer not in given
    }
    pools: list[Any] = []
    for step in inner.eqns:
        if any(v in places for v in variables(step.invars)):
            follow(step, places, inside, pools)
    outputs: list[Any] = [None if isinstance(v, jex.Literal) else places.get(v) for v in inner.outvars]
    axes = {p.axes for p in outputs if isinstance(p, Local)}
    if pools or len(axes) != 1 or not all(isinstance(p, Local) for p in outputs):
        raise NotLocalError
    bases = {p.base for p in outputs}
    base = bases.pop() if len(bases) == 1 and bases <= {p.base for p in given.values()} else None
    return [Local(next(iter(axes)), False, base, _hulls(outputs))] * len(equation.outvars)


def _inside(equation: Any, moving: list[Any]) -> tuple[Any, list[tuple[Any, Any]]]:
    """The program of a call, and its inputs paired with those of the call.

    Of a function with its own derivative it is the program of its rule, from values and tangents (of `moving`) to
    values and tangents: the rule decides what the derivatives depend on.
    """
    inner, _ = call_jaxpr(equation)
    if equation.primitive.name != "custom_jvp_call":
        return inner, list(zip(inner.invars, equation.invars, strict=True))
    which = [
        n
        for n, v in enumerate(equation.invars)
        if not isinstance(v, jex.Literal) and v in moving and jnp.issubdtype(v.aval.dtype, jnp.inexact)
    ]
    results = [v for v in equation.outvars if not isinstance(v, jex.DropVar)]
    run = program(inner, inner.invars, results, [equation.replace(invars=inner.invars)])

    def rule(values, tangents):
        def of_moving(*moved):
            given = dict(zip(which, moved, strict=True))
            return run(*(given.get(n, v) for n, v in enumerate(values)))

        return jax.jvp(of_moving, tuple(values[n] for n in which), tuple(tangents))

    shapes = specs(inner.invars)
    traced = jax.make_jaxpr(rule)(shapes, [shapes[n] for n in which])
    # Rules like to call their own function for its value: what its derivative depends on is being asked already.
    itself = str(equation.params["call_jaxpr"])
    again = [e.params.get("call_jaxpr") for e in traced.eqns if e.primitive.name == equation.primitive.name]
    if any(str(inner) == itself for inner in again):
        traced = jax.make_jaxpr(lambda *values: _without(itself, traced.jaxpr, traced.consts, values))(*traced.in_avals)
    outer = [*equation.invars, *(equation.invars[n] for n in which)]
    return traced.jaxpr, list(zip(traced.jaxpr.invars, outer, strict=True))


def _without(function: str, jaxpr: Any, constants: Any, inputs: Any) -> list[Any]:
    """Evaluate a jaxpr with calls of one function replaced by its contents."""

    def rule(equation: Any, values: list[Any]) -> list[Any]:
        if str(equation.params.get("call_jaxpr")) == function:
            inner, inner_constants = call_jaxpr(equation)
            return interpret(inner, inner_constants, values, lambda e, v: apply_equation(e, inner)(*v))
        return apply_equation(equation, jaxpr)(*values)

    return interpret(jaxpr, constants, inputs, rule)


def _sums_positions(equation: Any, axes: tuple[int, ...]) -> bool:
    parameters, name = equation.params, equation.primitive.name
    if name == "reduce_sum":
        return set(axes) <= set(parameters["axes"])
    if name == "reduce_window_sum":
        shape = equation.invars[0].aval.shape
        window = tuple(size if n in axes else 1 for n, size in enumerate(shape))
        plain = all(d == 1 for key in ("base_dilation", "window_dilation") for d in parameters[key])
        return parameters["window_dimensions"] == window and plain and not any(map(any, parameters["padding"]))
    return False


# Affine operations that treat every position alike.
UNIFORM = frozenset(
    """
    reshape squeeze expand_dims broadcast_in_dim transpose dot_general conv_general_dilated reduce_sum concatenate
    slice pad rev
    """.split()
)


def _moved_axes(equation: Any, sources: list[Any]) -> tuple[tuple[int, ...], tuple[Window, ...], bool]:
    """Where the spatial axes are after an operation that is not elementwise, their windows, and whether it slid.

    Raises NotLocalError if it mixes positions otherwise than by sliding along them.
    """
    which = next(n for n, p in enumerate(sources) if isinstance(p, Local))
    local = [p for p in sources if isinstance(p, Local)]
    if sum(p is not None for p in sources) > 1 and equation.primitive.name != "concatenate":
        raise NotLocalError
    moved, windows, slides = kept_axes(equation, which), [], False
    for axis, window in zip(sources[which].axes, _hulls(local), strict=True):
        if axis not in moved:
            slid = window_of(equation, axis) if which == 0 else None
            if slid is None:
                raise NotLocalError
            moved[axis], window, slides = slid[0], window.of(slid[1]), True
        windows.append(window)
    return tuple(moved[a] for a in sources[which].axes), tuple(windows), slides


def kept_axes(equation: Any, which: int) -> dict[int, int]:
    """The axes of the operand number `which` that an operation leaves alone -> where they are in its output.

    Along such an axis, entry n of the output depends on entry n of the operand alone.
    """
    name, parameters = equation.primitive.name, equation.params
    shape, out = equation.invars[which].aval.shape, equation.outvars[0].aval.shape
    moved: dict[int, int] = {}
    if name == "reshape" and parameters["dimensions"] is None:
        for a in range(len(shape)):
            # The index along axis a is found again where as many entries precede, and the size is the same.
            for b in range(len(out)):
                same = out[b] == shape[a] and math.prod(out[:b]) == math.prod(shape[:a])
                if same and a not in moved and b not in moved.values():
                    moved[a] = b
    elif name == "squeeze":
        kept = [n for n in range(len(shape)) if n not in parameters["dimensions"]]
        moved = {a: b for b, a in enumerate(kept)}
    elif name == "broadcast_in_dim":
        moved = {a: b for a, b in enumerate(parameters["broadcast_dimensions"]) if out[b] == shape[a]}
    elif name == "transpose":
        moved = {a: b for b, a in enumerate(parameters["permutation"])}
    elif name == "dot_general":
        contracted, batch = parameters["dimension_numbers"]
        free = [n for n in range(len(shape)) if n not in (*contracted[which], *batch[which])]
        first = len(batch[which]) if which == 0 else len(out) - len(free)
        moved = {a: first + b for b, a in enumerate(free)}
    elif name == "conv_general_dilated" and which == 0 and parameters["batch_group_count"] == 1:
        moved = _through_convolution(equation)
    elif name in REDUCTIONS:
        kept = [n for n in range(len(shape)) if n not in parameters["axes"]]
        moved = {a: b for b, a in enumerate(kept)}
    elif name == "concatenate":
        moved = {a: a for a in range(len(shape)) if a != parameters["dimension"]}
    elif name in ("cumsum", "cumprod", "cummax", "cummin", "cumlogsumexp") or name == "split":
        moved = {a: a for a in range(len(shape)) if a != parameters["axis"]}
    elif name.startswith("reduce_window_"):
        plain = [all(parameters[k][a] == 1 for k in ("window_dimensions", "window_strides")) for a in range(len(shape))]
        moved = {a: a for a in range(len(shape)) if plain[a] and out[a] == shape[a]}
    elif name == "slice":
        moved = {a: a for a in range(len(shape)) if out[a] == shape[a]}
    elif name == "pad":
        moved = {a: a for a, config in enumerate(parameters["padding_config"]) if not any(config)}
    elif name == "rev":
        moved = {a: a for a in range(len(shape)) if a not in parameters["dimensions"]}
    return moved


def _through_convolution(equation: Any) -> dict[int, int]:
    """Axes that a convolution leaves alone: the batch, and spatial ones with a kernel of 1, stride 1 and no padding."""
    parameters = equation.params
    numbers = parameters["dimension_numbers"]
    kernel = equation.invars[1].aval.shape
    moved = {numbers.lhs_spec[0]: numbers.out_spec[0]}
    for n, (source, taps, target) in enumerate(
        zip(numbers.lhs_spec[2:], numbers.rhs_spec[2:], numbers.out_spec[2:], strict=True)
    ):
        plain = parameters["window_strides"][n] == 1 and parameters["lhs_dilation"][n] == 1
        if kernel[taps] == 1 and plain and not any(parameters["padding"][n]):
            moved[source] = target
    return moved
