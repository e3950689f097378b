"""Translating an image into the one that belongs to it, of which the data set has examples in pairs."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from genjax.data import Dataset
from genjax.data.ranges import UNIT
from genjax.data.transforms import centre_crop
from genjax.engine.state import State
from genjax.metrics.image import WINDOW, mean_absolute_error, psnr, ssim
from genjax.tasks.generation import nearest_labels, spread_rows
from genjax.tasks.sizes import Rows, Takes, at_any_size
from genjax.tasks.task import Page, check_conditions
from genjax.viz.grid import sheet
from genjax.viz.palette import visible

COMPARED = 200
"""Test images in a score."""
KNOWN, KNOWN_VALUES = 1000, 1 << 26
"""Training images in the mean image, and among which the nearest one is looked up; fewer of large ones."""
SHOWN = 10
"""Test images in a picture."""
AT_ONCE = 1 << 20
"""Pixels in one call of the networks."""

Split = Callable[[Rows], tuple[Rows, np.ndarray | None]]
"""Rows of the data set -> (what the networks are given of them, what should come out, None where nobody knows), as
bytes, without chance."""
Apply = Callable[[State, Rows, jax.Array], Any]
"""(state, what the networks are given, key of all their chance) -> images float[count, height, width, c] in [0, 1]."""
Answer = Callable[[Rows], np.ndarray]
"""What the networks are given -> an answer that needs no network, bytes of the target's shape."""
Measure = Callable[[State, Rows, np.ndarray], Mapping[str, float]]
"""(state, rows of the data set, their translations in [0, 1]) -> scores by name."""


def copied(rows: Rows) -> np.ndarray:
    """Return the input itself as the answer, grey as colour."""
    images = rows["images"]
    return np.broadcast_to(images, (*images.shape[:3], 3)) if images.shape[-1] == 1 else images


def nothing_more(state: State, rows: Rows, outputs: np.ndarray) -> dict[str, float]:
    """Return no scores beside the common ones."""
    return {}


HEADS = {"images": "input", "maps": "label map", "articles": "what is worn", "others": "what is wanted"}
"""What rows of pictures are called."""


