"""Classifiers to be explained: cross entropy on labelled images.

    python -m train.classifier [preset] [options]

Presets
    small    ConvNet on embedded digits at 16 pixels, ReLU: under a minute on two CPU cores, compiling included
    gelu     ConvNeXt-style network of 16 thousand parameters on the same images: GELU and layer norm
    vit      vision transformer of 41 thousand parameters on the same images: attention
    resnet18, resnet50, vgg16   ImageNet at 224 pixels (He et al. 2015, arXiv 1512.03385, section 3.4; Goyal et al.
             2017, arXiv 1706.02677): batch 256, SGD with Nesterov momentum 0.9, learning rate 0.1 (VGG: 0.01) after 5
             epochs of warm-up, divided by 10 at epochs 30, 60 and 80 of 90, weight decay 1e-4 on kernels (VGG: 5e-4),
             mirrored random crops of 224 from images of 256. Deviation: crops keep their scale and aspect.
Presets of ImageNet name tfds:imagenet2012; a folder of class folders serves as well, such as --data folder:DIR.
"""

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import linen as nn

from genjax import files, optim, precision
from genjax.classifiers import classify, convnet, convnext, resnet, squeezenet, vgg, vit
from genjax.data import Dataset, transforms
from genjax.engine.phases import Feed, Phase
from genjax.engine.state import State
from train import _optimizer
from train._cli import Common, Run, main, steps_of


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


@dataclass(frozen=True)
class Hyper(Common):
    """Options of the classifiers."""

    network: Literal["convnet", "convnext", "vit", "resnet18", "resnet50", "vgg16", "squeezenet"] = "convnet"
    """What to train."""
    learning_rate: float = 3e-3
    """The highest, after the warm-up."""
    schedule: Literal["cosine", "steps"] = "cosine"
    """After the warm-up: to zero along a cosine, or divided by 10 after 1/3, 2/3 and 8/9 of all steps."""
    smoothing: float = 0.0
    """Label smoothing."""
    ema: float | None = None
    """Decay of averaged parameters, which are then the ones scored."""
    crop: int | None = None
    """Train on random crops of this size, and test on the one in the centre."""
    flip: bool = False
    """Mirror half of the training images."""


SMALL = Hyper(
    image_size=16, steps=200, batch_size=64, optimizer="adamw", weight_decay=1e-4, rate_warm_up=0.05,
    evaluate_every=100, checkpoint_every=200,
)  # fmt: skip
IMAGENET = Hyper(
    data="tfds:imagenet2012", image_size=256, stream=True, epochs=90, batch_size=256, optimizer="sgd",
    weight_decay=1e-4, rate_warm_up=5 / 90, learning_rate=0.1, schedule="steps", crop=224, flip=True,
    evaluate_every=5000, checkpoint_every=5000,
)  # fmt: skip
PRESETS = {
    "small": SMALL,
    "gelu": dataclasses.replace(SMALL, network="convnext", steps=400, evaluate_every=200, checkpoint_every=400),
    "vit": dataclasses.replace(SMALL, network="vit", steps=1000, evaluate_every=500, checkpoint_every=1000),
    "resnet18": dataclasses.replace(IMAGENET, network="resnet18"),
    "resnet50": dataclasses.replace(IMAGENET, network="resnet50"),
    "vgg16": dataclasses.replace(IMAGENET, network="vgg16", learning_rate=0.01, weight_decay=5e-4),
}


def decay(hyper: Hyper, steps: int) -> optim.Decay:
    """Return how the learning rate falls in a run of `steps` steps, warm-up included."""
    if hyper.schedule == "cosine":
        return optax.cosine_decay_schedule

    def stairs(peak: float, rest: int) -> optim.Schedule:
        return optax.piecewise_constant_schedule(
            peak, {round(share * steps) - (steps - rest): 0.1 for share in (1 / 3, 2 / 3, 8 / 9)}
        )

    return stairs


def optimizer(hyper: Hyper, steps: int) -> optax.GradientTransformation:
    """Return what --optimizer names, Adam if it is the recipe's own, at a rate that rises and falls."""
    return _optimizer.optimizer(hyper, hyper.learning_rate, steps, optax.adam, decay(hyper, steps))


def random_crop(batch: transforms.Batch, key: jax.Array, *, size: int) -> transforms.Batch:
    """Images [B, H, W, C] -> a window of `size` at a random place of each."""
    images = batch["images"]
    room = jnp.array([images.shape[1] - size + 1, images.shape[2] - size + 1])
    corners = jax.random.randint(key, (len(images), 2), 0, room[None])

    def window(image, corner):
        return jax.lax.dynamic_slice(image, (corner[0], corner[1], 0), (size, size, image.shape[2]))

    return {**batch, "images": jax.vmap(window)(images, corners)}


def centre_crop(images: Any, size: int | None) -> Any:
    """Return the windows [B, size, size, C] in the middle of images [B, H, W, C]; all of them for None."""
    if size is None:
        return images
    top, left = (images.shape[1] - size) // 2, (images.shape[2] - size) // 2
    return images[:, top : top + size, left : left + size]


