"""Drawing images from a latent: samples under conditions, scores against real images, grids."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import jax
import numpy as np
from flax import linen as nn

from genjax import latent
from genjax.cpu import program
from genjax.data import Dataset
from genjax.data.ranges import Range
from genjax.engine.state import State
from genjax.latent import Prior
from genjax.metrics.scenes_frechet import frechet
from genjax.metrics.sliced import sliced_wasserstein
from genjax.nn.standing import standing_statistics
from genjax.tasks import pages
from genjax.tasks.judge import Judge
from genjax.tasks.task import Page, check_conditions

COMPARED = 1000
"""Images in a score; a nearest neighbour's class is looked up among four times as many training images."""
AT_ONCE = 500
"""Samples in one call of a generator."""

Draw = Callable[[State, Any, Any], Any]
"""(state, latents, labels int[count] or None) -> what the generator draws, in the range of its pixels."""


def drawing(generator: nn.Module, averaged: bool) -> Draw:
    """Return how `generator` draws from a state: with its averaged parameters where there are some."""
    apply = program(generator.apply)

    def draw(state: State, latents: Any, labels: Any = None) -> Any:
        return apply(state.variables_of("generator", ema=averaged), latents, labels)

    return draw


Settle = Callable[[State, Iterable[Sequence[Any]]], State]
"""(state, batches of (latents, labels or nothing)) -> the state whose generator draws by their statistics."""


def settling(generator: nn.Module, averaged: bool) -> Settle:
    """Return how `generator` takes standing statistics into a state: for its average where there is one."""

    def settle(state: State, batches: Iterable[Sequence[Any]]) -> State:
        found = standing_statistics(generator, state.variables_of("generator", ema=averaged), batches)
        where = state.ema if averaged else state.variables
        new = {**where, "generator": {**where["generator"], "batch_stats": found["batch_stats"]}}
        return state.replace(ema=new) if averaged else state.replace(variables=new)

    return settle


