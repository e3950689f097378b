"""What the benchmarks of training speed share: a small convolutional network for digits, and the digits.

Twice [5x5 convolution, batch norm, ReLU, 2x2 max pooling], then a dense layer: the network of most MNIST tutorials.
"""

from pathlib import Path
from typing import Any

import jax
import numpy as np
from flax import linen as nn

from genjax import data
from genjax.nn.conv import Conv
from genjax.nn.normalization import BatchNorm


def pool(x: jax.Array) -> jax.Array:
    """2x2 max pooling, a last odd row or column left out; XLA's own gradient of it is far slower on CPUs."""
    batch, height, width, channels = x.shape
    x = x[:, : height // 2 * 2, : width // 2 * 2]
    return x.reshape(batch, height // 2, 2, width // 2, 2, channels).max((2, 4))


class ConvNet(nn.Module):
    """float[B, H, W, 1] -> logits float[B, 10].  bias: before batch norm, which cancels it."""

    features: tuple[int, int] = (16, 32)
    bias: bool = False
    dtype: Any = None

    @nn.compact
    def __call__(self, images: jax.Array, train: bool = False) -> jax.Array:
        """Return logits; with `train`, batch norm uses and updates the statistics of this batch."""
        x = images
        for features in self.features:
            x = Conv(features, 5, 1, self.bias, dtype=self.dtype)(x)
            x = nn.relu(BatchNorm(dtype=self.dtype)(x, train))
            x = pool(x)
        return nn.Dense(10, dtype=self.dtype)(x.reshape(len(x), -1))


class DenseNet(nn.Module):
    """float[B, H, W, 1] -> logits float[B, 10], one hidden layer: a step takes less time than its dispatch."""

    @nn.compact
    def __call__(self, images: jax.Array, train: bool = False) -> jax.Array:
        """Return logits."""
        return nn.Dense(10)(nn.relu(nn.Dense(16)(images.reshape(len(images), -1))))


def digits(spec: str, size: int, count: int) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray], str]:
    """Return training images uint8[count, size, size, 1] with labels (repeated where there are fewer), test, a name."""
    dataset = data.load(spec, image_size=size)

    def whole(split: Any) -> dict[str, np.ndarray]:
        return split.take(np.arange(len(split)))

    train = {name: np.resize(x, (count, *x.shape[1:])) for name, x in whole(dataset.train).items()}
    repeated = f", repeated to {count:,}" if len(dataset.train) < count else ""
    return train, whole(dataset.test), f"{count:,} images of {size} pixels ({Path(spec).name}{repeated})"
