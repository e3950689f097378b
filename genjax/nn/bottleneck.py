"""Pre-activation residual blocks with a bottleneck, of BigGAN-deep: shortcuts drop, copy or add channels.

Two 3x3 convolutions at a quarter of the channels stand between two of 1x1. What a shortcut keeps has no weights.
Source: Brock et al. 2019, arXiv 1809.11096, appendix B, figure 16.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from flax import linen as nn

from genjax.nn.conv import Conv
from genjax.nn.residual import grow, pool
from genjax.nn.weights import Plain, Weight

RATIO = 4
"""Channels of a block by those of its bottleneck."""


class DeepUpBlock(nn.Module):
    """norm, ReLU, 1x1, norm, ReLU, grow, 3x3, norm, ReLU, 3x3, norm, ReLU, 1x1, plus the input's first channels, grown.

    up: whether to double the size.  norm: before each ReLU, makes a layer of its own each time.
    """

    features: int
    norm: Callable[[jax.Array], jax.Array]
    up: bool = True
    weight: Weight = Plain()
    dtype: Any = None

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """Return float[batch, 2 height, 2 width, features]; ValueError for more features than x has."""
        if self.features > x.shape[-1]:
            raise ValueError(f"{x.shape[-1]} channels cannot become {self.features} by dropping some; give fewer")
        hidden = x.shape[-1] // RATIO
        conv = partial(Conv, stride=1, weight=self.weight, dtype=self.dtype)
        resize = grow if self.up else (lambda y: y)
        y = conv(hidden, 1, name="conv1")(nn.relu(self.norm(x)))
        y = conv(hidden, 3, name="conv2")(resize(nn.relu(self.norm(y))))
        y = conv(hidden, 3, name="conv3")(nn.relu(self.norm(y)))
        y = conv(self.features, 1, name="conv4")(nn.relu(self.norm(y)))
        return y + resize(x[..., : self.features])


class DeepDownBlock(nn.Module):
    """ReLU, 1x1, ReLU, 3x3, ReLU, 3x3, ReLU, mean of 2x2, 1x1, plus the input, pooled, with new channels by 1x1.

    down: whether to halve the size.
    """

    features: int
    down: bool = True
    weight: Weight = Plain()
    dtype: Any = None

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """Return float[batch, height / 2, width / 2, features]; ValueError for fewer features than x has."""
        missing = self.features - x.shape[-1]
        if missing < 0:
            raise ValueError(f"{x.shape[-1]} channels cannot become {self.features} by adding some; give more")
        hidden = self.features // RATIO
        conv = partial(Conv, stride=1, weight=self.weight, dtype=self.dtype)
        resize = pool if self.down else (lambda y: y)
        y = conv(hidden, 1, name="conv1")(nn.relu(x))
        y = conv(hidden, 3, name="conv2")(nn.relu(y))
        y = conv(hidden, 3, name="conv3")(nn.relu(y))
        y = conv(self.features, 1, name="conv4")(resize(nn.relu(y)))
        x = resize(x)
        if missing:
            x = jnp.concatenate([x, conv(missing, 1, name="shortcut")(x)], -1)
        return y + x
