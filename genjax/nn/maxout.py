"""Maxout (Goodfellow et al. 2013, Maxout Networks, arXiv 1302.4389): y_i = max_j (x W_ij + b_ij) over the pieces j."""

from typing import Any

import jax
import jax.numpy as jnp
from flax import linen as nn

from genjax.nn.initializers import GLOROT, Initializer


class Maxout(nn.Module):
    """`features` units, each the largest of `pieces` linear functions."""

    features: int
    pieces: int = 5
    initializer: Initializer = GLOROT
    dtype: Any = None

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """Return float[..., features]."""
        y = nn.Dense(
            self.features * self.pieces,
            kernel_init=self.initializer.kernel,
            bias_init=self.initializer.bias(x.shape[-1]),
            dtype=self.dtype,
            name="pieces",
        )(x)
        return jnp.max(y.reshape(*y.shape[:-1], self.features, self.pieces), axis=-1)
