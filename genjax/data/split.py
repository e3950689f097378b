"""A deterministic test split for sources that come without one."""

from __future__ import annotations

import numpy as np

from genjax.data.pipeline import permutation

HELD_OUT = 0.2
SEED = 0


def held_out(count: int, labels: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
    """Ascending indices (train, test): a fifth of each class, drawn once and for all, is the test split.

    Where nothing can be held out (one image, or one per class), both splits are the whole set.
    """
    shuffled = permutation(count, SEED, 0)
    groups = np.zeros(count, np.int32) if labels is None else labels
    test = [members[: round(HELD_OUT * len(members))] for members in _by_group(shuffled, groups)]
    chosen = np.sort(np.concatenate(test)) if test else np.empty(0, np.int32)
    if not len(chosen):
        return np.arange(count), np.arange(count)
    return np.setdiff1d(np.arange(count), chosen), chosen


def _by_group(shuffled, groups):
    return [shuffled[groups[shuffled] == group] for group in np.unique(groups)]
