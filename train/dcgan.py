"""DCGAN (Radford et al. 2016, arXiv 1511.06434).

    python -m train.dcgan [preset] [options]

Presets
    small   embedded digits at 32 pixels, 64-32-16 channels: minutes on two CPU cores; the discriminator learns
            slower than the generator: at 16 pixels equal rates ended twice as far from the digits
    paper   64 pixels of CelebA, the authors' networks: width 128, 5x5 kernels, latent U(-1, 1), Adam (2e-4, 0.5), batch
            128, 25 epochs (theirs were other faces and LSUN bedrooms; any folder serves, as --data folder:DIR)
    torch   the widely used variant: width 64, 4x4 kernels, latent N(0, 1), batch 64
    lsun    `paper` on LSUN bedrooms
    cifar10 `torch` at 32 pixels: one stage less
"""

import dataclasses
from dataclasses import dataclass
from functools import partial
from typing import Literal

import jax

from genjax.data import Dataset
from genjax.gans import dcgan
from train import _gan as shared
from train._cli import Run, main, steps_of


@dataclass(frozen=True)
class Hyper(shared.Hyper):
    """Options of the DCGAN."""

    width: int = 16
    """Channels at half the image's size; twice as many at each halving from there."""
    kernel_size: int = 4
    """Side of all kernels."""
    flat_norm: bool = False
    """Normalise the first layer's units one by one instead of by channel."""
    batch_norm: bool = True
    """Normalise batches in both networks; without it layers have biases instead."""
    prior: Literal["normal", "uniform"] = "normal"
    """The latent's distribution: N(0, 1) or U(-1, 1)."""


SMALL = Hyper(
    image_size=32, steps=2000, batch_size=64, latent=64, width=16, generator_rate=5e-4, discriminator_rate=1e-4,
    fuse=1, evaluate_every=500, ema=0.99,
)  # fmt: skip
TORCH = Hyper(
    data="tfds:celeb_a", image_size=64, epochs=25, batch_size=64, latent=100, width=64, generator_rate=2e-4,
    discriminator_rate=2e-4, evaluate_every=5000, checkpoint_every=5000,
)  # fmt: skip
PAPER = dataclasses.replace(TORCH, batch_size=128, width=128, kernel_size=5, flat_norm=True, prior="uniform")
PRESETS = {
    "small": SMALL,
    "paper": PAPER,
    "torch": TORCH,
    "lsun": dataclasses.replace(PAPER, data="tfds:lsun/bedroom", epochs=3),
    "cifar10": dataclasses.replace(TORCH, data="tfds:cifar10", image_size=None, epochs=100),
}
SCORE = ("sliced_wasserstein", "sliced Wasserstein distance to test digits at 32 pixels")
CONTROLS = {"without batch norm": ("--no-batch-norm",)}


def build(hyper: Hyper, dataset: Dataset) -> Run:
    """Return the DCGAN's run on `dataset`."""
    size, dtype = shared.square(dataset), shared.dtype(hyper)
    generator = dcgan.Generator(
        size, dataset.shape[-1], hyper.width, hyper.kernel_size, hyper.flat_norm, hyper.batch_norm, dtype=dtype
    )
    discriminator = dcgan.Discriminator(size, hyper.width, hyper.kernel_size, hyper.batch_norm, dtype=dtype)
    prior = jax.random.normal if hyper.prior == "normal" else partial(jax.random.uniform, minval=-1.0)
    game = dcgan.game(
        generator, discriminator, shared.adam(hyper, hyper.generator_rate),
        shared.adam(hyper, hyper.discriminator_rate),
        dataset.shape, hyper.latent, prior, hyper.ema,
    )  # fmt: skip
    optimizers = {
        "generator": shared.adam_text(hyper, hyper.generator_rate),
        "discriminator": shared.adam_text(hyper, hyper.discriminator_rate),
    }
    games = [(game, steps_of(hyper, len(dataset.train)))]
    return shared.build(hyper, dataset, games, generator, prior, optimizers)


if __name__ == "__main__":
    raise SystemExit(main("dcgan", PRESETS, build))
