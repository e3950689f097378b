"""A small network for images of 8 to 32 pixels: convolution, batch norm, ReLU, and a linear head on the mean.

After `stage1`, `stage2`, ... only convolution, batch norm with fixed statistics, ReLU, max pooling, a spatial mean
and a dense layer follow, so with `train=False` the logits are piecewise linear in each of these layers.
Global average pooling and a dense head: Lin, Chen and Yan 2013, Network in Network, arXiv 1312.4400, section 3.2.
"""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
from flax import linen as nn

from genjax.nn.normalization import BatchNorm


class Stage(nn.Module):
    """`depth` times [3x3 convolution without bias, batch norm, ReLU]: float[B, H, W, C] -> float[B, H, W, features]."""

    features: int
    depth: int = 1
    dtype: Any = None

    @nn.compact
    def __call__(self, x: jax.Array, train: bool = False) -> jax.Array:
        """Return the activations after the last ReLU."""
        for i in range(1, self.depth + 1):
            x = nn.Conv(self.features, (3, 3), use_bias=False, dtype=self.dtype, name=f"conv{i}")(x)
            x = nn.relu(BatchNorm(dtype=self.dtype, name=f"norm{i}")(x, train))
        return x


class ConvNet(nn.Module):
    """float[B, H, W, C] -> logits float[B, classes]; stages `stage1`... with 2x2 max pooling between them.

    features: channels of each stage.  depth: convolutions in a stage.  dtype: type to compute in, None for that of
    inputs and parameters.
    """

    classes: int = 10
    features: Sequence[int] = (16, 32, 64)
    depth: int = 1
    dtype: Any = None

    @nn.compact
    def __call__(self, images: jax.Array, train: bool = False) -> jax.Array:
        """Return logits; with `train`, batch norm uses and updates the statistics of this batch."""
        x = images
        for i, features in enumerate(self.features, 1):
            if i > 1:
                x = nn.max_pool(x, (2, 2), strides=(2, 2))
            x = Stage(features, self.depth, self.dtype, name=f"stage{i}")(x, train)
        x = jnp.mean(x, axis=(1, 2))
        return nn.Dense(self.classes, dtype=self.dtype, name="head")(x)
