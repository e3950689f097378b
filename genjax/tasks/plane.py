"""Drawing points of a mixture in the plane, on which covered modes can be counted."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np

from genjax.data import Dataset, Mixture
from genjax.data.ranges import PLANE
from genjax.engine.state import State
from genjax.latent import Prior
from genjax.metrics.modes import coverage
from genjax.tasks.generation import Draw, chosen_labels, conditions, drawn_latents, in_parts
from genjax.tasks.task import Page, check_conditions
from genjax.viz.figure import page

POINTS = 2500
"""Points in a score."""
SHOWN = 1000
"""Points in a picture."""


@dataclass(frozen=True, kw_only=True)
class Plane:
    """Draw points of the mixture that the data set is drawn from; fields as in `Generation`."""

    dataset: Dataset
    prior: Prior
    latent: int
    draw: Draw
    prepare: Callable[[Any, jax.Array], Any]
    classes: int = 0

    @property
    def mixture(self) -> Mixture:
        """The mixture."""
        assert self.dataset.mixture is not None
        return self.dataset.mixture

    @property
    def conditions(self) -> Mapping[str, str]:
        """What `sample` can be told, with a clause on each."""
        return conditions(self.prior, self.classes)

    def latents(self, key: jax.Array, count: int, truncation: float | None = None) -> jax.Array:
        """Return latents float[count, size] of the prior, their components within `truncation` if given."""
        return drawn_latents(self.prior, key, (count, self.latent), truncation)

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
        """Return `count` points float32[count, 2]; conditions as in `Generation.sample`."""
        check_conditions({"labels": labels, "truncation": truncation, **others}, self.conditions, "this generator")
        latents = self.latents(key, count, truncation)
        return in_parts(self.draw, state, latents, chosen_labels(labels, count, self.classes)).reshape(-1, 2)

    def traced_samples(self, state: State, key: jax.Array, count: int, labels: jax.Array | None = None) -> jax.Array:
        """Return points float32[count, 2] as a function that jax can trace."""
        return self.draw(state, self.prior.draw(key, (count, self.latent)), labels).reshape(-1, 2)

    def real(self, split: Any, rows: np.ndarray) -> np.ndarray:
        """Return points `rows` of a split, float32[count, 2]."""
        return np.asarray(PLANE.from_bytes(split.take(rows)["images"])).reshape(-1, 2)

    def scores(self, state: State) -> dict[str, float]:
        """Return the scores of 2500 points: see `plane_scores`."""
        return plane_scores(self.mixture, self.sample(state, jax.random.key(1), POINTS))

    def pictures(self, state: State) -> dict[str, Page]:
        """Return the samples as dots over the mixture's centres."""
        return {"samples": scatter(self.sample(state, jax.random.key(1), SHOWN), self.mixture)}


def plane_scores(mixture: Mixture, points: np.ndarray) -> dict[str, float]:
    """Return covered modes, the share of points near one, the divergence from equal shares, and the overlap with them.

    See `genjax.metrics.modes.Coverage`.
    """
    found = coverage(points, mixture.centres, mixture.deviation)
    return {"modes": found.modes, "near": found.near, "mode_divergence": found.divergence, "overlap": found.overlap}


def scatter(points: np.ndarray, mixture: Mixture, title: str = "") -> Page:
    """Return a picture of points, float[count, 2], as dots over the mixture's centres, perhaps with a title."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(4, 4), dpi=100, layout="constrained")
    axes = figure.subplots()
    x, y = mixture.centres.T
    axes.scatter(x, y, s=120, facecolors="none", edgecolors="tab:orange", label="modes")
    axes.scatter(points[:, 0], points[:, 1], s=3, color="tab:blue", alpha=0.5, linewidths=0, label="samples")
    limit = 1.4 * float(np.abs(mixture.centres).max())
    axes.set(xlim=(-limit, limit), ylim=(-limit, limit), aspect="equal", title=title)
    axes.legend(loc="upper right", fontsize=8)
    return page(figure)
