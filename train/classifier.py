"""Classifiers to be explained: cross entropy on labelled images.

    python -m train.classifier [preset] [options]

Presets
    small    ConvNet on embedded digits at 16 pixels, ReLU: under a minute on two CPU cores, compiling included
    gelu     ConvNeXt-style network of 16 thousand parameters on the same images: GELU and layer norm
    vit      vision transformer of 41 thousand parameters on the same images: attention
    resnet18, resnet50   ImageNet at 224 pixels, from Goyal et al. 2017, arXiv 1706.02677, section 5.1: batch 256, SGD
             with Nesterov momentum 0.9, rate 0.1 divided by 10 at epochs 30, 60 and 80 of 90, weight decay 1e-4 on
             kernels. Batch norm sees 256 images here, there 32; crops keep their scale and aspect here
    vgg16    the same images, from Simonyan & Zisserman 2014, arXiv 1409.1556, section 3.1: batch 256, momentum 0.9, L2
             penalty 5e-4, rate 0.01 divided by 10 three times in 74 epochs; there whenever the accuracy stood
             still, here at 1/3, 2/3 and 8/9 of the steps, and its first weights were a smaller network's
             Both crop 224 at random from images of 256 and mirror half of them.
Presets of ImageNet name tfds:imagenet2012; a folder of class folders serves as well, such as --data folder:DIR.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Annotated, Any, Literal

from genjax.classifiers import classify
from genjax.classifiers.networks import NETWORKS
from genjax.data import Dataset, transforms
from genjax.engine.phases import Feed, Phase
from genjax.run.cli import main
from genjax.run.optimizers import COSINE, Decay, adam, for_run, stairs
from genjax.run.options import PART, Options, above, at_least, steps_of
from genjax.run.run import Run, compute_type
from genjax.tasks.classification import Classification


@dataclass(frozen=True, kw_only=True)
class Hyper(Options):
    """Options of the classifiers."""

    network: Literal["convnet", "convnext", "vit", "resnet18", "resnet50", "vgg16", "squeezenet"]
    """Network to train."""
    learning_rate: Annotated[float, above(0)]
    """Learning rate after the warm-up, the highest one."""
    schedule: Literal["cosine", "steps"]
    """How the rate falls after the warm-up: to zero along a cosine, or divided by 10 after 1/3, 2/3 and 8/9 of all
    steps."""
    smoothing: Annotated[float, PART]
    """Label smoothing."""
    ema: Annotated[float | None, PART]
    """Decay of averaged parameters, which are then the ones scored; no average if not given."""
    crop: Annotated[int | None, at_least(1)]
    """Side of random crops to train on, and of the one in the centre to test on; whole images if not given."""
    flip: bool
    """Mirror half of the training images."""


SMALL = Hyper(
    image_size=16, steps=200, batch_size=64, network="convnet", optimizer="adamw", weight_decay=1e-4, rate_warm_up=0.05,
    learning_rate=3e-3, schedule="cosine", smoothing=0.0, ema=None, crop=None, flip=False, evaluate_every=100,
    checkpoint_every=200,
)  # fmt: skip
RESNET18 = Hyper(
    data="tfds:imagenet2012", image_size=256, stream=True, epochs=90, batch_size=256, network="resnet18",
    optimizer="sgd", weight_decay=1e-4, learning_rate=0.1, schedule="steps", smoothing=0.0,
    ema=None, crop=224, flip=True, evaluate_every=5000, checkpoint_every=5000,
)  # fmt: skip
PRESETS = {
    "small": SMALL,
    "gelu": replace(SMALL, network="convnext", steps=400, evaluate_every=200, checkpoint_every=400),
    "vit": replace(SMALL, network="vit", steps=1000, evaluate_every=500, checkpoint_every=1000),
    "resnet18": RESNET18,
    "resnet50": replace(RESNET18, network="resnet50"),
    "vgg16": replace(
        RESNET18, network="vgg16", epochs=74, learning_rate=0.01, optimizer="momentum", weight_decay=0.0, l2=5e-4
    ),
}


def decay(hyper: Hyper) -> Decay:
    """Return how the learning rate falls after the warm-up."""
    if hyper.schedule == "cosine":
        return COSINE
    warm_up = hyper.rate_warm_up
    return stairs(*((share - warm_up) / (1 - warm_up) for share in (1 / 3, 2 / 3, 8 / 9)))


def _prepare(hyper: Hyper) -> Callable:
    def preprocess(batch: Any, key: Any) -> Any:
        return {**batch, "images": NETWORKS[hyper.network].preprocess(batch["images"])}

    steps: list[transforms.Transform] = []
    if hyper.crop is not None:
        steps.append(partial(transforms.random_crop, size=hyper.crop))
    return transforms.compose(*steps, *([transforms.flip] if hyper.flip else []), preprocess)


def _check(hyper: Hyper, dataset: Dataset) -> None:
    height, width, channels = dataset.shape
    needed = NETWORKS[hyper.network].channels
    if not (dataset.train.labelled and dataset.test.labelled):
        raise ValueError(f"{hyper.data} has no labels, which a classifier learns from; use one with class folders")
    if needed not in (None, channels):
        raise ValueError(f"{hyper.network} takes images of {needed} channels, and {hyper.data} has {channels}")
    if hyper.crop is not None and hyper.crop > min(height, width):
        raise ValueError(f"--crop {hyper.crop}: the images are {height} x {width}; crop less or give --image-size")


def build(hyper: Hyper, dataset: Dataset) -> Run:
    """Return the classifier's run on `dataset`. Raises ValueError where labels, channels or the crop do not fit."""
    _check(hyper, dataset)
    kind, steps = NETWORKS[hyper.network], steps_of(hyper, len(dataset.train))
    network = kind.make(classes=dataset.num_classes, dtype=compute_type(hyper))
    side = (dataset.shape[0], dataset.shape[1]) if hyper.crop is None else (hyper.crop, hyper.crop)
    own, prepare = for_run(adam(hyper.learning_rate, decay=decay(hyper)), hyper), _prepare(hyper)
    game = classify.game(
        network, own.transformation(steps), image_shape=(*side, dataset.shape[2]), smoothing=hyper.smoothing,
        ema=hyper.ema,
    )  # fmt: skip
    task = Classification(
        dataset=dataset, network=network, name=hyper.network, preprocess=kind.preprocess, prepare=prepare,
        size=hyper.crop, averaged=hyper.ema is not None,
    )  # fmt: skip
    return Run((Phase(game, steps, Feed(dataset.train, hyper.batch_size, prepare)),), {"classifier": own}, task)


if __name__ == "__main__":
    raise SystemExit(main("classifier"))
