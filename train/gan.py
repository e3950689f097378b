"""GAN (Goodfellow et al. 2014, arXiv 1406.2661).

    python -m train.gan [preset] [options]

Presets
    small   embedded digits, two dense layers of 128 in each network: about a minute on two CPU cores
    paper   MNIST as in the authors' code: 100-1200-1200-784 sigmoid against maxout 240 x 5 twice with dropout, SGD with
            rate 0.1 falling by 1.000004 per step, batch 100, both networks moving at once; momentum is 0.5 throughout
            (theirs rises to 0.7) and the output's bias starts at 0 (theirs at the data's mean). Parzen estimate of the
            log likelihood in the paper: 225 +- 2 nats
    cifar10 CIFAR-10 as in the authors' code: 100-8000-8000-3072 linear against maxout 1600 x 5 twice, rate 0.025,
            images with their mean taken off and norm 55
"""

import dataclasses
from dataclasses import dataclass
from functools import partial
from typing import Literal

import jax
import optax

from genjax.data import Dataset
from genjax.gans import gan
from genjax.losses import adversarial
from train import _gan as shared
from train import _optimizer
from train._cli import Run, main, steps_of

PIXELS = {"dense": shared.TANH, "maxout": shared.SIGMOID, "wide": shared.CONTRAST}
OBJECTIVES = {
    "non-saturating": adversarial.non_saturating_generator,
    "minimax": adversarial.minimax_generator,
}


@dataclass(frozen=True)
class Hyper(shared.Hyper):
    """Options of the GAN."""

    objective: Literal["non-saturating", "minimax"] = "non-saturating"
    """What the generator minimises."""
    simultaneous: bool = False
    """Move both players at once, from the same batch, latent and parameters."""
    networks: Literal["dense", "maxout", "wide"] = "dense"
    """Two layers of 128 units each, or those of the authors' code for MNIST and for CIFAR-10."""


SMALL = Hyper(
    steps=8000, batch_size=64, latent=16, generator_rate=2e-4, discriminator_rate=2e-4, evaluate_every=2000, ema=0.995
)
PAPER = dataclasses.replace(
    SMALL, data="tfds:mnist", epochs=250, batch_size=100, latent=100, generator_rate=0.1, discriminator_rate=0.1,
    simultaneous=True, networks="maxout", ema=None, evaluate_every=50_000,
)  # fmt: skip
PRESETS = {
    "small": SMALL,
    "paper": PAPER,
    "cifar10": dataclasses.replace(
        PAPER, data="tfds:cifar10", networks="wide", generator_rate=0.025, discriminator_rate=0.025
    ),
}
SCORE = ("sliced_wasserstein", "sliced Wasserstein distance to test digits")
CONTROLS = {"both players at once": ("--simultaneous",)}


def build(hyper: Hyper, dataset: Dataset) -> Run:
    """Return the GAN's run on `dataset`."""
    steps, authors = steps_of(hyper, len(dataset.train)), hyper.networks != "dense"
    pixels = shared.PLANE if shared.is_plane(dataset) else PIXELS[hyper.networks]
    dtype, rates = shared.dtype(hyper), (hyper.generator_rate, hyper.discriminator_rate)
    prior: gan.Prior
    if authors:
        wide = hyper.networks == "wide"
        generator = gan.Generator(
            (8000, 8000) if wide else (1200, 1200), dataset.shape, output=pixels.output, initializer=gan.uniform(0.05),
            dtype=dtype, last=jax.nn.sigmoid if wide else None, output_initializer=gan.uniform(0.5) if wide else None,
        )  # fmt: skip
        discriminator = gan.Discriminator(
            (1600, 1600) if wide else (240, 240), 5, input_dropout=0.2, dropout=0.5, initializer=gan.uniform(0.005),
            dtype=dtype,
        )  # fmt: skip
        prior = jax.random.normal if wide else gan.unit_uniform
        first, second = (
            _optimizer.optimizer(hyper, rate, steps, partial(optax.sgd, momentum=0.5), shared.falling(1.000004))
            for rate in rates
        )
        texts = [_optimizer.text(hyper, rate, "sgd({rate} / 1.000004^step, momentum 0.5)") for rate in rates]
    else:
        generator = gan.Generator((128, 128), dataset.shape, output=pixels.output, dtype=dtype)
        discriminator = gan.Discriminator((128, 128), dtype=dtype)
        prior = jax.random.normal
        first, second = (shared.adam(hyper, rate) for rate in rates)
        texts = [shared.adam_text(hyper, rate) for rate in rates]
    game = gan.game(
        generator, discriminator, first, second, dataset.shape, hyper.latent, prior, OBJECTIVES[hyper.objective],
        hyper.simultaneous, hyper.ema,
    )  # fmt: skip
    optimizers = dict(zip(("generator", "discriminator"), texts, strict=True))
    return shared.build(hyper, dataset, [(game, steps)], generator, prior, optimizers, pixels)


if __name__ == "__main__":
    raise SystemExit(main("gan", PRESETS, build))
