"""PGGAN (Karras et al. 2018, arXiv 1710.10196).

    python -m train.pggan [preset] [options]

Presets
    small     embedded digits, 4 to 16 pixels, 24 channels: minutes on two CPU cores
    paper     CelebA-HQ, 4 to 1024 pixels: 800,000 images a phase, 19 million in all, Adam (1e-3, 0, 0.99), batch 16
              up to 128 pixels, then 14, 6 and 3, mirrored images; published FID 7.30
    cifar10   the Theano configuration: 128 channels everywhere, latent 128, gradient norm 750, 400,000 images a phase,
              20 million in all; published inception score 8.80 +- 0.05
    lsun      LSUN bedrooms, 4 to 256 pixels, 20 million images; published FID 8.34

A resolution has two phases, fading in and stabilising; a phase's batch is a number of --batches. --steps counts all
phases: the last takes what the others leave, and a run of few steps ends before it is grown. Optimizers start afresh in
every phase. Samples of a smaller resolution are enlarged, by copying pixels, to the size of the data.
"""

import dataclasses
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import jax
import numpy as np

from genjax.data import Dataset, transforms
from genjax.engine.phases import Feed, Phase, carry_over_networks, phase_at
from genjax.engine.state import State
from genjax.gans import pggan
from genjax.nn.residual import pool
from train import _gan as shared
from train._cli import Run, Sampler, main, steps_of

DRAWN = 50
"""Samples in a call of the generator: a thousand of 1024 pixels at a time would outgrow any device."""


@dataclass(frozen=True)
class Hyper(shared.Hyper):
    """Options of the PGGAN."""

    base: int = 8192
    """There are min(2 base / pixels, limit) channels at a resolution."""
    limit: int = 512
    """The most channels."""
    first_size: int = 4
    """Pixels to start from: 4, or up to the size of the data, which then trains without growing."""
    first_images: int = 800_000
    """Images shown at the first resolution."""
    fade_images: int = 800_000
    """Images shown while a resolution fades in; 0 for none."""
    stable_images: int = 800_000
    """Images shown while a resolution stabilises."""
    batches: tuple[int, ...] = ()
    """Batches at the first resolution, the next and so on, the last for all that follow; --batch-size if empty."""
    weight: float = 10.0
    """Of the gradient penalty, over the target's square."""
    target: float = 1.0
    """The gradient's norm that the penalty asks for."""
    drift: float = 1e-3
    """Weight of the squared scores of images."""
    compare: bool = True
    """Give the critic the minibatch standard deviation."""
    half_life: float | None = None
    """Images in which the generator's average forgets half, for every batch; instead of --ema."""
    mirror: bool = False
    """Mirror every other image."""


SMALL = Hyper(
    image_size=16, steps=1600, batch_size=32, latent=24, limit=24, generator_rate=3e-3, discriminator_rate=3e-3,
    beta1=0.0, beta2=0.99, first_images=12_800, fade_images=4_800, stable_images=6_400, half_life=2_200.0, fuse=1,
    evaluate_every=400,
)  # fmt: skip
PAPER = Hyper(
    data="tfds:celeb_a_hq/1024", image_size=1024, steps=3_264_286, batch_size=16,
    batches=(16, 16, 16, 16, 16, 16, 14, 6, 3), latent=512, beta1=0.0, beta2=0.99, ema=0.999, mirror=True,
    fuse=1, evaluate_every=20_000, checkpoint_every=20_000,
)  # fmt: skip
PRESETS = {
    "small": SMALL,
    "paper": PAPER,
    "cifar10": dataclasses.replace(
        PAPER, data="tfds:cifar10", image_size=None, steps=1_250_000, batches=(), latent=128, base=4096, limit=128,
        first_images=400_000, fade_images=400_000, stable_images=400_000, target=750.0, mirror=False,
    ),
    "lsun": dataclasses.replace(
        PAPER, data="tfds:lsun/bedroom", image_size=256, steps=1_350_000, batches=(16, 16, 16, 16, 16, 16, 14),
        mirror=False,
    ),
}  # fmt: skip


SCORE = ("sliced_wasserstein", "sliced Wasserstein distance to test digits at 16 pixels")
CONTROLS = {"without growth": ("--first-size", "16")}


class Stage(NamedTuple):
    """size: pixels.  fading: whether they fade in."""

    size: int
    fading: bool
    steps: int
    batch: int