@dataclass(frozen=True, kw_only=True)
class Pairs:
    """Translate what belongs together: outlines into photographs, label maps into scenes, small images into large ones.

    takes: the main input, and the sizes that fit.  conditions: every input by name, with a clause on each.
    split, apply, prepare: see `Split` and `Apply`; batches as the losses take them.
    trivial: answers without a network, which are scored beside the networks' and beside the mean target.
    measure: scores beside L1, PSNR and SSIM.  imitates: the column of the data set whose images come out.
    size: height and width of the middle of larger images that is translated; the whole if None.
    """

    dataset: Dataset
    takes: Takes
    split: Split
    apply: Apply
    prepare: Callable[[Any, jax.Array], Any]
    conditions: Mapping[str, str] = field(default_factory=lambda: {"images": "uint8[count, height, width, channels]"})
    trivial: Mapping[str, Answer] = field(default_factory=lambda: {"copy": copied})
    measure: Measure = nothing_more
    imitates: str = "targets"
    size: tuple[int, int] | None = None

    def sample(
        self, state: State, key: jax.Array, count: int, *, labels: Any = None, **inputs: np.ndarray | None
    ) -> np.ndarray:
        """Return translations uint8[count, height, width, channels] of the inputs, or of test images drawn at random.

        inputs: bytes of any size, by the names in `conditions`, `count` of each; other sizes than the networks' are
        padded and cut back. Raises ValueError where neither inputs nor a data set are there.
        """
        check_conditions({"labels": labels, **inputs}, self.conditions, "this translator")
        given: Rows = {name: np.asarray(x) for name, x in inputs.items() if x is not None}
        if not given:
            given = self.originals(key, count)
        elif self.takes.name not in given:
            raise ValueError(f"a translator needs {self.takes.name} to translate, beside {', '.join(given)}; give them")
        return UNIT.to_bytes(at_any_size(lambda rows: self._run(state, rows, key), self.takes, given))

    def originals(self, key: jax.Array, count: int) -> Rows:
        """Return what the networks are given of test images, drawn at random."""
        if self.dataset.absent:
            raise ValueError(f"{self.dataset.name} was not loaded with this model: give the images to translate")
        rows = np.asarray(jax.random.randint(key, (count,), 0, len(self.dataset.test)))
        return self.split(self.dataset.test.take(rows))[0]

    def real(self, images: np.ndarray) -> np.ndarray:
        """Return targets of the data set as they are imitated: the middle that is translated."""
        return images if self.size is None else centre_crop(images, self.size)

    def _run(self, state: State, rows: Rows, key: jax.Array) -> np.ndarray:
        first = next(iter(rows.values()))
        size = max(1, AT_ONCE // (first.shape[1] * first.shape[2] * self.takes.scale**2))
        parts = ({name: x[at : at + size] for name, x in rows.items()} for at in range(0, len(first), size))
        return np.concatenate([np.asarray(self.apply(state, part, key)) for part in parts])

    def _taken(self, split: Any, count: int) -> tuple[Rows, Rows, np.ndarray | None]:
        rows = split.take(spread_rows(len(split), count))
        return rows, *self.split(rows)

    def scores(self, state: State) -> dict[str, float]:
        """Return how near translated test images come to their targets, and how near answers without a network come.

        l1: E |output - target| of a range of 1.  psnr, in dB; ssim, from 11 pixels on.  l1_mean, ...: of the mean
        training target in every place; l1_copy, ...: of the input itself, or of what `trivial` names.
        With labels, label_kept: how often the training target nearest to an output has its label; label_real: the same
        of the test targets themselves. Where targets are not known only what `measure` measures.
        """
        rows, given, target = self._taken(self.dataset.test, COMPARED)
        outputs = self._run(state, given, jax.random.key(0))
        found = {} if target is None else self._compared(rows, given, outputs, target)
        return {**found, **self.measure(state, rows, outputs)}

    def _compared(self, rows: Rows, given: Rows, outputs: np.ndarray, target: np.ndarray) -> dict[str, float]:
        few = max(1, min(KNOWN, KNOWN_VALUES // target[0].size))
        known, _, known_target = self._taken(self.dataset.train, few)
        assert known_target is not None
        mean = np.broadcast_to(known_target.mean(0), target.shape)
        answers = {"": outputs, "_mean": mean / np.float32(255)}
        answers |= {f"_{name}": np.asarray(UNIT.from_bytes(make(given))) for name, make in self.trivial.items()}
        right, measures = UNIT.from_bytes(target), {"l1": mean_absolute_error, "psnr": psnr}
        if min(target.shape[1:3]) >= WINDOW:
            measures["ssim"] = ssim
        found = {
            f"{name}{answer}": float(np.mean(measure(jnp.asarray(images, jnp.float32), right)))
            for name, measure in measures.items()
            for answer, images in answers.items()
        }
        if "labels" in rows and "labels" in known:
            for name, images in (("label_kept", outputs), ("label_real", np.asarray(right))):
                labels = nearest_labels(images, np.asarray(UNIT.from_bytes(known_target)), known["labels"])
                found[name] = float((labels == rows["labels"]).mean())
        return found

    def pictures(self, state: State) -> dict[str, Page]:
        """Return rows of test inputs, their translations and, where they are known, their targets, ten wide."""
        _, given, target = self._taken(self.dataset.test, SHOWN)
        shown = {HEADS.get(name, name): images for name, images in visible(given).items()}
        rows = {**shown, "generated": UNIT.to_bytes(self._run(state, given, jax.random.key(0)))}
        return {"samples": sheet(rows if target is None else {**rows, "right answer": target})}
