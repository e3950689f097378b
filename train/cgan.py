"""CGAN (Mirza & Osindero 2014, arXiv 1411.1784).

    python -m train.cgan [preset] [options]

Presets
    small   embedded digits, a fraction of the paper's units, Adam: a minute or two on two CPU cores
    paper   MNIST, from the paper's section 4.1, for the authors published no code: maxout networks with dropout 0.5,
            SGD with rate 0.1 divided by 1.00004 a step down to 1e-6, batch 100, until the rate has reached its floor
            after 287,829 steps. The momentum rises from 0.5 to 0.7; the text does not say how fast, here in 250 epochs
            as in the GAN's code. Not in the text, and chosen: Glorot's weights, moves in turn, no early stopping
"""

from dataclasses import dataclass
from functools import partial
from typing import Annotated, Literal

import jax
import jax.numpy as jnp

from genjax.data import Dataset, transforms
from genjax.data.ranges import TANH, UNIT
from genjax.gans import cgan
from genjax.latent import NORMAL
from genjax.latent import UNIT as UNIFORM
from genjax.run.cli import main
from genjax.run.gan import BetaOptions, GanOptions, adam_or, check_labels, gan_run, output_of, range_of
from genjax.run.optimizers import Rise, divided, momentum
from genjax.run.options import PART, SHARE, at_least, steps_of
from genjax.run.run import Run, compute_type

PRIORS = {"normal": NORMAL, "uniform": UNIFORM}
PIXELS = {"tanh": TANH, "sigmoid": UNIT}
FALLING = divided(1.00004)
OUTPUTS = {"tanh": jnp.tanh, "sigmoid": jax.nn.sigmoid}


@dataclass(frozen=True, kw_only=True)
class Hyper(GanOptions, BetaOptions):
    """Options of the CGAN."""

    falling_sgd: bool
    """Train by the paper's SGD, whose momentum rises and whose rate falls in every step, instead of Adam."""
    generator_units: Annotated[tuple[int, int, int], at_least(1)]
    """Units of the generator's branches for latent and label, and of its joint layer."""
    discriminator_units: Annotated[tuple[int, int, int], at_least(1)]
    """Maxout units of the discriminator's branches for image and label, and of its joint layer."""
    label_noise: Annotated[float, SHARE]
    """Share of training images that get a random label; with 1 labels tell nothing."""
    dropout: Annotated[float, PART]
    """Share of hidden units dropped in both networks."""
    prior: Literal["normal", "uniform"]
    """Distribution of the latent: N(0, 1) or U(0, 1)."""
    pixels: Literal["tanh", "sigmoid"]
    """The generator's last function, and so the range of pixels: [-1, 1] or [0, 1]."""


PRESETS = {
    "small": Hyper(
        steps=6000, batch_size=64, latent=16, prior="normal", generator_rate=5e-4, discriminator_rate=2e-4,
        falling_sgd=False, beta1=0.5, beta2=0.999, generator_units=(64, 64, 128), discriminator_units=(64, 16, 64),
        label_noise=0.0, dropout=0.0, pixels="tanh", ema=0.995, evaluate_every=2000,
    ),
    "paper": Hyper(
        data="tfds:mnist", steps=287_829, batch_size=100, latent=100, prior="uniform", generator_rate=0.1,
        discriminator_rate=0.1, falling_sgd=True, generator_units=(200, 1000, 1200), discriminator_units=(240, 50, 240),
        label_noise=0.0, dropout=0.5, pixels="sigmoid", ema=None, evaluate_every=50_000, checkpoint_every=10_000,
    ),
}  # fmt: skip
SCORE = ("label_kept", "share of samples with the asked label, by the nearest training digit")
CONTROLS = {"with random labels": ("--label-noise", "1")}


def mislabel(share: float, classes: int, batch: transforms.Batch, key: jax.Array) -> transforms.Batch:
    """Return the batch with about `share` of its labels drawn anew, uniformly."""
    if not share:
        return batch
    coin, draw = jax.random.split(key)
    labels = batch["labels"]
    other = jax.random.randint(draw, labels.shape, 0, classes, labels.dtype)
    return {**batch, "labels": jnp.where(jax.random.uniform(coin, labels.shape) < share, other, labels)}


def build(hyper: Hyper, dataset: Dataset) -> Run:
    """Return the CGAN's run on `dataset`; ValueError where it has no labels."""
    classes, dtype, steps = check_labels(dataset), compute_type(hyper), steps_of(hyper, len(dataset.train))
    pixels, prior = PIXELS[hyper.pixels], PRIORS[hyper.prior]
    generator = cgan.Generator(
        dataset.shape, classes, *hyper.generator_units, hyper.dropout, output_of(dataset, OUTPUTS[hyper.pixels]),
        dtype=dtype,
    )  # fmt: skip
    image, label, joint = hyper.discriminator_units
    discriminator = cgan.Discriminator(classes, (image, 5), (label, 5), (joint, 4), hyper.dropout, dtype=dtype)
    rising = Rise(0.5, 0.7, 249, max(1, len(dataset.train) // hyper.batch_size))
    optimizers = {
        player: adam_or(hyper, rate, momentum(rate, momentum=rising, decay=FALLING) if hyper.falling_sgd else None)
        for player, rate in (("generator", hyper.generator_rate), ("discriminator", hyper.discriminator_rate))
    }
    game = cgan.game(
        generator, discriminator, generator_tx=optimizers["generator"].transformation(steps),
        discriminator_tx=optimizers["discriminator"].transformation(steps), image_shape=dataset.shape,
        latent=hyper.latent, prior=prior, ema=hyper.ema,
    )  # fmt: skip
    prepare = transforms.compose(range_of(dataset, pixels).prepare, partial(mislabel, hyper.label_noise, classes))
    return gan_run(
        hyper, dataset, [(game, steps)], generator=generator, prior=prior, optimizers=optimizers, pixels=pixels,
        classes=classes, prepare=prepare,
    )  # fmt: skip


if __name__ == "__main__":
    raise SystemExit(main("cgan"))
