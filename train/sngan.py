"""SNGAN (Miyato et al. 2018, arXiv 1802.05957) and the projection discriminator (Miyato & Koyama, arXiv 1802.05637).

    python -m train.sngan [preset] [options]

Presets
    small       the ring of eight Gaussians, dense networks, hinge: about a minute on two CPU cores; without spectral
                normalisation it is --networks unnormalised
    paper       CIFAR-10, residual networks, hinge, Adam (2e-4, 0, 0.9) falling to 0 in 100,000 steps, five
                discriminator steps, batch 64, 128 in the generator's steps; published FID 21.7
    plain       CIFAR-10, plain networks, cross entropy, one discriminator step, Adam (2e-4, 0.5, 0.999); FID 29.3;
                widths and slope of the authors' library for plain GANs
    table3      `plain` with the widths and the slope of the paper's table 3
    projection  `paper` with labels; published FID 17.5
    stl10       `paper` for 48 pixels of STL-10 (table 5); published FID 40.1
    imagenet    ImageNet at 128 pixels (table 6), batch 64, 450,000 steps; the authors' code keeps the rate for 400,000
                steps, here it falls from the start
    imagenet_projection    `imagenet` with labels
    imagenet64_projection  the same at 64 pixels, with the networks of the authors' code
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

    networks: Literal["dense", "unnormalised", "plain", "residual"] = "dense"
    """Two layers of 64 units each, the same without spectral normalisation, plain convolutions, or residual blocks."""
    first: int = 256
    """Channels of the generator's smallest square."""
    generator_widths: tuple[int, ...] = (256, 256, 256)
    """Channels of the residual generator's blocks, each of which doubles the size."""
    discriminator_widths: tuple[int, ...] = (128, 128, 128, 128)
    """Channels of the residual discriminator's blocks, or of the plain one's convolutions, the last without a pair."""
    halvings: int = 2
    """Blocks of the residual discriminator that halve the size."""
    last_bias: bool = False
    """Give the residual discriminator's last layer a bias."""
    slope: float = 0.2
    """Of the plain discriminator's leaky ReLU."""
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
PLAIN = dataclasses.replace(
    PAPER, networks="plain", first=512, discriminator_widths=(64, 128, 128, 256, 256, 512, 512),
    objective="cross-entropy", discriminator_steps=1, beta1=0.5, beta2=0.999, decay=False, generator_batch=1,
)  # fmt: skip
IMAGENET = dataclasses.replace(
    PAPER, data="tfds:imagenet2012", image_size=128, steps=450_000, first=1024,
    generator_widths=(1024, 512, 256, 128, 64), discriminator_widths=(64, 128, 256, 512, 1024, 1024), halvings=5,
    last_bias=True,
)  # fmt: skip
PRESETS = {
    "small": SMALL,
    "paper": PAPER,
    "plain": PLAIN,
    "table3": dataclasses.replace(PLAIN, discriminator_widths=(64, 64, 128, 128, 256, 256, 512), slope=0.1),
    "projection": dataclasses.replace(PAPER, labels=True),
    "stl10": dataclasses.replace(
        PAPER, data="tfds:stl10", image_size=48, first=512, generator_widths=(256, 128, 64),
        discriminator_widths=(64, 128, 256, 512, 1024), halvings=4, last_bias=True,
    ),
    "imagenet": IMAGENET,
    "imagenet_projection": dataclasses.replace(IMAGENET, labels=True),
    "imagenet64_projection": dataclasses.replace(
        IMAGENET, labels=True, image_size=64, generator_widths=(512, 256, 128, 64),
        discriminator_widths=(64, 128, 256, 512, 1024),
    ),
}  # fmt: skip
SCORE = ("modes", "covered modes of the ring's 8")
CONTROLS = {"without spectral normalisation": ("--networks", "unnormalised")}


def build(hyper: Hyper, dataset: Dataset) -> Run:
    """Return the SNGAN's run on `dataset`; ValueError for --labels where there are none."""
    dtype, widths = shared.dtype(hyper), hyper.discriminator_widths
    if hyper.labels and hyper.networks != "residual":
        raise ValueError(f"--labels works with --networks residual, not {hyper.networks}")
    classes = shared.check_labels(dataset) if hyper.labels else 0
    pixels = shared.PLANE if shared.is_plane(dataset) else shared.TANH
    generator: Any
    discriminator: Any
    if hyper.networks == "residual":
        size = shared.square(dataset)
        generator = sngan.ResNetGenerator(size, dataset.shape[-1], hyper.generator_widths, hyper.first, classes, dtype)
        discriminator = sngan.ResNetDiscriminator(widths, hyper.halvings, classes, hyper.last_bias, dtype)
    elif hyper.networks == "plain":
        size = shared.square(dataset)
        generator = sngan.PlainGenerator(size, dataset.shape[-1], hyper.first, dtype=dtype)
        if len(widths) != 7:
            raise ValueError(f"--discriminator-widths {widths}: plain networks have seven convolutions")
        pairs = tuple(zip(widths[:-1:2], widths[1::2], strict=True))
        discriminator = sngan.PlainDiscriminator(pairs, widths[-1], hyper.slope, dtype)
    else:
        generator = gan.Generator((64, 64), dataset.shape, output=pixels.output, dtype=dtype)
        discriminator = (
            sngan.DenseDiscriminator((64, 64), dtype)
            if hyper.networks == "dense"
            else gan.Discriminator((64, 64), activation=jax.nn.relu, dtype=dtype)
        )
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