def stages(hyper: Hyper, size: int, steps: int) -> list[Stage]:
    """Return the stages of growth to `size` pixels in `steps` steps; ValueError for sizes or batches out of order."""
    every = [value for value in pggan.sizes(size) if value >= hyper.first_size]
    if hyper.first_size not in every:
        raise ValueError(f"--first-size {hyper.first_size}: growth starts from one of {pggan.sizes(size)}")
    if min((*hyper.batches, hyper.batch_size)) < 2:
        raise ValueError("the minibatch standard deviation compares images: give batches of at least 2")
    batches = hyper.batches or (hyper.batch_size,)
    plan = []
    for level, value in enumerate(every):
        batch = batches[min(level, len(batches) - 1)]
        if level:
            plan.append(Stage(value, True, round(hyper.fade_images / batch), batch))
        plan.append(Stage(value, False, round((hyper.stable_images if level else hyper.first_images) / batch), batch))
    plan[-1] = plan[-1]._replace(steps=steps)
    kept, left = [], steps
    for stage in plan:
        stage = stage._replace(steps=min(stage.steps, left))
        left -= stage.steps
        kept += [stage] if stage.steps else []
    return kept


def prepare(size: int, mirror: bool, batch: Any, key: jax.Array) -> Any:
    """Return images in [-1, 1], mirrored now and then, and averaged down to `size` pixels."""
    batch = transforms.scale(transforms.flip(batch, key) if mirror else batch, key, low=-1.0, high=1.0)
    images = batch["images"]
    while images.shape[-2] > size:
        images = pool(images)
    return {**batch, "images": images}


def enlarge(images: np.ndarray, size: int) -> np.ndarray:
    """Return images with every pixel copied to a square, so that they have `size` pixels a side."""
    times = size // images.shape[1]
    return images.repeat(times, 1).repeat(times, 2)


def build(hyper: Hyper, dataset: Dataset) -> Run:
    """Return the PGGAN's run on `dataset`; ValueError for sizes that doubling does not reach, and for --decay."""
    if hyper.decay or hyper.rate_warm_up:
        raise ValueError(
            "PGGAN's optimizers start afresh in every phase, so that rates cannot rise or fall over the run; "
            "leave out --decay and --rate-warm-up"
        )
    size, channels = shared.square(dataset), dataset.shape[-1]
    plan = stages(hyper, size, steps_of(hyper, len(dataset.train)))
    phases, applies, first = [], [], 0
    for stage in plan:
        common: dict[str, Any] = {"base": hyper.base, "limit": hyper.limit, "dtype": shared.dtype(hyper)}
        generator = pggan.Generator(stage.size, channels, **common)
        critic = pggan.Critic(stage.size, compare=hyper.compare, **common)
        average = hyper.ema if hyper.half_life is None else pggan.ema_decay(stage.batch, hyper.half_life)
        game = pggan.game(
            generator, critic, shared.adam(hyper, hyper.generator_rate), shared.adam(hyper, hyper.discriminator_rate),
            hyper.latent, (first, stage.steps) if stage.fading else None, hyper.weight, hyper.target, hyper.drift,
            ema=average,
        )  # fmt: skip
        feed = Feed(dataset.train, stage.batch, partial(prepare, stage.size, hyper.mirror))
        phases.append(Phase(game, stage.steps, feed, carry_over_networks))
        alpha_at = partial(pggan.progress, first, stage.steps) if stage.fading else None
        applies.append((jax.jit(generator.apply), alpha_at))
        first += stage.steps
    averaged = hyper.ema is not None or hyper.half_life is not None

    def generate(state: State, latents: Any, labels: Any = None) -> np.ndarray:
        done = max(int(state.step), 1)  # at the end of a phase, the state still has that phase's networks
        apply, alpha_at = applies[phase_at(phases, done - 1)[0]]
        alpha = None if alpha_at is None else alpha_at(done)
        variables = state.variables_of("generator", ema=averaged)
        parts = [latents[start : start + DRAWN] for start in range(0, len(latents), DRAWN)]
        return np.concatenate([enlarge(np.asarray(apply(variables, part, alpha=alpha)), size) for part in parts])

    sampler = Sampler(lambda key, count: jax.random.normal(key, (count, hyper.latent)), generate, -1.0, 1.0)
    draw = partial(shared.draw_with, sampler)
    return Run(
        phases=tuple(phases),
        optimizers={
            "generator": shared.adam_text(hyper, hyper.generator_rate),
            "critic": shared.adam_text(hyper, hyper.discriminator_rate),
        },
        evaluate=partial(shared.evaluate, dataset, shared.TANH, 0, draw),
        pictures=partial(shared.pictures, dataset, shared.TANH, 0, draw),
        sampler=sampler,
    )


if __name__ == "__main__":
    raise SystemExit(main("pggan", PRESETS, build))
