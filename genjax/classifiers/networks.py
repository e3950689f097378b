"""The classifiers by name: how each is made, at which layer it is explained, and what its input is."""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
from flax import linen as nn

from genjax.classifiers import convnet, convnext, resnet, squeezenet, vgg, vit


def unit(images: jax.Array) -> jax.Array:
    """Return uint8 images as float32 in [0, 1]."""
    return images.astype(jnp.float32) / 255.0


class Kind(NamedTuple):
    """make: (classes=, dtype=) -> network.  layer: where to explain it.  preprocess: uint8 images -> its input.

    channels: what `preprocess` needs, None for any.
    """

    make: Callable[..., nn.Module]
    layer: str
    preprocess: Callable[[jax.Array], jax.Array] = unit
    channels: int | None = None


NETWORKS = {
    "convnet": Kind(convnet.ConvNet, "stage2"),
    "convnext": Kind(partial(convnext.tiny, patch=2), "stage1"),
    "vit": Kind(partial(vit.ViT, patch=2), "block2"),
    "resnet18": Kind(resnet.ResNet18, "layer4", resnet.preprocess, 3),
    "resnet50": Kind(resnet.ResNet50, "layer4", resnet.preprocess, 3),
    "vgg16": Kind(vgg.VGG16, "stage5", resnet.preprocess, 3),
    "squeezenet": Kind(squeezenet.SqueezeNet, "fire9", squeezenet.preprocess, 3),
}
