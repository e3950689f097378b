"""Proof, from its jaxpr, that a head is piecewise linear in its activations.

The tangent program (A, T) -> dS = J(A) T is traced and walked. Every value in it is either constant in A, a *step*
function of A (constant on pieces: comparisons, signs, roundings, orderings, and anything computed from steps), or it
varies. When dS, with T held fixed, is at most a step function, then J is constant on pieces: all second and higher
derivatives vanish almost everywhere, and they do so for automatic differentiation as well, whatever derivative rules
the head's functions bring along. Whatever is not recognised counts as varying, so an unknown operation can only turn a
"yes" into a "no".
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.extend.core as jex
import numpy as np

from genjax.saliency.calculus.jaxpr import (
    CALLS,
    call_jaxpr,
    contains,
    interpret,
    is_call,
    moved_by,
    program,
    scan_groups,
    specs,
    variables,
)

CONSTANT, STEP, VARIES = 0, 1, 2

# Results of these are constant on pieces whatever goes in.
STEPPING = frozenset(
    """
    eq ne lt le gt ge eq_to lt_to le_to sign floor ceil round is_finite argmax argmin
    """.split()
)


class Proof(NamedTuple):
    """`affine` implies `piecewise_linear`; `obstacle` names the first operation that is neither (empty if none).

    `reverse_only`: the head has a `jax.custom_vjp`, which forbids forward mode; its gradient program is read instead,
    and has to be linear in the cotangent (one that clips it is not). That it is the derivative is taken for granted.
    """

    piecewise_linear: bool
    affine: bool
    obstacle: str
    reverse_only: bool


def prove_piecewise_linear(head: Callable[[jax.Array], jax.Array], activations: Any) -> Proof:
    """Whether `head` is piecewise linear, or even affine, in its argument (an array or `jax.ShapeDtypeStruct`)."""
    spec = jax.ShapeDtypeStruct(activations.shape, activations.dtype)
    jaxpr = jax.make_jaxpr(head)(spec).jaxpr
    reverse_only = contains(jaxpr.eqns, "custom_vjp_call")
    if not reverse_only:
        dependence = _tangent_dependence(head, [spec])
    elif not _pulls_back_linearly(head, spec):
        return Proof(False, False, "a custom_vjp that is not linear in the cotangent", True)
    else:
        dependence = _gradient_dependence(head, spec)
    if dependence <= STEP:
        return Proof(True, dependence == CONSTANT, "", reverse_only)
    return Proof(False, False, _obstacle(jaxpr) or "a combination of operations", reverse_only)


def _tangent_dependence(function: Callable[..., Any], moving: Sequence[Any], fixed: Sequence[Any] = ()) -> int:
    """How the tangents of `function(*moving, *fixed)`, along fixed tangents of `moving`, depend on `moving`."""

    def tangent(moving, fixed, tangents):
        return jax.jvp(lambda *inputs: function(*inputs, *fixed), moving, tangents)[1]

    jaxpr = jax.make_jaxpr(tangent)(tuple(moving), tuple(fixed), tuple(moving)).jaxpr
    return max(_walk(jaxpr, [VARIES] * len(moving) + [CONSTANT] * (len(fixed) + len(moving))), default=CONSTANT)


def _gradient_dependence(head: Callable[[jax.Array], jax.Array], spec: Any) -> int:
    """How the gradients of `head`, for fixed cotangents, depend on its input."""
    cotangents = jax.eval_shape(head, spec)
    closed = jax.make_jaxpr(lambda a, c: jax.vjp(head, a)[1](c))(spec, cotangents)
    return max(_walk(closed.jaxpr, [VARIES] + [CONSTANT] * (len(closed.jaxpr.invars) - 1)), default=CONSTANT)


def _pulls_back_linearly(head: Callable[[jax.Array], jax.Array], spec: Any) -> bool:
    """Whether the gradient program is linear in the cotangent.

    It is where its slope does not depend on the cotangent, no step function of it occurs, and it takes 0 to 0.
    """
    cotangent = jax.eval_shape(head, spec)
    closed = jax.make_jaxpr(lambda c, a: jax.vjp(head, a)[1](c))(cotangent, spec)
    if _has_steps(closed.jaxpr, closed.jaxpr.invars[:1]) or not all(_vanishes(closed.jaxpr, [True, False])):
        return False
    try:
        return _tangent_dependence(jex.jaxpr_as_fun(closed), [cotangent], [spec]) == CONSTANT
    except TypeError:  # the backward function has itself a custom_vjp
        return False


# Zero where all operands that are not integers or masks are zero, and zero where any operand is.
KEEPS_ZERO = frozenset(
    """
    add sub neg reshape squeeze expand_dims broadcast_in_dim transpose reduce_sum reduce_max reduce_min concatenate pad
    slice dynamic_slice dynamic_update_slice gather scatter scatter-add rev cumsum select_n convert_element_type copy
    copy_p copy_to_host stop_gradient max min abs sign sqrt tanh sin integer_pow add_any reduce_window_sum
    reduce_precision sort split square select_and_scatter_add
    """.split()
)
ANNIHILATES = frozenset({"mul", "dot_general", "conv_general_dilated"})


def _has_steps(jaxpr: Any, moving: Sequence[Any]) -> bool:
    """Whether `jaxpr` takes a step function of `moving`."""
    depends = moved_by(jaxpr.eqns, moving)
    for equation in jaxpr.eqns:
        if not any(v in depends for v in variables(equation.invars)):
            continue
        if equation.primitive.name in CALLS:
            inner, _ = call_jaxpr(equation)
            pairs = zip(inner.invars, equation.invars, strict=True)
            if _has_steps(inner, [a for a, b in pairs if not isinstance(b, jex.Literal) and b in depends]):
                return True
        elif any(contains([equation], name) for name in STEPPING):
            return True
    return False


def _vanishes(jaxpr: Any, inputs: Sequence[bool]) -> list[bool]:
    """Which outputs of `jaxpr` are zero for certain, given which inputs are; unknown operations may give anything."""

    def rule(equation: Any, zero: list[bool]) -> list[bool]:
        name, count = equation.primitive.name, len(equation.outvars)
        if name in CALLS:
            return _vanishes(call_jaxpr(equation)[0], zero)
        if name in ANNIHILATES:
            return [any(zero)]
        if name == "div":
            return [zero[0]]
        if name in KEEPS_ZERO:
            pairs = zip(equation.invars, zero, strict=True)
            return [all(z for v, z in pairs if jax.numpy.issubdtype(v.aval.dtype, jax.numpy.inexact))] * count
        return [False] * count

    return interpret(jaxpr, [False] * len(jaxpr.constvars), inputs, rule, lambda atom: not np.any(np.asarray(atom.val)))


def _walk(jaxpr: Any, inputs: Sequence[int]) -> list[int]:
    """Dependence of the outputs of `jaxpr`, given that of its inputs; its constants do not depend on A."""
    return interpret(jaxpr, [CONSTANT] * len(jaxpr.constvars), inputs, _transfer, lambda _: CONSTANT)


def _transfer(equation: Any, inputs: list[int]) -> list[int]:
    name, count, parameters = equation.primitive.name, len(equation.outvars), equation.params
    worst = max(inputs, default=CONSTANT)
    if worst <= STEP:  # a function of steps is a step, whichever function it is
        return [worst] * count
    if name in STEPPING:
        return [STEP] * count
    if name == "convert_element_type":
        floating = jax.numpy.issubdtype(parameters["new_dtype"], jax.numpy.inexact)
        return [worst if floating else STEP]
    if name == "sort":  # every operand is put into an order, which is a step function
        return [max(i, STEP) for i in inputs]
    if name == "top_k":
        return [worst, STEP]
    if name in (
        "select_and_gather_add",
        "select_and_scatter_add",
    ):  # the first operand, picked where the second is largest
        return [max(inputs[0], STEP)]
    if name in CALLS:
        inner, _ = call_jaxpr(equation)
        outputs = _walk(inner, inputs)
        # A function with its own derivative rule may step in value and yet have a slope.
        return [max(o, worst) for o in outputs] if name.startswith("custom") else outputs
    if name == "cond":
        branches = [_walk(branch.jaxpr, inputs[1:]) for branch in parameters["branches"]]
        return [max(inputs[0], *outs) for outs in zip(*branches, strict=True)]
    if name == "scan":
        return _scan(parameters, inputs)
    if name == "while":
        return _while(parameters, inputs)
    return [worst] * count


def _scan(parameters: Any, inputs: list[int]) -> list[int]:
    consts, carries = scan_groups(parameters)
    carry = inputs[consts : consts + carries]
    while True:
        outputs = _walk(parameters["jaxpr"].jaxpr, inputs[:consts] + carry + inputs[consts + carries :])
        grown = [max(a, b) for a, b in zip(carry, outputs[:carries], strict=True)]
        if grown == carry:
            return carry + outputs[carries:]
        carry = grown


def _while(parameters: Any, inputs: list[int]) -> list[int]:
    condition_consts, body_consts = parameters["cond_nconsts"], parameters["body_nconsts"]
    first = condition_consts + body_consts
    carry = inputs[first:]
    while True:
        condition = _walk(parameters["cond_jaxpr"].jaxpr, inputs[:condition_consts] + carry)[0]
        outputs = _walk(parameters["body_jaxpr"].jaxpr, inputs[condition_consts:first] + carry)
        grown = [max(a, b, condition) for a, b in zip(carry, outputs, strict=True)]
        if grown == carry:
            return carry
        carry = grown


def _obstacle(jaxpr: Any, moving: Sequence[Any] | None = None) -> str:
    """Name of the first operation of `jaxpr` that is not piecewise linear in what depends on `moving` (all inputs)."""
    depends = moved_by(jaxpr.eqns, jaxpr.invars if moving is None else moving)
    for equation in jaxpr.eqns:
        if not any(v in depends for v in variables(equation.invars)):
            continue
        name = equation.primitive.name
        if is_call(equation):
            inner, _ = call_jaxpr(equation)
            pairs = zip(inner.invars, equation.invars, strict=True)
            obstacle = _obstacle(inner, [a for a, b in pairs if not isinstance(b, jex.Literal) and b in depends])
        else:
            linear = name != "custom_vjp_call" and is_piecewise_linear(equation, jaxpr, depends)
            obstacle = "" if linear else name
        if obstacle:
            return obstacle
    return ""


def is_piecewise_linear(equation: Any, jaxpr: Any, depends: set[Any]) -> bool:
    """Whether one equation of `jaxpr` is piecewise linear in those of its inputs that are in `depends`, together."""
    inputs = list(dict.fromkeys(variables(equation.invars)))
    outputs = [v for v in equation.outvars if jax.numpy.issubdtype(v.aval.dtype, jax.numpy.inexact)]
    inexact = [v for v in inputs if v in depends and jax.numpy.issubdtype(v.aval.dtype, jax.numpy.inexact)]
    fixed = [v for v in inputs if v not in inexact]
    run = program(jaxpr, [*inexact, *fixed], [v for v in outputs if not isinstance(v, jex.DropVar)], [equation])
    return _tangent_dependence(run, specs(inexact), specs(fixed)) <= STEP
