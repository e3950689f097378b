"""What the GANs' recipes share: their options, the checks of their data, and the run of one game."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any

import jax
from flax import linen as nn

from genjax.data import Arrays, Dataset, transforms
from genjax.data.ranges import PLANE, TANH, Range
from genjax.engine.game import Game
from genjax.engine.phases import Feed, Phase
from genjax.latent import Prior
from genjax.run.optimizers import RULES, Optimizer, adam, falling, for_run
from genjax.run.options import PART, Options, above, at_least
from genjax.run.run import Run
from genjax.tasks.generation import Draw, Generation, drawing
from genjax.tasks.judge import Judge
from genjax.tasks.plane import Plane


@dataclass(frozen=True, kw_only=True)
class GanOptions(Options):
    """Options that the GANs share."""

    latent: Annotated[int, at_least(1)]
    """Size of the latent."""
    generator_rate: Annotated[float, above(0)]
    """Learning rate of the generator."""
    discriminator_rate: Annotated[float, above(0)]
    """Learning rate of the discriminator or critic."""
    ema: Annotated[float | None, PART]
    """Decay of an average of the generator's parameters, which is then what is scored and drawn; no average if not
    given."""


@dataclass(frozen=True, kw_only=True)
class AdamOptions(Options):
    """Options of the GANs that are trained by Adam."""

    beta1: Annotated[float, PART]
    """Decay of Adam's mean gradient."""
    beta2: Annotated[float, PART]
    """Decay of Adam's mean squared gradient."""
    decay_from: Annotated[float | None, PART]
    """Share of the run after which both learning rates fall linearly to 0; constant if not given."""


@dataclass(frozen=True, kw_only=True)
class BetaOptions(Options):
    """Options of the GANs that are trained by Adam or by a rule without betas."""

    beta1: Annotated[float | None, PART] = None
    """Decay of Adam's mean gradient; not for presets that are trained by another rule, but with --optimizer adam."""
    beta2: Annotated[float | None, PART] = None
    """Decay of Adam's mean squared gradient; as --beta1."""


def adam_or(options: Any, rate: float, other: Optimizer | None) -> Optimizer:
    """Return `other`, or where it is None Adam with the betas of `BetaOptions`, changed as the command line asks.

    Raises ValueError for betas beside a rule that has none.
    """
    given = {name: value for name, value in (("b1", options.beta1), ("b2", options.beta2)) if value is not None}
    if other is None:
        return for_run(adam(rate, **given), options)
    if given and not (options.optimizer in RULES and RULES[options.optimizer].moments):
        raise ValueError(
            f"--beta1 and --beta2 are Adam's, and these networks are trained by {for_run(other, options)}; "
            "leave them out, or add --optimizer adam"
        )
    return for_run(other._replace(arguments={**other.arguments, **given}), options)


def adam_of(options: Any, rate: float, **arguments: float) -> Optimizer:
    """Return Adam with the betas and the decay of `AdamOptions`, changed as the command line asks."""
    own = adam(rate, b1=options.beta1, b2=options.beta2, decay=falling(options.decay_from), **arguments)
    return for_run(own, options)


def square(dataset: Dataset) -> int:
    """Return the side of the data set's images; ValueError unless they are square."""
    height, width, _ = dataset.shape
    if height != width:
        raise ValueError(
            f"this model draws squares, but images are {height} x {width}; give --image-size {min(height, width)}"
        )
    return height


def check_labels(dataset: Dataset) -> int:
    """Return the number of classes; ValueError where the data set has none, or images without a label."""
    if not dataset.num_classes:
        raise ValueError(f"this model needs labels, and {dataset.name} has none; choose another --data, such as digits")
    split = dataset.train
    if isinstance(split, Arrays) and split.labelled and split.arrays["labels"].min() < 0:
        raise ValueError(f"this model needs a label for every image, and {dataset.name} has images without one (-1)")
    return dataset.num_classes


def identity(x: jax.Array) -> jax.Array:
    """Return x: points in the plane are not bounded."""
    return x


def output_of(dataset: Dataset, output: Callable[[jax.Array], jax.Array] = nn.tanh) -> Callable[[jax.Array], jax.Array]:
    """Return a generator's last function: `output` for images, none for points in the plane."""
    return output if dataset.mixture is None else identity


def range_of(dataset: Dataset, pixels: Range = TANH) -> Range:
    """Return the range of a generator's pixels: `pixels` for images, the plane's for points."""
    return pixels if dataset.mixture is None else PLANE


def noise(dataset: Dataset, pixels: Range = TANH) -> transforms.Transform:
    """Return how batches are prepared with uniform noise of one grey level: x -> low + (high - low) (x + u) / 256.

    Raises ValueError for points in the plane, which have no grey levels.
    """
    if dataset.mixture is not None:
        raise ValueError(f"--dequantize adds noise of one grey level, and {dataset.name} has none; leave it out")
    return transforms.compose(transforms.dequantize, partial(transforms.scale, low=pixels.low, high=pixels.high))


def gan_run(
    options: GanOptions,
    dataset: Dataset,
    games: Sequence[tuple[Game, int]],
    *,
    generator: nn.Module,
    prior: Prior,
    optimizers: dict[str, Optimizer],
    pixels: Range = TANH,
    classes: int = 0,
    prepare: Callable[[Any, jax.Array], Any] | None = None,
    draw: Draw | None = None,
    judge: Callable[[], Judge] | None = None,
    modules: Mapping[str, nn.Module] | None = None,
) -> Run:
    """Return the run of `games`, each for so many steps, whose "generator" is scored and drawn.

    classes: of a conditional generator, 0 for others.  prepare: of batches, if not `pixels.prepare`.
    draw: how a state's generator draws, if not by `generator` alone.  judge, modules: see `Generation`.
    """
    shared: dict[str, Any] = {
        "dataset": dataset,
        "prior": prior,
        "latent": options.latent,
        "draw": draw or drawing(generator, options.ema is not None),
        "classes": classes,
    }
    if dataset.mixture is not None:
        task: Plane | Generation = Plane(**shared, prepare=prepare or PLANE.prepare)
    else:
        told: dict[str, Any] = {"prepare": prepare or pixels.prepare, "judge": judge, "modules": modules or {}}
        task = Generation(**shared, pixels=pixels, **told)
    feed = Feed(dataset.train, options.batch_size, task.prepare)
    return Run(tuple(Phase(game, steps, feed) for game, steps in games if steps), optimizers, task)
