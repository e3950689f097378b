"""WGAN-GP (Gulrajani et al. 2017, arXiv 1704.00028).

    python -m train.wgan_gp [preset] [options]

Presets
    small   the ring of eight Gaussians, dense networks, penalty's weight 0.1: about a minute on two CPU cores
            (--weight 0 is without it)
    paper   CIFAR-10, residual networks without labels, Adam (2e-4, 0, 0.9) falling to 0 in 100,000 steps, five critic
            steps, batch 64, 128 in the generator's steps; published inception score 7.86 +- 0.07
    lsun    64 pixels of LSUN bedrooms, residual networks with layer norm in the critic, Adam (1e-4, 0, 0.9), 200,000
            steps
    lsun_strided  the same with strided networks
    cifar10_strided  CIFAR-10, strided networks, Adam (1e-4, 0.5, 0.9), 200,000 steps
    mnist   MNIST, strided networks, sigmoid, Adam (1e-4, 0.5, 0.9), batch 50, 200,000 steps
    plane   the small preset's ring with the code's networks for points, three layers of 512 units, latent 2, batch 256,
            Adam (1e-4, 0.5, 0.9), 100,000 steps
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

    networks: Literal["dense", "residual", "normalised", "strided"] = "dense"
    """Dense layers, residual networks for 32 pixels, those for 64 with layer norm, or strided convolutions."""
    units: tuple[int, ...] = (64, 64)
    """Of the dense layers of either network."""
    width: int = 128
    """Channels of the residual networks (64 pixels: at the largest square), and at half of the strided generator's
    size."""
    critic_width: int = 128
    """Channels of the strided critic at half the size."""
    norm: Literal["none", "unit", "channel"] = "none"
    """Of the strided generator: batch norm per channel, or at first per unit."""
    layer_norm: bool = False
    """Of the strided critic."""
    pixels: Literal["tanh", "sigmoid"] = "tanh"
    """The strided generator's last function, and so the range of pixels: [-1, 1] or [0, 1]."""
    weight: float = 0.1
    """Of the penalty."""
    critic_steps: int = 5
    """Critic steps a step."""
    generator_batch: int = 1
    """Samples in a generator's step, as a multiple of the batch."""
    dequantize: bool = False
    """Add uniform noise of one grey level to the images."""


SMALL = Hyper(data="mixture:ring", steps=2500, batch_size=128, latent=8, beta2=0.9, evaluate_every=500)
LSUN = dataclasses.replace(
    SMALL, data="tfds:lsun/bedroom", image_size=64, steps=200_000, batch_size=64, latent=128, generator_rate=1e-4,
    discriminator_rate=1e-4, beta1=0.0, networks="normalised", width=64, weight=10.0, evaluate_every=5000,
    checkpoint_every=5000,
)  # fmt: skip
PRESETS = {
    "small": SMALL,
    "paper": dataclasses.replace(
        SMALL, data="tfds:cifar10", steps=100_000, batch_size=64, latent=128, generator_rate=2e-4,
        discriminator_rate=2e-4, beta1=0.0, decay=True, networks="residual", weight=10.0, generator_batch=2,
        dequantize=True, evaluate_every=5000, checkpoint_every=5000,
    ),
    "lsun": LSUN,
    "lsun_strided": dataclasses.replace(
        LSUN, networks="strided", critic_width=64, norm="channel", layer_norm=True
    ),
    "cifar10_strided": dataclasses.replace(
        LSUN, data="tfds:cifar10", image_size=None, networks="strided", width=128, norm="unit", beta1=0.5
    ),
    "mnist": dataclasses.replace(
        LSUN, data="tfds:mnist", image_size=None, networks="strided", critic_width=64, pixels="sigmoid", batch_size=50,
        beta1=0.5,
    ),
    "plane": dataclasses.replace(
        SMALL, steps=100_000, batch_size=256, latent=2, units=(512, 512, 512), generator_rate=1e-4,
        discriminator_rate=1e-4, evaluate_every=5000,
    ),
}  # fmt: skip
SCORE = ("near", "share of samples near one of the ring's modes")
CONTROLS = {"without the penalty": ("--weight", "0")}


def build(hyper: Hyper, dataset: Dataset) -> Run:
    """Return the WGAN-GP's run on `dataset`."""
    dtype = shared.dtype(hyper)
    pixels = shared.PLANE if shared.is_plane(dataset) else shared.TANH
    generator: Any
    critic: Any
    if hyper.networks == "residual":
        size, width = shared.square(dataset), hyper.width
        generator = wgan_gp.Generator(size, dataset.shape[-1], (width,) * 3, width, dtype=dtype)
        critic = wgan_gp.Critic((width,) * 4, dtype=dtype)
    elif hyper.networks == "normalised":
        size, width = shared.square(dataset), hyper.width
        widths = (8 * width, 4 * width, 2 * width, width)
        generator = wgan_gp.Generator(size, dataset.shape[-1], widths, 8 * width, False, dtype)
        critic = wgan_gp.NormalizedCritic(width, (2 * width, 4 * width, 8 * width, 8 * width), dtype)
    elif hyper.networks == "strided":
        size = shared.square(dataset)
        pixels = shared.SIGMOID if hyper.pixels == "sigmoid" else shared.TANH
        generator = wgan_gp.StridedGenerator(size, dataset.shape[-1], hyper.width, hyper.norm, pixels.output, dtype)
        critic = wgan_gp.StridedCritic(size, hyper.critic_width, hyper.layer_norm, dtype)
    else:
        generator = gan.Generator(hyper.units, dataset.shape, output=pixels.output, dtype=dtype)
        critic = gan.Discriminator(hyper.units, activation=jax.nn.relu, dtype=dtype)
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
