"""What the GAN recipes share: hyperparameters, ranges of pixels, samplers, scores and pictures."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import linen as nn

from genjax import optim, precision
from genjax.data import Arrays, Dataset, mixtures, transforms
from genjax.engine.game import Game
from genjax.engine.phases import Feed, Phase
from genjax.engine.state import State
from genjax.metrics.modes import coverage
from genjax.metrics.sliced import sliced_wasserstein
from genjax.viz.grid import save_grid
from train import _optimizer
from train._cli import Common, Run, Sampler

COMPARED = 1000
"""Images in a score; a nearest neighbour's class is looked up among four times as many training images."""


@dataclass(frozen=True)
class Hyper(Common):
    """Options that the GANs share."""

    latent: int = 64
    """Size of the latent."""
    generator_rate: float = 1e-3
    """The generator's learning rate."""
    discriminator_rate: float = 1e-3
    """The discriminator's or critic's learning rate."""
    beta1: float = 0.5
    """Adam's decay of the mean gradient."""
    beta2: float = 0.999
    """Adam's decay of the squared gradient."""
    decay: bool = False
    """Let both rates fall linearly to 0 over the run."""
    ema: float | None = None
    """Decay of an average of the generator's parameters, which is then what is scored and drawn."""


class Range(NamedTuple):
    """low, high: of pixels.  output: the generator's last function, which stays within where it is bounded.

    norm: of every image after its mean is taken off (global contrast normalisation); `low` and `high` then hold about
    what is drawn, and pictures are clipped there.
    """

    low: float
    high: float
    output: Callable[[jax.Array], jax.Array]
    norm: float | None = None

    def prepare(self, batch: Mapping[str, Any], key: jax.Array) -> dict[str, Any]:
        """Scale a batch of the data set to the range."""
        if self.norm is None:
            return transforms.scale(dict(batch), key, low=self.low, high=self.high)
        images = jnp.asarray(batch["images"], jnp.float32)
        images = images - images.mean((-3, -2, -1), keepdims=True)
        length = jnp.sqrt((images**2).sum((-3, -2, -1), keepdims=True))
        return {**batch, "images": self.norm * images / jnp.maximum(length, 1e-8)}


def identity(x: jax.Array) -> jax.Array:
    """Return x: points in the plane are not bounded."""
    return x


PLANE = Range(-mixtures.EXTENT, mixtures.EXTENT, identity)
TANH = Range(-1.0, 1.0, nn.tanh)
SIGMOID = Range(0.0, 1.0, nn.sigmoid)
CONTRAST = Range(-3.0, 3.0, identity, norm=55.0)


def is_plane(dataset: Dataset) -> bool:
    """Return whether images are points of a mixture."""
    return dataset.name.startswith("mixture:")


def dtype(hyper: Common) -> Any:
    """Return the type that layers compute in."""
    return precision.POLICIES[hyper.precision].compute


def adam(hyper: Hyper, rate: float, steps_per_step: int = 1, **options: float) -> optax.GradientTransformation:
    """Return Adam, or what --optimizer names, at this player's own rate.

    With `decay`, the rate falls to 0 over the run's `hyper.steps` steps of `steps_per_step` moves.
    """
    own = partial(optax.adam, b1=hyper.beta1, b2=hyper.beta2, **options)
    decay = optim.linear_decay if hyper.decay else optim.constant
    moves = hyper.steps * steps_per_step
    return _optimizer.optimizer(hyper, rate, moves, own, decay, hyper.beta1, hyper.beta2)


def adam_text(hyper: Hyper, rate: float) -> str:
    """Return how `adam` reads in a description."""
    betas = f", {hyper.beta1:g}, {hyper.beta2:g}"
    falling = ", falling to 0" if hyper.decay else ""
    return _optimizer.text(hyper, rate, f"adam({{rate}}{betas})", betas) + falling


def falling(factor: float) -> optim.Decay:
    """Return the decay of the authors' code for GAN and CGAN: divided by `factor` in every step, down to 1e-6."""
    return lambda peak, steps: optax.exponential_decay(peak, 1, 1 / factor, end_value=1e-6)


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


