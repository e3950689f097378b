"""Run a traced network up to a marked value, or with another value in its place; through `remat`, and into `scan`."""

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.extend.core as jex
import jax.numpy as jnp

from genjax.saliency.calculus.jaxpr import apply_equation, call_jaxpr, interpret, is_call, scan_groups

MARK = "genjax.saliency layer"


class _ReachedError(Exception):
    """Carries the marked value out of the network, so that the rest is not run."""

    def __init__(self, value: jax.Array) -> None:
        super().__init__()
        self.value = value


def count_marks(jaxpr: Any, layer: str) -> int:
    """How often the marked value is computed. Raises ValueError where it is inside what cannot be cut."""
    total = 0
    for equation in jaxpr.eqns:
        if _is_mark(equation):
            total += 1
        elif not _holds_mark(equation):
            continue
        elif is_call(equation):
            total += count_marks(call_jaxpr(equation)[0], layer)
        elif equation.primitive.name == "scan":
            total += equation.params["length"] * count_marks(equation.params["jaxpr"].jaxpr, layer)
        else:
            raise ValueError(
                f"layer {layer!r} is inside a {equation.primitive.name} and cannot be cut: choose a layer around it"
            )
    return total


def run_to_mark(program: Any, image: jax.Array, call: int) -> jax.Array:
    """The value at the mark number `call`."""

    def reach(value: jax.Array) -> jax.Array:
        raise _ReachedError(value)

    try:
        _run(program.jaxpr, program.consts, [image], _on_call(call, reach))
    except _ReachedError as reached:
        return reached.value
    raise ValueError("the layer has no influence on the logits: choose another")


def run_with(program: Any, image: jax.Array, call: int, value: jax.Array) -> jax.Array:
    """The network's result with `value` at the mark number `call`."""
    return _run(program.jaxpr, program.consts, [image], _on_call(call, lambda _: value))[0]


def _on_call(call: int, action: Callable[[jax.Array], jax.Array]) -> Callable[[jax.Array], jax.Array]:
    seen = 0

    def on_mark(value: jax.Array) -> jax.Array:
        nonlocal seen
        seen += 1
        return action(value) if seen == call + 1 else value

    return on_mark


def _run(jaxpr: Any, constants: Sequence[Any], inputs: Sequence[Any], on_mark: Callable[[Any], Any]) -> list[Any]:
    def rule(equation: Any, values: list[Any]) -> Sequence[Any]:
        if _is_mark(equation):
            return [on_mark(values[0])]
        if not _holds_mark(equation):
            return apply_equation(equation, jaxpr)(*values)
        if is_call(equation):
            inner, inner_constants = call_jaxpr(equation)
            return _run(inner, inner_constants, values, on_mark)
        return _unrolled(equation.params, values, on_mark)

    return interpret(jaxpr, constants, inputs, rule)


def _unrolled(parameters: Any, values: list[Any], on_mark: Callable[[Any], Any]) -> list[Any]:
    """A scan, iteration by iteration."""
    consts, carries = scan_groups(parameters)
    body, length = parameters["jaxpr"], parameters["length"]
    fixed, carry, moving = values[:consts], values[consts : consts + carries], values[consts + carries :]
    rows: list[Any] = [None] * length
    for n in reversed(range(length)) if parameters["reverse"] else range(length):
        outputs = _run(body.jaxpr, body.consts, [*fixed, *carry, *(x[n] for x in moving)], on_mark)
        carry, rows[n] = outputs[:carries], outputs[carries:]
    return [*carry, *(jnp.stack(column) for column in zip(*rows, strict=True))]


def _is_mark(equation: Any) -> bool:
    return equation.primitive.name == "name" and equation.params["name"] == MARK


def _holds_mark(equation: Any) -> bool:
    inner = list(jex.jaxprs_in_params(equation.params))
    return any(_is_mark(e) or _holds_mark(e) for jaxpr in inner for e in jaxpr.eqns)
