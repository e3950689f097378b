"""VAE (Kingma & Welling 2014, arXiv 1312.6114).

    python -m train.vae [preset] [options]

Presets
    small    embedded digits, 64-512-6, tanh: about a minute on two CPU cores, compiling included
    article  an article's comparison of AE, VAE and CVAE: 784-128-16 tanh, Glorot, beta 0.1, 5 draws, batch 100, 1000
             epochs; it does not state Adam 1e-3, the default of its framework
    pytorch  an article's VAE in PyTorch: 784-20-10, ReLU, batch norm, dropout 0.2, batch 1000, Adam 1e-3, 20 epochs
    flax     Flax's example (google/flax, examples/vae): 784-500-20, ReLU, one fixed binarisation, 50,000 images, batch
             128, Adam 1e-3; 10 epochs as its published result, its configuration says 30
    paper    784-500-20 tanh on MNIST, from section 5 and appendix C: batch 100, one draw, weights and biases from
             N(0, 0.01) (as standard deviation, as in the author's later code), prior N(0, I) on them (an L2 penalty of
             1/60,000), Adagrad, rate 0.01, the best after 600 steps of the paper's 0.01, 0.02 and 0.1. Not stated: grey
             pixels, 100 epochs
Presets but `small` name MNIST as tfds:mnist; any copy serves, such as --data mnist.npz.
"""

from dataclasses import dataclass

from genjax.autoencoders import vae
from genjax.data import Dataset
from genjax.run.autoencoder import VariationalOptions, autoencoder_run, binarized, coders, weight
from genjax.run.cli import main
from genjax.run.run import Run


@dataclass(frozen=True, kw_only=True)
class Hyper(VariationalOptions):
    """Options of the VAE."""


PRESETS = {
    "small": Hyper(
        steps=20_000, batch_size=100, learning_rate=1e-3, hidden=(512,), latent=6, coder="dense", activation="tanh",
        batch_norm=False, dropout=0.0, initializer="glorot", likelihood="bernoulli", binarize="no", beta=0.7,
        beta_schedule="constant", samples=1, importance_samples=500, evaluate_every=4000, checkpoint_every=2000,
    ),
    "article": Hyper(
        data="tfds:mnist", epochs=1000, batch_size=100, learning_rate=1e-3, hidden=(128,), latent=16, coder="dense",
        activation="tanh", batch_norm=False, dropout=0.0, initializer="glorot", likelihood="bernoulli", binarize="no",
        beta=0.1, beta_schedule="constant", samples=5, importance_samples=500,
        evaluate_every=60_000,
    ),
    "pytorch": Hyper(
        data="tfds:mnist", epochs=20, batch_size=1000, learning_rate=1e-3, hidden=(20,), latent=10, coder="dense",
        activation="relu", batch_norm=True, dropout=0.2, initializer="torch", likelihood="bernoulli", binarize="no",
        beta=1.0, beta_schedule="constant", samples=1, importance_samples=500,
        fuse=60,
    ),
    "flax": Hyper(
        data="tfds:mnist", epochs=10, batch_size=128, learning_rate=1e-3, hidden=(500,), latent=20, coder="dense",
        activation="relu", batch_norm=False, dropout=0.0, initializer="lecun", likelihood="bernoulli",
        binarize="fixed", train_images=50_000, beta=1.0, beta_schedule="constant", samples=1,
        importance_samples=500, fuse=78,
    ),
    "paper": Hyper(
        data="tfds:mnist", epochs=100, batch_size=100, learning_rate=0.01, hidden=(500,), latent=20, coder="dense",
        activation="tanh", batch_norm=False, dropout=0.0, initializer="normal-all", deviation=0.01, optimizer="adagrad",
        l2=1 / 60_000, likelihood="bernoulli", binarize="no", beta=1.0, beta_schedule="constant", samples=1,
        importance_samples=500,
        evaluate_every=4000, checkpoint_every=2000,
    ),
}  # fmt: skip
SCORE = ("neg_elbo", "test negative ELBO, nats per image")


def build(hyper: Hyper, dataset: Dataset) -> Run:
    """Return the VAE's run on `dataset`."""
    dataset = binarized(hyper, dataset)
    model = vae.VAE(**coders(hyper), image_shape=dataset.shape)
    return autoencoder_run(
        hyper, dataset, lambda tx: vae.game(model, tx, beta=weight(hyper), samples=hyper.samples), net="vae",
        model=model, variational=True, importance_samples=hyper.importance_samples,
    )  # fmt: skip


if __name__ == "__main__":
    raise SystemExit(main("vae"))
