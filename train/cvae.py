"""CVAE: a VAE whose encoder and decoder see a label, if there is one (Sohn et al. 2015).

    python -m train.cvae [preset] [options]

Presets
    small    embedded digits, 64-512-6, tanh, every other label hidden: about a minute on two CPU cores
    article  an article's comparison of AE, VAE and CVAE: 784-128-16 tanh, Glorot, beta 0.1, 5 draws, batch 100; 30,000
             of 60,000 labels; label embeddings of 128 joined after the hidden layer, as the article prints it. It does
             not state Adam 1e-3, the default of its framework
    paper    the same size with the label joined before the hidden layer, all labels, beta 1, 100 epochs: our own, since
             the paper's networks are for other tasks (it predicts structured outputs)
Presets but `small` name MNIST as tfds:mnist; any copy serves, such as --data mnist.npz.
"""

import dataclasses
from dataclasses import dataclass
from typing import Annotated

from genjax.autoencoders import cvae
from genjax.data import Dataset
from genjax.run.autoencoder import (
    VariationalOptions,
    autoencoder_run,
    binarized,
    coders,
    initializer_of,
    labelled_share,
    weight,
)
from genjax.run.cli import main
from genjax.run.options import SHARE, at_least
from genjax.run.run import Run


@dataclass(frozen=True, kw_only=True)
class Hyper(VariationalOptions):
    """Options of the CVAE."""

    labelled: Annotated[float, SHARE]
    """Share of the training images that keep their label."""
    embedding: Annotated[int, at_least(1)]
    """Size of the label embeddings."""
    late: bool
    """Join the label after the hidden layers, as the article prints it."""


PRESETS = {
    "small": Hyper(
        steps=20_000, batch_size=100, learning_rate=1e-3, hidden=(512,), latent=6, coder="dense", activation="tanh",
        batch_norm=False, dropout=0.0, initializer="glorot", likelihood="bernoulli", binarize="no", beta=0.7,
        beta_schedule="constant", samples=1, importance_samples=500, labelled=0.5, embedding=128, late=False,
        evaluate_every=4000, checkpoint_every=2000,
    ),
    "article": Hyper(
        data="tfds:mnist", epochs=1000, batch_size=100, learning_rate=1e-3, hidden=(128,), latent=16, coder="dense",
        activation="tanh", batch_norm=False, dropout=0.0, initializer="glorot", likelihood="bernoulli", binarize="no",
        beta=0.1, beta_schedule="constant", samples=5, importance_samples=500,
        labelled=0.5, embedding=128, late=True, evaluate_every=60_000, checkpoint_every=2000,
    ),
    "paper": Hyper(
        data="tfds:mnist", epochs=100, batch_size=100, learning_rate=1e-3, hidden=(128,), latent=16, coder="dense",
        activation="tanh", batch_norm=False, dropout=0.0, initializer="glorot", likelihood="bernoulli", binarize="no",
        beta=1.0, beta_schedule="constant", samples=1, importance_samples=500,
        labelled=1.0, embedding=128, late=False, evaluate_every=60_000, checkpoint_every=2000,
    ),
}  # fmt: skip
SCORE = ("neg_elbo", "test negative ELBO with the label, nats per image")


def build(hyper: Hyper, dataset: Dataset) -> Run:
    """Return the CVAE's run on `dataset`."""
    dataset = binarized(hyper, dataset)
    dataset = dataclasses.replace(dataset, train=labelled_share(dataset.train, hyper.labelled, hyper.seed))
    model = cvae.CVAE(
        **coders(hyper, hyper.late), image_shape=dataset.shape, classes=dataset.num_classes,
        embedding=hyper.embedding, initializer=initializer_of(hyper),
    )  # fmt: skip
    run = autoencoder_run(
        hyper, dataset, lambda tx: cvae.game(model, tx, beta=weight(hyper), samples=hyper.samples), net="cvae",
        model=model, variational=True, classes=model.classes, importance_samples=hyper.importance_samples,
    )  # fmt: skip
    return run._replace(by_seed="the labels that it keeps" if hyper.labelled < 1 else "")


if __name__ == "__main__":
    raise SystemExit(main("cvae"))
