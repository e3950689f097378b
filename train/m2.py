"""M2: a VAE with the class as second latent, which predicts labels from a few (Kingma et al. 2014, arXiv 1406.5298).

    python -m train.m2 [preset] [options]

Presets
    small    embedded digits, 64-256-8, 100 labels: about a minute on two CPU cores, compiling included; our own
    short    784-500-50 on MNIST for 20 epochs, softplus, 2 labelled images in a batch of 100 and a classification term
             that weighs 50 times as much: of the settings tried, that in which unlabelled images helped most within an
             hour or so on two CPU cores. The accuracy was still rising at its end; our own
    paper    784-500-50 on MNIST, 100 labels, from section 4 and the author's code (dpkingma/nips14-ssl, whose scripts
             train M2 on the latents of M1): softplus, Adam 3e-4, weights from N(0, 0.001), prior N(0, I) on all
             parameters (an L2 penalty of 1/50,000), pixels drawn black or white anew, the first 50,000 images, alpha
             0.1, 3000 epochs of 100 batches. It prints 11.97 +- 1.71 % errors for M2 alone with 100 labels and 3.92 +-
             0.63 % with 3000. Every batch holds 1 labelled image there, about one here; with none the classification
             term is 0, with several their mean. Hidden biases start at 0, there from N(0, 0.001)
Any copy of MNIST serves, such as --data mnist.npz.
The score is the share of test images whose label is predicted rightly. See eval.semi_supervised for a table.
"""

from dataclasses import dataclass
from typing import Annotated

import numpy as np

from genjax.autoencoders import m2
from genjax.data import Arrays, Dataset
from genjax.engine.phases import Feed, Phase
from genjax.run.autoencoder import (
    AutoencoderOptions,
    binarized,
    coders,
    encoder_of,
    optimizer,
    prepare_of,
)
from genjax.run.cli import main
from genjax.run.options import PART, at_least, steps_of
from genjax.run.run import Run
from genjax.tasks.label_prediction import LabelPrediction


@dataclass(frozen=True, kw_only=True)
class Hyper(AutoencoderOptions):
    """Options of M2."""

    labels: Annotated[int, at_least(1)]
    """Number of training images that keep their label, as many of every class."""
    alpha: Annotated[float, at_least(0)]
    """Weight of the classification term, for each image of the batch."""
    beta: Annotated[float, at_least(0)]
    """Weight of the KL term per image."""
    share: Annotated[float, PART]
    """Labelled images repeat until they are this share of an epoch."""


PRESETS = {
    "small": Hyper(
        steps=3000, batch_size=100, learning_rate=1e-3, hidden=(256,), latent=8, coder="dense", activation="relu",
        batch_norm=False, dropout=0.0, initializer="glorot", likelihood="bernoulli", binarize="no", labels=100,
        alpha=1.0, beta=1.0, share=0.5, evaluate_every=1000, fuse=20,
    ),
    "short": Hyper(
        data="tfds:mnist", epochs=20, batch_size=100, learning_rate=1e-3, hidden=(500,), latent=50, coder="dense",
        activation="softplus", batch_norm=False, dropout=0.0, initializer="glorot", likelihood="bernoulli",
        binarize="no", labels=100, alpha=50.0, beta=1.0, share=0.02, evaluate_every=1200, fuse=20,
    ),
    "paper": Hyper(
        data="tfds:mnist", train_images=50_000, epochs=3000, batch_size=500, learning_rate=3e-4, l2=2e-5, hidden=(500,),
        latent=50, coder="dense", activation="softplus", batch_norm=False, dropout=0.0, initializer="normal",
        deviation=1e-3, likelihood="bernoulli", binarize="dynamic", labels=100, alpha=0.1, beta=1.0, share=0.0,
        evaluate_every=10_000, checkpoint_every=10_000,
    ),
}  # fmt: skip
SCORE = ("accuracy", "test accuracy with 100 labels")


def few_labels(split: Arrays, count: int, classes: int, *, share: float, seed: int) -> Arrays:
    """Return the split with `count` labels, as many of each class, and labelled rows repeated to `share`."""
    labels = split.arrays["labels"]
    if count % classes or count > len(labels):
        raise ValueError(
            f"--labels {count}: expected a multiple of {classes}, the number of classes, up to {len(labels)}"
        )
    draw = np.random.Generator(np.random.Philox(seed))
    members = (draw.permutation(np.flatnonzero(labels == label))[: count // classes] for label in range(classes))
    kept = np.full(len(labels), -1, np.int32)
    for rows in members:
        kept[rows] = labels[rows]
    rows = m2.balanced_rows(kept, share)
    return Arrays({**split.take(rows), "labels": kept[rows]})


def network(hyper: Hyper, dataset: Dataset) -> m2.M2:
    """Return M2 for the images and classes of `dataset`."""
    return m2.M2(encoder_of(hyper), **coders(hyper), image_shape=dataset.shape, classes=dataset.num_classes)


def build(hyper: Hyper, dataset: Dataset) -> Run:
    """Return M2's run on `dataset`."""
    dataset = binarized(hyper, dataset)
    train = dataset.train
    if not isinstance(train, Arrays) or not train.labelled:
        raise ValueError("M2 needs a labelled data set in memory (digits, an .npz or idx: with labels)")
    if not dataset.absent:
        train = few_labels(train, hyper.labels, dataset.num_classes, share=hyper.share, seed=hyper.seed)
    model, own, steps = network(hyper, dataset), optimizer(hyper), steps_of(hyper, len(train))
    prepare = prepare_of(hyper)
    task = LabelPrediction(
        dataset=dataset, model=model, net="m2", variational=True, prepare=prepare, view=prepare, classes=model.classes,
    )  # fmt: skip
    game = m2.game(model, own.transformation(steps), alpha=hyper.alpha, beta=hyper.beta)
    phase = Phase(game, steps, Feed(train, hyper.batch_size, prepare))
    return Run((phase,), {"m2": own}, task, by_seed="the labels that it keeps")


if __name__ == "__main__":
    raise SystemExit(main("m2"))
