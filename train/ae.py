"""AE: an autoencoder without a prior (Hinton & Salakhutdinov 2006).

    python -m train.ae [preset] [options]

Presets
    small    embedded digits, 64-512-6, tanh: seconds on two CPU cores. No longer, since the likelihood of test digits
             falls from then on (17.6 nats after 2000 steps, 17.9 after 4000, 20.2 after 20,000)
    article  an article's comparison of AE, VAE and CVAE: 784-128-16 tanh, Glorot, batch 100, 1000 epochs; it does not
             state Adam 1e-3, the default of its framework
    paper    784-1000-500-250-30 on MNIST, logistic units, linear code, from the paper. It pre-trained layer by layer
             from N(0, 0.1) and fine-tuned by conjugate gradients; this trains at once from N(0, 0.1), by Adam 1e-3 in
             batches of 100 for 50 epochs, which are the pre-training's and our own choice
Presets but `small` name MNIST as tfds:mnist; any copy serves, such as --data mnist.npz.
"""

from dataclasses import dataclass

from genjax.autoencoders import ae
from genjax.data import Dataset
from genjax.run.autoencoder import AutoencoderOptions, autoencoder_run, binarized, coders
from genjax.run.cli import main
from genjax.run.run import Run


@dataclass(frozen=True, kw_only=True)
class Hyper(AutoencoderOptions):
    """Options of the AE."""


PRESETS = {
    "small": Hyper(
        steps=2000, batch_size=100, learning_rate=1e-3, hidden=(512,), latent=6, coder="dense", activation="tanh",
        batch_norm=False, dropout=0.0, initializer="glorot", likelihood="bernoulli", binarize="no",
        evaluate_every=500, checkpoint_every=1000,
    ),
    "article": Hyper(
        data="tfds:mnist", epochs=1000, batch_size=100, learning_rate=1e-3, hidden=(128,), latent=16, coder="dense",
        activation="tanh", batch_norm=False, dropout=0.0, initializer="glorot", likelihood="bernoulli", binarize="no",
        evaluate_every=60_000,
    ),
    "paper": Hyper(
        data="tfds:mnist", epochs=50, batch_size=100, learning_rate=1e-3, hidden=(1000, 500, 250), latent=30,
        coder="dense", activation="sigmoid", batch_norm=False, dropout=0.0, initializer="normal", deviation=0.1,
        likelihood="bernoulli", binarize="no", evaluate_every=500, checkpoint_every=1000,
    ),
}  # fmt: skip
SCORE = ("nll_at_mean", "test NLL, nats per image")


def build(hyper: Hyper, dataset: Dataset) -> Run:
    """Return the AE's run on `dataset`."""
    dataset = binarized(hyper, dataset)
    model = ae.AE(**coders(hyper), image_shape=dataset.shape)
    return autoencoder_run(hyper, dataset, lambda tx: ae.game(model, tx), net="ae", model=model, variational=False)


if __name__ == "__main__":
    raise SystemExit(main("ae"))
