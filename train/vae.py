"""VAE (Kingma & Welling 2014, arXiv 1312.6114).

    python -m train.vae [preset] [options]

Presets
    small    embedded digits, 64-512-6, tanh: about a minute on two CPU cores, compiling included
    article  the comparison of AE, VAE and CVAE: 784-128-16 tanh, Glorot, beta 0.1, 5 draws, batch 100, Adam 1e-3
    pytorch  the PyTorch tutorial: 784-20-10, ReLU, batch norm, dropout 0.2, batch 1000, Adam 1e-3, 20 epochs
    flax     the Flax example: 784-500-20, ReLU, one fixed binarisation, 50,000 images, batch 128, Adam 1e-3
    paper    784-500-20 tanh on MNIST, batch 100, one draw (the paper used Adagrad; this uses Adam)
Presets but `small` name MNIST as tfds:mnist; any copy serves, such as --data mnist.npz.
"""

import dataclasses
from dataclasses import dataclass

from genjax.autoencoders import vae
from genjax.data import Dataset
from train import _autoencoder as shared
from train._cli import Run, main


@dataclass(frozen=True)
class Hyper(shared.VariationalHyper):
    """Options of the VAE."""


SMALL = Hyper(steps=20_000, hidden=(512,), latent=6, beta=0.7, evaluate_every=4000, checkpoint_every=2000)
MNIST = dataclasses.replace(SMALL, data="tfds:mnist", hidden=(128,), latent=16, beta=1.0)
PRESETS = {
    "small": SMALL,
    "article": dataclasses.replace(MNIST, epochs=1000, beta=0.1, samples=5, evaluate_every=60_000),
    "pytorch": dataclasses.replace(
        MNIST, epochs=20, hidden=(20,), latent=10, activation="relu", batch_norm=True, dropout=0.2, initializer="torch",
        batch_size=1000, fuse=60,
    ),
    "flax": dataclasses.replace(
        MNIST, epochs=10, hidden=(500,), latent=20, activation="relu", initializer="lecun", batch_size=128,
        binarize="fixed", train_images=50_000, fuse=78,
    ),
    "paper": dataclasses.replace(MNIST, epochs=100, hidden=(500,), latent=20),
}  # fmt: skip

SCORE = ("neg_elbo", "test negative ELBO, nats per image")


def build(hyper: Hyper, dataset: Dataset) -> Run:
    """Return the VAE's run on `dataset`."""
    splits = shared.prepare_data(hyper, dataset)
    model = vae.VAE(**shared.coders(hyper), image_shape=dataset.shape)
    game = vae.game(model, shared.optimizer(hyper), beta=shared.weight(hyper), samples=hyper.samples)
    return shared.build(hyper, splits, "vae", model, game)


if __name__ == "__main__":
    raise SystemExit(main("vae", PRESETS, build))
