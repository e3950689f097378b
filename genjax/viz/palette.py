"""Colours: lines that people who see colours differently tell apart, and label maps."""

import colorsys
from collections.abc import Mapping

import numpy as np

BLACK = "#000000"
LINES = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#7F7F7F")
"""Colours of lines and dots (Okabe & Ito's, without black and yellow, and a grey), in the order of their use."""

NONE = (128, 128, 128)
"""The colour of 255, which is no class."""


def painted(maps: np.ndarray) -> np.ndarray:
    """Return label maps uint8[..., 1] in colours, uint8[..., 3]: neighbouring numbers far apart in hue, 255 grey."""
    return _COLOURS[maps[..., 0]]


def visible(rows: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Return rows of a sheet with "maps" and "instances" in colours, the others as they are."""
    return {name: painted(x) if name in ("maps", "instances") else x for name, x in rows.items()}


def _colour(number: int) -> tuple[float, float, float]:
    # The golden ratio's multiples spread evenly over the circle however many there are.
    return colorsys.hsv_to_rgb(0.61 + number * 0.618034, 0.75 - 0.35 * (number % 3) / 2, 0.55 + 0.4 * (number % 2))


_COLOURS = np.array([[round(255 * x) for x in _colour(number)] for number in range(255)] + [list(NONE)], np.uint8)
