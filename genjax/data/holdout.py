"""A deterministic test split for sources that come without one."""

from typing import NamedTuple

import numpy as np

from genjax.data.options import Options
from genjax.data.pipeline import permutation

SHARE = 0.2
_SEED = 0
_NAMED = 10


class Rows(NamedTuple):
    """Images of a split by number, and the label of each (None where there are no classes)."""

    numbers: np.ndarray
    labels: np.ndarray | None = None


def held_out(count: int, labels: np.ndarray | None, share: float = SHARE) -> tuple[np.ndarray, np.ndarray]:
    """Return ascending indices (train, test): `share` of each class, drawn once and for all, is the test split.

    Where nothing can be held out (one image, or one per class), both splits are the whole set.
    """
    shuffled = permutation(count, _SEED, 0)
    groups = np.zeros(count, np.int32) if labels is None else labels
    members = [shuffled[groups[shuffled] == group] for group in np.unique(groups)]
    # Of every group one image at least stays for training.
    test = [rows[: min(round(share * len(rows)), len(rows) - 1)] for rows in members]
    chosen = np.sort(np.concatenate(test)) if test else np.empty(0, np.int32)
    if not len(chosen):
        return np.arange(count), np.arange(count)
    return np.setdiff1d(np.arange(count), chosen), chosen


def hold_out(rows: Rows, options: Options) -> tuple[list[Rows], str]:
    """Return the training and the test rows, and a sentence that tells how many are held out."""
    count = len(rows.numbers)
    train, test = held_out(count, rows.labels, SHARE if options.hold_out is None else options.hold_out)
    parts = [Rows(rows.numbers[i], None if rows.labels is None else rows.labels[i]) for i in (train, test)]
    if len(train) == count:
        return parts, f"nothing is held out: all {count} images are used for training and for tests"
    evenly = "" if rows.labels is None else ", of every class alike"
    return parts, f"{len(test)} of {count} images ({len(test) / count:.0%}) are held out for tests{evenly}"


def empty_classes(train: np.ndarray | None, test: np.ndarray | None, names: tuple[str, ...]) -> list[str]:
    """Return a sentence for each split of which some classes have no image."""
    notes = []
    for labels, what in ((train, "training"), (test, "test")):
        if labels is None or not names:
            continue
        absent = np.setdiff1d(np.arange(len(names)), labels)
        if len(absent):
            listed = ", ".join(names[i] for i in absent[:_NAMED]) + (", ..." if len(absent) > _NAMED else "")
            notes.append(f"{len(absent)} of {len(names)} classes have no {what} image: {listed}")
    return notes
