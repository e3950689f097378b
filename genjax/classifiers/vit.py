"""A small vision transformer whose tokens stay on their grid, so that class activation maps apply to its blocks.

Pre-norm blocks of multi-head attention and a GELU perceptron (Dosovitskiy et al. 2020, An Image is Worth 16x16 Words,
arXiv 2010.11929, eqs. 1-4). Deviation: no class token; the normalised tokens are averaged (the "GAP" head of appendix
D.3), so every token has a place in the image. Layer names: `embedding`, `block1`, `block2`, ..., all float[B, h, w, C].
"""

from typing import Any

import jax
import jax.numpy as jnp
from flax import linen as nn

from genjax.nn.attention import Attention

EPSILON = 1e-6


class Block(nn.Module):
    """x + attention(LN(x)), then x + W2 gelu(W1 LN(x)): float[B, h, w, C] -> the same shape."""

    heads: int
    expansion: int = 4
    dtype: Any = None

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """Return the tokens after both residual sums."""
        channels = x.shape[-1]
        y = nn.LayerNorm(epsilon=EPSILON, dtype=self.dtype, name="attention_norm")(x)
        x = x + Attention(self.heads, self.dtype, name="attention")(y)
        y = nn.LayerNorm(epsilon=EPSILON, dtype=self.dtype, name="mlp_norm")(x)
        y = nn.Dense(self.expansion * channels, dtype=self.dtype, name="expand")(y)
        return x + nn.Dense(channels, dtype=self.dtype, name="project")(nn.gelu(y, approximate=False))


class ViT(nn.Module):
    """float[B, H, W, C] -> logits float[B, classes]; position embeddings fix the image size at initialisation.

    patch: side of the square patches; must divide height and width.  features: channels of a token.  depth: blocks.
    dtype: type to compute in, None for that of inputs and parameters.
    """

    classes: int = 10
    patch: int = 2
    features: int = 32
    depth: int = 3
    heads: int = 4
    dtype: Any = None

    @nn.compact
    def __call__(self, images: jax.Array, train: bool = False) -> jax.Array:
        """Return logits; `train` changes nothing, there being neither batch statistics nor dropout."""
        if images.shape[1] % self.patch or images.shape[2] % self.patch:
            raise ValueError(
                f"images of {images.shape[1]}x{images.shape[2]} do not divide into patches of {self.patch}"
            )
        size = (self.patch, self.patch)
        x = nn.Conv(self.features, size, size, "VALID", dtype=self.dtype, name="embedding")(images)
        positions = self.param("positions", nn.initializers.normal(0.02), (1, *x.shape[1:]))
        x = x + positions.astype(x.dtype)
        for i in range(1, self.depth + 1):
            x = Block(self.heads, dtype=self.dtype, name=f"block{i}")(x)
        x = jnp.mean(nn.LayerNorm(epsilon=EPSILON, dtype=self.dtype, name="norm")(x), axis=(1, 2))
        return nn.Dense(self.classes, dtype=self.dtype, name="head")(x)
