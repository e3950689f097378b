"""The PatchGAN discriminators, which judge overlapping patches of an image (Isola et al. 2017, arXiv 1611.07004)."""

from collections.abc import Callable
from typing import Any

import jax
from flax import linen as nn

from genjax.nn.conv import Conv
from genjax.nn.initializers import Initializer, normal
from genjax.nn.normalization import BatchNorm, around_one, instance_norm
from genjax.nn.weights import Plain
from genjax.nn.wide import wide

Norm = Callable[[jax.Array, bool], jax.Array]
NORMAL = normal(0.02)


def by_image(x: jax.Array, train: bool) -> jax.Array:
    """Return `instance_norm(x)`: the same while training and afterwards."""
    return instance_norm(x)


def by_batch(x: jax.Array, train: bool) -> jax.Array:
    """Return x normalised over the batch while training, by a layer of the module in which it is called."""
    return BatchNorm(scale_init=around_one, dtype=x.dtype)(x, train)


class PatchDiscriminator(nn.Module):
    """4x4 convolutions: `strided` of stride 2, doubling the channels from `width` (to 8 width), two of stride 1.

    A logit sees 16, 34, 70, 142, 286 pixels a side for `strided` 1 to 5; 3 is the "70x70" discriminator, 30x30 logits
    of 256x256 pixels. Padding is 1 on each side, so the layers of stride 1 lose a pixel, as in the authors' code.
    norm: after every layer but the first and the last.  use_bias: in those layers.
    """

    strided: int = 3
    width: int = 64
    norm: Norm = by_image
    use_bias: bool = True
    initializer: Initializer = NORMAL
    dtype: Any = None

    @nn.compact
    def __call__(self, images: jax.Array, train: bool = False) -> jax.Array:
        """Return logits float32[batch, rows, columns] of images float[batch, height, width, channels].

        ValueError where the image is too small for a single logit.
        """
        smallest = 3 * 2**self.strided
        if min(images.shape[1:3]) < smallest:
            raise ValueError(
                f"a patch discriminator with {self.strided} strided layers needs images of at least {smallest} pixels "
                f"a side, not {images.shape[1]} x {images.shape[2]}; give larger images or fewer strided layers"
            )
        x = images
        for layer in range(self.strided + 1):
            stride = 2 if layer < self.strided else 1
            bias = self.use_bias or layer == 0
            x = self._conv(self.width * min(2**layer, 8), stride, bias)(x)
            x = nn.leaky_relu(self.norm(x, train) if layer else x, 0.2)
        return wide(self._conv(1, 1, True)(x))[..., 0]

    def _conv(self, features: int, stride: int, bias: bool) -> Conv:
        return Conv(features, 4, stride, bias, Plain(self.initializer), self.dtype, padding=((1, 1), (1, 1)))


class PixelDiscriminator(nn.Module):
    """1x1 convolutions to `width`, 2 `width` and 1 channels: judges the colour of every pixel by itself.

    norm: after the second layer, which has no bias; nor has the last, as in the authors' code in PyTorch.
    """

    width: int = 64
    norm: Norm = by_image
    initializer: Initializer = NORMAL
    dtype: Any = None

    @nn.compact
    def __call__(self, images: jax.Array, train: bool = False) -> jax.Array:
        """Return logits float32[batch, height, width] of images float[batch, height, width, channels]."""
        x = nn.leaky_relu(self._conv(self.width, True)(images), 0.2)
        x = nn.leaky_relu(self.norm(self._conv(2 * self.width, False)(x), train), 0.2)
        return wide(self._conv(1, False)(x))[..., 0]

    def _conv(self, features: int, bias: bool) -> Conv:
        return Conv(features, 1, 1, bias, Plain(self.initializer), self.dtype)
