"""A head's logits in float64, from its float32 program.

The softmax score has poles, close to which an error of 1e-6 in a logit becomes an error of per cents in a channel
weight. One more forward pass of the head, in float64, costs next to nothing beside the derivatives.
"""

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.extend.core as jex
import jax.numpy as jnp
import numpy as np

from genjax.saliency.calculus.float64 import as_pair, in_double
from genjax.saliency.calculus.jaxpr import CALLS, apply_equation, call_jaxpr, interpret

# Their result depends on the width of the type itself.
NATIVE = frozenset({"bitcast_convert_type", "reduce_precision", "nextafter"})


def wide_logits(head: Callable[[jax.Array], jax.Array], activations: jax.Array) -> tuple[jax.Array, jax.Array]:
    """`head(activations)` computed in float64, as a pair of arrays of the head's own dtype that add up to it.

    Weights and activations are widened as they are. An operation that cannot run in float64 (a loop with float32 state,
    say) runs in its own precision; so does everything that the head computes in bfloat16 or float16.
    """
    inner = jax.make_jaxpr(head)(jax.ShapeDtypeStruct(activations.shape, activations.dtype))
    dtype: Any = jax.eval_shape(head, activations).dtype

    def wide(constants, activations):
        logits = _run(inner.jaxpr, constants, [activations])[0]
        return as_pair(logits.astype(jnp.float64), dtype)

    return in_double(wide, inner.consts, activations)


def _widened(value: Any) -> Any:
    if value is None:  # an output that nobody reads
        return None
    value = jnp.asarray(value)
    return value.astype(jnp.float64) if value.dtype == jnp.float32 else value


def _run(jaxpr: Any, constants: Sequence[Any], inputs: Sequence[Any]) -> list[Any]:
    def rule(equation: Any, values: list[Any]) -> Sequence[Any]:
        if equation.primitive.name in CALLS:
            inner, inner_constants = call_jaxpr(equation)
            return _run(inner, inner_constants, values)
        # The body of a loop is typed: it refuses other types only when it is compiled.
        native = equation.primitive.name in NATIVE or bool(list(jex.jaxprs_in_params(equation.params)))
        outputs = None if native else _try_wide(equation, jaxpr, values)
        if outputs is None:
            narrow = (value.astype(v.aval.dtype) for value, v in zip(values, equation.invars, strict=True))
            outputs = [_widened(v) for v in apply_equation(equation, jaxpr)(*narrow)]
        return outputs

    def literal(atom: Any) -> Any:
        return _widened(np.asarray(atom.val, atom.aval.dtype))

    return interpret(jaxpr, [*map(_widened, constants)], [*map(_widened, inputs)], rule, literal)


def _try_wide(equation: Any, jaxpr: Any, values: Sequence[jax.Array]) -> list[jax.Array] | None:
    """The equation on float64 values, or None where it refuses them."""
    parameters = {
        k: np.dtype(np.float64) if isinstance(v, np.dtype) and v == np.float32 else v
        for k, v in equation.params.items()
    }
    inputs = [_wide_literal(v) for v in equation.invars]
    try:
        outputs = apply_equation(equation.replace(params=parameters, invars=inputs), jaxpr)(*values)
    except Exception:  # whatever it is, the equation can still run in its own precision
        return None
    for value, target in zip(outputs, equation.outvars, strict=True):
        if value is None:
            continue
        expected = np.float64 if target.aval.dtype == np.float32 else target.aval.dtype
        if value.shape != target.aval.shape or value.dtype != expected:
            return None
    return outputs


def _wide_literal(atom: Any) -> Any:
    if not isinstance(atom, jex.Literal) or str(jax.typeof(atom.val).dtype) != "float32":
        return atom
    value = np.asarray(atom.val, np.float64)
    return jex.Literal(value, jax.typeof(value))
