"""Fidelity and diversity apart: precision, recall, density and coverage by nearest neighbours.

Sources: Kynkaanniemi et al. 2019, arXiv 1904.06991, equation 2 (precision and recall; k = 3 there); Naeem et al. 2020,
arXiv 2002.09797, equations 3 and 4 (density and coverage; k = 5 there). All four use open balls, as the code of Naeem
et al. does: a point exactly on the sphere is outside, which makes the density of a set against itself 1. The code of
Kynkaanniemi et al. counts the sphere too; their precision and recall differ only where two distances are equal.
"""

from typing import NamedTuple

import numpy as np

from genjax.metrics.features import checked

GATHERED = 2048
"""Pairs whose distance is summed again at a time."""


class PrecisionRecall(NamedTuple):
    """precision, recall, coverage in [0, 1]; density >= 0, 1 expected for equal distributions; counts (real, fake)."""

    precision: float
    recall: float
    density: float
    coverage: float
    neighbours: int
    counts: tuple[int, int]


def precision_recall(real, fake, *, neighbours: int = 5, chunk: int = 1024) -> PrecisionRecall:
    """Return the four scores, with B(a) the open ball around a that reaches its k-th nearest neighbour in a's own set.

    precision: share of fake samples in any B(real).  recall: share of real samples in any B(fake).
    density: sum over fake of the number of B(real) it lies in, over k times their count.  coverage: share of B(real)
    that hold a fake sample.
    real, fake: float[count, features]; about 10,000 each for figures that can be compared, for all four depend on the
    counts and on k. Two real sets do not reach 1: with equally many of each, coverage comes near 1 - 2^-k (Naeem et
    al., proposition 2), so print the scores of real against real beside those of samples.
    Distances are float64, `chunk` rows at a time, and equal ones compare as equal. A sample with more than k copies of
    itself in its own set has an empty ball. Raises ValueError for NaN, different widths, k < 1, or a set without k
    neighbours.
    """
    if neighbours < 1 or chunk < 1:
        raise ValueError(f"neighbours {neighbours} and chunk {chunk} must be positive")
    real, fake = (a.astype(np.float64) for a in checked(real, fake, least=neighbours + 1))
    inside, covered = _membership(fake, real, _squared_radii(real, neighbours, chunk), chunk)
    recalled, _ = _membership(real, fake, _squared_radii(fake, neighbours, chunk), chunk)
    return PrecisionRecall(
        precision=float((inside > 0).mean()),
        recall=float((recalled > 0).mean()),
        density=float(inside.mean() / neighbours),
        coverage=float(covered.mean()),
        neighbours=neighbours,
        counts=(len(real), len(fake)),
    )


def _squared_distances(rows, others):
    """Return |a - b|^2 of every pair by the matrix product, and a bound on its rounding error."""
    squares, other_squares = (rows**2).sum(1), (others**2).sum(1)
    bound = 4 * (rows.shape[1] + 4) * np.finfo(np.float64).eps * (squares.max() + other_squares.max())
    return squares[:, None] + other_squares[None] - 2 * rows @ others.T, bound


def _sum_again(distances, rows, others, level, bound):
    """Replace the distances that rounding could put on the wrong side of `level` by the plain sum of squares.

    That sum is the same for equal pairs wherever they stand, so that ties stay ties.
    """
    i, j = np.nonzero(np.abs(distances - level) <= 2 * bound)
    for start in range(0, len(i), GATHERED):
        at = i[start : start + GATHERED], j[start : start + GATHERED]
        distances[at] = ((rows[at[0]] - others[at[1]]) ** 2).sum(1)


def _squared_radii(points, neighbours, chunk):
    radii = []
    for start in range(0, len(points), chunk):
        rows = points[start : start + chunk]
        distances, bound = _squared_distances(rows, points)
        distances[np.arange(len(rows)), start + np.arange(len(rows))] = np.inf
        level = np.partition(distances, neighbours - 1, 1)[:, neighbours - 1 : neighbours]
        _sum_again(distances, rows, points, level, bound)
        radii.append(np.partition(distances, neighbours - 1, 1)[:, neighbours - 1])
    return np.concatenate(radii)


def _membership(points, centres, squared_radii, chunk):
    """Return in how many balls each point lies, int[points], and which balls hold a point, bool[centres]."""
    counts, held = [], np.zeros(len(centres), bool)
    for start in range(0, len(points), chunk):
        rows = points[start : start + chunk]
        distances, bound = _squared_distances(rows, centres)
        _sum_again(distances, rows, centres, squared_radii, bound)
        inside = distances < squared_radii
        counts.append(inside.sum(1))
        held |= inside.any(0)
    return np.concatenate(counts), held