def _prepare(hyper: Hyper) -> Callable:
    def preprocess(batch, key):
        return {**batch, "images": NETWORKS[hyper.network].preprocess(batch["images"])}

    steps: list[transforms.Transform] = [] if hyper.crop is None else [partial(random_crop, size=hyper.crop)]
    return transforms.compose(*steps, *([transforms.flip] if hyper.flip else []), preprocess)


def _check(hyper: Hyper, dataset: Dataset) -> None:
    height, width, channels = dataset.shape
    needed = NETWORKS[hyper.network].channels
    if not (dataset.train.labelled and dataset.test.labelled):
        raise ValueError(f"{hyper.data} has no labels, which a classifier learns from; use one with class folders")
    if needed not in (None, channels):
        raise ValueError(f"{hyper.network} takes images of {needed} channels, and {hyper.data} has {channels}")
    if hyper.crop is not None and not 1 <= hyper.crop <= min(height, width):
        raise ValueError(f"--crop {hyper.crop}: the images are {height} x {width}; crop less or give --image-size")


def build(hyper: Hyper, dataset: Dataset) -> Run:
    """Return the classifier's run on `dataset`. Raises ValueError where labels, channels or the crop do not fit."""
    _check(hyper, dataset)
    policy = precision.POLICIES[hyper.precision]
    network = NETWORKS[hyper.network].make(classes=dataset.num_classes, dtype=policy.compute)
    side = (dataset.shape[0], dataset.shape[1]) if hyper.crop is None else (hyper.crop, hyper.crop)
    steps = steps_of(hyper, len(dataset.train))
    game = classify.game(network, optimizer(hyper, steps), (*side, dataset.shape[2]), hyper.smoothing, hyper.ema)
    text = f"{_optimizer.text(hyper, hyper.learning_rate, 'adam({rate})')}, {hyper.schedule} decay"
    return Run(
        phases=(Phase(game, steps, Feed(dataset.train, hyper.batch_size, _prepare(hyper))),),
        optimizers={"classifier": text},
        evaluate=partial(evaluate, hyper, network, dataset.test),
        pictures=partial(pictures, hyper, network, dataset),
    )


@partial(jax.jit, static_argnums=(0, 1))
def _logits(network, preprocess, variables, images):
    return network.apply(variables, preprocess(images), train=False)


def test_logits(hyper: Hyper, network: nn.Module, test: Any, state: State) -> tuple[np.ndarray, np.ndarray]:
    """Return logits float[count, classes] and labels int[count] of all labelled test images, in order."""
    variables, parts = state.variables_of("classifier", ema=hyper.ema is not None), []
    for start in range(0, len(test), 256):
        batch = test.take(np.arange(start, min(start + 256, len(test))))
        images = centre_crop(batch["images"], hyper.crop)
        parts.append((np.asarray(_logits(network, NETWORKS[hyper.network].preprocess, variables, images)), batch))
    labels = np.concatenate([batch["labels"] for _, batch in parts])
    return np.concatenate([logits for logits, _ in parts])[labels >= 0], labels[labels >= 0]


def evaluate(hyper: Hyper, network: nn.Module, test: Any, state: State) -> dict[str, float]:
    """Return the share of test images that are classified right, and the cross entropy in nats per image."""
    logits, labels = test_logits(hyper, network, test, state)
    return {
        "accuracy": float(np.mean(logits.argmax(-1) == labels)),
        "cross_entropy": float(classify.cross_entropy(jnp.asarray(logits), jnp.asarray(labels))),
    }


def pictures(hyper: Hyper, network: nn.Module, dataset: Dataset, state: State, folder: Path, step: int) -> None:
    """Write the confusion matrix of the test images, for up to 30 classes."""
    if dataset.num_classes > 30:
        return
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    logits, labels = test_logits(hyper, network, dataset.test, state)
    counts = np.zeros((dataset.num_classes,) * 2, int)
    np.add.at(counts, (labels, logits.argmax(-1)), 1)
    shares = counts / np.maximum(counts.sum(1, keepdims=True), 1)
    side = 1.5 + 0.45 * dataset.num_classes
    figure = Figure(figsize=(side, side), dpi=100, layout="constrained")
    axes = figure.subplots()
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    for i, j in zip(*np.nonzero(counts), strict=True):
        axes.text(j, i, counts[i, j], ha="center", va="center", color="white" if shares[i, j] > 0.5 else "black")
    ticks = np.arange(dataset.num_classes)
    axes.set_xticks(ticks, dataset.class_names, rotation=90 if max(map(len, dataset.class_names)) > 2 else 0)
    axes.set_yticks(ticks, dataset.class_names)
    axes.set(xlabel="predicted class", ylabel="label", title=f"{hyper.network}, test images, step {step}")
    with files.atomic(folder / f"confusion-{step:06d}.png") as temporary:
        FigureCanvasAgg(figure).print_png(temporary)


if __name__ == "__main__":
    raise SystemExit(main("classifier", PRESETS, build))
