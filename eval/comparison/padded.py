"""Models that differ in the size of their latent as members of one program: padded to one size with zeros.

Gradients of the padding are masked. A padded unit has mean 0 and log-variance 0, so its KL is exactly 0, and its
decoder row stays 0, so its noise reaches no pixel: a padded member computes what the small model computes.
"""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax


def mask_gradients() -> optax.GradientTransformation:
    """Multiply gradients by a mask that is the state, and so can differ between mapped members."""
    return optax.GradientTransformation(
        lambda params: jax.tree.map(jnp.ones_like, params),
        lambda gradient, mask, params=None: (jax.tree.map(jnp.multiply, gradient, mask), mask),
    )


def pad(small: jax.Array, like: Any, latent: int) -> jax.Array:
    """Return `small` with zeros inserted at index `latent` of its last axes that are shorter than `like`'s.

    Latents come first on every axis that they share with something else (the label's rows in the decoder).
    """
    lead = small.ndim - len(like.shape)
    for axis, size in enumerate(like.shape, lead):
        missing = size - small.shape[axis]
        if missing:
            before, after = jnp.split(small, [latent], axis)
            zeros = jnp.zeros((*small.shape[:axis], missing, *small.shape[axis + 1 :]), small.dtype)
            small = jnp.concatenate([before, zeros, after], axis)
    return small


def unpad(large: Any, like: Any, latent: int) -> Any:
    """Return `large` without what `pad` inserted; `like` has the small shape."""
    for axis, size in enumerate(like.shape):
        extra = large.shape[axis] - size
        if extra:
            large = np.delete(large, np.s_[latent : latent + extra], axis)
    return large