@dataclass(frozen=True, kw_only=True)
class Generation:
    """Draw images that look like those of a data set.

    pixels: the range of the generator's pixels.  prior, latent: distribution and size of the latent.
    draw: see `Draw`.  prepare: batches as the losses take them.  classes: of a conditional generator, else 0.
    judge: returns the classifier by which samples of a conditional generator are scored, see `genjax.tasks.judge`.
    modules: networks by name, of models into which a program looks.  settle: see `Settle`, None where it has no use.
    """

    dataset: Dataset
    pixels: Range
    prior: Prior
    latent: int
    draw: Draw
    prepare: Callable[[Any, jax.Array], Any]
    classes: int = 0
    judge: Callable[[], Judge] | None = None
    modules: Mapping[str, nn.Module] = field(default_factory=dict)
    settle: Settle | None = None

    @property
    def conditions(self) -> Mapping[str, str]:
        """What `sample` can be told, with a clause on each."""
        return conditions(self.prior, self.classes)

    def latents(self, key: jax.Array, count: int, truncation: float | None = None, scaled: bool = False) -> jax.Array:
        """Return latents float[count, size] of the prior, truncated if asked for: see `drawn_latents`."""
        return drawn_latents(self.prior, key, (count, self.latent), truncation, scaled)

    def settled(
        self,
        state: State,
        key: jax.Array,
        count: int,
        *,
        passes: int,
        truncation: float | None = None,
        scaled: bool = False,
    ) -> State:
        """Return the state with standing statistics: those of `passes` batches of `count` samples and random classes.

        truncation, scaled: of the latents that are to be drawn, as in `latents`. Raises ValueError for a generator
        without batch norm.
        """
        if self.settle is None:
            raise ValueError("standing statistics are for batch norm, of which this generator has none; leave them out")

        def batch(key: jax.Array) -> tuple[jax.Array, ...]:
            latent_key, label_key = jax.random.split(key)
            latents = self.latents(latent_key, count, truncation, scaled)
            return (latents, jax.random.randint(label_key, (count,), 0, self.classes)) if self.classes else (latents,)

        return self.settle(state, map(batch, jax.random.split(key, passes)))

    def generate(self, state: State, latents: Any, labels: Any = None) -> np.ndarray:
        """Return images float32[count, height, width, channels] in the range of `pixels`, a few hundred at a time."""
        return in_parts(self.draw, state, latents, labels)

    def from_latents(self, state: State, latents: Any, labels: Sequence[int] | None = None) -> np.ndarray:
        """Return the images of latents float[count, size] as bytes; labels: int[count], of a conditional generator."""
        return self.pixels.to_bytes(self.generate(state, latents, chosen_labels(labels, len(latents), self.classes)))

    def sample(
        self,
        state: State,
        key: jax.Array,
        count: int,
        *,
        labels: Sequence[int] | None = None,
        truncation: float | None = None,
        **others: Any,
    ) -> np.ndarray:
        """Return `count` samples uint8[count, height, width, channels].

        labels: int[count]; every class in turn if not given to a conditional generator.
        truncation: largest absolute value of a normal latent's components. Raises ValueError for other conditions.
        """
        check_conditions({"labels": labels, "truncation": truncation, **others}, self.conditions, "this generator")
        chosen = chosen_labels(labels, count, self.classes)
        return self.pixels.to_bytes(self.sampled(state, key, count, labels=chosen, truncation=truncation))

    def sampled(
        self, state: State, key: jax.Array, count: int, *, labels: Any = None, truncation: float | None = None
    ) -> np.ndarray:
        """Return samples float32[count, height, width, channels] in the range of `pixels`; labels: one each."""
        return self.generate(state, self.latents(key, count, truncation), labels)

    def traced_samples(self, state: State, key: jax.Array, count: int, labels: jax.Array | None = None) -> jax.Array:
        """Return samples uint8[count, height, width, channels] as a function that jax can trace."""
        return self.pixels.quantised(self.draw(state, self.prior.draw(key, (count, self.latent)), labels))

    def real(self, images: np.ndarray) -> np.ndarray:
        """Return bytes of the data set as the generator imitates them, as bytes again: its range may clip them."""
        return images if self.pixels.norm is None else self.pixels.to_bytes(self.pixels.from_bytes(images))

    def _spread(self, split: Any, count: int) -> tuple[np.ndarray, np.ndarray | None]:
        batch = split.take(spread_rows(len(split), count))
        return np.asarray(self.pixels.from_bytes(batch["images"])), batch.get("labels")

    def scores(self, state: State) -> dict[str, float]:
        """Return two distances to test images, and those of as many training images as their floors.

        sliced_wasserstein: of pixels, with its floor real_against_real.  frechet: of what a network for drawn scenes
        sees (`genjax.metrics.scenes_frechet`), with its floor frechet_real.
        Conditional: "label_kept" too, how often the nearest training image has the label that was asked for; and with a
        judge "class_accuracy", how often it sees the class that was asked for, and "class_accuracy_of_real", its own.
        """
        test, _ = self._spread(self.dataset.test, COMPARED)
        train, _ = self._spread(self.dataset.train, len(test))
        count = min(len(test), len(train))
        asked = chosen_labels(None, count, self.classes)
        samples = self.sampled(state, jax.random.key(1), count, labels=asked)
        as_bytes = self.pixels.to_bytes
        scores = {
            "sliced_wasserstein": sliced_wasserstein(samples, test[:count]),
            "real_against_real": sliced_wasserstein(train[:count], test[:count]),
            "frechet": frechet(as_bytes(samples), as_bytes(test)),
            "frechet_real": frechet(as_bytes(train), as_bytes(test)),
        }
        if asked is not None:
            images, labels = self._spread(self.dataset.train, 4 * COMPARED)
            scores["label_kept"] = float((nearest_labels(samples, images, np.asarray(labels)) == asked).mean())
            if self.judge is not None:
                seen = self.judge().classes(self.pixels.to_bytes(samples))
                scores |= {
                    "class_accuracy": float((seen == asked).mean()),
                    "class_accuracy_of_real": self.judge().accuracy,
                }
        return scores

    def pictures(self, state: State) -> dict[str, Page]:
        """Return samples above real test images, a column for each class where there are few, and nearest images.

        "nearest": samples above the training images nearest to them, of a few thousand.
        """
        columns = pages.columns_of(self.classes)
        labels = chosen_labels(None, 8 * columns, self.classes)
        samples = self.pixels.to_bytes(self.sampled(state, jax.random.key(1), 8 * columns, labels=labels))
        split = self.dataset.test
        real = self.real(split.take(pages.real_rows(split, columns, self.classes))["images"])
        heads = self.dataset.class_names if columns == self.classes else ("",) * columns
        train = self.dataset.train
        few = max(1, min(4 * COMPARED, pages.VALUES // samples[0].size))
        known = self.real(train.take(spread_rows(len(train), few))["images"])
        return {
            "samples": pages.samples_page(samples, real, heads),
            "nearest": pages.nearest_page(samples[: pages.NEAREST], known),
        }


def conditions(prior: Prior, classes: int) -> dict[str, str]:
    """Return the conditions of a generator: truncation of a normal latent, labels where there are classes."""
    known = {} if prior.bound is not None else {"truncation": "largest absolute value of the latent's components"}
    return known | ({"labels": f"class numbers 0 to {classes - 1}"} if classes else {})


def drawn_latents(
    prior: Prior, key: jax.Array, shape: tuple[int, int], truncation: float | None, scaled: bool = False
) -> jax.Array:
    """Return latents of `shape`; ValueError for a truncation that the prior does not allow.

    truncation: numbers beyond it are drawn again, or with `scaled` it is the factor on numbers within 2.
    """
    if truncation is None:
        if scaled:
            raise ValueError("scaled is how latents are truncated, and no truncation is given; give one in (0, 1]")
        return prior.draw(key, shape)
    return (latent.scaled if scaled else latent.truncated)(prior, key, shape, truncation)


def chosen_labels(labels: Sequence[int] | None, count: int, classes: int) -> np.ndarray | None:
    """Return the labels int32[count] to draw: those asked for, else every class in turn; None without classes.

    Raises ValueError for another number of labels, or for labels that are no class.
    """
    if not classes:
        return None
    if labels is None:
        return (np.arange(count) % classes).astype(np.int32)
    asked = np.asarray(labels, np.int32)
    if asked.shape != (count,):
        raise ValueError(f"{asked.size} labels for {count} samples; give one label a sample")
    wrong = asked[(asked < 0) | (asked >= classes)]
    if len(wrong):
        raise ValueError(f"label {wrong[0]}: this generator's classes are 0 to {classes - 1}")
    return asked


def in_parts(draw: Draw, state: State, latents: Any, labels: Any = None) -> np.ndarray:
    """Return what `draw` gives for latents [count, ...], in calls of at most `AT_ONCE`."""
    parts = [
        np.asarray(draw(state, latents[at : at + AT_ONCE], None if labels is None else labels[at : at + AT_ONCE]))
        for at in range(0, len(latents), AT_ONCE)
    ]
    return np.concatenate(parts)


def spread_rows(length: int, count: int) -> np.ndarray:
    """Return up to `count` row numbers spread evenly over a split: folders are sorted by class."""
    return np.linspace(0, length - 1, min(count, length)).astype(int)


def nearest_labels(samples: np.ndarray, images: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Return the label of the image nearest to each sample, by squared distance of pixels."""
    a, b = samples.reshape(len(samples), -1), images.reshape(len(images), -1)
    return labels[((b**2).sum(1)[None] - 2 * a @ b.T).argmin(1)]
