"""InceptionV3 as the Frechet Inception Distance uses it: the network of December 2015 with its own pooling.

Szegedy et al. 2016, arXiv 1512.00567; Heusel et al. 2017, arXiv 1706.08500. It differs from the InceptionV3 of today's
model zoos: 1008 classes, no auxiliary head, average pooling inside blocks A, C and the first E leaves padding out of
the mean, the last E pools by maximum, and pixels become (x - 128) / 128. Weights are the user's own: the file
`pt_inception-2015-12-05-6726825d.pth` that PyTorch users have, read by `genjax.classifiers.weights` (with torch
installed) or converted to .npz once by `python -m genjax.classifiers.weights FILE.pth FILE.npz`.

How images reach 299 pixels changes the distance by more than many models differ, so the result's name says it
(`FRECHET_NAMES`). "published": bilinear without antialiasing and with corners as TensorFlow 1 places them, as in the
network's own graph and so in most papers. "clean": bicubic, antialiased, in floating point, as Parmar et al. 2022,
arXiv 2104.11222, recommend.
"""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn

from genjax.cpu import program
from genjax.data.resize import bicubic

SIDE = 299
FRECHET_NAMES = {"clean": "FID (clean resizing)", "published": "FID"}
"""What the distance is called on the published weights, by the way in which images are resized."""
KNOWN_SHA256 = "6726825d"
"""First digits of the hash of the file whose features alone may be called FID's."""


def preprocess(images: jax.Array, resizing: str = "clean") -> jax.Array:
    """Return (x - 128) / 128 of x = 255 images at 299 pixels: float[batch, 299, 299, 3].

    images: float[batch, height, width, 1 or 3] in [0, 1], taken as the bytes that a file would hold. resizing: "clean"
    or "published", see above. Raises ValueError for another.
    """
    if resizing not in FRECHET_NAMES:
        raise ValueError(f"resizing {resizing!r}: choose one of {', '.join(FRECHET_NAMES)}")
    pixels = jnp.round(255 * jnp.clip(images.astype(jnp.float32), 0, 1))
    pixels = jnp.broadcast_to(pixels, (*pixels.shape[:3], 3))
    pixels = bicubic(pixels, SIDE, SIDE) if resizing == "clean" else _bilinear_of_tensorflow_1(pixels)
    return (pixels - 128) / 128


def _bilinear_of_tensorflow_1(pixels: jax.Array) -> jax.Array:
    """Return pixel i of 299 as what stands at i size / 299 between two pixels, the last one repeated: corner at corner.

    It is `tf.compat.v1.image.resize_bilinear` with align_corners=False.
    """
    for axis in (2, 1):
        size = pixels.shape[axis]
        place = np.arange(SIDE, dtype=np.float32) * np.float32(size / SIDE)
        low = place.astype(int)
        share = jnp.asarray(place - low).reshape((1, SIDE, 1, 1) if axis == 1 else (1, 1, SIDE, 1))
        first, second = (jnp.take(pixels, np.minimum(low + step, size - 1), axis) for step in (0, 1))
        pixels = first + (second - first) * share
    return pixels


class Unit(nn.Module):
    """Convolution without bias, batch norm with the stored statistics (epsilon 1e-3), ReLU."""

    features: int
    kernel: tuple[int, int]
    stride: int = 1
    padding: str = "SAME"

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """Return float[batch, rows, columns, features], at least 0."""
        strides = (self.stride, self.stride)
        x = nn.Conv(self.features, self.kernel, strides, self.padding, use_bias=False, name="conv")(x)
        return nn.relu(nn.BatchNorm(use_running_average=True, epsilon=1e-3, name="bn")(x))


def _average(x: jax.Array) -> jax.Array:
    return nn.avg_pool(x, (3, 3), padding="SAME", count_include_pad=False)


def _largest(x: jax.Array) -> jax.Array:
    return nn.max_pool(x, (3, 3), padding="SAME")


def _halved(x: jax.Array) -> jax.Array:
    return nn.max_pool(x, (3, 3), (2, 2))


_1, _3, _5, _ROW, _COLUMN = (1, 1), (3, 3), (5, 5), (1, 7), (7, 1)


def _chain(x: jax.Array, *units: Any) -> jax.Array:
    """Apply units (name, channels, kernel[, 2 to halve without padding]); those in a list stand side by side."""
    for unit in units:
        if isinstance(unit, list):
            x = jnp.concatenate([_chain(x, each) for each in unit], -1)
        else:
            name, features, kernel, *halving = unit
            x = Unit(features, kernel, *((2, "VALID") if halving else ()), name=name)(x)
    return x


class BlockA(nn.Module):
    """1x1; 5x5; two 3x3; pooled."""

    pooled: int

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """Return float[batch, rows, columns, 224 + pooled]."""
        double = ("branch3x3dbl_1", 64, _1), ("branch3x3dbl_2", 96, _3), ("branch3x3dbl_3", 96, _3)
        parts = [
            _chain(x, ("branch1x1", 64, _1)),
            _chain(x, ("branch5x5_1", 48, _1), ("branch5x5_2", 64, _5)),
            _chain(x, *double),
            _chain(_average(x), ("branch_pool", self.pooled, _1)),
        ]
        return jnp.concatenate(parts, -1)


