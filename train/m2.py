"""M2: a VAE with the class as second latent, which predicts labels from a few (Kingma et al. 2014, arXiv 1406.5298).

    python -m train.m2 [preset] [options]

Presets
    small    embedded digits, 64-256-8, 100 labels: about a minute on two CPU cores, compiling included
    paper    784-500-50 on MNIST, 100 labels. The paper prints 11.97 +- 1.71 % errors for M2 alone with 100 labels and
             3.92 +- 0.63 % with 3000, after far longer training at alpha 0.1; twenty epochs need a heavier classifier
Any copy of MNIST serves, such as --data mnist.npz.
The score is the share of test images whose label is predicted rightly. See eval.semi_supervised for a table.
"""

from dataclasses import dataclass
from typing import Annotated

import numpy as np

from genjax.autoencoders import m2
from genjax.data import Arrays, Dataset
from genjax.engine.phases import Feed, Phase
from genjax.nn.coders import DenseEncoder
from genjax.run.autoencoder import (
    ACTIVATIONS,
    INITIALIZERS,
    AutoencoderOptions,
    chosen_data,
    coders,
    optimizer,
    prepare_of,
)
from genjax.run.cli import main
from genjax.run.options import PART, at_least, steps_of
from genjax.run.run import Run, compute_type
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
        batch_norm=False, dropout=0.0, initializer="glorot", likelihood="bernoulli", binarize="no", train_images=None,
        labels=100, alpha=1.0, beta=1.0, share=0.5, evaluate_every=1000, fuse=20,
    ),
    "paper": Hyper(
        data="tfds:mnist", epochs=20, batch_size=100, learning_rate=1e-3, hidden=(500,), latent=50, coder="dense",
        activation="relu", batch_norm=False, dropout=0.0, initializer="glorot", likelihood="bernoulli", binarize="no",
        train_images=None, labels=100, alpha=20.0, beta=1.0, share=0.5, evaluate_every=1000, fuse=20,
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
    classifier = DenseEncoder(
        hyper.hidden, ACTIVATIONS[hyper.activation], initializer=INITIALIZERS[hyper.initializer],
        dtype=compute_type(hyper),
    )  # fmt: skip
    return m2.M2(classifier, **coders(hyper), image_shape=dataset.shape, classes=dataset.num_classes)


def build(hyper: Hyper, dataset: Dataset) -> Run:
    """Return M2's run on `dataset`."""
    dataset = chosen_data(hyper, dataset)
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
    return Run((phase,), {"m2": own}, task)


if __name__ == "__main__":
    raise SystemExit(main("m2"))
