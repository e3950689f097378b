"""Links of an optax chain that the models here need and optax does not have."""

import jax
import jax.numpy as jnp
import optax


def clip_weights(limit: float) -> optax.GradientTransformation:
    """Keep every parameter in [-limit, limit]: as last link of a chain, turn update u into clip(p + u) - p.

    Source: Arjovsky et al. 2017, Wasserstein GAN, arXiv 1701.07875, algorithm 1. Raises ValueError unless limit > 0.
    """
    if not limit > 0:
        raise ValueError(f"weights cannot be clipped to +-{limit}; give a limit above 0, such as 0.01")

    def update(updates, state, params=None):
        if params is None:
            raise ValueError("clip_weights needs the parameters: call tx.update(gradient, state, params)")
        return jax.tree.map(lambda p, u: jnp.clip(p + u, -limit, limit) - p, params, updates), state

    return optax.GradientTransformation(lambda params: optax.EmptyState(), update)
