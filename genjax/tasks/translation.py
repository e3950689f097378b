"""Translating images between two domains, there and back."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np

from genjax.data import Arrays, Dataset, Files, Unpaired
from genjax.data.ranges import TANH, Range
from genjax.data.transforms import centre_crop
from genjax.engine.state import State
from genjax.tasks.generation import nearest_labels, spread_rows
from genjax.tasks.sizes import Rows, Takes, at_any_size
from genjax.tasks.task import Page, check_conditions
from genjax.viz.grid import grid

COMPARED = 200
"""Test images in a score."""
KNOWN = 4000
"""Training images among which the nearest one is looked up."""
CONDITIONS = {
    "images": "uint8[count, height, width, channels] to translate",
    "backward": "translate from B to A instead",
}


@dataclass(frozen=True, kw_only=True)
class Translation:
    """Translate images of domain A into domain B ("forward"), and of B into A ("backward").

    shape: height, width and channels that the networks are trained on; the middle of larger images is taken.
    apply: (state, network's name, images in the range of `pixels`) -> images.  takes: the sizes that fit.
    prepare: batches as the losses take them.
    """

    dataset: Dataset
    shape: tuple[int, int, int]
    apply: Callable[[State, str, Any], Any]
    prepare: Callable[[Any, jax.Array], Any]
    takes: Takes
    pixels: Range = TANH

    @property
    def conditions(self) -> Mapping[str, str]:
        """What `sample` can be told, with a clause on each."""
        return CONDITIONS

    def translate(self, state: State, images: np.ndarray, backward: bool = False) -> np.ndarray:
        """Return images, bytes of any size, translated, as bytes; sizes that do not fit are padded and cut back."""
        net = "backward" if backward else "forward"

        def run(rows: Rows) -> np.ndarray:
            return self.pixels.to_bytes(self._run(state, net, self.pixels.from_bytes(rows["images"])))

        return at_any_size(run, self.takes, {"images": images})

    def sample(
        self,
        state: State,
        key: jax.Array,
        count: int,
        *,
        images: np.ndarray | None = None,
        backward: bool | None = None,
        **others: Any,
    ) -> np.ndarray:
        """Return translations uint8[count, height, width, channels] of `images`, or of test images drawn at random.

        Raises ValueError where neither images nor a data set are there.
        """
        check_conditions({"images": images, "backward": backward, **others}, CONDITIONS, "a translator")
        if images is None:
            images = self.originals(key, count, bool(backward))
        return self.translate(state, images, bool(backward))

    def originals(self, key: jax.Array, count: int, backward: bool = False) -> np.ndarray:
        """Return test images of the domain that is translated, uint8[count, *shape], drawn at random."""
        if self.dataset.absent:
            raise ValueError(f"{self.dataset.name} was not loaded with this model: give the images to translate")
        source = domains(self.dataset.test)[1 if backward else 0]
        rows = np.asarray(jax.random.randint(key, (count,), 0, len(source)))
        return self._middle(source.take(rows)["images"])

    def real(self, images: np.ndarray) -> np.ndarray:
        """Return bytes of the data set as the translator imitates them: their middle."""
        return self._middle(images)

    def _middle(self, images: np.ndarray) -> np.ndarray:
        return np.asarray(centre_crop(images, self.shape[:2]))

    def _run(self, state: State, net: str, images: Any) -> np.ndarray:
        # A few at a time: batches of large images would not fit.
        parts = np.array_split(np.asarray(images), max(1, len(images) * images.shape[1] // 512))
        return np.concatenate([np.asarray(self.apply(state, net, part)) for part in parts])

    def _spread(self, split: Any, count: int) -> dict[str, np.ndarray]:
        batch = split.take(spread_rows(len(split), count))
        return {**batch, "images": np.asarray(self.pixels.from_bytes(self._middle(batch["images"])))}

    def scores(self, state: State) -> dict[str, float]:
        """Return the cycle error of test images and, with labels, the share of labels that translation keeps.

        cycle_a: E |F(G(a)) - a|, of a range of 2.  kept_ab: how often the training image of B nearest to G(a) has a's
        label.  real_b: the same for test images of B themselves, which no translation can expect to pass.
        label_kept: the mean of kept_ab and kept_ba.
        """
        scores: dict[str, float] = {}
        test, train = domains(self.dataset.test), domains(self.dataset.train)
        ways = (("a", "b", "forward", "backward"), ("b", "a", "backward", "forward"))
        for i, (here, there, net, back) in enumerate(ways):
            source = self._spread(test[i], COMPARED)
            moved = self._run(state, net, source["images"])
            scores[f"cycle_{here}"] = float(np.abs(self._run(state, back, moved) - source["images"]).mean())
            if "labels" in source:
                known, real = self._spread(train[1 - i], KNOWN), self._spread(test[1 - i], COMPARED)
                for name, images, labels in (
                    (f"kept_{here}{there}", moved, source["labels"]),
                    (f"real_{there}", real["images"], real["labels"]),
                ):
                    found = nearest_labels(images, known["images"], known["labels"])
                    scores[name] = float((found == labels).mean())
        if "kept_ab" in scores:
            scores["label_kept"] = (scores["kept_ab"] + scores["kept_ba"]) / 2
        return scores

    def pictures(self, state: State) -> dict[str, Page]:
        """Return rows of test images a, G(a), F(G(a)) and b, F(b), G(F(b)), ten images wide."""
        rows, heads = [], ("image of A", "A as B", "and back", "image of B", "B as A", "and back")
        ways = (("forward", "backward"), ("backward", "forward"))
        for split, (net, back) in zip(domains(self.dataset.test), ways, strict=True):
            images = self._spread(split, 10)["images"]
            moved = self._run(state, net, images)
            rows += [np.resize(part, (10, *self.shape)) for part in (images, moved, self._run(state, back, moved))]
        page = grid(np.concatenate(rows), 10, low=self.pixels.low, high=self.pixels.high, row_labels=heads)
        return {"samples": page}


def domains(split: Any) -> tuple[Arrays | Files, Arrays | Files]:
    """Return the splits of domains A and B; pairs are taken apart."""
    if isinstance(split, Unpaired):
        return split.first, split.second
    rest = {name: x for name, x in split.arrays.items() if name not in ("images", "targets")}
    return Arrays({"images": split.arrays["images"], **rest}), Arrays({"images": split.arrays["targets"], **rest})
