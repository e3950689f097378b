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


def class_coverage(labels: np.ndarray, modes: int, real: np.ndarray | None = None) -> Coverage:
    """Return how many of `modes` classes a classifier sees in samples, and KL(samples || data) of their shares in nats.

    labels: int[count], the classifier's classes of the samples.  real: int[count], of the data; equal shares if None. A
    class is covered when one sample has it; near is 1. Of stacked digits (1000 modes) the class is the number that the
    channels' digits read: Metz et al. 2017, arXiv 1611.02163, section 3.3.1. Raises ValueError for labels outside
    0 .. modes - 1, or a class that samples have and the data have not.
    """
    labels = np.asarray(labels)
    if not len(labels) or labels.min() < 0 or labels.max() >= modes:
        raise ValueError(f"labels must be some, and within 0 .. {modes - 1}; pass the number of classes as modes")
    counts = np.bincount(labels, minlength=modes)
    p = counts / counts.sum()
    q = np.full(modes, 1 / modes) if real is None else np.bincount(np.asarray(real), minlength=modes) / len(real)
    if np.any((q == 0) & (p > 0)):
        raise ValueError(
            "the samples have a class that the data have not; give more real labels, or None for equal shares"
        )
    divergence = float(np.sum(np.where(p > 0, p * np.log(np.where(p > 0, p, 1) / np.where(q > 0, q, 1)), 0)))
    return Coverage(int((counts > 0).sum()), 1.0, divergence)
