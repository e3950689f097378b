"""How many modes of known data samples cover, and how far the samples' share of each is from the data's."""

from typing import NamedTuple

import numpy as np

REACH = 3
"""Deviations from a mode's centre within which a sample belongs to it; in the plane 98.9 % of a Gaussian do."""
LEAST = 0.25
"""Part of its equal share that a mode must hold to be covered."""


class Coverage(NamedTuple):
    """modes: covered ones.  near: share of samples that belong to a mode.

    divergence: KL(samples || data) of the modes' shares in nats, of the samples that belong to one; nan where none do.
    overlap: sum over modes of min(share of samples, share of data), which is 1 - total variation distance: 1 where
    samples hold every mode in the data's part, m / M for m of M equal modes, 0 where no sample is near any.
    """

    modes: int
    near: float
    divergence: float
    overlap: float


def coverage(points: np.ndarray, centres: np.ndarray, deviation: float) -> Coverage:
    """Return how samples cover the modes of an equal mixture of isotropic Gaussians.

    A sample belongs to the nearest mode if it lies within 3 deviations of its centre. A mode is covered when it holds
    at least a quarter of its equal share, count / modes, of all samples: a few strays are not a mode. The count of
    modes jumps with one sample; the others move smoothly and compare better between seeds. Of them only overlap falls
    both with strays and with lost modes: near is 1 for one mode alone, and divergence does not see strays.
    points: float[count, 2]; 2500 or more for 8 to 25 modes.  centres: float[modes, 2].  deviation: of each mode, per
    axis. The mixture's own points give all modes, near 0.989, a divergence of about (modes - 1) / (2 count) and, of
    2500 points, an overlap of about 0.97.
    Source: Metz et al. 2017, arXiv 1611.02163, section 3.1; 3 deviations as in Srivastava et al. 2017, arXiv
    1705.07761. Raises ValueError for other shapes, no points, or a deviation that is not positive.
    """
    points, centres = np.asarray(points), np.asarray(centres)
    if points.ndim != 2 or centres.ndim != 2 or points.shape[1] != centres.shape[1] or not len(points):
        raise ValueError(
            f"points {list(points.shape)} and centres {list(centres.shape)} must be float[count, 2] and float[modes, 2]"
        )
    if not deviation > 0:
        raise ValueError(f"a deviation of {deviation}: give the mixture's own, which is positive")
    distance = np.linalg.norm(points[:, None] - centres[None], axis=-1)
    nearest, near = distance.argmin(1), distance.min(1) < REACH * deviation
    counts = np.bincount(nearest[near], minlength=len(centres))
    equal = np.full(len(centres), 1 / len(centres))
    divergence = _divergence(counts, equal) if near.any() else float("nan")
    covered = counts >= LEAST * len(points) / len(centres)
    overlap = np.minimum(counts / len(points), equal).sum()
    return Coverage(int(covered.sum()), float(near.mean()), divergence, float(overlap))


def class_coverage(labels: np.ndarray, modes: int, real: np.ndarray | None = None) -> Coverage:
    """Return how many of `modes` classes a classifier sees in samples, and KL(samples || data) of their shares in nats.

    The divergence is the "reverse KL" of the literature: generated from data. labels: int[count], the classifier's
    classes of the samples.  real: int[count], of the data; equal shares if None. A class is covered when one sample has
    it; near is 1. Of stacked digits (1000 modes) the class is the number that the channels' digits read, of 25,600
    samples: Metz et al. 2017, arXiv 1611.02163, section 3.3.1. Samples of the data itself give a divergence of about
    (modes - 1) / (2 count), 0.02 there, and at most log(modes) is possible for equal shares; a classifier's errors
    raise both, so print the value of real images beside it. Raises ValueError for no labels, labels outside
    0 .. modes - 1, or a class that samples have and the data have not.
    """
    labels = np.asarray(labels)
    if not len(labels):
        raise ValueError("there are no labels to count; classify at least one sample, better 10 or more for each class")
    if labels.min() < 0 or labels.max() >= modes:
        raise ValueError(
            f"labels from {labels.min()} to {labels.max()} must be within 0 .. {modes - 1}; pass the number of classes "
            "as modes"
        )
    counts = np.bincount(labels, minlength=modes)
    data = np.full(modes, 1 / modes) if real is None else np.bincount(np.asarray(real), minlength=modes) / len(real)
    if np.any((data == 0) & (counts > 0)):
        raise ValueError(
            "the samples have a class that the data have not; give more real labels, or None for equal shares"
        )
    overlap = np.minimum(counts / len(labels), data).sum()
    return Coverage(int((counts > 0).sum()), 1.0, _divergence(counts, data), float(overlap))


def _divergence(counts: np.ndarray, data: np.ndarray) -> float:
    """Return KL(p || data) = sum p log(p / data) of the shares p of counts; data > 0 where they are."""
    held = counts > 0
    p = counts[held] / counts.sum()
    return float(np.sum(p * np.log(p / data[held])))
