"""SAGAN (Zhang et al. 2019, arXiv 1805.08318).

    python -m train.sagan [preset] [options]

Presets
    small        embedded digits at 16 pixels: a minute on two CPU cores; our own. Without attention it draws the asked
                 digit as often: nothing in them must agree over a distance. Where something must, attention shows:
                 tests/gans/test_fast_learning_sagan.py
    paper        ImageNet at 128 pixels, attention at 32, the authors' code (brain-research/self-attention-gan): batch
                 256 (theirs on four devices, 64 each), rates 1e-4 and 4e-4, two million steps, and Adam's beta2 of
                 0.999, its default there; the paper says 0.9 and a million steps; published FID 18.65
    attention64  the same with attention at 64 pixels, as BigGAN's authors and PyTorch-StudioGAN have it, whose million
                 steps, beta2 of 0.999 and momentum 0.9 of the running statistics it takes
    cifar10      CIFAR-10, of which the paper has nothing: PyTorch-StudioGAN's networks and configuration, five
                 discriminator steps, Adam (2e-4, 0.5, 0.999), batch 64, 100,000 steps
First weights are the authors' code's in all. Who moves the power iteration, and when: see `genjax.gans.sagan`.
"""

from dataclasses import dataclass, replace
from typing import Annotated

from genjax.data import Dataset
from genjax.gans import sagan
from genjax.latent import NORMAL
from genjax.run.cli import main
from genjax.run.gan import AdamOptions, GanOptions, adam_of, check_labels, gan_run, square
from genjax.run.options import PART, at_least, steps_of
from genjax.run.run import Run, compute_type
from genjax.tasks.judge import judge_of


@dataclass(frozen=True, kw_only=True)
class Hyper(GanOptions, AdamOptions):
    """Options of the SAGAN."""

    first: Annotated[int, at_least(1)]
    """Channels of the generator's smallest square."""
    generator_widths: Annotated[tuple[int, ...], at_least(1)]
    """Channels of the generator's blocks, each of which doubles the size."""
    discriminator_widths: Annotated[tuple[int, ...], at_least(1)]
    """Channels of the discriminator's blocks."""
    halvings: Annotated[int, at_least(0)]
    """Blocks of the discriminator that halve the size, the first ones."""
    generator_attention: Annotated[int | None, at_least(2)] = None
    """Side in pixels of the generator's maps that attend; no attention if not given."""
    discriminator_attention: Annotated[int | None, at_least(2)] = None
    """Side in pixels of the discriminator's maps that attend; no attention if not given."""
    full_attention: bool = False
    """Attend to every pixel, with values of an eighth of the channels, as in the paper's equations, instead of to the
    largest of 2x2 pixels, with half of the channels, as in its code."""
    momentum: Annotated[float, PART]
    """Share of the running statistics that a step keeps, in the generator's blocks."""
    last_momentum: Annotated[float, PART]
    """The same in the generator's last norm."""
    discriminator_steps: Annotated[int, at_least(1)]
    """Moves of the discriminator in a step."""
    judge: bool = False
    """Train a small classifier of the data at the first score, and tell how often samples show the asked class."""


PAPER = Hyper(
    data="tfds:imagenet2012", image_size=128, steps=2_000_000, batch_size=256, latent=128, generator_rate=1e-4,
    discriminator_rate=4e-4, beta1=0.0, beta2=0.999, decay_from=None, first=1024,
    generator_widths=(1024, 512, 256, 128, 64), discriminator_widths=(64, 128, 256, 512, 1024, 1024), halvings=5,
    generator_attention=32, discriminator_attention=32, full_attention=False, momentum=0.999, last_momentum=0.9999,
    discriminator_steps=1, ema=None, evaluate_every=10_000, checkpoint_every=10_000,
)  # fmt: skip
PRESETS = {
    "small": Hyper(
        data="digits", image_size=16, steps=600, batch_size=32, latent=24, generator_rate=1e-3, discriminator_rate=4e-3,
        beta1=0.0, beta2=0.9, decay_from=None, first=24, generator_widths=(24, 24), discriminator_widths=(24, 24, 24),
        halvings=2, generator_attention=8, discriminator_attention=8, full_attention=False, momentum=0.9,
        last_momentum=0.9, discriminator_steps=1, judge=True, ema=0.98, evaluate_every=300,
    ),
    "paper": PAPER,
    "attention64": replace(
        PAPER, steps=1_000_000, generator_attention=64, discriminator_attention=64, momentum=0.9, last_momentum=0.9,
    ),
    "cifar10": Hyper(
        data="tfds:cifar10", steps=100_000, batch_size=64, latent=128, generator_rate=2e-4, discriminator_rate=2e-4,
        beta1=0.5, beta2=0.999, decay_from=None, first=256, generator_widths=(256, 256, 256),
        discriminator_widths=(128, 128, 128, 128), halvings=2, generator_attention=16, discriminator_attention=16,
        full_attention=False, momentum=0.9, last_momentum=0.9, discriminator_steps=5, ema=None, evaluate_every=5000,
        checkpoint_every=5000,
    ),
}  # fmt: skip
SCORE = ("class_accuracy", "share of samples in which a classifier sees the digit that was asked for")
CONTROLS = {"without attention": ("--generator-attention", "None", "--discriminator-attention", "None")}


def build(hyper: Hyper, dataset: Dataset) -> Run:
    """Return the SAGAN's run on `dataset`; ValueError where it has no labels."""
    classes, size, dtype = check_labels(dataset), square(dataset), compute_type(hyper)
    if hyper.full_attention and (hyper.generator_attention, hyper.discriminator_attention) == (None, None):
        raise ValueError("--full-attention does nothing where no network attends; leave it out")
    steps = steps_of(hyper, len(dataset.train), hyper.discriminator_steps)
    generator = sagan.Generator(
        size, dataset.shape[-1], hyper.generator_widths, hyper.first, classes, hyper.generator_attention,
        hyper.full_attention, (hyper.momentum, hyper.last_momentum), dtype=dtype,
    )  # fmt: skip
    discriminator = sagan.Discriminator(
        hyper.discriminator_widths, hyper.halvings, classes, hyper.discriminator_attention, hyper.full_attention,
        dtype=dtype,
    )  # fmt: skip
    optimizers = {
        "generator": adam_of(hyper, hyper.generator_rate),
        "discriminator": adam_of(hyper, hyper.discriminator_rate),
    }
    moves = steps * hyper.discriminator_steps
    game = sagan.game(
        generator, discriminator, generator_tx=optimizers["generator"].transformation(steps),
        discriminator_tx=optimizers["discriminator"].transformation(moves), image_shape=dataset.shape,
        latent=hyper.latent, classes=classes, discriminator_steps=hyper.discriminator_steps, ema=hyper.ema,
    )  # fmt: skip
    return gan_run(
        hyper, dataset, [(game, steps)], generator=generator, prior=NORMAL, optimizers=optimizers, classes=classes,
        judge=judge_of(dataset) if hyper.judge else None,
        modules={"generator": generator, "discriminator": discriminator},
    )  # fmt: skip


if __name__ == "__main__":
    raise SystemExit(main("sagan"))
