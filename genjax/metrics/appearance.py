"""What a picture of one object on a plain ground shows, read off its pixels; and which of two sources it follows."""

from typing import NamedTuple

import numpy as np

LOW, HIGH = 0.06, 0.18
"""Departures from the ground's tone below the first are ground, above the second object."""


class Appearance(NamedTuple):
    """place: float[count, 2], the object's middle, right and down, in shares of the image from its own middle.

    extent: float[count, 2], its deviations from that along both axes.
    colour, ground: float[count, channels] in [0, 1].
    """

    place: np.ndarray
    extent: np.ndarray
    colour: np.ndarray
    ground: np.ndarray


def appearance(images: np.ndarray) -> Appearance:
    """Return the appearance of images, float[count, height, width, channels] in [0, 1].

    The ground is the median of the pixels at the border. A pixel belongs to the object by how far it lies from all
    brighter and darker tones of the ground, so that shadows do not count (for grey images: from the ground itself).
    """
    images = np.asarray(images, np.float64)
    height, width, channels = images.shape[1:]
    border = np.concatenate([images[:, 0], images[:, 1:, 0], images[:, 1:, -1]], 1)
    ground = np.median(border, 1)
    if channels == 1:
        away = np.abs(images - ground[:, None, None])[..., 0]
    else:
        tone = ground / np.maximum(np.linalg.norm(ground, axis=-1, keepdims=True), 1e-6)
        along = np.einsum("nhwc,nc->nhw", images, tone)
        away = np.linalg.norm(images - along[..., None] * tone[:, None, None], axis=-1)
    mask = np.clip((away - LOW) / (HIGH - LOW), 0, 1) + 1e-9
    share = mask / mask.sum((1, 2), keepdims=True)
    down, right = ((np.arange(size) + 0.5) / size - 0.5 for size in (height, width))
    rows, columns = share.sum(2), share.sum(1)
    place = np.stack([columns @ right, rows @ down], -1)
    square = np.stack([columns @ right**2, rows @ down**2], -1)
    colour = np.einsum("nhw,nhwc->nc", share, images)
    return Appearance(place, np.sqrt(np.maximum(square - place**2, 0)), colour, ground)


def inherited(mixed: np.ndarray, first: np.ndarray, second: np.ndarray) -> float:
    """Return how much more `mixed` follows `first` than `second`: 1 equals the first, 0 the second, 1/2 is between.

        E |m - b|^2 / (E |m - a|^2 + E |m - b|^2)

    float[count, n] each: an attribute of images of two sources, and of what was mixed from them. NaN where all agree.
    """
    to_first, to_second = (float(np.mean(np.sum((mixed - source) ** 2, -1))) for source in (first, second))
    total = to_first + to_second
    return to_second / total if total else float("nan")
