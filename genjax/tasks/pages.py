"""Pages that tasks share: samples above real images, and beside the training images that are nearest to them."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from genjax.viz.grid import sheet
from genjax.viz.table import image_table

REAL = 2
"""Rows of real images below samples."""
NEAREST = 8
"""Samples beside which the nearest training images are shown."""
VALUES = 50_000_000
"""Pixel values that are held in memory to look for nearest images."""


def columns_of(classes: int) -> int:
    """Return how many columns samples of so many classes have: one for each of a few, else ten."""
    return classes if 2 <= classes <= 12 else 10


def samples_page(samples: np.ndarray, real: np.ndarray, heads: Sequence[str]) -> np.ndarray:
    """Return samples uint8[rows * columns, ...] above real images, with a heading for every column, as a picture."""
    columns = len(heads)
    images = np.concatenate([samples, real])
    rows = ["generated", *[""] * (len(samples) // columns - 1), "real", *[""] * (len(real) // columns - 1)]
    return image_table(images.reshape(len(rows), columns, *images.shape[1:]), rows, heads)


def real_rows(split: Any, columns: int, classes: int) -> np.ndarray:
    """Return the numbers of images for the rows of real ones: of class i in column i, else spread over the split."""
    few = np.linspace(0, len(split) - 1, min(len(split), 2000)).astype(int)
    if classes == columns:
        labels = np.asarray(split.take(few)["labels"])
        found = [few[labels == label] for label in range(classes)]
        if all(len(numbers) >= REAL for numbers in found):
            return np.array([numbers[row] for row in range(REAL) for numbers in found])
    return np.linspace(0, len(split) - 1, REAL * columns).astype(int)


def nearest_page(samples: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Return samples above the images of `known` that are nearest to them by the squared distance of pixels.

    A generator that repeats training images shows as equal pairs.
    """
    flat = samples.reshape(len(samples), -1).astype(np.float32)
    others = known.reshape(len(known), -1).astype(np.float32)
    numbers = ((others**2).sum(1)[None] - 2 * flat @ others.T).argmin(1)
    return sheet({"generated": samples, "nearest training image": known[numbers]})
