"""Drawing from latents that hold codes: samples under chosen codes, and whether codes tell classes apart."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np

from genjax.codes import Codes
from genjax.engine.state import State
from genjax.metrics.clustering import code_agreement
from genjax.tasks.generation import COMPARED, Generation, in_parts, nearest_labels, spread_rows
from genjax.tasks.plane import Plane
from genjax.tasks.task import Page, check_conditions
from genjax.viz.grid import grid

Read = Callable[[State, Any], dict[str, Any]]
"""(state, images float[count, height, width, channels] in the range of the pixels) -> what is read off them, by names
of the codes: classes int[count], or means float[count]."""
TEN = 10
"""Values of a continuous code in a picture."""


@dataclass(frozen=True, kw_only=True)
class CodedImages(Generation):
    """Draw images whose latents hold codes; fields as in `Generation`.

    codes: which, and where in the latent.  read: see `Read`.
    """

    codes: Codes
    read: Read

    @property
    def conditions(self) -> Mapping[str, str]:
        """What `sample` can be told, with a clause on each."""
        return {"codes": f"values by name, of {self.codes.told}"}

    def sample(
        self, state: State, key: jax.Array, count: int, *, codes: Mapping[str, Any] | None = None, **others: Any
    ) -> np.ndarray:
        """Return `count` samples uint8[count, height, width, channels].

        codes: values by name, one for all samples or one for each, {"c1": 3, "c2": [-1, 0, 1]}; those left out are
        drawn. Raises ValueError for codes or values that there are not, and for other conditions.
        """
        check_conditions(others, self.conditions, "this generator")
        return self.from_latents(state, self.codes.placed(self.latents(key, count), codes or {}))

    def recognise(self, state: State, images: np.ndarray) -> dict[str, np.ndarray]:
        """Return what the recognition network reads off images (bytes), by the codes' names; see `Read`."""
        return _read(self.read, state, np.asarray(self.pixels.from_bytes(images)))

    def scores(self, state: State) -> dict[str, float]:
        """Return `Generation.scores`, and where there are labels and a categorical code how well c1 tells classes.

        "code_accuracy", "code_purity": of samples, whose class is that of the nearest training image, see
        `code_agreement`.  "read_accuracy": of test images, whose code the recognition network reads.
        """
        found = super().scores(state)
        train, test = self.dataset.train, self.dataset.test
        if self.codes.categorical and "labels" in train.columns:
            values = np.arange(COMPARED) % self.codes.categorical[0]
            latents = self.codes.placed(self.latents(jax.random.key(2), COMPARED), {"c1": values})
            images, labels = _labelled(train, 4 * COMPARED)
            real = np.asarray(self.pixels.from_bytes(images))
            found |= agreement(values, nearest_labels(self.generate(state, latents), real, labels))
            images, labels = _labelled(test, COMPARED)
            found["read_accuracy"] = code_agreement(self.recognise(state, images)["c1"], labels).accuracy
        return found

    def pictures(self, state: State) -> dict[str, Page]:
        """Return `Generation.pictures`, and a row for each code: one latent, in which it alone changes."""
        rows = [
            self.codes.placed(np.repeat(self.latents(jax.random.key(3), 1), TEN, 0), {name: np.resize(values, TEN)})
            for name in self.codes.names
            for values in [self.codes.sweep(name, TEN)]
        ]
        page = grid(
            self.generate(state, np.concatenate(rows)), TEN, low=self.pixels.low, high=self.pixels.high,
            row_labels=self.codes.names,
        )  # fmt: skip
        return {**super().pictures(state), "codes": page}


@dataclass(frozen=True, kw_only=True)
class CodedPlane(Plane):
    """Draw points whose latents hold codes; fields as in `Plane` and `CodedImages`."""

    codes: Codes

    @property
    def conditions(self) -> Mapping[str, str]:
        """What `sample` can be told, with a clause on each."""
        return {"codes": f"values by name, of {self.codes.told}"}

    def sample(
        self, state: State, key: jax.Array, count: int, *, codes: Mapping[str, Any] | None = None, **others: Any
    ) -> np.ndarray:
        """Return `count` points float32[count, 2]; conditions as in `CodedImages.sample`."""
        check_conditions(others, self.conditions, "this generator")
        latents = self.codes.placed(self.latents(key, count), codes or {})
        return in_parts(self.draw, state, latents).reshape(-1, 2)

    def scores(self, state: State) -> dict[str, float]:
        """Return `Plane.scores`, and "code_accuracy" and "code_purity" of c1: a sample's class is its nearest mode."""
        found = super().scores(state)
        if self.codes.categorical:
            values = np.arange(COMPARED) % self.codes.categorical[0]
            points = self.sample(state, jax.random.key(2), COMPARED, codes={"c1": values})
            distances = ((points[:, None] - self.mixture.centres[None]) ** 2).sum(-1)
            found |= agreement(values, distances.argmin(1))
        return found


def agreement(codes: np.ndarray, classes: np.ndarray) -> dict[str, float]:
    """Return "code_accuracy" and "code_purity" of what was asked for and what was drawn: see `code_agreement`."""
    found = code_agreement(codes, classes)
    return {"code_accuracy": found.accuracy, "code_purity": found.purity}


def _labelled(split: Any, count: int) -> tuple[np.ndarray, np.ndarray]:
    rows = split.take(spread_rows(len(split), count))
    labels = np.asarray(rows["labels"])
    return np.asarray(rows["images"])[labels >= 0], labels[labels >= 0]


def _read(read: Read, state: State, images: np.ndarray) -> dict[str, np.ndarray]:
    parts = [read(state, images[at : at + COMPARED]) for at in range(0, len(images), COMPARED)]
    return {name: np.concatenate([np.asarray(part[name]) for part in parts]) for name in parts[0]}
