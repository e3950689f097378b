"""Normalisation of activations: over a batch (on all devices that share it), an image, or the channels of a pixel."""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
from flax import linen as nn

from genjax.nn.wide import wide
from genjax.parallel import bound_axis

MOMENTUM = 0.9
"""What running statistics keep of their old value, where nothing else is said."""


def around_one(key: jax.Array, shape: Sequence[int], dtype: Any = jnp.float32) -> jax.Array:
    """Draw N(1, 0.02^2), where scales of batch norm start in the authors' code of DCGAN, pix2pix and many others."""
    return 1 + 0.02 * jax.random.normal(key, shape, dtype)


class BatchNorm(nn.Module):
    """y = scale (x - mean) / sqrt(variance + epsilon) + bias, per channel (the last axis), over all other axes.

    While training, mean and (biased) variance are those of the batch, of the global one when the batch is split over
    devices: under `jit` arrays are global, under a map over the axis `genjax.parallel.DATA` both are averaged over it.
    Running statistics: new = momentum * old + (1 - momentum) * batch, kept in `batch_stats` and used for evaluation.
    Statistics are float32 whatever `dtype` is, and the variance is the mean square of centred values, which stays right
    far from zero. PyTorch's `momentum=0.1` is 0.9 here. Source: Ioffe & Szegedy 2015, arXiv 1502.03167, algorithm 1.
    """

    momentum: float = MOMENTUM
    epsilon: float = 1e-5
    use_bias: bool = True
    use_scale: bool = True
    scale_init: nn.initializers.Initializer = nn.initializers.ones_init()
    dtype: Any = None

    @nn.compact
    def __call__(self, x: jax.Array, train: bool) -> jax.Array:
        """Return x, float[..., channels], normalised."""
        norm = nn.BatchNorm(
            use_running_average=not train,
            momentum=self.momentum,
            epsilon=self.epsilon,
            use_bias=self.use_bias,
            use_scale=self.use_scale,
            scale_init=self.scale_init,
            dtype=self.dtype,
            axis_name=bound_axis(),
            use_fast_variance=False,
        )
        return norm(x)


def instance_norm(x: jax.Array, epsilon: float = 1e-5) -> jax.Array:
    """Return (x - mean) / sqrt(variance + epsilon), per image and channel, of x, float[..., height, width, channels].

    No parameters, and nothing to remember: evaluation is as training. Mean and (biased) variance are float32 whatever
    the type of x. Source: Ulyanov et al. 2016, arXiv 1607.08022, equation 3.
    """
    full = wide(x)
    centred = full - full.mean((-3, -2), keepdims=True)
    variance = (centred**2).mean((-3, -2), keepdims=True)
    return (centred * jax.lax.rsqrt(variance + epsilon)).astype(x.dtype)


def pixel_norm(x: jax.Array, epsilon: float = 1e-8) -> jax.Array:
    """Return x / sqrt(mean over channels of x^2 + epsilon), float[..., channels]; the mean is taken in float32.

    Source: Karras et al. 2018, arXiv 1710.10196, section 4.2.
    """
    square = jnp.mean(wide(x) ** 2, -1, keepdims=True)
    return x * jax.lax.rsqrt(square + epsilon).astype(x.dtype)
