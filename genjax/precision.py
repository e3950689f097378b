"""Mixed precision: parameters, statistics and losses stay float32; layers compute in the policy's type.

bfloat16 has float32's range and needs nothing else. float16 underflows in gradients and overflows in activations, so
its losses are multiplied by a scale that grows while all goes well and halves when a gradient is not finite
(Micikevicius et al. 2018, Mixed Precision Training, arXiv 1710.03740, section 3.2).
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax


class Policy(NamedTuple):
    """The type that layers compute in, and whether its losses need scaling."""

    compute: Any
    scale_loss: bool = False


POLICIES = {
    "fp32": Policy(jnp.float32),
    "bf16": Policy(jnp.bfloat16),
    "fp16": Policy(jnp.float16, scale_loss=True),
}


class DynamicLossScaleState(NamedTuple):
    """scale: float32[], multiplies the loss. good_steps: int32[], since the last change. finite: bool[], last step."""

    scale: jax.Array
    good_steps: jax.Array
    finite: jax.Array
    inner: Any


def dynamic_loss_scale(
    tx: optax.GradientTransformation, initial: float = 2.0**15, interval: int = 2000, factor: float = 2.0
) -> optax.GradientTransformation:
    """Wrap `tx` so that it divides gradients by a dynamic scale and skips the step when one is not finite.

    A skipped step returns zero updates and leaves `tx`'s state untouched (its step count too), and divides the scale by
    `factor`; after `interval` finite steps in a row the scale is multiplied by `factor`. The scale stays in
    [1, 2^24]. Source: arXiv 1710.03740, section 3.2.
    """

    def init(params):
        return DynamicLossScaleState(
            jnp.float32(initial), jnp.zeros((), jnp.int32), jnp.ones((), bool), tx.init(params)
        )

    def update(gradient, state, params=None):
        gradient = jax.tree.map(lambda g: g.astype(jnp.float32) / state.scale, gradient)
        finite = jnp.all(jnp.stack([jnp.all(jnp.isfinite(g)) for g in jax.tree.leaves(gradient)]))
        updates, inner = tx.update(gradient, state.inner, params)
        updates = jax.tree.map(lambda u: jnp.where(finite, u, jnp.zeros_like(u)), updates)
        inner = jax.tree.map(lambda new, old: jnp.where(finite, new, old), inner, state.inner)
        good_steps = jnp.where(finite, state.good_steps + 1, 0)
        grow = good_steps >= interval
        scale = jnp.where(finite, jnp.where(grow, state.scale * factor, state.scale), state.scale / factor)
        scale = jnp.clip(scale, 1.0, 2.0**24)
        return updates, DynamicLossScaleState(scale, jnp.where(grow, 0, good_steps), finite, inner)

    return optax.GradientTransformation(init, update)


def loss_scale(opt_state: Any) -> jax.Array | None:
    """Return the scale that a player's loss is to be multiplied by, or None where its optimizer keeps none."""
    return opt_state.scale if isinstance(opt_state, DynamicLossScaleState) else None
