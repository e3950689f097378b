"""Transposed convolutions of volumes with the numbers of `jax.lax`, as sums of 2-D ones on CPUs."""

from typing import Any

import jax
import jax.numpy as jnp
from flax import linen as nn
from jax import lax

from genjax.nn.conv import conv_transpose
from genjax.nn.weights import Plain, Weight, affine

LAYOUT = ("NDHWC", "DHWIO", "NDHWC")


def conv3d_transpose(x: jax.Array, kernel: jax.Array, stride: int) -> jax.Array:
    """Return the transposed convolution of volumes with "SAME" padding, as `lax.conv_transpose` does.

    x: float[batch, depth, h, w, i].  kernel: float[k, k, k, i, o].  Returns float[batch, stride depth, .., .., o].
    With stride 1 and an odd k it is the convolution. XLA for CPUs takes up to some hundred times as long for a dilated
    3-D convolution as for 2-D ones with as many products; there it becomes `conv3d_by_taps`.
    """
    if jax.default_backend() == "cpu":
        return conv3d_by_taps(x, kernel, stride)
    return lax.conv_transpose(x, kernel, (stride,) * 3, "SAME", dimension_numbers=LAYOUT)


def conv3d_by_taps(x: jax.Array, kernel: jax.Array, stride: int) -> jax.Array:
    """Return the same as a sum over the kernel's depth: y[stride d + shift - j] += conv2d_transpose(x[d], kernel[j]).

    All slices of a batch are the images of one 2-D convolution for each j, so derivatives are 2-D convolutions too.
    """
    batch, depth, height, width, _ = x.shape
    taken = kernel.shape[0]
    shift = taken - 1 if stride > taken - 1 else -(-(taken + stride - 2) // 2)  # what lax pads
    slices, parts = x.reshape(batch * depth, height, width, -1), []
    for tap in range(taken):
        part = conv_transpose(slices, kernel[tap], stride)
        part = part.reshape(batch, depth, *part.shape[1:])
        low, none = shift - tap, (0, 0, 0)
        spread = (none, (low, stride - 1 - low, stride - 1), none, none, none)
        parts.append(lax.pad(part, jnp.zeros((), part.dtype), spread))
    return sum(parts[1:], parts[0])


class ConvTranspose3D(nn.Module):
    """Transposed convolution of volumes, "SAME" padding: each side is multiplied by `stride`; weight as in `Conv`."""

    features: int
    kernel_size: int = 3
    stride: int = 2
    weight: Weight = Plain()
    dtype: Any = None
    use_bias: bool = True

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """Return float[batch, stride depth, stride height, stride width, features]."""
        shape = (*(self.kernel_size,) * 3, x.shape[-1], self.features)
        return affine(self, x, shape, lambda x, kernel: conv3d_transpose(x, kernel, self.stride))
