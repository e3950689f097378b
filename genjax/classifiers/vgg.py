"""VGG-16 (Simonyan and Zisserman 2014, arXiv 1409.1556, configuration D) as in torchvision: 138,357,544 parameters.

VGG-19 (configuration E, 143,667,240 parameters) is `VGG16(depths=VGG19)`. `relu_maps` is what their convolutions see,
by the names of papers on perceptual losses: relu5_4 is the map after the fourth convolution of the fifth stage.

Piecewise linear from every layer on. Layer names: `stage1` ... `stage5` (each a map after its last ReLU and before max
pooling; `stage5` is the usual target, conv5_3), `fc6`, `fc7`, `fc8`. Input as for ResNet: `resnet.preprocess`. First
weights are torchvision's: He's normal rule for convolutions, N(0, 0.01) for dense layers (the paper started from a
smaller network's weights).
"""

from collections.abc import Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn

from genjax.nn.conv import conv
from genjax.nn.dropout import Dropout

VGG19 = (2, 2, 4, 4, 4)
"""Convolutions of each stage of VGG-19."""
INIT = nn.initializers.variance_scaling(2.0, "fan_out", "normal")
DENSE = nn.initializers.normal(0.01)


def adaptive_mean_pool(x: jax.Array, size: int) -> jax.Array:
    """Return means over `size` x `size` windows, row i from floor(i n / size) to ceil((i + 1) n / size).

    float[B, H, W, C] -> float[B, size, size, C]; windows overlap, or repeat a pixel, where `size` does not divide n.
    """

    def windows(n):
        start = np.arange(size) * n // size
        stop = -(-(np.arange(size) + 1) * n // size)
        inside = (np.arange(n) >= start[:, None]) & (np.arange(n) < stop[:, None])
        return jnp.asarray(inside / inside.sum(1, keepdims=True), x.dtype)

    return jnp.einsum("ih,jw,bhwc->bijc", windows(x.shape[1]), windows(x.shape[2]), x)


class Stage(nn.Module):
    """`depth` times [3x3 convolution, ReLU]: float[B, H, W, C] -> float[B, H, W, features], at least 0."""

    features: int
    depth: int
    dtype: Any = None

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """Return the activations after the last ReLU."""
        for i in range(1, self.depth + 1):
            x = nn.relu(nn.Conv(self.features, (3, 3), kernel_init=INIT, dtype=self.dtype, name=f"conv{i}")(x))
        return x


class VGG16(nn.Module):
    """float[B, H, W, 3], RGB normalised as in `resnet.preprocess` -> logits float[B, classes].

    features, depths: channels and convolutions of each stage.  hidden: units of fc6 and fc7.  dropout: share of these
    dropped in training.  dtype: type to compute in, None for that of inputs and parameters.
    """

    classes: int = 1000
    features: Sequence[int] = (64, 128, 256, 512, 512)
    depths: Sequence[int] = (2, 2, 3, 3, 3)
    hidden: int = 4096
    dropout: float = 0.5
    dtype: Any = None

    @nn.compact
    def __call__(self, images: jax.Array, train: bool = False) -> jax.Array:
        """Return logits; with `train`, a "dropout" key is needed in `rngs`."""
        x = images
        for i, (features, depth) in enumerate(zip(self.features, self.depths, strict=True), 1):
            x = Stage(features, depth, self.dtype, name=f"stage{i}")(x)
            x = nn.max_pool(x, (2, 2), (2, 2))
        if x.shape[1:3] != (7, 7):
            x = adaptive_mean_pool(x, 7)
        x = x.reshape(x.shape[0], -1)
        for name in ("fc6", "fc7"):
            x = nn.relu(nn.Dense(self.hidden, kernel_init=DENSE, dtype=self.dtype, name=name)(x))
            x = Dropout(self.dropout, name=f"{name}_dropout")(x, train)
        return nn.Dense(self.classes, kernel_init=DENSE, dtype=self.dtype, name="fc8")(x)


def relu_names(parameters: Mapping[str, Any]) -> list[str]:
    """Return the names of the maps after a network's convolutions, from the first one on: relu1_1, relu1_2, ..."""
    stages = {name.removeprefix("stage"): layers for name, layers in sorted(parameters.items()) if "stage" in name}
    return [f"relu{stage}_{layer.removeprefix('conv')}" for stage, layers in stages.items() for layer in sorted(layers)]


def relu_maps(parameters: Mapping[str, Any], images: jax.Array, layers: Sequence[str]) -> dict[str, jax.Array]:
    """Return the maps after the named convolutions and their ReLU: {"relu1_2": float[B, H, W, channels], ...}.

    parameters: {"stage1": {"conv1": {"kernel", "bias"}, ...}, ...} of a `VGG16` of any depths; dense layers are not
    needed. images: float[B, H, W, 3], normalised as the network expects. layers: some of `relu_names`, at least one.
    Raises ValueError for images that the pooling uses up.
    """
    known = relu_names(parameters)
    found: dict[str, jax.Array] = {}
    x, last = images, max(layers, key=known.index)
    for name in known[: known.index(last) + 1]:
        stage, number = name.removeprefix("relu").split("_")
        if number == "1" and stage != "1":
            if min(x.shape[1:3]) < 2:
                raise ValueError(f"images of {images.shape[1]} x {images.shape[2]} end before {name}; take larger ones")
            x = nn.max_pool(x, (2, 2), (2, 2))
        layer = parameters[f"stage{stage}"][f"conv{number}"]
        kernel, bias = (jnp.asarray(layer[kind], x.dtype) for kind in ("kernel", "bias"))
        x = nn.relu(conv(x, kernel, 1) + bias.reshape(1, 1, 1, -1))
        found[name] = x
    return {name: found[name] for name in layers}
