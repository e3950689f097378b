"""Checks labels and class names."""

import numpy as np

from genjax.data.errors import DataError

MOST_CLASSES = 65_536
"""Without names, a larger label is taken for a mistake of numbering."""


def check_labels(labels: np.ndarray, count: int, num_classes: int | None, where: str) -> np.ndarray:
    """Return labels as int32[count]; DataError naming `where` unless all are -1 (none) or in 0 .. num_classes - 1."""
    labels = np.asarray(labels)
    if labels.shape == (count, 1):
        labels = labels[:, 0]
    if labels.shape != (count,):
        raise DataError(f"{where}: {count} images need labels of shape [{count}], not {list(labels.shape)}")
    if labels.dtype.kind not in "iu":
        raise DataError(f"{where}: labels must be integers (class numbers from 0), not {labels.dtype}; cast them")
    limit = MOST_CLASSES if num_classes is None else num_classes
    wrong = np.flatnonzero((labels < -1) | (labels.astype(np.int64) >= limit))
    if len(wrong):
        if num_classes is None:
            cure = f"number the classes from 0 (names for more than {MOST_CLASSES:,} must be given)"
        else:
            cure = f"number the classes 0 .. {limit - 1}" if limit else "there are no classes"
        raise DataError(
            f"{where}: label {labels[wrong[0]]} of image {wrong[0]} is out of range; {cure} and give -1 to images "
            "without a label"
        )
    return labels.astype(np.int32)


def check_names(names: np.ndarray, where: str) -> tuple[str, ...]:
    """Return class names as text; DataError naming `where` unless they are a list, all different."""
    if names.ndim != 1 or names.dtype.kind not in "USiu" or not len(names):
        raise DataError(f"{where} must be a list of texts, one for each class, not {names.dtype}{list(names.shape)}")
    if names.dtype.kind == "U":  # arrays of text may hold numbers that are no characters
        points = np.frombuffer(names.astype(names.dtype.newbyteorder("=")).tobytes(), np.uint32)
        if ((points > 0x10FFFF) | ((points >= 0xD800) & (points < 0xE000))).any():
            raise DataError(f"{where} holds what is no text; write it again")
    texts = tuple(name.decode("utf-8", "replace") if isinstance(name, bytes) else str(name) for name in names.tolist())
    twice = next((text for text in texts if texts.count(text) > 1), None) if len(set(texts)) < len(texts) else None
    if twice is not None:
        raise DataError(f"{where} has {twice!r} twice; give every class a name of its own")
    return texts


def number_names(labels: np.ndarray | None) -> tuple[str, ...]:
    """Return class names "0", "1", ... up to the largest label; none without labels."""
    if labels is None or not len(labels):
        return ()
    return tuple(str(number) for number in range(int(labels.max()) + 1))
