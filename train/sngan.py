"""SNGAN (Miyato et al. 2018, arXiv 1802.05957) and the projection discriminator (Miyato & Koyama, arXiv 1802.05637).

    python -m train.sngan [preset] [options]

Presets; "code" is pfnet-research/sngan_projection, "library" pfnet-research/chainer-gan-lib, both the authors'
    small       the ring of eight Gaussians, dense networks, hinge: about a minute on two CPU cores; without spectral
                normalisation it is --networks unnormalised; our own
    paper       CIFAR-10, code, sn_cifar10_unconditional.yml: residual networks, hinge, Adam (2e-4, 0, 0.9) falling to 0
                in 50,000 steps, five discriminator steps, batch 64, 128 in the generator's steps; the published FID of
                21.7 was reached by the paper's run of 100,000
    projection  the same with labels, code, sn_cifar10_conditional.yml; published FID 17.5
    plain       CIFAR-10, library: plain networks, cross entropy, one discriminator step, Adam (2e-4, 0.5, 0.999),
                100,000 steps, latent U(-1, 1), no noise on the images
    table3      the widths and the slope of the paper's table 3, normal latent; the rest is the library's, as `plain`;
                published FID 29.3
    stl10       48 pixels of STL-10's 100,000 unlabelled images, from the paper's table 5 and section 4; no
                configuration was published, so the rest is the code's of CIFAR-10; published FID 40.1
    imagenet_projection  ImageNet at 128 pixels with labels, code, sn_projection.yml: batch 64 (theirs on four devices,
                16 each), 450,000 steps, constant rate for 400,000 and then falling to 0
    imagenet    the same without labels, which no source trains; networks of the paper's table 6
    imagenet64_projection  ImageNet at 64 pixels with labels, code, sn_projection_64.yml: 250,000 steps, constant rate
                for 200,000, 64 samples in the generator's steps
In the code the generator moves first and every evaluation moves the power iteration; see `genjax.gans.sngan`.
"""

from dataclasses import dataclass, replace
from typing import Annotated, Any, Literal

import jax

from genjax.data import Dataset
from genjax.gans import gan, sngan
from genjax.latent import NORMAL, SYMMETRIC
from genjax.run.cli import main
from genjax.run.gan import AdamOptions, GanOptions, adam_of, check_labels, gan_run, noise, output_of, square
from genjax.run.options import at_least, check_uses, steps_of
from genjax.run.run import Run, compute_type

OBJECTIVES = {"hinge": sngan.HINGE, "cross-entropy": sngan.CROSS_ENTROPY}
PRIORS = {"normal": NORMAL, "uniform": SYMMETRIC}
USES = {
    "dense": (),
    "unnormalised": (),
    "plain": ("first", "discriminator_widths", "slope"),
    "residual": ("first", "generator_widths", "discriminator_widths", "halvings", "last_bias", "labels"),
}


