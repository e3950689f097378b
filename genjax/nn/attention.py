"""Attention between the pixels of an image."""

from typing import Any

import jax
import jax.numpy as jnp
from flax import linen as nn


class Attention(nn.Module):
    """softmax(q k^T / sqrt(d)) v over all h*w tokens, in `heads` heads: float[B, h, w, C] -> the same shape."""

    heads: int
    dtype: Any = None

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """Return the attended tokens after the output projection."""
        batch, height, width, channels = x.shape
        if channels % self.heads:
            raise ValueError(f"{channels} channels cannot be shared by {self.heads} heads; make one divide the other")
        qkv = nn.Dense(3 * channels, dtype=self.dtype, name="qkv")(x)
        q, k, v = jnp.moveaxis(qkv.reshape(batch, height * width, 3, self.heads, channels // self.heads), 2, 0)
        scores = jnp.einsum("bqhd,bkhd->bhqk", q, k) * (channels // self.heads) ** -0.5
        y = jnp.einsum("bhqk,bkhd->bqhd", nn.softmax(scores), v)
        return nn.Dense(channels, dtype=self.dtype, name="output")(y.reshape(x.shape))
