"""Residual networks (He et al. 2015, arXiv 1512.03385) as in torchvision: 1000 classes, 224 pixels.

The bottleneck's stride sits in its 3x3 convolution ("v1.5"), not in the first 1x1 as in the paper. Piecewise linear
from every layer on with `train=False`. Parameters: ResNet-18 11,689,512; ResNet-50 25,557,032. Layer names: `conv1`,
`layer1` ... `layer4` (each a spatial map after ReLU), `fc`. First weights as in Goyal et al. 2017, arXiv 1706.02677,
section 5.1: He's normal rule for convolutions, N(0, 0.01) for the last layer, and 0 for the scale of each block's last
batch norm, so that blocks begin as the identity.
"""

import functools
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn

from genjax.nn.normalization import BatchNorm

MEAN_RGB = (0.485, 0.456, 0.406)
STD_RGB = (0.229, 0.224, 0.225)
INIT = nn.initializers.variance_scaling(2.0, "fan_out", "normal")


def preprocess(images: jax.Array) -> jax.Array:
    """Return (x / 255 - mean) / std per channel: RGB in 0..255, uint8 or float[..., H, W, 3] -> float of that shape."""
    mean, std = (jnp.asarray(np.broadcast_to(v, images.shape)) for v in (MEAN_RGB, STD_RGB))
    return (jnp.asarray(images) / 255.0 - mean) / std


def conv(features: int, size: int, stride: int, dtype: Any, name: str) -> nn.Conv:
    """Return a convolution without bias, padded by size // 2 on every side."""
    padding = [(size // 2, size // 2)] * 2
    return nn.Conv(
        features, (size, size), (stride, stride), padding, use_bias=False, kernel_init=INIT, dtype=dtype, name=name
    )


class BasicBlock(nn.Module):
    """relu(shortcut(x) + BN(conv3x3(relu(BN(conv3x3(x)))))): float[B, H, W, C] -> float[B, h, w, width]."""

    width: int
    stride: int = 1
    dtype: Any = None
    expansion = 1

    @nn.compact
    def __call__(self, x: jax.Array, train: bool = False) -> jax.Array:
        """Return the block's activations, at least 0."""
        norm = functools.partial(BatchNorm, dtype=self.dtype)
        y = conv(self.width, 3, self.stride, self.dtype, "conv1")(x)
        y = nn.relu(norm(name="bn1")(y, train))
        y = conv(self.width, 3, 1, self.dtype, "conv2")(y)
        y = norm(name="bn2", scale_init=nn.initializers.zeros_init())(y, train)
        if x.shape != y.shape:
            x = conv(self.width, 1, self.stride, self.dtype, "downsample_conv")(x)
            x = norm(name="downsample_bn")(x, train)
        return nn.relu(x + y)


class Bottleneck(nn.Module):
    """As `BasicBlock`, with 1x1, 3x3, 1x1 convolutions: float[B, H, W, C] -> float[B, h, w, 4 * width]."""

    width: int
    stride: int = 1
    dtype: Any = None
    expansion = 4

    @nn.compact
    def __call__(self, x: jax.Array, train: bool = False) -> jax.Array:
        """Return the block's activations, at least 0."""
        norm = functools.partial(BatchNorm, dtype=self.dtype)
        y = conv(self.width, 1, 1, self.dtype, "conv1")(x)
        y = nn.relu(norm(name="bn1")(y, train))
        y = conv(self.width, 3, self.stride, self.dtype, "conv2")(y)
        y = nn.relu(norm(name="bn2")(y, train))
        y = conv(self.expansion * self.width, 1, 1, self.dtype, "conv3")(y)
        y = norm(name="bn3", scale_init=nn.initializers.zeros_init())(y, train)
        if x.shape != y.shape:
            x = conv(self.expansion * self.width, 1, self.stride, self.dtype, "downsample_conv")(x)
            x = norm(name="downsample_bn")(x, train)
        return nn.relu(x + y)


class Stage(nn.Module):
    """`depth` blocks, the first of which strides: float[B, H, W, C] -> float[B, h, w, expansion * width]."""

    block: Callable[..., nn.Module]
    width: int
    depth: int
    stride: int
    dtype: Any = None

    @nn.compact
    def __call__(self, x: jax.Array, train: bool = False) -> jax.Array:
        """Return the last block's activations."""
        for i in range(self.depth):
            x = self.block(self.width, self.stride if i == 0 else 1, self.dtype, name=f"block{i}")(x, train)
        return x


class ResNet(nn.Module):
    """float[B, H, W, 3], RGB normalised as in `preprocess` -> logits float[B, classes].

    block: `BasicBlock` or `Bottleneck`.  depths: blocks in each stage.  width: channels of the first stage.
    dtype: type to compute in, None for that of inputs and parameters.
    """

    block: Callable[..., nn.Module]
    depths: Sequence[int]
    classes: int = 1000
    width: int = 64
    dtype: Any = None

    @nn.compact
    def __call__(self, images: jax.Array, train: bool = False) -> jax.Array:
        """Return logits; with `train`, batch norm uses and updates the statistics of this batch."""
        x = conv(self.width, 7, 2, self.dtype, "conv1")(images)
        x = nn.relu(BatchNorm(dtype=self.dtype, name="bn1")(x, train))
        x = nn.max_pool(x, (3, 3), (2, 2), ((1, 1), (1, 1)))
        for i, depth in enumerate(self.depths, 1):
            stride = 1 if i == 1 else 2
            stage = Stage(self.block, self.width * 2 ** (i - 1), depth, stride, self.dtype, name=f"layer{i}")
            x = stage(x, train)
        x = jnp.mean(x, axis=(1, 2))
        return nn.Dense(self.classes, kernel_init=nn.initializers.normal(0.01), dtype=self.dtype, name="fc")(x)


ResNet18 = functools.partial(ResNet, BasicBlock, (2, 2, 2, 2))
ResNet50 = functools.partial(ResNet, Bottleneck, (3, 4, 6, 3))
