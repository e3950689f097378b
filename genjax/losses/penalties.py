"""Penalties on the gradient of a discriminator to its input: they keep it smooth where it is compared."""

from collections.abc import Callable
from functools import partial

import jax
import jax.numpy as jnp

from genjax import parallel
from genjax.nn.wide import wide

Score = Callable[[jax.Array], jax.Array]
"""images float[batch, ...] -> float[batch]; image b must enter score b only (no batch norm)."""


def squared_gradient(score: Score, images: jax.Array) -> jax.Array:
    """Return |d score_b / d images_b|^2, summed over all pixels and channels: float[batch], at least float32."""
    gradient = jax.grad(lambda x: jnp.sum(score(x)))(images)
    return jnp.sum(wide(gradient) ** 2, tuple(range(1, images.ndim)))


def safe_norm(squared: jax.Array) -> jax.Array:
    """Return sqrt(squared), with derivative 0 instead of infinity where `squared` is exactly 0."""
    positive = squared > 0
    return jnp.where(positive, jnp.sqrt(jnp.where(positive, squared, 1.0)), 0.0)


def gradient_penalty(score: Score, real: jax.Array, fake: jax.Array, key: jax.Array, target: float = 1.0) -> jax.Array:
    """P = E (|grad score(x)| - target)^2 at x = e real + (1 - e) fake, e ~ U[0, 1], one number per image.

    real, fake: float[batch, ...]. Two-sided, to be multiplied by its weight (10) and added to the critic's loss.
    Source: Gulrajani et al. 2017, arXiv 1704.00028, equation 3 and algorithm 1.
    """
    draw = partial(jax.random.uniform, dtype=real.dtype)
    mix = parallel.rows(draw, key, (len(real),) + (1,) * (real.ndim - 1))
    norm = safe_norm(squared_gradient(score, mix * real + (1 - mix) * fake))
    return jnp.mean((norm - target) ** 2)


def r1(score: Score, real: jax.Array) -> jax.Array:
    """P = E |grad score(x)|^2 / 2 at real images, to be multiplied by gamma.

    Source: Mescheder et al. 2018, Which training methods for GANs do actually converge?, arXiv 1801.04406, equation 9.
    """
    return 0.5 * jnp.mean(squared_gradient(score, real))
