"""CGAN (Mirza & Osindero 2014, arXiv 1411.1784).

    python -m train.cgan [preset] [options]

Presets
    small   embedded digits, a fraction of the paper's units, Adam: a minute or two on two CPU cores
    paper   MNIST: maxout networks with dropout 0.5, SGD with momentum 0.5 and rate 0.1 falling by 1.00004 per step to
            1e-6, batch 100, until the rate has reached its floor after 287,829 steps
"""

import dataclasses
from dataclasses import dataclass
from functools import partial
from typing import Literal

import jax
import jax.numpy as jnp
import optax

from genjax.data import Dataset, transforms
from genjax.gans import cgan
from train import _gan as shared
from train import _optimizer
from train._cli import Run, main, steps_of

PRIORS = {"normal": jax.random.normal, "uniform": jax.random.uniform}
PIXELS = {"tanh": shared.TANH, "sigmoid": shared.SIGMOID}


@dataclass(frozen=True)
class Hyper(shared.Hyper):
    """Options of the CGAN."""

    falling_sgd: bool = False
    """The paper's SGD, with momentum 0.5 and a rate that falls in every step, instead of Adam."""
    generator_units: tuple[int, int, int] = (64, 64, 128)
    """Of the generator's branches for latent and label, and of its joint layer."""
    discriminator_units: tuple[int, int, int] = (64, 16, 64)
    """Maxout units of the discriminator's branches for image and label, and of its joint layer."""
    label_noise: float = 0.0
    """Share of training images that get a random label; with 1 labels tell nothing."""
    dropout: float = 0.0
    """Share of hidden units dropped in both networks."""
    prior: Literal["normal", "uniform"] = "normal"
    """The latent's distribution: N(0, 1) or U(0, 1)."""
    pixels: Literal["tanh", "sigmoid"] = "tanh"
    """The generator's last function, and so the range of pixels: [-1, 1] or [0, 1]."""


SMALL = Hyper(
    steps=6000, batch_size=64, latent=16, generator_rate=5e-4, discriminator_rate=2e-4, evaluate_every=2000, ema=0.995
)
PRESETS = {
    "small": SMALL,
    "paper": dataclasses.replace(
        SMALL, data="tfds:mnist", steps=287_829, batch_size=100, latent=100, generator_rate=0.1, discriminator_rate=0.1,
        falling_sgd=True, generator_units=(200, 1000, 1200), discriminator_units=(240, 50, 240), dropout=0.5,
        prior="uniform", pixels="sigmoid", ema=None, evaluate_every=50_000, checkpoint_every=10_000,
    ),
}  # fmt: skip
SCORE = ("label_kept", "share of samples with the asked label, by the nearest training digit")
CONTROLS = {"with random labels": ("--label-noise", "1")}


def _player_optimizer(hyper: Hyper, rate: float) -> tuple[optax.GradientTransformation, str]:
    if not hyper.falling_sgd:
        return shared.adam(hyper, rate), shared.adam_text(hyper, rate)
    sgd = partial(optax.sgd, momentum=0.5)
    tx = _optimizer.optimizer(hyper, rate, hyper.steps, sgd, shared.falling(1.00004))
    return tx, _optimizer.text(hyper, rate, "sgd({rate} / 1.00004^step, momentum 0.5)")


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
    if not 0 <= hyper.label_noise <= 1:
        raise ValueError(f"--label-noise {hyper.label_noise:g}: a share of the images, from 0 to 1")
    classes, dtype = shared.check_labels(dataset), shared.dtype(hyper)
    pixels = shared.PLANE if shared.is_plane(dataset) else PIXELS[hyper.pixels]
    prior = PRIORS[hyper.prior]
    generator = cgan.Generator(
        dataset.shape, classes, *hyper.generator_units, hyper.dropout, pixels.output, dtype=dtype
    )
    image, label, joint = hyper.discriminator_units
    discriminator = cgan.Discriminator(classes, (image, 5), (label, 5), (joint, 4), hyper.dropout, dtype=dtype)
    (first, first_text), (second, second_text) = (
        _player_optimizer(hyper, rate) for rate in (hyper.generator_rate, hyper.discriminator_rate)
    )
    game = cgan.game(
        generator, discriminator, first, second, dataset.shape, hyper.latent, prior, hyper.ema,
    )  # fmt: skip
    games = [(game, steps_of(hyper, len(dataset.train)))]
    prepare = transforms.compose(pixels.prepare, partial(mislabel, hyper.label_noise, classes))
    optimizers = {"generator": first_text, "discriminator": second_text}
    return shared.build(hyper, dataset, games, generator, prior, optimizers, pixels, classes, prepare)


if __name__ == "__main__":
    raise SystemExit(main("cgan", PRESETS, build))
