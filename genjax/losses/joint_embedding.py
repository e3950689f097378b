"""The structured joint embedding of sentences and images, and which pairs of a batch do not belong together.

Reed et al. 2016, arXiv 1605.05395, equations 3 to 5; batches and the denominator as in the authors' code.
"""

import jax
import jax.numpy as jnp

from genjax import parallel
from genjax.nn.wide import wide


def others(captions: jax.Array, labels: jax.Array | None = None) -> jax.Array:
    """Return bool[batch, all], whether row j of the batch on all devices shares neither caption nor class with row i.

    captions: int[batch, count, words], of this device.  labels: int[batch] or None; -1, no class, is like no other.
    """
    every = parallel.gather(captions)
    same = (captions[:, None, :, None] == every[None, :, None]).all(-1).any((2, 3))
    if labels is not None:
        same |= (labels[:, None] == parallel.gather(labels)[None]) & (labels >= 0)[:, None]
    return ~same


def ranking_loss(queries: jax.Array, keys: jax.Array, other: jax.Array) -> jax.Array:
    """L = mean over pairs (i, j) that do not belong together of max(0, 1 + s_ij - s_ii), s_ij = query_i . key_j.

    queries, keys: float[batch, size], row i of one belongs to row i of the other.  other: see `others`.
    The mean is over the pairs on all devices. 0 where there is no pair.
    """
    scores = wide(queries) @ wide(parallel.gather(keys)).T
    right = jnp.sum(wide(queries) * wide(keys), -1)
    hinge = jnp.maximum(0.0, 1 + scores - right[:, None])
    count = jnp.maximum(parallel.mean(jnp.mean(other.astype(scores.dtype))), 1e-8)
    return jnp.mean(jnp.where(other, hinge, 0)) / count
