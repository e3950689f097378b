"""Adaptive instance norm: the style of an image or of a volume, channel by channel, from a latent."""

from typing import Any

import jax
import jax.numpy as jnp
from flax import linen as nn

from genjax.nn.dense import Dense
from genjax.nn.initializers import Initializer, normal
from genjax.nn.weights import Plain
from genjax.nn.wide import wide

NORMAL = normal(0.02)


def adaptive_instance_norm(x: jax.Array, scale: jax.Array, shift: jax.Array, epsilon: float = 1e-8) -> jax.Array:
    """Return scale (x - mean) / sqrt(variance + epsilon) + shift, per example and channel.

    x: float[batch, ..., channels], with any number of axes in space.  scale, shift: float[batch, channels].
    Mean and (biased) variance are float32 whatever the type of x. Source: Huang & Belongie 2017, arXiv 1703.06868.
    """
    full, space = wide(x), tuple(range(1, x.ndim - 1))
    centred = full - full.mean(space, keepdims=True)
    normalised = centred * jax.lax.rsqrt((centred**2).mean(space, keepdims=True) + epsilon)
    scale, shift = (jnp.expand_dims(wide(each), space) for each in (scale, shift))
    return (scale * normalised + shift).astype(x.dtype)


class Style(nn.Module):
    """Adaptive instance norm whose scale and shift are one dense layer of the latent.

    rectified: a ReLU behind that layer, so that neither is negative; else it gives scale - 1 and shift.
    """

    rectified: bool = True
    initializer: Initializer = NORMAL
    dtype: Any = None

    @nn.compact
    def __call__(self, x: jax.Array, latent: jax.Array) -> jax.Array:
        """Return float[batch, ..., channels]; latent: float[batch, size]."""
        styles = Dense(2 * x.shape[-1], weight=Plain(self.initializer), dtype=self.dtype)(latent)
        scale, shift = jnp.split(nn.relu(styles) if self.rectified else styles, 2, axis=-1)
        return adaptive_instance_norm(x, scale if self.rectified else 1 + scale, shift)
