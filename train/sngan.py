"""SNGAN (Miyato et al. 2018, arXiv 1802.05957) and the projection discriminator (Miyato & Koyama, arXiv 1802.05637).

    python -m train.sngan [preset] [options]

Presets
    small       the ring of eight Gaussians, dense networks, hinge: about a minute on two CPU cores
    paper       CIFAR-10, residual networks, hinge, Adam (2e-4, 0, 0.9) falling to 0 in 100,000 steps, five
                discriminator steps, batch 64, 128 in the generator's steps; published FID 21.7
    plain       CIFAR-10, plain networks, cross entropy, one discriminator step, Adam (2e-4, 0.5, 0.999); FID 29.3
    projection  `paper` with labels; published FID 17.5
"""

import dataclasses
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

import jax

from genjax.data import Dataset, transforms
from genjax.gans import gan, sngan
from train import _gan as shared
from train._cli import Run, main, steps_of

OBJECTIVES = {"hinge": sngan.HINGE, "cross-entropy": sngan.CROSS_ENTROPY}


@dataclass(frozen=True)
class Hyper(shared.Hyper):
    """Options of the SNGAN."""

    networks: Literal["dense", "plain", "residual"] = "dense"
    """Two layers of 64 units each, plain convolutions, or residual networks of three doublings."""
    width: int = 256
    """Channels of the residual generator (the discriminator has half as many), or of the widest plain layer."""
    labels: bool = False
    """Tell the residual networks the class: batch norm per class, and projection."""
    objective: Literal["hinge", "cross-entropy"] = "hinge"
    """What the players minimise."""
    discriminator_steps: int = 5
    """Discriminator steps a step."""
    generator_batch: int = 1
    """Samples in a generator's step, as a multiple of the batch."""
    dequantize: bool = False
    """Add uniform noise of one grey level to the images."""


SMALL = Hyper(data="mixture:ring", steps=2500, batch_size=128, latent=8, beta1=0.0, beta2=0.9, evaluate_every=500)
PAPER = dataclasses.replace(
    SMALL, data="tfds:cifar10", steps=100_000, batch_size=64, latent=128, generator_rate=2e-4, discriminator_rate=2e-4,
    decay=True, networks="residual", generator_batch=2, dequantize=True, evaluate_every=5000, checkpoint_every=5000,
)  # fmt: skip
PRESETS = {
    "small": SMALL,
    "paper": PAPER,
    "plain": dataclasses.replace(
        PAPER, networks="plain", width=512, objective="cross-entropy", discriminator_steps=1, beta1=0.5, beta2=0.999,
        decay=False, generator_batch=1,
    ),
    "projection": dataclasses.replace(PAPER, labels=True),
}  # fmt: skip


def build(hyper: Hyper, dataset: Dataset) -> Run:
    """Return the SNGAN's run on `dataset`; ValueError for --labels where there are none."""
    dtype, width = shared.dtype(hyper), hyper.width
    if hyper.labels and hyper.networks != "residual":
        raise ValueError(f"--labels works with --networks residual, not {hyper.networks}")
    classes = shared.check_labels(dataset) if hyper.labels else 0
    pixels = shared.PLANE if shared.is_plane(dataset) else shared.TANH
    generator: Any
    discriminator: Any
    if hyper.networks == "residual":
        size = shared.square(dataset)
        generator = sngan.ResNetGenerator(size, dataset.shape[-1], (width,) * 3, width, classes, dtype)
        discriminator = sngan.ResNetDiscriminator((width // 2,) * 4, classes=classes, dtype=dtype)
    elif hyper.networks == "plain":
        size = shared.square(dataset)
        generator = sngan.PlainGenerator(size, dataset.shape[-1], width, dtype=dtype)
        pairs = tuple((width // 2 ** (i + 1), width // 2**i) for i in (2, 1, 0))
        discriminator = sngan.PlainDiscriminator(pairs, width, dtype=dtype)
    else:
        generator = gan.Generator((64, 64), dataset.shape, output=pixels.output, dtype=dtype)
        discriminator = sngan.DenseDiscriminator((64, 64), dtype)
    game = sngan.game(
        generator, discriminator, shared.adam(hyper, hyper.generator_rate),
        shared.adam(hyper, hyper.discriminator_rate, hyper.discriminator_steps), dataset.shape, hyper.latent, classes,
        hyper.discriminator_steps, OBJECTIVES[hyper.objective], hyper.generator_batch, ema=hyper.ema,
    )  # fmt: skip
    prepare = (
        transforms.compose(transforms.dequantize, partial(transforms.scale, low=-1.0, high=1.0))
        if hyper.dequantize
        else None
    )
    texts = {
        "generator": shared.adam_text(hyper, hyper.generator_rate),
        "discriminator": shared.adam_text(hyper, hyper.discriminator_rate),
    }
    games = [(game, steps_of(hyper, len(dataset.train)))]
    return shared.build(hyper, dataset, games, generator, jax.random.normal, texts, pixels, classes, prepare)


if __name__ == "__main__":
    raise SystemExit(main("sngan", PRESETS, build))
