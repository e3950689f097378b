"""Fidelity and diversity apart: precision, recall, density and coverage by nearest neighbours.

Sources: Kynkaanniemi et al. 2019, arXiv 1904.06991, equation 2 (precision and recall; k = 3 there); Naeem et al. 2020,
arXiv 2002.09797, equations 3 and 4 (density and coverage; k = 5 there).
"""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from genjax.metrics.features import checked


class PrecisionRecall(NamedTuple):
    """precision, recall, coverage in [0, 1]; density >= 0, 1 expected for equal distributions; counts (real, fake)."""

    precision: float
    recall: float
    density: float
    coverage: float
    neighbours: int
    counts: tuple[int, int]


def precision_recall(real, fake, *, neighbours: int = 5, chunk: int = 1024) -> PrecisionRecall:
    """Return the four scores, with B(a) the ball around a that reaches its k-th nearest neighbour in a's own set.

    precision: share of fake samples in any B(real).  recall: share of real samples in any B(fake).
    density: sum over fake of the number of B(real) it lies in, over k times their count.  coverage: share of B(real)
    that hold a fake sample. real, fake: float[count, features]; about 10,000 each for figures that can be compared.
    Distances are computed on the device in float32, [chunk, count] at a time. Raises ValueError for NaN, different
    widths, k < 1, or a set without k neighbours.
    """
    if neighbours < 1 or chunk < 1:
        raise ValueError(f"neighbours {neighbours} and chunk {chunk} must be positive")
    real, fake = checked(real, fake, least=neighbours + 1)
    # Distances are differences of large squares unless the features are centred.
    centre = real.mean(0, dtype=np.float64)
    x, y = (jnp.asarray(features - centre, jnp.float32) for features in (real, fake))
    real_radii, fake_radii = _radii(x, neighbours, chunk), _radii(y, neighbours, chunk)
    inside, covered = _membership(y, x, real_radii, chunk)
    recalled, _ = _membership(x, y, fake_radii, chunk)
    return PrecisionRecall(
        precision=float((inside > 0).mean()),
        recall=float((recalled > 0).mean()),
        density=float(inside.mean() / neighbours),
        coverage=float(covered.mean()),
        neighbours=neighbours,
        counts=(len(real), len(fake)),
    )


def squared_distances(x: jax.Array, y: jax.Array) -> jax.Array:
    """Return |x - y|^2 of every pair: float[n, features], float[m, features] -> float[n, m], never below 0."""
    products = jnp.matmul(x, y.T, precision=jax.lax.Precision.HIGHEST)
    return jnp.maximum(jnp.sum(x**2, 1)[:, None] + jnp.sum(y**2, 1)[None] - 2 * products, 0)


@partial(jax.jit, static_argnames="neighbours")
def _nearest(rows, start, x, neighbours):
    own = (start + jnp.arange(len(rows)))[:, None] == jnp.arange(len(x))[None]
    closest, _ = jax.lax.top_k(-jnp.where(own, jnp.inf, squared_distances(rows, x)), neighbours)
    return -closest[:, -1]


@jax.jit
def _balls(rows, centres, radii):
    inside = squared_distances(rows, centres) <= radii[None]
    return inside.sum(1), inside.any(0)


def _radii(x, neighbours, chunk):
    parts = [_nearest(x[i : i + chunk], i, x, neighbours) for i in range(0, len(x), chunk)]
    return jnp.concatenate(parts)


def _membership(points, centres, radii, chunk):
    parts = [_balls(points[i : i + chunk], centres, radii) for i in range(0, len(points), chunk)]
    counts = np.concatenate([np.asarray(count) for count, _ in parts])
    return counts, np.any([np.asarray(any_) for _, any_ in parts], axis=0)
