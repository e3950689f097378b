"""BigGAN and BigGAN-deep (Brock et al. 2019, arXiv 1809.11096).

    python -m train.biggan [preset] [options]

Presets; "code" is the first author's ajbrock/BigGAN-PyTorch, "compare_gan" google/compare_gan
    small     drawn digits of 16 pixels: two minutes on two CPU cores; our own
    paper     ImageNet at 128 pixels, the paper's section 3 and appendix C: batch 2048, two discriminator steps, rates
              5e-5 and 2e-4, Adam (0, 0.999), orthogonal regularisation of 1e-4, batch norm's epsilon 1e-4; 250,000
              steps (compare_gan; the paper stopped before its runs collapsed, after 150,000 to 300,000) and an average
              that is a copy for 20,000 of them (code); published FID 8.7, 9.6 at the inception score of real images
    paper256  the same at 256 pixels, attention at 64 as in the paper's text (the released weights attend at 128)
    paper512  the same at 512 pixels, with the latent of 160 of compare_gan (the released weights have 128)
    ch64      `paper` with 64 channels for 96, of the paper's table 1; published FID 10.5
    cifar10   CIFAR-10, code, launch_cifar_ema.sh: a table of classes in every norm instead of the embedding, no
              attention, weights from N(0, 0.02^2), four discriminator steps, 500 epochs; FID 9.8 by others
    deep128   BigGAN-deep at 128 pixels, networks of the paper's appendix B, training as `paper`; published FID 5.7
    deep256   the same at 256 pixels, both rates 2.5e-5; published FID 6.9 at the inception score of real images
Published scores are of Inception's features, without truncation unless said. Departures: see `genjax.gans.biggan`.
"""

from dataclasses import dataclass, replace
from typing import Annotated, Any, Literal

from genjax.data import Dataset
from genjax.gans import biggan
from genjax.latent import NORMAL
from genjax.nn.initializers import ORTHOGONAL, normal
from genjax.run.cli import main
from genjax.run.gan import AdamOptions, GanOptions, adam_of, check_labels, gan_run, square
from genjax.run.options import above, at_least, steps_of
from genjax.run.run import Run, compute_type
from genjax.tasks.judge import judge_of

INITIALIZERS = {"orthogonal": ORTHOGONAL, "normal": normal(0.02)}


@dataclass(frozen=True, kw_only=True)
class Hyper(GanOptions, AdamOptions):
    """Options of the BigGAN."""

    networks: Literal["residual", "bottleneck"]
    """BigGAN's blocks, or BigGAN-deep's."""
    width: Annotated[int, at_least(1)]
    """Channels by which the multiples are multiplied."""
    generator_multiples: Annotated[tuple[int, ...], at_least(1)]
    """Channels, by the width, of the generator's smallest square and of its blocks, each of which doubles the size."""
    discriminator_multiples: Annotated[tuple[int, ...], at_least(1)]
    """Channels, by the width, of the discriminator's blocks; of BigGAN-deep's first convolution, then its blocks."""
    halvings: Annotated[int, at_least(0)]
    """Blocks of the discriminator that halve the size, the first ones."""
    attention: Annotated[int | None, at_least(2)] = None
    """Side in pixels of the maps that attend, in both networks; no attention if not given."""
    embedding: Annotated[int | None, at_least(1)] = None
    """Size of the embedding of a class that all norms share; a table of classes in every norm if not given."""
    hierarchical: bool = False
    """Give every block a part of the latent of its own; BigGAN-deep gives each the whole."""
    initializer: Literal["orthogonal", "normal"]
    """First weights: orthogonal, or N(0, 0.02^2)."""
    epsilon: Annotated[float, above(0)]
    """What batch norm in the generator adds to variances."""
    orthogonal: Annotated[float, at_least(0)]
    """Strength of the generator's off-diagonal orthogonal regularisation, half of what the code calls it."""
    discriminator_steps: Annotated[int, at_least(1)]
    """Moves of the discriminator in a step."""
    judge: bool = False
    """Train a small classifier of the data at the first score, and tell how often samples show the asked class."""
    ema_start: Annotated[int, at_least(0)]
    """First steps in which the generator's average is a copy."""


