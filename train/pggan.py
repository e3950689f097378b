"""PGGAN (Karras et al. 2018, arXiv 1710.10196).

    python -m train.pggan [preset] [options]

Presets
    small     embedded digits, 4 to 16 pixels, 24 channels: minutes on two CPU cores
Published ones follow the authors' Theano code (tkarras/progressive_growing_of_gans, branch original-theano-version,
config.py), with which the paper's results were made
    paper     section 6.3: CelebA-HQ, 4 to 1024 pixels: 800,000 images a phase, 19 million in all, Adam (1e-3, 0, 0.99)
              rising over the first 40,000 images, batch 16 up to 128 pixels, then 14, 6 and 3, mirrored images;
              published FID 7.30. A fifth of the 30,000 images is held out here for the scores
    cifar10   section 6.5: 128 channels everywhere, latent 128, gradient norm 750, 400,000 images a phase, 20 million in
              all, both networks moving at once, no rise of the rate; published inception score 8.80 +- 0.05
    lsun      section 6.4: LSUN bedrooms, 4 to 256 pixels, 20 million images, batch 16; published FID 8.34

A resolution has two phases, fading in and stabilising; a phase's batch is a number of --batches. --steps counts all
phases: the last takes what the others leave, and a run of few steps ends before it is grown. Optimizers start afresh in
every phase, as there. Samples of a smaller resolution are enlarged, by copying pixels, to the size of the data.
"""

from dataclasses import dataclass, replace
from functools import partial
from typing import Annotated, Any, NamedTuple

import jax
import jax.numpy as jnp

from genjax.data import Dataset, transforms
from genjax.data.ranges import TANH
from genjax.engine.phases import Feed, Phase, carry_over_networks, phase_at
from genjax.engine.state import State
from genjax.gans import pggan
from genjax.latent import NORMAL
from genjax.nn.residual import pool
from genjax.run.cli import main
from genjax.run.gan import GanOptions, square
from genjax.run.optimizers import Optimizer, adam, for_run, ramp
from genjax.run.options import PART, above, at_least, steps_of
from genjax.run.run import Run, compute_type
from genjax.tasks.generation import Generation

DRAWN = 50
"""Samples in a call of the generator: hundreds of 1024 pixels at a time would outgrow any device."""


@dataclass(frozen=True, kw_only=True)
class Hyper(GanOptions):
    """Options of the PGGAN."""

    beta1: Annotated[float, PART]
    """Decay of Adam's mean gradient."""
    beta2: Annotated[float, PART]
    """Decay of Adam's mean squared gradient."""
    base: Annotated[int, at_least(1)]
    """Twice this number, divided by the pixels of a resolution's side, are its channels, up to --limit."""
    limit: Annotated[int, at_least(1)]
    """The most channels of a layer."""
    first_size: Annotated[int, at_least(1)]
    """Pixels to start from: 4, or up to the size of the data, which then trains without growing."""
    first_images: Annotated[int, at_least(1)]
    """Images shown at the first resolution."""
    fade_images: Annotated[int, at_least(0)]
    """Images shown while a resolution fades in; 0 for none."""
    stable_images: Annotated[int, at_least(0)]
    """Images shown while a resolution stabilises."""
    ramp_images: Annotated[int, at_least(0)]
    """Images at the start of the training over which learning rates rise; 0 for none."""
    batches: Annotated[tuple[int, ...], at_least(2)]
    """Batch sizes at the first resolution, the next and so on, the last one for all that follow; --batch-size if
    empty."""
    weight: Annotated[float, at_least(0)]
    """Weight of the gradient penalty, over the target's square."""
    target: Annotated[float, above(0)]
    """Norm of the gradient that the penalty asks for."""
    drift: Annotated[float, at_least(0)]
    """Weight of the squared scores of images."""
    compare: bool
    """Give the critic the minibatch standard deviation."""
    simultaneous: bool
    """Move both players at once, from the same batch, latent and parameters."""
    half_life: Annotated[float | None, above(0)]
    """Images in which the generator's average forgets half, for every batch; instead of --ema."""
    mirror: bool
    """Mirror every other image."""