@dataclass(frozen=True, kw_only=True)
class Hyper(GanOptions, AdamOptions):
    """Options of the SNGAN."""

    networks: Literal["dense", "unnormalised", "plain", "residual"]
    """Two layers of 64 units each, the same without spectral normalisation, plain convolutions, or residual blocks."""
    prior: Literal["normal", "uniform"]
    """Distribution of the latent: N(0, 1) or U(-1, 1)."""
    first: Annotated[int | None, at_least(1)] = None
    """Channels of the generator's smallest square; not for dense networks."""
    generator_widths: Annotated[tuple[int, ...] | None, at_least(1)] = None
    """Channels of the residual generator's blocks, each of which doubles the size."""
    discriminator_widths: Annotated[tuple[int, ...] | None, at_least(1)] = None
    """Channels of the residual discriminator's blocks, or of the plain one's convolutions, the last without a pair."""
    halvings: Annotated[int | None, at_least(0)] = None
    """Blocks of the residual discriminator that halve the size."""
    last_bias: bool = False
    """Give the residual discriminator's last layer a bias."""
    slope: Annotated[float | None, at_least(0)] = None
    """Slope of the plain discriminator's leaky ReLU."""
    labels: bool = False
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
    data="tfds:cifar10", steps=50_000, batch_size=64, latent=128, prior="normal", generator_rate=2e-4,
    discriminator_rate=2e-4, beta1=0.0, beta2=0.9, decay_from=0.0, networks="residual", first=256,
    generator_widths=(256, 256, 256), discriminator_widths=(128, 128, 128, 128), halvings=2, last_bias=False,
    labels=False, objective="hinge", discriminator_steps=5, generator_batch=2, dequantize=True, ema=None,
    evaluate_every=5000, checkpoint_every=5000,
)  # fmt: skip
PLAIN = Hyper(
    data="tfds:cifar10", steps=100_000, batch_size=64, latent=128, prior="uniform", generator_rate=2e-4,
    discriminator_rate=2e-4, beta1=0.5, beta2=0.999, decay_from=None, networks="plain", first=512,
    discriminator_widths=(64, 128, 128, 256, 256, 512, 512), slope=0.2, objective="cross-entropy",
    discriminator_steps=1, generator_batch=1, dequantize=False, ema=None, evaluate_every=5000, checkpoint_every=5000,
)  # fmt: skip
IMAGENET = replace(
    PAPER, data="tfds:imagenet2012", image_size=128, steps=450_000, decay_from=8 / 9, first=1024,
    generator_widths=(1024, 512, 256, 128, 64), discriminator_widths=(64, 128, 256, 512, 1024, 1024), halvings=5,
    last_bias=True,
)  # fmt: skip
PRESETS = {
    "small": Hyper(
        data="mixture:ring", steps=2500, batch_size=128, latent=8, prior="normal", generator_rate=1e-3,
        discriminator_rate=1e-3, beta1=0.0, beta2=0.9, decay_from=None, networks="dense", objective="hinge",
        discriminator_steps=5, generator_batch=1, dequantize=False, ema=None, evaluate_every=500,
    ),
    "paper": PAPER,
    "projection": replace(PAPER, labels=True),
    "plain": PLAIN,
    "table3": replace(
        PLAIN, prior="normal", discriminator_widths=(64, 64, 128, 128, 256, 256, 512), slope=0.1
    ),
    "stl10": replace(
        PAPER, data="tfds:stl10@unlabelled", image_size=48, steps=100_000, first=512, generator_widths=(256, 128, 64),
        discriminator_widths=(64, 128, 256, 512, 1024), halvings=4, last_bias=True,
    ),
    "imagenet": IMAGENET,
    "imagenet_projection": replace(IMAGENET, labels=True),
    "imagenet64_projection": replace(
        IMAGENET, image_size=64, steps=250_000, decay_from=0.8, generator_batch=1,
        generator_widths=(512, 256, 128, 64), discriminator_widths=(64, 128, 256, 512, 1024), labels=True,
    ),
}  # fmt: skip
SCORE = ("mode_divergence", "divergence of the ring's modes from equal shares, nats")
CONTROLS = {"without spectral normalisation": ("--networks", "unnormalised")}


def networks(hyper: Hyper, dataset: Dataset, classes: int) -> tuple[Any, Any]:
    """Return generator and discriminator as the options choose them."""
    given = check_uses(hyper, "networks", USES)
    dtype, widths = compute_type(hyper), given.discriminator_widths
    generator: Any
    if hyper.networks in ("dense", "unnormalised"):
        generator = gan.Generator((64, 64), dataset.shape, output=output_of(dataset), dtype=dtype)
        if hyper.networks == "dense":
            return generator, sngan.DenseDiscriminator((64, 64), dtype)
        return generator, gan.Discriminator((64, 64), activation=jax.nn.relu, dtype=dtype)
    shared: dict[str, Any] = {"size": square(dataset), "channels": dataset.shape[-1], "dtype": dtype}
    if hyper.networks == "residual":
        generator = sngan.ResNetGenerator(widths=given.generator_widths, first=given.first, classes=classes, **shared)
        return generator, sngan.ResNetDiscriminator(widths, given.halvings, classes, given.last_bias, dtype)
    if len(widths) != 7:
        raise ValueError(f"--discriminator-widths {widths}: plain networks have seven convolutions")
    pairs = tuple(zip(widths[:-1:2], widths[1::2], strict=True))
    discriminator = sngan.PlainDiscriminator(pairs, widths[-1], given.slope, dtype)
    return sngan.PlainGenerator(width=given.first, **shared), discriminator


def build(hyper: Hyper, dataset: Dataset) -> Run:
    """Return the SNGAN's run on `dataset`; ValueError for --labels where there are none."""
    noisy = noise(dataset) if hyper.dequantize else None
    steps, prior = steps_of(hyper, len(dataset.train), hyper.discriminator_steps), PRIORS[hyper.prior]
    classes = check_labels(dataset) if hyper.labels else 0
    generator, discriminator = networks(hyper, dataset, classes)
    optimizers = {
        "generator": adam_of(hyper, hyper.generator_rate),
        "discriminator": adam_of(hyper, hyper.discriminator_rate),
    }
    moves = steps * hyper.discriminator_steps
    game = sngan.game(
        generator, discriminator, generator_tx=optimizers["generator"].transformation(steps),
        discriminator_tx=optimizers["discriminator"].transformation(moves), image_shape=dataset.shape,
        latent=hyper.latent, prior=prior, classes=classes, discriminator_steps=hyper.discriminator_steps,
        objective=OBJECTIVES[hyper.objective], generator_batch=hyper.generator_batch, ema=hyper.ema,
    )  # fmt: skip
    return gan_run(
        hyper, dataset, [(game, steps)], generator=generator, prior=prior, optimizers=optimizers, classes=classes,
        prepare=noisy,
    )  # fmt: skip


if __name__ == "__main__":
    raise SystemExit(main("sngan"))
