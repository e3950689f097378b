"""Mixed precision: parameters, statistics and losses stay float32; layers compute in the policy's type.

bfloat16 has float32's range and needs nothing else. float16 underflows in gradients and overflows in activations, so
its losses are multiplied by a scale that grows while all goes well and halves when a gradient is not finite
(Micikevicius et al. 2018, Mixed Precision Training, arXiv 1710.03740, section 3.2).
"""

from typing import TYPE_CHECKING, Any, NamedTuple

import jax
import jax.numpy as jnp

if TYPE_CHECKING:
    from genjax.engine.game import Game

INITIAL, INTERVAL, FACTOR, LARGEST = 2.0**15, 2000, 2.0, 2.0**24


class Policy(NamedTuple):
    """The type that layers compute in, and whether its losses need scaling."""

    compute: Any
    scale_loss: bool = False


POLICIES = {
    "fp32": Policy(jnp.float32),
    "bf16": Policy(jnp.bfloat16),
    "fp16": Policy(jnp.float16, scale_loss=True),
}


class LossScale(NamedTuple):
    """What one player's loss is multiplied by.

    scale: float32[], in [1, 2^24].  good_steps: int32[], moves in a row whose gradient was finite at this scale.
    """

    scale: jax.Array
    good_steps: jax.Array


def initial_scale(scale: float | None = None) -> LossScale:
    """Return the scale that a run starts from: `INITIAL`, or another."""
    return LossScale(jnp.asarray(INITIAL if scale is None else scale, jnp.float32), jnp.zeros((), jnp.int32))


def unscaled(gradient: Any, scale: LossScale) -> Any:
    """Return the gradient of the loss, in at least float32, from that of the loss times the scale."""
    return jax.tree.map(lambda g: g.astype(jnp.promote_types(g.dtype, jnp.float32)) / scale.scale, gradient)


def all_finite(tree: Any) -> jax.Array:
    """Return whether every number of a pytree is finite: bool[]."""
    return jnp.all(jnp.stack([jnp.all(jnp.isfinite(leaf)) for leaf in jax.tree.leaves(tree)]))


def next_scale(scale: LossScale, finite: jax.Array) -> LossScale:
    """Return the scale after a move: halved where its gradient was not finite, doubled after `INTERVAL` that were."""
    good_steps = jnp.where(finite, scale.good_steps + 1, 0)
    grow = good_steps >= INTERVAL
    changed = scale.scale * jnp.where(finite, jnp.where(grow, FACTOR, 1.0), 1 / FACTOR)
    bounded = jnp.clip(changed, 1.0, LARGEST).astype(jnp.float32)
    return LossScale(bounded, jnp.where(grow, 0, good_steps).astype(jnp.int32))


def scaled(game: "Game") -> "Game":
    """Return `game` with the loss of every player scaled: what float16 layers need."""
    return game._replace(players=tuple(player._replace(scale_loss=True) for player in game.players))