class BlockB(nn.Module):
    """3x3; two 3x3; pooled by maximum: halves the size."""

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """Return float[batch, rows / 2, columns / 2, 480 + channels of x]."""
        double = ("branch3x3dbl_1", 64, _1), ("branch3x3dbl_2", 96, _3), ("branch3x3dbl_3", 96, _3, 2)
        return jnp.concatenate([_chain(x, ("branch3x3", 384, _3, 2)), _chain(x, *double), _halved(x)], -1)


class BlockC(nn.Module):
    """1x1; 7x7 as 1x7 and 7x1; twice that; pooled."""

    narrow: int

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """Return float[batch, rows, columns, 768]."""
        n = self.narrow
        once = ("branch7x7_1", n, _1), ("branch7x7_2", n, _ROW), ("branch7x7_3", 192, _COLUMN)
        kernels = zip((_1, _COLUMN, _ROW, _COLUMN, _ROW), (n, n, n, n, 192), strict=True)
        twice = [(f"branch7x7dbl_{i}", features, kernel) for i, (kernel, features) in enumerate(kernels, 1)]
        pooled = _chain(_average(x), ("branch_pool", 192, _1))
        return jnp.concatenate([_chain(x, ("branch1x1", 192, _1)), _chain(x, *once), _chain(x, *twice), pooled], -1)


class BlockD(nn.Module):
    """3x3; 7x7 and 3x3; pooled by maximum: halves the size."""

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """Return float[batch, rows / 2, columns / 2, 512 + channels of x]."""
        seven = ("branch7x7x3_1", 192, _1), ("branch7x7x3_2", 192, _ROW), ("branch7x7x3_3", 192, _COLUMN)
        parts = [
            _chain(x, ("branch3x3_1", 192, _1), ("branch3x3_2", 320, _3, 2)),
            _chain(x, *seven, ("branch7x7x3_4", 192, _3, 2)),
            _halved(x),
        ]
        return jnp.concatenate(parts, -1)


class BlockE(nn.Module):
    """1x1; 3x3 split into 1x3 beside 3x1; the same after another 3x3; pooled. pool: how."""

    pool: Any = _average

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """Return float[batch, rows, columns, 2048]."""
        once = ("branch3x3_1", 384, _1), [("branch3x3_2a", 384, (1, 3)), ("branch3x3_2b", 384, (3, 1))]
        split = [("branch3x3dbl_3a", 384, (1, 3)), ("branch3x3dbl_3b", 384, (3, 1))]
        twice = ("branch3x3dbl_1", 448, _1), ("branch3x3dbl_2", 384, _3), split
        pooled = _chain(self.pool(x), ("branch_pool", 192, _1))
        return jnp.concatenate([_chain(x, ("branch1x1", 320, _1)), _chain(x, *once), _chain(x, *twice), pooled], -1)


class InceptionV3(nn.Module):
    """Images as `preprocess` returns them -> pooled features and logits of 1008 classes."""

    @nn.compact
    def __call__(self, images: jax.Array) -> tuple[jax.Array, jax.Array]:
        """Return features float[batch, 2048] and logits float[batch, 1008]."""
        x = _chain(images, ("Conv2d_1a_3x3", 32, _3, 2))
        x = Unit(32, _3, 1, "VALID", name="Conv2d_2a_3x3")(x)
        x = _halved(Unit(64, _3, name="Conv2d_2b_3x3")(x))
        x = Unit(80, _1, name="Conv2d_3b_1x1")(x)
        x = _halved(Unit(192, _3, 1, "VALID", name="Conv2d_4a_3x3")(x))
        for name, pooled in (("Mixed_5b", 32), ("Mixed_5c", 64), ("Mixed_5d", 64)):
            x = BlockA(pooled, name=name)(x)
        x = BlockB(name="Mixed_6a")(x)
        for name, narrow in (("Mixed_6b", 128), ("Mixed_6c", 160), ("Mixed_6d", 160), ("Mixed_6e", 192)):
            x = BlockC(narrow, name=name)(x)
        x = BlockD(name="Mixed_7a")(x)
        x = BlockE(name="Mixed_7b")(x)
        x = BlockE(_largest, name="Mixed_7c")(x)
        features = jnp.mean(x, (1, 2))
        return features, nn.Dense(1008, name="fc")(features)


@partial(program, static_argnames="resizing")
def features_and_probabilities(
    variables: Any, images: jax.Array, resizing: str = "clean"
) -> tuple[jax.Array, jax.Array]:
    """Return features float[batch, 2048] and class probabilities float[batch, 1008] of images in [0, 1].

    The probabilities leave out the last layer's bias, as the authors' code of the Inception score does. resizing: as
    `preprocess` takes it.
    """
    output: Any = InceptionV3().apply(variables, preprocess(images, resizing))
    features, logits = output
    return features, jax.nn.softmax(logits - variables["params"]["fc"]["bias"][None])
