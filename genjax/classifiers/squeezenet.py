"""SqueezeNet 1.1 (Iandola et al. 2016, arXiv 1602.07360; 1.1 as in the authors' published network definition).

Piecewise linear from every layer on. Two details of the original that other implementations drop: max pooling rounds
the output size up (at 227 pixels 113 -> 56 -> 28 -> 14; at 224 rounding up and down agree), and the logits are the
spatial mean of `conv10` after a ReLU. 1,235,496 parameters for 1000 classes. Layer names: `conv1`,
`fire2` ... `fire9`, `conv10`.
"""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn

from genjax.nn.dropout import Dropout

MEAN_BGR = (104.0, 117.0, 123.0)


def preprocess(images: jax.Array) -> jax.Array:
    """Return BGR minus (104, 117, 123): RGB in 0..255, uint8 or float[..., H, W, 3] -> float of the same shape."""
    return jnp.asarray(images)[..., ::-1] - jnp.asarray(np.broadcast_to(MEAN_BGR, images.shape))


def ceil_max_pool(x: jax.Array, size: int = 3, stride: int = 2) -> jax.Array:
    """Return maxima over windows that may reach past the lower right border: n -> ceil((n - size) / stride) + 1."""

    def beyond(n):
        return -(-(n - size) // stride) * stride + size - n

    padding = ((0, beyond(x.shape[1])), (0, beyond(x.shape[2])))
    return nn.max_pool(x, (size, size), (stride, stride), padding)


class Fire(nn.Module):
    """A 1x1 convolution to `squeeze` channels, then 1x1 and 3x3 to `expand` each, concatenated; ReLU after all."""

    squeeze: int
    expand: int
    dtype: Any = None

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """float[B, H, W, C] -> float[B, H, W, 2 * expand], at least 0."""
        x = nn.relu(nn.Conv(self.squeeze, (1, 1), dtype=self.dtype, name="squeeze1x1")(x))
        narrow = nn.Conv(self.expand, (1, 1), dtype=self.dtype, name="expand1x1")(x)
        wide = nn.Conv(self.expand, (3, 3), dtype=self.dtype, name="expand3x3")(x)
        return nn.relu(jnp.concatenate([narrow, wide], axis=-1))


class SqueezeNet(nn.Module):
    """float[B, H, W, 3], BGR minus mean (see `preprocess`) -> logits float[B, classes], all at least 0.

    dropout: share of fire9's activations dropped in training.  dtype: type to compute in, None for that of inputs and
    parameters.
    """

    classes: int = 1000
    dropout: float = 0.5
    dtype: Any = None

    @nn.compact
    def __call__(self, images: jax.Array, train: bool = False) -> jax.Array:
        """Return logits; with `train`, a "dropout" key is needed in `rngs`."""
        x = nn.relu(nn.Conv(64, (3, 3), (2, 2), "VALID", dtype=self.dtype, name="conv1")(images))
        widths = ((16, 64), (16, 64), (32, 128), (32, 128), (48, 192), (48, 192), (64, 256), (64, 256))
        for i, (squeeze, expand) in enumerate(widths, 2):
            if i in (2, 4, 6):
                x = ceil_max_pool(x)
            x = Fire(squeeze, expand, self.dtype, name=f"fire{i}")(x)
        x = Dropout(self.dropout, name="dropout")(x, train)
        x = nn.relu(nn.Conv(self.classes, (1, 1), dtype=self.dtype, name="conv10")(x))
        return jnp.mean(x, axis=(1, 2))
