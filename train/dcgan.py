"""DCGAN (Radford et al. 2016, arXiv 1511.06434).

    python -m train.dcgan [preset] [options]

Presets
    small   embedded digits at 32 pixels, 64-32-16 channels: minutes on two CPU cores; the discriminator learns
            slower than the generator: at 16 pixels equal rates ended twice as far from the digits
    paper   64 pixels of CelebA, from the authors' code for faces (Newmu/dcgan_code, train_uncond_dcgan.py): width 128,
            5x5 kernels, latent U(-1, 1), Adam (2e-4, 0.5), L2 penalty 1e-5, batch 128, 25 epochs, batch norm with
            epsilon 1e-8. Theirs were 350,000 other faces; each of their batches moves one player, here both
    lsun    the same on LSUN bedrooms; 5 epochs as in the paper's figure 3 (figure 2: 1). The authors first took out
            275,000 near duplicates
    torch   64 pixels of CelebA, from PyTorch's examples (dcgan): width 64, 4x4 kernels, latent N(0, 1), batch 64, 25
            epochs. Theirs are all 202,599 faces, here the training split; their generator moves on the samples that the
            discriminator has just seen, here on new ones
    cifar10 the same at 32 pixels, one stage less; no source: 100 epochs are our own choice
Any folder serves, as --data folder:DIR.
"""

from dataclasses import dataclass, replace
from typing import Annotated, Any, Literal

from genjax.data import Dataset
from genjax.gans import dcgan
from genjax.latent import NORMAL, SYMMETRIC
from genjax.run.cli import main
from genjax.run.gan import AdamOptions, GanOptions, adam_of, gan_run, square
from genjax.run.options import above, at_least, steps_of
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
    epsilon: Annotated[float, above(0)]
    """Number that batch norm adds to variances."""
    prior: Literal["normal", "uniform"]
    """Distribution of the latent: N(0, 1) or U(-1, 1)."""


TORCH = Hyper(
    data="tfds:celeb_a", image_size=64, epochs=25, batch_size=64, latent=100, prior="normal", width=64, kernel_size=4,
    flat_norm=False, batch_norm=True, epsilon=1e-5, generator_rate=2e-4, discriminator_rate=2e-4, beta1=0.5,
    beta2=0.999, decay_from=None, ema=None, evaluate_every=5000, checkpoint_every=5000,
)  # fmt: skip
PAPER = Hyper(
    data="tfds:celeb_a", image_size=64, epochs=25, batch_size=128, latent=100, prior="uniform", width=128,
    kernel_size=5, flat_norm=True, batch_norm=True, epsilon=1e-8, l2=1e-5, generator_rate=2e-4,
    discriminator_rate=2e-4, beta1=0.5, beta2=0.999, decay_from=None, ema=None, evaluate_every=5000,
    checkpoint_every=5000,
)  # fmt: skip
PRESETS = {
    "small": Hyper(
        image_size=32, steps=2000, batch_size=64, latent=64, prior="normal", width=16, kernel_size=4, flat_norm=False,
        batch_norm=True, epsilon=1e-5, generator_rate=5e-4, discriminator_rate=1e-4, beta1=0.5, beta2=0.999,
        decay_from=None, ema=0.99, evaluate_every=500,
    ),
    "paper": PAPER,
    "torch": TORCH,
    "lsun": replace(PAPER, data="tfds:lsun/bedroom", epochs=5),
    "cifar10": replace(TORCH, data="tfds:cifar10", image_size=None, epochs=100),
}  # fmt: skip
SCORE = ("sliced_wasserstein", "sliced Wasserstein distance to test digits at 32 pixels")
CONTROLS = {"without batch norm": ("--no-batch-norm",)}


def build(hyper: Hyper, dataset: Dataset) -> Run:
    """Return the DCGAN's run on `dataset`; ValueError unless its images are squares of a size that DCGAN reaches."""
    if hyper.flat_norm and not hyper.batch_norm:
        raise ValueError("--flat-norm is a kind of batch norm; leave it out (--no-flat-norm) with --no-batch-norm")
    size, prior, steps = square(dataset), PRIORS[hyper.prior], steps_of(hyper, len(dataset.train))
    shared: dict[str, Any] = {
        "size": size, "width": hyper.width, "kernel_size": hyper.kernel_size, "batch_norm": hyper.batch_norm,
        "use_bias": not hyper.batch_norm, "epsilon": hyper.epsilon, "dtype": compute_type(hyper),
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
