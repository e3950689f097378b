"""Spatially-adaptive normalisation (SPADE): batch norm whose scale and bias are read off a map, pixel by pixel.

Park, Liu, Wang & Zhu 2019, Semantic Image Synthesis with Spatially-Adaptive Normalization, arXiv 1903.07291, and its
authors' code. Maps: float[batch, rows, columns, classes], of any size.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from flax import linen as nn

from genjax.nn.conv import Conv
from genjax.nn.initializers import GLOROT, Initializer
from genjax.nn.label_maps import nearest
from genjax.nn.normalization import BatchNorm
from genjax.nn.weights import Plain, Spectral, Weight


class SpatialNorm(nn.Module):
    """y = norm(x) (1 + gamma(m)) + beta(m), of batch norm without parameters (equation 1 and section 3).

    gamma and beta are 3x3 convolutions of `hidden` channels that both read, a 3x3 convolution of the map and ReLU.
    None of them is spectrally normalised in the authors' code, where the text normalises all layers.
    """

    hidden: int = 128
    initializer: Initializer = GLOROT
    dtype: Any = None

    @nn.compact
    def __call__(self, x: jax.Array, maps: jax.Array, train: bool) -> jax.Array:
        """Return x, float[batch, height, width, channels], normalised and modulated by the map at its size."""
        normed = BatchNorm(use_bias=False, use_scale=False, dtype=self.dtype)(x, train)
        conv = partial(Conv, kernel_size=3, stride=1, weight=Plain(self.initializer), dtype=self.dtype)
        read = nn.relu(conv(self.hidden, name="shared")(nearest(maps, *x.shape[1:3])))
        gamma, beta = conv(x.shape[-1], name="gamma")(read), conv(x.shape[-1], name="beta")(read)
        return normed * (1 + gamma) + beta


class SpatialBlock(nn.Module):
    """Residual block: twice [norm, leaky ReLU 0.2, 3x3 convolution], plus the input, through norm and 1x1 if it grows.

    The middle has the fewer channels of input and output; nothing follows the norm of the shortcut.
    concatenate: use ordinary batch norm and hand the map to the convolutions as further channels instead: what the
    paper compares with.  weight: of the convolutions.
    """

    features: int
    hidden: int = 128
    concatenate: bool = False
    weight: Callable[[Initializer], Weight] = Spectral
    initializer: Initializer = GLOROT
    dtype: Any = None

    @nn.compact
    def __call__(self, x: jax.Array, maps: jax.Array, train: bool) -> jax.Array:
        """Return float[batch, height, width, features]."""

        def normed(y: jax.Array, name: str) -> jax.Array:
            if self.concatenate:
                return BatchNorm(dtype=self.dtype, name=name)(y, train)
            return SpatialNorm(self.hidden, self.initializer, self.dtype, name=name)(y, maps, train)

        def beside(y: jax.Array) -> jax.Array:
            if not self.concatenate:
                return y
            return jnp.concatenate([y, nearest(maps, *y.shape[1:3]).astype(y.dtype)], -1)

        conv = partial(Conv, stride=1, weight=self.weight(self.initializer), dtype=self.dtype)
        middle = min(x.shape[-1], self.features)
        y = conv(middle, 3, name="conv0")(beside(nn.leaky_relu(normed(x, "norm0"), 0.2)))
        y = conv(self.features, 3, name="conv1")(beside(nn.leaky_relu(normed(y, "norm1"), 0.2)))
        if x.shape[-1] != self.features:
            x = conv(self.features, 1, use_bias=False, name="shortcut")(normed(x, "norm_shortcut"))
        return x + y
