"""What the recipes of growing GANs share: their options, the stages of growth, and a phase of training for each."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any, NamedTuple

import jax

from genjax.data import Dataset, transforms
from genjax.data.ranges import TANH
from genjax.engine.game import Game
from genjax.engine.phases import Feed, Phase, carry_over_networks, phase_at
from genjax.engine.state import State
from genjax.nn.growing import alpha_at, sizes
from genjax.nn.residual import pool
from genjax.run.gan import GanOptions
from genjax.run.optimizers import Optimizer, adam, for_run
from genjax.run.options import PART, above, at_least, steps_of

DRAWN = 50
"""Samples in a call of the generator: hundreds of 1024 pixels at a time would outgrow any device."""


@dataclass(frozen=True, kw_only=True)
class GrowthOptions(GanOptions):
    """Options of the GANs that grow by doubling."""

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
    batches: Annotated[tuple[int, ...], at_least(2)]
    """Batch sizes at the first resolution, the next and so on, the last one for all that follow; --batch-size if
    empty."""
    compare: bool
    """Give the critic the minibatch standard deviation."""
    half_life: Annotated[float | None, above(0)]
    """Images in which the generator's average forgets half, for every batch; instead of --ema."""
    mirror: bool
    """Mirror every other image."""


class Stage(NamedTuple):
    """level: of growth, 0 at the first resolution.  size: pixels.  fading: whether they fade in.

    first, shown: steps and images before it.
    """

    level: int
    size: int
    fading: bool
    steps: int
    batch: int
    first: int = 0
    shown: int = 0

    @property
    def fade(self) -> tuple[int, int] | None:
        """First step and steps of the fade, None where nothing fades."""
        return (self.first, self.steps) if self.fading else None


def stages(hyper: Any, size: int, images: int) -> list[Stage]:
    """Return the stages of growth to `size` pixels: the last takes what the others leave of --steps or --epochs.

    hyper: `GrowthOptions`.  images: in an epoch. Raises ValueError for sizes or batches out of order.
    """
    every = [value for value in sizes(size) if value >= hyper.first_size]
    if hyper.first_size not in every:
        raise ValueError(f"--first-size {hyper.first_size}: growth starts from one of {sizes(size)}")
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
            plan.append(Stage(level, value, True, round(hyper.fade_images / batch), batch))
        stable = hyper.stable_images if level else hyper.first_images
        plan.append(Stage(level, value, False, round(stable / batch), batch))
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
    kept: list[Stage] = []
    first = shown = 0
    for stage in plan:
        stage = stage._replace(steps=min(stage.steps, left), first=first, shown=shown)
        left, first, shown = left - stage.steps, first + stage.steps, shown + stage.steps * stage.batch
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


def check_growth(hyper: Any) -> None:
    """Raise ValueError for `GrowthOptions` that collide."""
    if hyper.rate_warm_up:
        raise ValueError(
            "the optimizers of a growing GAN start afresh in every phase, so that rates cannot rise over the run; "
            "leave out --rate-warm-up"
        )
    if hyper.half_life is not None and hyper.ema is not None:
        raise ValueError("--ema and --half-life both say how fast the generator's average forgets; give one of them")


def ema_decay(batch_size: int, half_life: float) -> float:
    """Return the decay per step of an average that forgets half in `half_life` images: 0.5^(batch / half_life)."""
    return 0.5 ** (batch_size / half_life)


def ema_of(hyper: Any, stage: Stage) -> float | None:
    """Return the decay per step of the generator's average in a stage, as `GrowthOptions` say; None for no average."""
    return hyper.ema if hyper.half_life is None else ema_decay(stage.batch, hyper.half_life)


def adam_for(hyper: Any, rate: float) -> Optimizer:
    """Return Adam with the betas of `GrowthOptions`, changed as the command line asks."""
    return for_run(adam(rate, b1=hyper.beta1, b2=hyper.beta2), hyper)


class Grown(NamedTuple):
    """The stages of a run with their phases, and each phase's generator."""

    stages: tuple[Stage, ...]
    phases: tuple[Phase, ...]
    generators: tuple[Any, ...]

    def at(self, state: State) -> tuple[Stage, Any, jax.Array | None]:
        """Return the stage, the generator and the alpha with which the last step of a state was made."""
        done = max(int(state.step), 1)  # at the end of a phase, the state still has that phase's networks
        index = phase_at(self.phases, done - 1)[0]
        stage = self.stages[index]
        return stage, self.generators[index], alpha_at(stage.fade, done)


def grown(hyper: Any, dataset: Dataset, size: int, make: Callable[[Stage], tuple[Game, Any]]) -> Grown:
    """Return the phases of growth to `size` pixels; make: stage -> (its game, its generator), networks by size alone.

    Every phase but the first begins with the networks and averages of the one before, and with fresh optimizers.
    """
    check_growth(hyper)
    plan, generators = stages(hyper, size, len(dataset.train)), []
    phases: list[Phase] = []
    for stage in plan:
        game, generator = make(stage)
        if stage.level and not stage.fading:  # the networks that the stage before has faded in
            game = game._replace(networks=phases[-1].game.networks)
        feed = Feed(dataset.train, stage.batch, partial(prepare, stage.size, hyper.mirror))
        phases.append(Phase(game, stage.steps, feed, carry_over_networks))
        generators.append(generator)
    return Grown(tuple(plan), tuple(phases), tuple(generators))
