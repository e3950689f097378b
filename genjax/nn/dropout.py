"""Dropout whose mask does not depend on how devices split a batch."""

import jax
import jax.numpy as jnp
from flax import linen as nn

from genjax import parallel


class Dropout(nn.Module):
    """While training, y = x / (1 - rate) with probability 1 - rate and 0 otherwise, for every number; else y = x.

    rate: in [0, 1). The mask follows from the key "dropout" and the place in the global batch, the first axis.
    Source: Srivastava et al. 2014, Dropout, JMLR 15.
    """

    rate: float

    @nn.compact
    def __call__(self, x: jax.Array, train: bool) -> jax.Array:
        """Return float[batch, ...]."""
        if not train or self.rate == 0:
            return x

        def draw(key: jax.Array, shape: tuple[int, ...]) -> jax.Array:
            return jax.random.bernoulli(key, 1 - self.rate, shape)

        kept = parallel.rows(draw, self.make_rng("dropout"), x.shape)
        return jnp.where(kept, x / (1 - self.rate), jnp.zeros_like(x))
