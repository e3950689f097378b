"""The Wasserstein critic with a gradient penalty and a drift penalty: what growing networks minimise."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp

from genjax.losses import adversarial
from genjax.losses.penalties import gradient_penalty

Score = Callable[[jax.Array], jax.Array]


class Penalties(NamedTuple):
    """weight: of the gradient penalty, over the target's square.  target: norm it asks for.  drift: of scores."""

    weight: float = 10.0
    target: float = 1.0
    drift: float = 1e-3


PENALTIES = Penalties()
"""The published ones."""


def penalised_critic(
    score: Score, precise: Score, real: jax.Array, fake: jax.Array, key: jax.Array, penalties: Penalties
) -> tuple[jax.Array, dict[str, jax.Array]]:
    """L = E f(fake) - E f(real) + (weight / target^2) E (|grad f| - target)^2 + drift E f(real)^2; and metrics.

    score, precise: the critic f, images -> float[batch]; the gradient is taken of `precise`, which computes in the
    parameters' own precision whatever the layers compute in.  key: of the points between real and fake.
    Metrics "distance" = E f(real) - E f(fake), "penalty". Source: Karras et al. 2018, arXiv 1710.10196, appendix A.1.
    """
    weight, target, drift = penalties
    real_scores = score(real)
    gap = adversarial.wasserstein_critic(real_scores, score(fake))
    penalty = gradient_penalty(precise, real, fake, key, target)
    loss = gap + weight / target**2 * penalty + drift * jnp.mean(real_scores**2)
    return loss, {"distance": -gap, "penalty": penalty}
