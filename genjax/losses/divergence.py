"""Divergences from the prior, and weights of them that change while training."""

from collections.abc import Callable

import jax
import jax.numpy as jnp

Weight = float | Callable[[jax.Array], jax.Array]
"""A constant, or a function int32[] step -> weight (any optax schedule is one)."""


def kl_standard_normal(mean: jax.Array, log_variance: jax.Array) -> jax.Array:
    """KL(N(mean, diag exp(log_variance)) || N(0, I)) = 1/2 sum(mean^2 + exp(lv) - 1 - lv), in nats.

    mean, log_variance: float[..., latent].  Returns float[...] >= 0, summed over the latent axis.
    Source: Kingma & Welling 2014, arXiv 1312.6114, appendix B (there with the opposite sign).
    """
    return 0.5 * jnp.sum(mean**2 + jnp.expm1(log_variance) - log_variance, axis=-1)


def weight_at(weight: Weight, step: jax.Array) -> jax.Array:
    """Return the weight at `step`: constants as they are, schedules evaluated."""
    return jnp.asarray(weight(step) if callable(weight) else weight, jnp.float32)


def warm_up(steps: int, weight: float = 1.0) -> Callable[[jax.Array], jax.Array]:
    """Return step -> weight * min(1, step / steps): no pull to the prior at first (Bowman et al. 2016, 1511.06349)."""
    if steps < 1:
        raise ValueError(f"warm-up over {steps} steps; it takes at least 1, or give the weight as a number instead")
    return lambda step: weight * jnp.minimum(1.0, step / steps)


def cyclic(period: int, ramp: float = 0.5, weight: float = 1.0) -> Callable[[jax.Array], jax.Array]:
    """Return step -> weight * min(1, t / ramp) with t = (step mod period) / period (Fu et al. 2019, 1903.10145, eq. 6).

    ramp: the share of each period, in (0, 1], over which the weight rises; it then rests at `weight`.
    """
    if period < 1 or not 0.0 < ramp <= 1.0:
        raise ValueError(f"a cycle of {period} steps rising over a share {ramp}; expected period >= 1, 0 < ramp <= 1")
    return lambda step: weight * jnp.minimum(1.0, (step % period) / (period * ramp))
