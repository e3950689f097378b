"""The score Y that a saliency map explains, as a function of the logits and a class.

A `Score` is `function(logits: float[classes], class_index) -> scalar`, and a flag. With `exponentiated` the score is Y
= exp(function): `EXP` is the exponential of a logit, `SOFTMAX` a probability (its function is the log-probability),
`SIGMOID` the probability of a network with one logit, or several independent ones. Derivatives of such a score are
reported divided by Y, which cancels in every map and would overflow float32 for logits above 88. Your own score:
`Score(my_function)` with `my_function(logits, class_index)`, or `Score(log_of_it, exponentiated=True)` for a positive
one. It must not close over traced values.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp


class Score(NamedTuple):
    """Y = function(logits, class_index), or its exponential."""

    function: Callable[[jax.Array, jax.Array], jax.Array]
    exponentiated: bool = False


def class_logit(logits: jax.Array, class_index: jax.Array) -> jax.Array:
    """S_c: logits float[classes] -> float[]."""
    return logits[class_index]


def class_log_probability(logits: jax.Array, class_index: jax.Array) -> jax.Array:
    """Log-probability, log p_c = -log(1 + sum_{q != c} exp(S_q - S_c)): logits float[classes] -> float[].

    The class itself is left out of the sum, so that 1 - p, to which every derivative is proportional, keeps its digits
    as p approaches 1. Raises ValueError for a single class.
    """
    if logits.shape[0] == 1:
        raise ValueError("the softmax of a single logit is always 1, and has no derivatives: explain it with SIGMOID")
    others = jnp.arange(logits.shape[0], dtype=jnp.int32) != class_index
    margin = jnp.where(others, logits - logits[class_index], -jnp.inf)
    shift = jax.lax.stop_gradient(jnp.max(margin))
    odds = shift + jnp.log(jnp.sum(jnp.where(others, jnp.exp(jnp.where(others, margin - shift, 0)), 0)))
    small, large = jnp.where(odds > 0, 0, odds), jnp.where(odds > 0, odds, 0)
    return jnp.where(odds > 0, -large - jnp.log1p(jnp.exp(-large)), -jnp.log1p(jnp.exp(small)))


def class_log_sigmoid(logits: jax.Array, class_index: jax.Array) -> jax.Array:
    """Log sigmoid(S_c), for networks with one logit or several independent ones: logits float[classes] -> float[]."""
    return jax.nn.log_sigmoid(logits[class_index])


def class_probability(logits: jax.Array, class_index: jax.Array) -> jax.Array:
    """p_c itself, not its logarithm: for `Score(class_probability)`, whose exp-trick is the common mistake."""
    return jnp.exp(class_log_probability(logits, class_index))


LOGIT = Score(class_logit)
EXP = Score(class_logit, exponentiated=True)
SOFTMAX = Score(class_log_probability, exponentiated=True)
SIGMOID = Score(class_log_sigmoid, exponentiated=True)
