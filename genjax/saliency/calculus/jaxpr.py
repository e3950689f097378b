"""Walk jaxprs, and cut programs out of them: the one interpreter behind the proof, the structure and the widening."""

from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Any

import jax
import jax.extend.core as jex

# One sub-program with the same inputs and outputs as the call.
CALLS = frozenset(
    """
    jit pjit closed_call core_call remat remat2 checkpoint custom_jvp_call custom_vjp_call
    """.split()
)

Rule = Callable[[Any, list[Any]], Sequence[Any]]


def is_call(equation: Any) -> bool:
    """Whether an equation only calls a sub-program; a function with its own derivative rule does more than that."""
    return equation.primitive.name in CALLS and not equation.primitive.name.startswith("custom")


def call_jaxpr(equation: Any) -> Any:
    """The sub-program of a call equation (one of `CALLS`), as (jaxpr, constants)."""
    for key in ("jaxpr", "call_jaxpr", "fun_jaxpr"):
        if key in equation.params:
            inner = equation.params[key]
            return (inner.jaxpr, inner.consts) if isinstance(inner, jex.ClosedJaxpr) else (inner, ())
    raise KeyError(f"{equation.primitive.name} has no sub-program")


def variables(atoms: Iterable[Any]) -> list[Any]:
    """The atoms that are no literals."""
    return [atom for atom in atoms if not isinstance(atom, jex.Literal)]


def specs(values: Iterable[Any]) -> list[jax.ShapeDtypeStruct]:
    """Return variables' shapes and types; a NumPy array of float64 in a head is float32 where that is not enabled."""
    types = jax.dtypes.canonicalize_dtype
    return [jax.ShapeDtypeStruct(v.aval.shape, types(v.aval.dtype, allow_extended_dtype=True)) for v in values]


def interpret(
    jaxpr: Any,
    constants: Sequence[Any],
    inputs: Sequence[Any],
    rule: Rule,
    literal: Callable[[Any], Any] = lambda atom: atom.val,
) -> list[Any]:
    """Outputs of `jaxpr`, where `rule(equation, its inputs' values)` gives the values of an equation's outputs.

    Values are what the rule makes of them (arrays, or facts about arrays); equations without effect on the outputs are
    passed over. `literal` gives the value of a literal.
    """
    values = dict(zip(jaxpr.constvars, constants, strict=True)) | dict(zip(jaxpr.invars, inputs, strict=True))

    def read(atom: Any) -> Any:
        return literal(atom) if isinstance(atom, jex.Literal) else values[atom]

    for equation in live(jaxpr.eqns, jaxpr.outvars):
        outputs = rule(equation, [read(atom) for atom in equation.invars])
        values.update(zip(equation.outvars, outputs, strict=True))
    return [read(atom) for atom in jaxpr.outvars]


def live(equations: Sequence[Any], outputs: Sequence[Any], inputs: Collection[Any] = ()) -> list[Any]:
    """The equations that `outputs` need, given `inputs`."""
    needed, found = set(variables(outputs)).difference(inputs), []
    for equation in reversed(equations):
        if any(v in needed for v in equation.outvars):
            found.append(equation)
            needed.update(v for v in variables(equation.invars) if v not in inputs)
    return found[::-1]


def moved_by(equations: Sequence[Any], sources: Iterable[Any]) -> set[Any]:
    """The variables that depend on `sources`, themselves among them."""
    depends = set(sources)
    for equation in equations:
        if any(v in depends for v in variables(equation.invars)):
            depends.update(equation.outvars)
    return depends


def contains(equations: Iterable[Any], name: str) -> bool:
    """Whether an operation occurs among `equations` or in what they call."""
    return any(
        equation.primitive.name == name
        or any(contains(inner.eqns, name) for inner in jex.jaxprs_in_params(equation.params))
        for equation in equations
    )


def apply_equation(equation: Any, jaxpr: Any) -> Callable[..., list[Any]]:
    """One equation of `jaxpr` as a function of all its inputs, literals among them; a dropped output comes as None."""
    inputs = list(dict.fromkeys(variables(equation.invars)))
    targets = [v for v in equation.outvars if not isinstance(v, jex.DropVar)]
    run = program(jaxpr, inputs, targets, [equation])

    def apply(*values: Any) -> list[Any]:
        given = {v: x for v, x in zip(equation.invars, values, strict=True) if not isinstance(v, jex.Literal)}
        outputs = iter(run(*(given[v] for v in inputs)))
        return [None if isinstance(v, jex.DropVar) else next(outputs) for v in equation.outvars]

    return apply


def program(jaxpr: Any, inputs: Sequence[Any], outputs: Sequence[Any], equations: Sequence[Any]) -> Callable[..., Any]:
    """Some `equations` of `jaxpr` as a function of `inputs` with the list of `outputs` as its result."""
    part = jaxpr.replace(
        constvars=[], invars=list(inputs), outvars=list(outputs), eqns=list(equations), debug_info=jaxpr.debug_info
    )
    return jex.jaxpr_as_fun(jex.ClosedJaxpr(part, []))


def scan_groups(parameters: Any) -> tuple[int, int]:
    """How many inputs of a `scan` are constants, and how many are carried."""
    if "num_consts" in parameters:
        return parameters["num_consts"], parameters["num_carry"]
    consts, carries, _ = (len(group) for group in parameters["ft_in"].unpack())  # jax 0.12 keeps the groups themselves
    return consts, carries
