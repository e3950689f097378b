"""Convolutions and transposed convolutions with the numbers of `jax.lax`, fast in every derivative on every backend."""

from functools import partial
from typing import Any

import jax
from flax import linen as nn
from jax import lax
from jax.ad_checkpoint import checkpoint_name

from genjax.nn import conv_cpu
from genjax.nn.weights import Plain, Weight, affine

Padding = str | tuple[conv_cpu.Pads, conv_cpu.Pads]


def conv(x: jax.Array, kernel: jax.Array, stride: int, padding: Padding = "SAME") -> jax.Array:
    """Return the convolution of images with a kernel, as `lax.conv_general_dilated` does.

    x: float[batch, h, w, i].  kernel: float[k, k, i, o].  padding: "SAME", "VALID" or pixels around each axis.
    Returns float[batch, h', w', o]. On CPUs the gradients take other forms, which are faster: see `conv_cpu`.
    """
    if isinstance(padding, str):
        rows, columns = lax.padtype_to_pads(x.shape[1:3], kernel.shape[:2], (stride, stride), padding)
    else:
        rows, columns = padding
    if not _on_cpu():
        return lax.conv_general_dilated(x, kernel, (stride, stride), (rows, columns), dimension_numbers=conv_cpu.LAYOUT)
    return _kept(conv_cpu.conv(x, kernel, stride, rows, columns))


def conv_transpose(x: jax.Array, kernel: jax.Array, stride: int) -> jax.Array:
    """Return the transposed convolution with "SAME" padding, as `lax.conv_transpose` does.

    x: float[batch, h, w, i].  kernel: float[k, k, i, o].  Returns float[batch, stride h, stride w, o].
    """
    if not _on_cpu():
        return lax.conv_transpose(x, kernel, (stride, stride), "SAME")
    return _kept(conv_cpu.conv_transpose(x, kernel, stride))


def _on_cpu() -> bool:
    return jax.default_backend() == "cpu"


_kept = partial(checkpoint_name, name=conv_cpu.NAME)


class Conv(nn.Module):
    """Convolution, by default of stride 2 with "SAME" padding; weight: plain, spectral or equalised."""

    features: int
    kernel_size: int = 4
    stride: int = 2
    use_bias: bool = True
    weight: Weight = Plain()
    dtype: Any = None
    padding: Padding = "SAME"

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """Return float[batch, height / stride, width / stride, features], rounded up, with "SAME" padding."""
        shape = (self.kernel_size, self.kernel_size, x.shape[-1], self.features)
        return affine(self, x, shape, partial(conv, stride=self.stride, padding=self.padding))


class ConvTranspose(nn.Module):
    """Transposed convolution, "SAME" padding: spatial sizes are multiplied by `stride`; weight as in `Conv`."""

    features: int
    kernel_size: int = 4
    stride: int = 2
    use_bias: bool = True
    weight: Weight = Plain()
    dtype: Any = None

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """Return float[batch, stride height, stride width, features]."""
        shape = (self.kernel_size, self.kernel_size, x.shape[-1], self.features)
        return affine(self, x, shape, partial(conv_transpose, stride=self.stride))
