"""AE: an autoencoder without a prior (Hinton & Salakhutdinov 2006).

    python -m train.ae [preset] [options]

Presets
    small    embedded digits, 64-512-6, tanh: about a minute on two CPU cores, compiling included
    article  the comparison of AE, VAE and CVAE: 784-128-16 tanh, Glorot, batch 100, Adam 1e-3, 1000 epochs
    paper    784-1000-500-250-30 on MNIST, batch 100 (the paper pre-trained layer by layer; this trains at once)
Presets but `small` name MNIST as tfds:mnist; any copy serves, such as --data mnist.npz.
"""

import dataclasses
from dataclasses import dataclass

from genjax.autoencoders import ae
from genjax.data import Dataset
from train import _autoencoder as shared
from train._cli import Run, main


@dataclass(frozen=True)
class Hyper(shared.Hyper):
    """Options of the AE."""


SMALL = Hyper(steps=20_000, hidden=(512,), latent=6, evaluate_every=4000, checkpoint_every=2000)
PRESETS = {
    "small": SMALL,
    "article": dataclasses.replace(
        SMALL, data="tfds:mnist", hidden=(128,), latent=16, epochs=1000, evaluate_every=60_000
    ),
    "paper": dataclasses.replace(SMALL, data="tfds:mnist", latent=30, hidden=(1000, 500, 250), epochs=50),
}

SCORE = ("nll_at_mean", "test NLL, nats per image")


def build(hyper: Hyper, dataset: Dataset) -> Run:
    """Return the AE's run on `dataset`."""
    model = ae.AE(**shared.coders(hyper), image_shape=dataset.shape)
    game = ae.game(model, shared.optimizer(hyper))
    return shared.build(hyper, shared.prepare_data(hyper, dataset), "ae", model, game)


if __name__ == "__main__":
    raise SystemExit(main("ae", PRESETS, build))
