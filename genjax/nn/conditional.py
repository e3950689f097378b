"""Batch norm whose scale and bias are linear in a condition, such as the embedding of a class and part of a latent."""

from typing import Any

import jax
from flax import linen as nn

from genjax.nn.dense import Dense
from genjax.nn.normalization import BatchNorm
from genjax.nn.weights import Plain, Weight


class ConditionalNorm(nn.Module):
    """y = (1 + c W_gain) norm(x) + c W_bias for a condition c, one vector an image.

    weight: of both matrices.  A condition that is a class as a one-hot vector makes rows of tables of them.
    Source: Dumoulin et al. 2017, arXiv 1610.07629; linear in an embedding, Brock et al. 2019, arXiv 1809.11096,
    appendix B.
    """

    weight: Weight = Plain()
    epsilon: float = 1e-5
    dtype: Any = None

    @nn.compact
    def __call__(self, x: jax.Array, condition: jax.Array, train: bool) -> jax.Array:
        """Return x, float[batch, height, width, channels], normalised; condition: float[batch, features]."""
        y = BatchNorm(epsilon=self.epsilon, use_bias=False, use_scale=False, dtype=self.dtype)(x, train)
        gain, bias = (
            Dense(x.shape[-1], use_bias=False, weight=self.weight, dtype=self.dtype, name=name)(condition)
            for name in ("gain", "bias")
        )
        return y * (1 + gain[:, None, None]).astype(y.dtype) + bias[:, None, None].astype(y.dtype)
