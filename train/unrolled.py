"""Unrolled GAN (Metz et al. 2017, arXiv 1611.02163).

    python -m train.unrolled [preset] [options]

Presets
    small   the ring of eight Gaussians, 10 steps of look-ahead, batch 128, Adam 1e-3: a minute or two on two CPU cores;
            with --look-ahead 0 seeds are on one mode or between modes by then (1, 0 and 0 of 8 for seeds 0 to 2)
    paper   the same ring with latent 256, layers of 128 units, batch 512, Adam 1e-4, 25,000 steps (appendix A; the
            width of the discriminator's layer is not stated there)
    notebook  the authors' notebook: tanh, two layers in the discriminator too, the generator's rate 1e-3, 5 steps of
            look-ahead (on this ring; theirs has radius 1, and one of its eight modes there twice)
"""

import dataclasses
from dataclasses import dataclass
from typing import Literal

import jax
from flax import linen as nn

from genjax.data import Dataset
from genjax.gans import gan, unrolled
from genjax.nn.initializers import GLOROT, Initializer
from train import _gan as shared
from train._cli import Run, main, steps_of

ACTIVATIONS = {"relu": nn.relu, "tanh": nn.tanh}


@dataclass(frozen=True)
class Hyper(shared.Hyper):
    """Options of the unrolled GAN."""

    look_ahead: int = 10
    """Steps of the discriminator's optimizer that the generator foresees."""
    units: int = 64
    """Of each hidden layer."""
    layers: int = 1
    """Hidden layers of the discriminator; the generator has two."""
    activation: Literal["relu", "tanh"] = "relu"
    """Between the layers."""
    gain: float = 0.8
    """Of the orthogonal initialisation."""
    scale: float = 0.25
    """What the discriminator multiplies points by."""


SMALL = Hyper(data="mixture:ring", steps=3000, batch_size=128, latent=32, evaluate_every=500)
PRESETS = {
    "small": SMALL,
    "paper": dataclasses.replace(
        SMALL, steps=25_000, batch_size=512, latent=256, units=128, generator_rate=1e-4, discriminator_rate=1e-4,
        evaluate_every=5000,
    ),
    "notebook": dataclasses.replace(
        SMALL, steps=25_000, batch_size=512, latent=256, units=128, layers=2, activation="tanh", gain=1.4, scale=1.0,
        look_ahead=5, generator_rate=1e-3, discriminator_rate=1e-4, evaluate_every=5000,
    ),
}  # fmt: skip
SCORE = ("modes", "covered modes of the ring's 8")
CONTROLS = {"without look-ahead": ("--look-ahead", "0")}


def build(hyper: Hyper, dataset: Dataset) -> Run:
    """Return the unrolled GAN's run on `dataset`."""
    if hyper.look_ahead < 0:
        raise ValueError(f"--look-ahead {hyper.look_ahead}: a number of steps, 0 for none")
    dtype, pixels = shared.dtype(hyper), shared.PLANE if shared.is_plane(dataset) else shared.TANH
    if hyper.layers < 1:
        raise ValueError(f"--layers {hyper.layers}: the discriminator needs at least 1 hidden layer")
    orthogonal = Initializer(nn.initializers.orthogonal(hyper.gain), GLOROT.bias)
    layers = {"activation": ACTIVATIONS[hyper.activation], "initializer": orthogonal, "dtype": dtype}
    generator = gan.Generator((hyper.units,) * 2, dataset.shape, output=pixels.output, **layers)
    discriminator = gan.Discriminator((hyper.units,) * hyper.layers, scale=hyper.scale, **layers)
    # The look-ahead differentiates Adam's square root, so its epsilon stands inside it.
    inside = shared.adam(hyper, hyper.discriminator_rate, eps=0.0, eps_root=1e-16)
    game = unrolled.game(
        generator, discriminator, shared.adam(hyper, hyper.generator_rate), inside, dataset.shape, hyper.latent,
        hyper.look_ahead, ema=hyper.ema,
    )  # fmt: skip
    texts = {
        "generator": shared.adam_text(hyper, hyper.generator_rate),
        "discriminator": shared.adam_text(hyper, hyper.discriminator_rate),
    }
    games = [(game, steps_of(hyper, len(dataset.train)))]
    return shared.build(hyper, dataset, games, generator, jax.random.normal, texts, pixels)


if __name__ == "__main__":
    raise SystemExit(main("unrolled", PRESETS, build))
