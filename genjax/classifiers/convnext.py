"""ConvNeXt: GELU and layer norm in place of ReLU and batch norm (Liu et al. 2022, arXiv 2201.03545).

Nothing after a stage is piecewise linear, the head's layer norm included, so powers of the gradient are not the higher
derivatives here. The defaults are ConvNeXt-T (28,589,128 parameters for 1000 classes); `tiny` is for digits. Stochastic
depth, a regulariser of the training recipe, is left out. Layer names: `stem`, `stage1`, `stage2`, ...
"""

import functools
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
from flax import linen as nn

EPSILON = 1e-6
INIT = nn.initializers.truncated_normal(0.02)


class Block(nn.Module):
    """x + gamma * W2 gelu(W1 LN(depthwise 7x7 (x))): float[B, H, W, C] -> the same shape (figure 4)."""

    layer_scale: float = 1e-6
    kernel_init: Any = INIT
    dtype: Any = None

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """Return the block's output; gamma float[C] begins at `layer_scale`."""
        channels = x.shape[-1]
        y = nn.Conv(
            channels,
            (7, 7),
            feature_group_count=channels,
            dtype=self.dtype,
            kernel_init=self.kernel_init,
            name="depthwise",
        )(x)
        y = nn.LayerNorm(epsilon=EPSILON, dtype=self.dtype, name="norm")(y)
        y = nn.Dense(4 * channels, dtype=self.dtype, kernel_init=self.kernel_init, name="expand")(y)
        y = nn.gelu(y, approximate=False)
        y = nn.Dense(channels, dtype=self.dtype, kernel_init=self.kernel_init, name="project")(y)
        gamma = self.param("gamma", nn.initializers.constant(self.layer_scale), (channels,))
        return x + y * gamma.astype(y.dtype).reshape(1, 1, 1, channels)


class Stage(nn.Module):
    """Layer norm and a 2x2 convolution of stride 2 where `downsample`, then `depth` blocks."""

    features: int
    depth: int
    downsample: bool
    layer_scale: float = 1e-6
    kernel_init: Any = INIT
    dtype: Any = None

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """float[B, H, W, C] -> float[B, h, w, features]."""
        if self.downsample:
            x = nn.LayerNorm(epsilon=EPSILON, dtype=self.dtype, name="norm")(x)
            x = nn.Conv(
                self.features,
                (2, 2),
                (2, 2),
                "VALID",
                dtype=self.dtype,
                kernel_init=self.kernel_init,
                name="downsample",
            )(x)
        for i in range(1, self.depth + 1):
            x = Block(self.layer_scale, self.kernel_init, self.dtype, name=f"block{i}")(x)
        return x


class ConvNeXt(nn.Module):
    """float[B, H, W, C] -> logits float[B, classes].

    features, depths: channels and blocks of each stage.  patch: size and stride of the first convolution.
    layer_scale: initial gamma of each block.  kernel_init: initializer of every kernel.
    dtype: type to compute in, None for that of inputs and parameters.
    """

    classes: int = 1000
    features: Sequence[int] = (96, 192, 384, 768)
    depths: Sequence[int] = (3, 3, 9, 3)
    patch: int = 4
    layer_scale: float = 1e-6
    kernel_init: Any = INIT
    dtype: Any = None

    @nn.compact
    def __call__(self, images: jax.Array, train: bool = False) -> jax.Array:
        """Return logits; `train` changes nothing, there being neither batch statistics nor dropout."""
        size = (self.patch, self.patch)
        x = nn.Conv(self.features[0], size, size, "VALID", dtype=self.dtype, kernel_init=self.kernel_init, name="stem")(
            images
        )
        x = nn.LayerNorm(epsilon=EPSILON, dtype=self.dtype, name="stem_norm")(x)
        for i, (features, depth) in enumerate(zip(self.features, self.depths, strict=True), 1):
            x = Stage(features, depth, i > 1, self.layer_scale, self.kernel_init, self.dtype, name=f"stage{i}")(x)
        x = nn.LayerNorm(epsilon=EPSILON, dtype=self.dtype, name="norm")(jnp.mean(x, axis=(1, 2)))
        return nn.Dense(self.classes, dtype=self.dtype, kernel_init=self.kernel_init, name="head")(x)


# Initial weights of 0.02 and a layer scale of 1e-6 are for wide, deep networks and long runs: at this size they stall.
tiny = functools.partial(
    ConvNeXt,
    classes=10,
    features=(16, 32),
    depths=(1, 1),
    patch=1,
    layer_scale=0.1,
    kernel_init=nn.initializers.lecun_normal(),
)