PAPER = Hyper(
    data="tfds:celeb_a_hq/1024", image_size=1024, steps=3_264_286, batch_size=16,
    batches=(16, 16, 16, 16, 16, 16, 14, 6, 3), latent=512, generator_rate=1e-3, discriminator_rate=1e-3, beta1=0.0,
    beta2=0.99, base=8192, limit=512, first_size=4, first_images=800_000, fade_images=800_000, stable_images=800_000,
    ramp_images=40_000, weight=10.0, target=1.0, drift=1e-3, compare=True, simultaneous=False, half_life=None,
    ema=0.999, mirror=True, evaluate_every=20_000, checkpoint_every=20_000,
)  # fmt: skip
PRESETS = {
    "small": Hyper(
        image_size=16, steps=1600, batch_size=32, batches=(), latent=24, generator_rate=3e-3, discriminator_rate=3e-3,
        beta1=0.0, beta2=0.99, base=8192, limit=24, first_size=4, first_images=12_800, fade_images=4_800,
        stable_images=6_400, ramp_images=0, weight=10.0, target=1.0, drift=1e-3, compare=True, simultaneous=False,
        half_life=2_200.0, ema=None, mirror=False, evaluate_every=400,
    ),
    "paper": PAPER,
    "cifar10": replace(
        PAPER, data="tfds:cifar10", image_size=None, steps=1_250_000, batches=(), latent=128, base=4096, limit=128,
        first_images=400_000, fade_images=400_000, stable_images=400_000, ramp_images=0, target=750.0,
        simultaneous=True, mirror=False,
    ),
    "lsun": replace(
        PAPER, data="tfds:lsun/bedroom", image_size=256, steps=1_250_000, batches=(), mirror=False,
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


def stages(hyper: Hyper, size: int, images: int) -> list[Stage]:
    """Return the stages of growth to `size` pixels: the last takes what the others leave of --steps or --epochs.

    images: in an epoch. Raises ValueError for sizes or batches out of order.
    """
    every = [value for value in pggan.sizes(size) if value >= hyper.first_size]
    if hyper.first_size not in every:
        raise ValueError(f"--first-size {hyper.first_size}: growth starts from one of {pggan.sizes(size)}")
    if min((*hyper.batches, hyper.batch_size)) < 2:
        raise ValueError("the minibatch standard deviation compares images: give batches of at least 2")
    batches = hyper.batches or (hyper.batch_size,)
    if batches[0] != hyper.batch_size:
        raise ValueError(
            f"--batch-size {hyper.batch_size} is not what --batches {batches} begins with; change --batches, or leave "
            "it empty"
        )
    plan = []
    for level, value in enumerate(every):
        batch = batches[min(level, len(batches) - 1)]
        if level:
            plan.append(Stage(value, True, round(hyper.fade_images / batch), batch))
        plan.append(Stage(value, False, round((hyper.stable_images if level else hyper.first_images) / batch), batch))
    if hyper.steps is None:  # one step more or less of an epoch: stages have batches of their own
        shown = round((hyper.epochs or 0) * images)
        left = 0
        for stage in plan[:-1]:
            taken = min(stage.steps, shown // stage.batch)
            left, shown = left + taken, shown - taken * stage.batch
        left += max(1, round(shown / plan[-1].batch))
    else:
        left = steps_of(hyper, images)
    plan[-1] = plan[-1]._replace(steps=left)
    kept = []
    for stage in plan:
        stage = stage._replace(steps=min(stage.steps, left))
        left -= stage.steps
        kept += [stage] if stage.steps else []
    return kept


def prepare(size: int, mirror: bool, batch: Any, key: jax.Array) -> Any:
    """Return images in [-1, 1], mirrored now and then, and averaged down to `size` pixels."""
    batch = TANH.prepare(transforms.flip(batch, key) if mirror else batch, key)
    images = batch["images"]
    while images.shape[-2] > size:
        images = pool(images)
    return {**batch, "images": images}


def enlarge(images: jax.Array, size: int) -> jax.Array:
    """Return images with every pixel copied to a square, so that they have `size` pixels a side."""
    times = size // images.shape[1]
    return images.repeat(times, 1).repeat(times, 2)


def build(hyper: Hyper, dataset: Dataset) -> Run:
    """Return the PGGAN's run on `dataset`; ValueError for sizes out of doubling's reach, or options that collide."""
    if hyper.rate_warm_up:
        raise ValueError(
            "PGGAN's optimizers start afresh in every phase, so that rates cannot rise over the run; "
            "leave out --rate-warm-up"
        )
    if hyper.half_life is not None and hyper.ema is not None:
        raise ValueError("--ema and --half-life both say how fast the generator's average forgets; give one of them")
    size, channels = square(dataset), dataset.shape[-1]
    optimizers = {
        player: for_run(adam(rate, b1=hyper.beta1, b2=hyper.beta2), hyper)
        for player, rate in (("generator", hyper.generator_rate), ("critic", hyper.discriminator_rate))
    }

    def rising(player: str, shown: int, batch: int) -> Optimizer:
        own = optimizers[player]
        return own._replace(decay=ramp(shown, batch, hyper.ramp_images)) if shown < hyper.ramp_images else own

    phases, applies, first, shown = [], [], 0, 0
    prepared = partial(prepare, size, hyper.mirror)
    for stage in stages(hyper, size, len(dataset.train)):
        shared: dict[str, Any] = {"base": hyper.base, "limit": hyper.limit, "dtype": compute_type(hyper)}
        generator = pggan.Generator(stage.size, channels, **shared)
        game = pggan.game(
            generator, pggan.Critic(stage.size, compare=hyper.compare, **shared),
            generator_tx=rising("generator", shown, stage.batch).transformation(stage.steps),
            critic_tx=rising("critic", shown, stage.batch).transformation(stage.steps), latent=hyper.latent,
            fading=(first, stage.steps) if stage.fading else None, weight=hyper.weight, target=hyper.target,
            drift=hyper.drift, simultaneous=hyper.simultaneous,
            ema=hyper.ema if hyper.half_life is None else pggan.ema_decay(stage.batch, hyper.half_life),
        )  # fmt: skip
        feed = Feed(dataset.train, stage.batch, partial(prepare, stage.size, hyper.mirror))
        phases.append(Phase(game, stage.steps, feed, carry_over_networks))
        alpha_at = partial(pggan.progress, first, stage.steps) if stage.fading else None
        applies.append((jax.jit(generator.apply), alpha_at))
        first += stage.steps
        shown += stage.steps * stage.batch
    averaged = hyper.ema is not None or hyper.half_life is not None

    def draw(state: State, latents: Any, labels: Any = None) -> jax.Array:
        done = max(int(state.step), 1)  # at the end of a phase, the state still has that phase's networks
        apply, alpha_at = applies[phase_at(phases, done - 1)[0]]
        alpha = None if alpha_at is None else alpha_at(done)
        variables = state.variables_of("generator", ema=averaged)
        parts = [latents[start : start + DRAWN] for start in range(0, len(latents), DRAWN)]
        return jnp.concatenate([enlarge(apply(variables, part, alpha=alpha), size) for part in parts])

    task = Generation(
        dataset=dataset, pixels=TANH, prior=NORMAL, latent=hyper.latent, draw=draw, prepare=prepared,
    )  # fmt: skip
    told = {player: rising(player, 0, hyper.batch_size) for player in optimizers}
    return Run(tuple(phases), told, task)


if __name__ == "__main__":
    raise SystemExit(main("pggan"))
