"""CVAE: a VAE whose encoder and decoder see a label, if there is one (Sohn et al. 2015).

    python -m train.cvae [preset] [options]

Presets
    small    embedded digits, 64-512-6, tanh, every other label hidden: about a minute on two CPU cores
    article  the comparison of AE, VAE and CVAE: 784-128-16 tanh, Glorot, beta 0.1, 5 draws, batch 100, Adam 1e-3;
             30,000 of 60,000 labels; label embeddings of 128 joined after the hidden layer, as the article prints it
    paper    the same size with the label joined before the hidden layer, all labels, beta 1 (the paper's own networks
             are for other tasks: it predicts structured outputs)
Presets but `small` name MNIST as tfds:mnist; any copy serves, such as --data mnist.npz.
"""

import dataclasses
from dataclasses import dataclass

from genjax.autoencoders import cvae
from genjax.data import Dataset
from train import _autoencoder as shared
from train._cli import Run, main


@dataclass(frozen=True)
class Hyper(shared.VariationalHyper):
    """Options of the CVAE."""

    labelled: float = 0.5
    """Share of the training images that keep their label."""
    embedding: int = 128
    """Size of the label embeddings."""
    late: bool = False
    """Join the label after the hidden layers, as the article prints it."""


SMALL = Hyper(steps=20_000, hidden=(512,), latent=6, beta=0.7, evaluate_every=4000, checkpoint_every=2000)
MNIST = dataclasses.replace(SMALL, data="tfds:mnist", hidden=(128,), latent=16, epochs=1000, evaluate_every=60_000)
PRESETS = {
    "small": SMALL,
    "article": dataclasses.replace(MNIST, beta=0.1, samples=5, late=True),
    "paper": dataclasses.replace(MNIST, beta=1.0, labelled=1.0, epochs=100),
}

SCORE = ("neg_elbo", "test negative ELBO with the label, nats per image")


def build(hyper: Hyper, dataset: Dataset) -> Run:
    """Return the CVAE's run on `dataset`."""
    train, test, prepare = shared.prepare_data(hyper, dataset)
    train = shared.labelled_share(train, hyper.labelled, hyper.seed)
    model = cvae.CVAE(
        **shared.coders(hyper, hyper.late),
        image_shape=dataset.shape,
        classes=dataset.num_classes,
        embedding=hyper.embedding,
        initializer=shared.INITIALIZERS[hyper.initializer],
    )
    game = cvae.game(model, shared.optimizer(hyper), beta=shared.weight(hyper), samples=hyper.samples)
    return shared.build(hyper, (train, test, prepare), "cvae", model, game)


if __name__ == "__main__":
    raise SystemExit(main("cvae", PRESETS, build))
