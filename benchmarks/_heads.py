"""The heads that `benchmarks.saliency` explains: networks cut at a layer, their images and weights."""

from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from genjax.classifiers import convnext, resnet, squeezenet, vgg, vit, weights
from genjax.saliency import Split


class Case(NamedTuple):
    """A network cut at a layer; side, channels: of its images; long: exact derivatives take half a minute or more."""

    name: str
    network: Any
    layer: str
    side: int
    channels: int
    batch: int
    long: bool = False


CASES = (
    Case("ResNet-50 layer4, 1000 classes", resnet.ResNet50(), "layer4", 224, 3, 8),
    Case("SqueezeNet fire9, 1000 classes", squeezenet.SqueezeNet(), "fire9", 224, 3, 1),
    Case(
        "VGG-like stage5, dense head, 100 classes",
        vgg.VGG16(100, (8, 16, 32, 64, 64), (1, 1, 1, 1, 1), 256), "stage5", 112, 3, 1,
    ),
    Case("SqueezeNet fire5, 1000 classes", squeezenet.SqueezeNet(), "fire5", 224, 3, 1),
    Case("ResNet-50 layer3, 1000 classes", resnet.ResNet50(), "layer3", 224, 3, 1, True),
    Case("ConvNeXt-style stage1, 10 classes", convnext.tiny(patch=2), "stage1", 16, 1, 1),
    Case("ConvNeXt-style stage2, 10 classes", convnext.tiny(patch=2), "stage2", 16, 1, 1),
    Case(
        "ConvNeXt-style 28x28 block1, 10 classes",
        convnext.ConvNeXt(10, (16,), (2,), 1, 0.1), "stage1/block1", 28, 1, 1,
    ),
    Case("ViT block2, 10 classes", vit.ViT(patch=2), "block2", 16, 1, 1),
    Case("ConvNeXt-T stage4/block2, 1000 classes", convnext.ConvNeXt(), "stage4/block2", 224, 3, 1, True),
    Case("ViT-S/16 block11, 1000 classes", vit.ViT(1000, 16, 384, 12, 6), "block11", 224, 3, 1, True),
)  # fmt: skip
SMALL = 4096  # activations up to which forward mode along every one of them is affordable
TARGETS = {
    "ResNet-50 layer4, 1000 classes": {"exp": 1.05, "softmax": 1.05},
    "SqueezeNet fire9, 1000 classes": {"softmax": 3.0},
    "ConvNeXt-style stage1, 10 classes": {"exp": 28.0, "softmax": 25.0},
    "ViT block2, 10 classes": {"exp": 72.0, "softmax": 69.0},
}


def inputs(case: Case) -> jax.Array:
    """Return random images of the spread that preprocessing gives."""
    spread = 60.0 if isinstance(case.network, squeezenet.SqueezeNet) else 1.0
    return spread * jax.random.normal(jax.random.key(1), (case.batch, case.side, case.side, case.channels))


def variables_of(case: Case, path: Path | None) -> Any:
    """Return trained SqueezeNet weights where a path is given, else random ones."""
    shape = (case.side, case.side, case.channels)
    if path is not None and isinstance(case.network, squeezenet.SqueezeNet):
        return weights.load(case.network, path, shape)
    return jax.jit(case.network.init)(jax.random.key(0), jnp.zeros((1, *shape)))


def pooled_head(channels: int, classes: int) -> Split:
    """Return the head of a ResNet: a mean over positions and a dense layer."""
    kernel = jax.random.normal(jax.random.key(2), (channels, classes)) / channels**0.5
    return Split(lambda image: image, lambda a, image: jnp.mean(a, (0, 1)) @ kernel)
