"""WGAN-GP (Gulrajani et al. 2017, arXiv 1704.00028).

    python -m train.wgan_gp [preset] [options]

Presets
    small   the ring of eight Gaussians, dense networks, penalty's weight 0.1: about a minute on two CPU cores
    paper   CIFAR-10, residual networks without labels, Adam (2e-4, 0, 0.9) falling to 0 in 100,000 steps, five critic
            steps, batch 64, 128 in the generator's steps; published inception score 7.86 +- 0.07
"""

import dataclasses
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

import jax

from genjax.data import Dataset, transforms
from genjax.gans import gan, wgan_gp
from train import _gan as shared
from train._cli import Run, main, steps_of


@dataclass(frozen=True)
class Hyper(shared.Hyper):
    """Options of the WGAN-GP."""

    networks: Literal["dense", "residual"] = "dense"
    """Two layers of 64 units each, or residual networks of three doublings."""
    width: int = 128
    """Channels of the residual networks."""
    weight: float = 0.1
    """Of the penalty."""
    critic_steps: int = 5
    """Critic steps a step."""
    generator_batch: int = 1
    """Samples in a generator's step, as a multiple of the batch."""
    dequantize: bool = False
    """Add uniform noise of one grey level to the images."""


SMALL = Hyper(data="mixture:ring", steps=2500, batch_size=128, latent=8, beta2=0.9, evaluate_every=500)
PRESETS = {
    "small": SMALL,
    "paper": dataclasses.replace(
        SMALL, data="tfds:cifar10", steps=100_000, batch_size=64, latent=128, generator_rate=2e-4,
        discriminator_rate=2e-4, beta1=0.0, decay=True, networks="residual", weight=10.0, generator_batch=2,
        dequantize=True, evaluate_every=5000, checkpoint_every=5000,
    ),
}  # fmt: skip


def build(hyper: Hyper, dataset: Dataset) -> Run:
    """Return the WGAN-GP's run on `dataset`."""
    dtype = shared.dtype(hyper)
    pixels = shared.PLANE if shared.is_plane(dataset) else shared.TANH
    generator: Any
    critic: Any
    if hyper.networks == "residual":
        size, width = shared.square(dataset), hyper.width
        generator = wgan_gp.Generator(size, dataset.shape[-1], (width,) * 3, dtype=dtype)
        critic = wgan_gp.Critic((width,) * 4, dtype=dtype)
    else:
        generator = gan.Generator((64, 64), dataset.shape, output=pixels.output, dtype=dtype)
        critic = gan.Discriminator((64, 64), activation=jax.nn.relu, dtype=dtype)
    game = wgan_gp.game(
        generator, critic, shared.adam(hyper, hyper.generator_rate),
        shared.adam(hyper, hyper.discriminator_rate, hyper.critic_steps), dataset.shape, hyper.latent,
        hyper.critic_steps, hyper.weight, hyper.generator_batch, ema=hyper.ema,
    )  # fmt: skip
    prepare = (
        transforms.compose(transforms.dequantize, partial(transforms.scale, low=-1.0, high=1.0))
        if hyper.dequantize
        else None
    )
    texts = {
        "generator": shared.adam_text(hyper, hyper.generator_rate),
        "critic": shared.adam_text(hyper, hyper.discriminator_rate),
    }
    games = [(game, steps_of(hyper, len(dataset.train)))]
    return shared.build(hyper, dataset, games, generator, jax.random.normal, texts, pixels, prepare=prepare)


if __name__ == "__main__":
    raise SystemExit(main("wgan_gp", PRESETS, build))
