"""How many modes of a known mixture samples cover, and how far the samples' share of each is from equal."""

from typing import NamedTuple

import numpy as np


class Coverage(NamedTuple):
    """modes: covered ones.  near: share of samples near any centre.

    divergence: KL(samples || equal shares) over the modes, in nats, of the samples near a centre; nan where none is.
    """

    modes: int
    near: float
    divergence: float


def coverage(points: np.ndarray, centres: np.ndarray, radius: float, share: float = 0.01) -> Coverage:
    """Return the coverage of `centres`, float[modes, 2], by `points`, float[count, 2].

    A mode is covered when at least `share` of all points lie within `radius` of its centre: more stable than counting
    points within three deviations.
    """
    distance = np.linalg.norm(points[:, None] - centres[None], axis=-1)
    nearest, near = distance.argmin(1), distance.min(1) < radius
    counts = np.bincount(nearest[near], minlength=len(centres))
    with np.errstate(invalid="ignore", divide="ignore"):
        p = counts / counts.sum()
        divergence = float(np.where(p > 0, p * np.log(p * len(centres)), 0 * p).sum())
    return Coverage(int((counts >= share * len(points)).sum()), float(near.mean()), divergence)
