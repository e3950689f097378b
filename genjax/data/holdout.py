"""A deterministic test split for sources that come without one."""

import numpy as np

from genjax.data.pipeline import permutation

SHARE = 0.2
_SEED = 0


def held_out(count: int, labels: np.ndarray | None, share: float = SHARE) -> tuple[np.ndarray, np.ndarray]:
    """Return ascending indices (train, test): `share` of each class, drawn once and for all, is the test split.

    Where nothing can be held out (one image, or one per class), both splits are the whole set.
    """
    shuffled = permutation(count, _SEED, 0)
    groups = np.zeros(count, np.int32) if labels is None else labels
    members = [shuffled[groups[shuffled] == group] for group in np.unique(groups)]
    test = [rows[: round(share * len(rows))] for rows in members]
    chosen = np.sort(np.concatenate(test)) if test else np.empty(0, np.int32)
    if not len(chosen):
        return np.arange(count), np.arange(count)
    return np.setdiff1d(np.arange(count), chosen), chosen
