"""What a discriminator and a generator minimise, as functions of the discriminator's outputs.

`real` and `fake`: float[batch] logits (scores for `hinge` and `wasserstein`) of real and generated images; every loss
is a mean over the batch, in at least float32, and stays finite for logits of any size.
"""

import jax
import jax.numpy as jnp

from genjax.nn.wide import wide


def _mean(x: jax.Array) -> jax.Array:
    return jnp.mean(wide(x))


def discriminator(real: jax.Array, fake: jax.Array) -> jax.Array:
    """L = E softplus(-real) + E softplus(fake): binary cross entropy in logits; 2 ln 2 where both are 0.

    Minus the value function of Goodfellow et al. 2014, arXiv 1406.2661, equation 1.
    """
    return _mean(jax.nn.softplus(-wide(real))) + _mean(jax.nn.softplus(wide(fake)))


def probabilities(real: jax.Array, fake: jax.Array) -> dict[str, jax.Array]:
    """Return what a discriminator makes of both on average, to log: {"real": E sigmoid(real), "fake": the same}."""
    return {"real": _mean(jax.nn.sigmoid(real)), "fake": _mean(jax.nn.sigmoid(fake))}


def minimax_generator(fake: jax.Array) -> jax.Array:
    """L = E log(1 - D(fake)) = -E softplus(fake): arXiv 1406.2661, equation 1; saturates where D is sure."""
    return -_mean(jax.nn.softplus(wide(fake)))


def non_saturating_generator(fake: jax.Array) -> jax.Array:
    """L = -E log D(fake) = E softplus(-fake): arXiv 1406.2661, section 3."""
    return _mean(jax.nn.softplus(-wide(fake)))


def hinge_discriminator(real: jax.Array, fake: jax.Array) -> jax.Array:
    """L = E max(0, 1 - real) + E max(0, 1 + fake): Miyato et al. 2018, arXiv 1802.05957, equation 16."""
    return _mean(jax.nn.relu(1 - real)) + _mean(jax.nn.relu(1 + fake))


def wasserstein_critic(real: jax.Array, fake: jax.Array) -> jax.Array:
    """L = E fake - E real, minus the critic's estimate of the distance: arXiv 1701.07875, equation 3."""
    return _mean(fake) - _mean(real)


def score_generator(fake: jax.Array) -> jax.Array:
    """L = -E fake: the generator's side of `hinge_discriminator` and of `wasserstein_critic`."""
    return -_mean(fake)


def least_squares_discriminator(real: jax.Array, fake: jax.Array) -> jax.Array:
    """L = (E (real - 1)^2 + E fake^2) / 2: Mao et al. 2017, arXiv 1611.04076, equation 9."""
    return 0.5 * (_mean((real - 1) ** 2) + _mean(fake**2))


def least_squares_generator(fake: jax.Array) -> jax.Array:
    """L = E (fake - 1)^2 / 2: arXiv 1611.04076, equation 9."""
    return 0.5 * _mean((fake - 1) ** 2)
