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

from dataclasses import dataclass, replace
from typing import Annotated, Any, Literal

from genjax.data import Dataset
from genjax.gans import dcgan
from genjax.latent import NORMAL, SYMMETRIC
from genjax.run.cli import main
from genjax.run.gan import AdamOptions, GanOptions, adam_of, gan_run, square
from genjax.run.options import at_least, steps_of
from genjax.run.run import Run, compute_type

PRIORS = {"normal": NORMAL, "uniform": SYMMETRIC}


@dataclass(frozen=True, kw_only=True)
class Hyper(GanOptions, AdamOptions):
    """Options of the DCGAN."""

    width: Annotated[int, at_least(1)]
    """Channels at half the image's size; twice as many at each halving from there."""
    kernel_size: Annotated[int, at_least(1)]
    """Side of all kernels."""
    flat_norm: bool
    """Normalise the generator's first layer unit by unit instead of by channel."""
    batch_norm: bool
    """Normalise batches in both networks; without it layers have biases instead."""
    prior: Literal["normal", "uniform"]
    """Distribution of the latent: N(0, 1) or U(-1, 1)."""


TORCH = Hyper(
    data="tfds:celeb_a", image_size=64, epochs=25, batch_size=64, latent=100, prior="normal", width=64, kernel_size=4,
    flat_norm=False, batch_norm=True, generator_rate=2e-4, discriminator_rate=2e-4, beta1=0.5, beta2=0.999, decay=False,
    ema=None, evaluate_every=5000, checkpoint_every=5000,
)  # fmt: skip
PAPER = replace(TORCH, batch_size=128, width=128, kernel_size=5, flat_norm=True, prior="uniform")
PRESETS = {
    "small": Hyper(
        image_size=32, steps=2000, batch_size=64, latent=64, prior="normal", width=16, kernel_size=4, flat_norm=False,
        batch_norm=True, generator_rate=5e-4, discriminator_rate=1e-4, beta1=0.5, beta2=0.999, decay=False, ema=0.99,
        evaluate_every=500,
    ),
    "paper": PAPER,
    "torch": TORCH,
    "lsun": replace(PAPER, data="tfds:lsun/bedroom", epochs=3),
    "cifar10": replace(TORCH, data="tfds:cifar10", image_size=None, epochs=100),
}  # fmt: skip
SCORE = ("sliced_wasserstein", "sliced Wasserstein distance to test digits at 32 pixels")
CONTROLS = {"without batch norm": ("--no-batch-norm",)}


def build(hyper: Hyper, dataset: Dataset) -> Run:
    """Return the DCGAN's run on `dataset`."""
    size, prior, steps = square(dataset), PRIORS[hyper.prior], steps_of(hyper, len(dataset.train))
    shared: dict[str, Any] = {
        "size": size, "width": hyper.width, "kernel_size": hyper.kernel_size, "batch_norm": hyper.batch_norm,
        "dtype": compute_type(hyper),
    }  # fmt: skip
    generator = dcgan.Generator(channels=dataset.shape[-1], flat_norm=hyper.flat_norm, **shared)
    optimizers = {
        "generator": adam_of(hyper, hyper.generator_rate),
        "discriminator": adam_of(hyper, hyper.discriminator_rate),
    }
    game = dcgan.game(
        generator, dcgan.Discriminator(**shared), generator_tx=optimizers["generator"].transformation(steps),
        discriminator_tx=optimizers["discriminator"].transformation(steps), image_shape=dataset.shape,
        latent=hyper.latent, prior=prior, ema=hyper.ema,
    )  # fmt: skip
    return gan_run(hyper, dataset, [(game, steps)], generator=generator, prior=prior, optimizers=optimizers)


if __name__ == "__main__":
    raise SystemExit(main("dcgan"))