def build(
    hyper: Hyper,
    dataset: Dataset,
    games: Sequence[tuple[Game, int]],
    generator: nn.Module,
    prior: Callable[[jax.Array, tuple[int, ...]], jax.Array],
    optimizers: dict[str, str],
    pixels: Range = TANH,
    classes: int = 0,
    prepare: Callable[[Any, jax.Array], Any] | None = None,
) -> Run:
    """Return the run of `games`, each for so many steps, whose "generator" is scored and drawn.

    classes: of a conditional generator, 0 for others.  prepare: of batches, if not `pixels.prepare`.
    """
    apply = jax.jit(generator.apply)

    def generate(state: State, latents: Any, labels: np.ndarray | None = None) -> np.ndarray:
        variables = state.variables_of("generator", ema=hyper.ema is not None)
        return np.asarray(apply(variables, latents, labels))

    def normalized(images: np.ndarray) -> Any:
        return pixels.prepare({"images": images}, jax.random.key(0))["images"]

    real = None if pixels.norm is None else normalized
    sampler = Sampler(
        lambda key, count: prior(key, (count, hyper.latent)), generate, pixels.low, pixels.high, classes, real
    )
    draw = partial(draw_with, sampler)

    chosen = pixels.prepare if prepare is None else prepare
    feed = Feed(dataset.train, hyper.batch_size, chosen)
    return Run(
        phases=tuple(Phase(game, steps, feed) for game, steps in games if steps),
        optimizers=optimizers,
        evaluate=partial(evaluate, dataset, pixels, classes, draw),
        pictures=partial(pictures, dataset, pixels, classes, draw),
        sampler=sampler,
    )


def draw_with(sampler: Sampler, state: State, count: int, labels: np.ndarray | None = None) -> np.ndarray:
    """Return `count` samples from the latents that every score and picture of a run uses."""
    return sampler.generate(state, sampler.prior(jax.random.key(1), count), labels)


def _real(split: Any, pixels: Range, count: int) -> tuple[np.ndarray, np.ndarray | None]:
    # Evenly spread rows: folders are sorted by class.
    batch = split.take(np.linspace(0, len(split) - 1, min(count, len(split))).astype(int))
    return np.asarray(pixels.prepare(batch, jax.random.key(0))["images"]), batch.get("labels")


def plane_scores(mixture: mixtures.Mixture, points: np.ndarray) -> dict[str, float]:
    """Return covered modes, the share of points within 3 deviations of a mode, and the divergence."""
    found = coverage(points.reshape(-1, 2), mixture.centres, mixture.deviation)
    return {"modes": found.modes, "near": found.near, "kl": found.divergence}


def evaluate(dataset: Dataset, pixels: Range, classes: int, draw: Callable, state: State) -> dict[str, float]:
    """Return scores of samples.

    In the plane: covered modes, share of samples near one, divergence from equal shares. Images: sliced Wasserstein
    distance to test images, with the distance of as many training images as its floor. Conditional: how often the
    nearest training image has the label that was asked for.
    """
    if is_plane(dataset):
        points = draw(state, 2500, np.arange(2500) % classes if classes else None)
        return plane_scores(mixtures.MIXTURES[dataset.name.split(":")[1]], points)
    test, _ = _real(dataset.test, pixels, COMPARED)
    train, _ = _real(dataset.train, pixels, len(test))
    count = min(len(test), len(train))
    asked = np.arange(count) % classes if classes else None
    samples = draw(state, count, asked)
    scores = {
        "sliced_wasserstein": sliced_wasserstein(samples, test[:count]),
        "real_against_real": sliced_wasserstein(train[:count], test[:count]),
    }
    if asked is not None:
        images, labels = _real(dataset.train, pixels, 4 * COMPARED)
        scores["label_kept"] = float((nearest_labels(samples, images, np.asarray(labels)) == asked).mean())
    return scores


def nearest_labels(samples: np.ndarray, images: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Return the label of the image nearest to each sample, by squared distance of pixels."""
    a, b = samples.reshape(len(samples), -1), images.reshape(len(images), -1)
    return labels[((b**2).sum(1)[None] - 2 * a @ b.T).argmin(1)]


def pictures(
    dataset: Dataset, pixels: Range, classes: int, draw: Callable, state: State, folder: Path, step: int
) -> None:
    """Write a grid of 100 samples (a column per class where there are ten), or a scatter plot of points."""
    path = folder / f"samples-{step:06d}.png"
    if is_plane(dataset):
        points = draw(state, 1000, np.arange(1000) % classes if classes else None).reshape(-1, 2)
        scatter(path, points, mixtures.MIXTURES[dataset.name.split(":")[1]])
        return
    labels = np.arange(100) % classes if classes else None
    save_grid(path, draw(state, 100, labels), 10, low=pixels.low, high=pixels.high)


def scatter(path: Path, points: np.ndarray, mixture: mixtures.Mixture) -> None:
    """Write samples as dots over the mixture's centres."""
    from matplotlib.figure import Figure

    from genjax.files import atomic

    figure = Figure(figsize=(4, 4), dpi=100, layout="constrained")
    axes = figure.subplots()
    axes.scatter(
        mixture.centres[:, 0], mixture.centres[:, 1], s=120, facecolors="none", edgecolors="tab:orange", label="modes"
    )
    axes.scatter(points[:, 0], points[:, 1], s=3, color="tab:blue", alpha=0.5, linewidths=0, label="samples")
    limit = 1.4 * float(np.abs(mixture.centres).max())
    axes.set(xlim=(-limit, limit), ylim=(-limit, limit), aspect="equal")
    axes.legend(loc="upper right", fontsize=8)
    with atomic(path) as temporary:
        figure.savefig(temporary, format="png")
