"""M2: a VAE with the class as second latent, which predicts labels from a few (Kingma et al. 2014, arXiv 1406.5298).

    python -m train.m2 [preset] [options]

Presets
    small    embedded digits, 64-256-8, 100 labels: about a minute on two CPU cores, compiling included
    paper    784-500-50 on MNIST, 100 labels. The paper prints 11.97 +- 1.71 % errors for M2 alone with 100 labels and
             3.92 +- 0.63 % with 3000, after far longer training at alpha 0.1; twenty epochs need a heavier classifier
Any copy of MNIST serves, such as --data mnist.npz.
The score is the share of test images whose label is predicted rightly. See eval.semi_supervised for a table.
"""

import dataclasses
from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from genjax import precision
from genjax.autoencoders import m2
from genjax.data import Arrays, Dataset
from genjax.engine.phases import Feed, Phase
from genjax.engine.state import State
from genjax.nn.coders import DenseEncoder
from train import _autoencoder as shared
from train._cli import Run, main, steps_of


@dataclass(frozen=True)
class Hyper(shared.Hyper):
    """Options of M2."""

    labels: int = 100
    """Training images that keep their label, the same number of every class."""
    alpha: float = 1.0
    """Weight of the classification term, for each image of the batch."""
    beta: float = 1.0
    """Weight of the KL term per image."""
    share: float = 0.5
    """Labelled images repeat until they are this share of an epoch."""


SMALL = Hyper(steps=3000, hidden=(256,), latent=8, activation="relu", evaluate_every=1000, fuse=20)
PRESETS = {
    "small": SMALL,
    "paper": dataclasses.replace(SMALL, data="tfds:mnist", hidden=(500,), latent=50, epochs=20, alpha=20.0),
}

SCORE = ("accuracy", "test accuracy with 100 labels")


def few_labels(split: Arrays, count: int, classes: int, share: float, seed: int) -> Arrays:
    """Return the split with `count` labels, as many of each class, and labelled rows repeated to `share`."""
    labels = split.arrays["labels"]
    if count % classes or not 0 < count <= len(labels):
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


@partial(jax.jit, static_argnums=0)
def _correct(model, variables, images, labels):
    return jnp.sum(jnp.argmax(model.apply(variables, images, method="predict"), -1) == labels)


def evaluate(hyper: Hyper, model: m2.M2, test: Any, state: State) -> dict[str, float]:
    """Return the share of test images whose label is predicted rightly."""
    variables = state.variables_of("m2")
    batches = shared.test_batches(hyper, test)
    correct = sum(int(_correct(model, variables, batch["images"], batch["labels"])) for batch in batches)
    return {"accuracy": correct / len(test)}


def network(hyper: Hyper, dataset: Dataset) -> m2.M2:
    """Return M2 for the images and classes of `dataset`."""
    parts = shared.coders(hyper)
    dtype = precision.POLICIES[hyper.precision].compute
    classifier = DenseEncoder(
        hyper.hidden,
        shared.ACTIVATIONS[hyper.activation],
        initializer=shared.INITIALIZERS[hyper.initializer],
        dtype=dtype,
    )
    return m2.M2(classifier, **parts, image_shape=dataset.shape, classes=dataset.num_classes)


def build(hyper: Hyper, dataset: Dataset) -> Run:
    """Return M2's run on `dataset`."""
    train, test, prepare = shared.prepare_data(hyper, dataset)
    if not isinstance(train, Arrays) or not train.labelled:
        raise ValueError("M2 needs a labelled data set in memory (digits, an .npz or idx: with labels)")
    if not hyper.describe:
        train = few_labels(train, hyper.labels, dataset.num_classes, hyper.share, hyper.seed)
    model = network(hyper, dataset)
    game = m2.game(model, shared.optimizer(hyper), alpha=hyper.alpha, beta=hyper.beta)
    return Run(
        phases=(Phase(game, steps_of(hyper, len(train)), Feed(train, hyper.batch_size, prepare)),),
        optimizers={"m2": shared.optimizer_text(hyper)},
        evaluate=partial(evaluate, hyper, model, test),
        pictures=partial(shared.pictures, hyper, "m2", model, test),
    )


if __name__ == "__main__":
    raise SystemExit(main("m2", PRESETS, build))
