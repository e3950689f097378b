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

from dataclasses import dataclass, replace
from functools import partial
from typing import Annotated, Any, Literal

import jax

from genjax.data import Dataset, transforms
from genjax.gans import gan, sngan
from genjax.latent import NORMAL
from genjax.run.cli import main
from genjax.run.gan import AdamOptions, GanOptions, adam_of, check_labels, gan_run, output_of, square
from genjax.run.options import at_least, steps_of
from genjax.run.run import Run, compute_type

OBJECTIVES = {"hinge": sngan.HINGE, "cross-entropy": sngan.CROSS_ENTROPY}


@dataclass(frozen=True, kw_only=True)
class Hyper(GanOptions, AdamOptions):
    """Options of the SNGAN."""

    networks: Literal["dense", "unnormalised", "plain", "residual"]
    """Two layers of 64 units each, the same without spectral normalisation, plain convolutions, or residual blocks."""
    first: Annotated[int, at_least(1)]
    """Channels of the generator's smallest square."""
    generator_widths: Annotated[tuple[int, ...], at_least(1)]
    """Channels of the residual generator's blocks, each of which doubles the size."""
    discriminator_widths: Annotated[tuple[int, ...], at_least(1)]
    """Channels of the residual discriminator's blocks, or of the plain one's convolutions, the last without a pair."""
    halvings: Annotated[int, at_least(0)]
    """Blocks of the residual discriminator that halve the size."""
    last_bias: bool
    """Give the residual discriminator's last layer a bias."""
    slope: Annotated[float, at_least(0)]
    """Slope of the plain discriminator's leaky ReLU."""
    labels: bool
    """Tell the residual networks the class: batch norm per class, and projection."""
    objective: Literal["hinge", "cross-entropy"]
    """What the players minimise."""
    discriminator_steps: Annotated[int, at_least(1)]
    """Moves of the discriminator in a step."""
    generator_batch: Annotated[int, at_least(1)]
    """Samples in a generator's move, as a multiple of the batch."""
    dequantize: bool
    """Add uniform noise of one grey level to the images."""


PAPER = Hyper(
    data="tfds:cifar10", steps=100_000, batch_size=64, latent=128, generator_rate=2e-4, discriminator_rate=2e-4,
    beta1=0.0, beta2=0.9, decay=True, networks="residual", first=256, generator_widths=(256, 256, 256),
    discriminator_widths=(128, 128, 128, 128), halvings=2, last_bias=False, slope=0.2, labels=False, objective="hinge",
    discriminator_steps=5, generator_batch=2, dequantize=True, ema=None, evaluate_every=5000, checkpoint_every=5000,
)  # fmt: skip
PLAIN = replace(
    PAPER, networks="plain", first=512, discriminator_widths=(64, 128, 128, 256, 256, 512, 512),
    objective="cross-entropy", discriminator_steps=1, beta1=0.5, beta2=0.999, decay=False, generator_batch=1,
)  # fmt: skip
IMAGENET = replace(
    PAPER, data="tfds:imagenet2012", image_size=128, steps=450_000, first=1024,
    generator_widths=(1024, 512, 256, 128, 64), discriminator_widths=(64, 128, 256, 512, 1024, 1024), halvings=5,
    last_bias=True,
)  # fmt: skip
PRESETS = {
    "small": Hyper(
        data="mixture:ring", steps=2500, batch_size=128, latent=8, generator_rate=1e-3, discriminator_rate=1e-3,
        beta1=0.0, beta2=0.9, decay=False, networks="dense", first=256, generator_widths=(256, 256, 256),
        discriminator_widths=(128, 128, 128, 128), halvings=2, last_bias=False, slope=0.2, labels=False,
        objective="hinge", discriminator_steps=5, generator_batch=1, dequantize=False, ema=None, evaluate_every=500,
    ),
    "paper": PAPER,
    "plain": PLAIN,
    "table3": replace(PLAIN, discriminator_widths=(64, 64, 128, 128, 256, 256, 512), slope=0.1),
    "projection": replace(PAPER, labels=True),
    "stl10": replace(
        PAPER, data="tfds:stl10", image_size=48, first=512, generator_widths=(256, 128, 64),
        discriminator_widths=(64, 128, 256, 512, 1024), halvings=4, last_bias=True,
    ),
    "imagenet": IMAGENET,
    "imagenet_projection": replace(IMAGENET, labels=True),
    "imagenet64_projection": replace(
        IMAGENET, labels=True, image_size=64, generator_widths=(512, 256, 128, 64),
        discriminator_widths=(64, 128, 256, 512, 1024),
    ),
}  # fmt: skip
SCORE = ("modes", "covered modes of the ring's 8")
CONTROLS = {"without spectral normalisation": ("--networks", "unnormalised")}


def networks(hyper: Hyper, dataset: Dataset, classes: int) -> tuple[Any, Any]:
    """Return generator and discriminator as the options choose them."""
    dtype, widths = compute_type(hyper), tuple(hyper.discriminator_widths)
    generator: Any
    if hyper.networks in ("dense", "unnormalised"):
        generator = gan.Generator((64, 64), dataset.shape, output=output_of(dataset), dtype=dtype)
        if hyper.networks == "dense":
            return generator, sngan.DenseDiscriminator((64, 64), dtype)
        return generator, gan.Discriminator((64, 64), activation=jax.nn.relu, dtype=dtype)
    shared: dict[str, Any] = {"size": square(dataset), "channels": dataset.shape[-1], "dtype": dtype}
    if hyper.networks == "residual":
        generator = sngan.ResNetGenerator(widths=hyper.generator_widths, first=hyper.first, classes=classes, **shared)
        return generator, sngan.ResNetDiscriminator(widths, hyper.halvings, classes, hyper.last_bias, dtype)
    if len(widths) != 7:
        raise ValueError(f"--discriminator-widths {widths}: plain networks have seven convolutions")
    pairs = tuple(zip(widths[:-1:2], widths[1::2], strict=True))
    discriminator = sngan.PlainDiscriminator(pairs, widths[-1], hyper.slope, dtype)
    return sngan.PlainGenerator(width=hyper.first, **shared), discriminator


def build(hyper: Hyper, dataset: Dataset) -> Run:
    """Return the SNGAN's run on `dataset`; ValueError for --labels where there are none."""
    if hyper.labels and hyper.networks != "residual":
        raise ValueError(f"--labels works with --networks residual, not {hyper.networks}")
    steps, classes = steps_of(hyper, len(dataset.train)), check_labels(dataset) if hyper.labels else 0
    generator, discriminator = networks(hyper, dataset, classes)
    optimizers = {
        "generator": adam_of(hyper, hyper.generator_rate),
        "discriminator": adam_of(hyper, hyper.discriminator_rate),
    }
    moves = steps * hyper.discriminator_steps
    game = sngan.game(
        generator, discriminator, generator_tx=optimizers["generator"].transformation(steps),
        discriminator_tx=optimizers["discriminator"].transformation(moves), image_shape=dataset.shape,
        latent=hyper.latent, classes=classes, discriminator_steps=hyper.discriminator_steps,
        objective=OBJECTIVES[hyper.objective], generator_batch=hyper.generator_batch, ema=hyper.ema,
    )  # fmt: skip
    noisy = transforms.compose(transforms.dequantize, partial(transforms.scale, low=-1.0, high=1.0))
    return gan_run(
        hyper, dataset, [(game, steps)], generator=generator, prior=NORMAL, optimizers=optimizers, classes=classes,
        prepare=noisy if hyper.dequantize else None,
    )  # fmt: skip


if __name__ == "__main__":
    raise SystemExit(main("sngan"))