PAPER = Hyper(
    data="tfds:imagenet2012", image_size=128, steps=250_000, batch_size=2048, latent=120, generator_rate=5e-5,
    discriminator_rate=2e-4, beta1=0.0, beta2=0.999, decay_from=None, networks="residual", width=96,
    generator_multiples=(16, 16, 8, 4, 2, 1), discriminator_multiples=(1, 2, 4, 8, 16, 16), halvings=5, attention=64,
    embedding=128, hierarchical=True, initializer="orthogonal", epsilon=1e-4, orthogonal=1e-4, discriminator_steps=2,
    ema=0.9999, ema_start=20_000, evaluate_every=5000, checkpoint_every=5000,
)  # fmt: skip
DEEP = replace(PAPER, networks="bottleneck", width=128, latent=128, hierarchical=False)
PRESETS = {
    "small": Hyper(
        data="digits", image_size=16, steps=400, batch_size=32, latent=24, generator_rate=1e-3,
        discriminator_rate=4e-3, beta1=0.0, beta2=0.99, decay_from=None, networks="residual", width=24,
        generator_multiples=(1, 1, 1), discriminator_multiples=(1, 1, 1), halvings=2, attention=None, embedding=16,
        hierarchical=True, initializer="orthogonal", epsilon=1e-4, orthogonal=1e-4, discriminator_steps=2, judge=True,
        ema=0.98, ema_start=50, evaluate_every=400,
    ),
    "paper": PAPER,
    "paper256": replace(
        PAPER, image_size=256, latent=140, generator_multiples=(16, 16, 8, 8, 4, 2, 1),
        discriminator_multiples=(1, 2, 4, 8, 8, 16, 16), halvings=6,
    ),
    "paper512": replace(
        PAPER, image_size=512, latent=160, generator_multiples=(16, 16, 8, 8, 4, 2, 1, 1),
        discriminator_multiples=(1, 1, 2, 4, 8, 8, 16, 16), halvings=7,
    ),
    "ch64": replace(PAPER, width=64),
    "cifar10": Hyper(
        data="tfds:cifar10", epochs=500, batch_size=50, latent=128, generator_rate=2e-4, discriminator_rate=2e-4,
        beta1=0.0, beta2=0.999, decay_from=None, networks="residual", width=64, generator_multiples=(4, 4, 4, 4),
        discriminator_multiples=(4, 4, 4, 4), halvings=2, attention=None, embedding=None, hierarchical=False,
        initializer="normal", epsilon=1e-5, orthogonal=0.0, discriminator_steps=4, ema=0.9999, ema_start=1000,
        evaluate_every=5000, checkpoint_every=5000,
    ),
    "deep128": DEEP,
    "deep256": replace(
        DEEP, image_size=256, generator_rate=2.5e-5, discriminator_rate=2.5e-5,
        generator_multiples=(16, 16, 8, 8, 4, 2, 1), discriminator_multiples=(1, 2, 4, 8, 8, 16, 16), halvings=6,
    ),
}  # fmt: skip
SCORE = ("class_accuracy", "share of samples in which a classifier sees the digit that was asked for")
CONTROLS = {
    "without the shared embedding": ("--embedding", "None"),
    "without orthogonal regularisation": ("--orthogonal", "0"),
}


def networks(hyper: Hyper, dataset: Dataset) -> tuple[Any, Any]:
    """Return generator and discriminator as the options choose them."""
    if hyper.networks == "bottleneck" and hyper.hierarchical:
        raise ValueError("--hierarchical cuts the latent, and BigGAN-deep gives every block all of it; leave it out")
    shared: dict[str, Any] = {
        "classes": check_labels(dataset),
        "attention": hyper.attention,
        "initializer": INITIALIZERS[hyper.initializer],
        "dtype": compute_type(hyper),
    }
    first, *widths = (multiple * hyper.width for multiple in hyper.generator_multiples)
    drawn: dict[str, Any] = {
        "size": square(dataset),
        "channels": dataset.shape[-1],
        "first": first,
        "widths": tuple(widths),
        "embedding": hyper.embedding or 0,
        "epsilon": hyper.epsilon,
    }
    judged = tuple(multiple * hyper.width for multiple in hyper.discriminator_multiples)
    if hyper.networks == "bottleneck":
        discriminator = biggan.DeepDiscriminator(judged[0], judged[1:], hyper.halvings, **shared)
        return biggan.DeepGenerator(**drawn, **shared), discriminator
    generator = biggan.Generator(hierarchical=hyper.hierarchical, **drawn, **shared)
    return generator, biggan.Discriminator(judged, hyper.halvings, **shared)


def build(hyper: Hyper, dataset: Dataset) -> Run:
    """Return the BigGAN's run on `dataset`; ValueError where it has no labels."""
    if hyper.ema is None and hyper.ema_start:
        raise ValueError(f"--ema-start {hyper.ema_start} does nothing without --ema; give --ema-start 0 too")
    steps = steps_of(hyper, len(dataset.train), hyper.discriminator_steps)
    generator, discriminator = networks(hyper, dataset)
    optimizers = {
        "generator": adam_of(hyper, hyper.generator_rate),
        "discriminator": adam_of(hyper, hyper.discriminator_rate),
    }
    moves = steps * hyper.discriminator_steps
    game = biggan.game(
        generator, discriminator, generator_tx=optimizers["generator"].transformation(steps),
        discriminator_tx=optimizers["discriminator"].transformation(moves), image_shape=dataset.shape,
        latent=hyper.latent, classes=generator.classes, discriminator_steps=hyper.discriminator_steps,
        orthogonal=hyper.orthogonal, ema=hyper.ema, ema_start=hyper.ema_start,
    )  # fmt: skip
    return gan_run(
        hyper, dataset, [(game, steps)], generator=generator, prior=NORMAL, optimizers=optimizers,
        classes=generator.classes, judge=judge_of(dataset) if hyper.judge else None,
    )  # fmt: skip


if __name__ == "__main__":
    raise SystemExit(main("biggan"))
