"""Drawn garment triplets: a person wearing one article, that article, another one, and the person wearing the other.

The last is what virtual try-on has to guess (Jetchev & Bergmann 2017, arXiv 1709.04695) and real data never show. As
in `genjax.data.scenes`, triplet i is a function of (seed, i), nothing is stored, and the sides are 16 to 256 pixels.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from genjax.data.drawn.scenes import LARGEST, SMALLEST
from genjax.data.drawn.uniforms import uniforms
from genjax.data.errors import DataError

PATTERNS = ("plain", "hoops", "stripes", "dots")
_STREAM = 0x6761726D656E7473  # garments of a seed have nothing to do with the scenes of that seed
Point = tuple[Any, Any]
_ARTICLE = {"x": 0.0, "y": -0.08, "scale": 1.55, "arm": 0.75}


class Articles(NamedTuple):
    """pattern: int32[count], a number in PATTERNS.  cloth, print: float[count, 3], the two colours in [0, 1]."""

    pattern: np.ndarray
    cloth: np.ndarray
    print: np.ndarray


class Triplets(NamedTuple):
    """The pictures, uint8[count, size, size, 3], and what lies behind them.

    persons wear `worn`, articles show it, others show `other`, swapped: the same persons, but wearing `other`.
    masks: uint8[count, size, size], 1 where a person shows the garment, equal in persons and swapped.
    """

    persons: np.ndarray
    articles: np.ndarray
    others: np.ndarray
    swapped: np.ndarray
    masks: np.ndarray
    worn: Articles
    other: Articles


def draw_triplets(indices: Sequence[int] | np.ndarray, image_size: int, *, seed: int = 0) -> Triplets:
    """Return triplets `indices`; all garments have one cut, in any colour and one of PATTERNS. DataError: 16 .. 256."""
    if not SMALLEST <= image_size <= LARGEST:
        raise DataError(f"garments are drawn at {SMALLEST} to {LARGEST} pixels, not {image_size}")
    u = uniforms(indices, 32, seed ^ _STREAM)
    worn, other = (_articles(u[:, i : i + 6]) for i in (0, 6))
    pose = {
        "x": 0.30 * (u[:, 12] - 0.5),
        "y": 0.10 * (u[:, 13] - 0.5),
        "scale": 0.84 + 0.16 * u[:, 14],
        "arm": 0.15 + 0.85 * u[:, 15],
    }
    still = {name: np.full(len(u), value) for name, value in _ARTICLE.items()}
    light = np.array([0.93, 0.93, 0.92]) * np.ones((len(u), 1))
    persons, masks = _person(u[:, 16:], pose, worn, image_size)
    swapped, _ = _person(u[:, 16:], pose, other, image_size)
    page, frame = _page(light, image_size), _Frame(still, image_size)
    articles, others = (_garment(page, frame, article)[0] for article in (worn, other))
    return Triplets(_bytes(persons), _bytes(articles), _bytes(others), _bytes(swapped), masks, worn, other)


def _articles(u: np.ndarray) -> Articles:
    hue, level = u[:, 1:2], 0.55 + 0.40 * u[:, 2:3]
    cloth = _hue(hue) * level
    # The print is white, or another hue half a turn or so away.
    colour = np.where(u[:, 3:4] < 0.5, 0.95, 0.9 * _hue(hue + 0.35 + 0.3 * u[:, 4:5]))
    return Articles((u[:, 0] * len(PATTERNS)).astype(np.int32), cloth, colour)


def _hue(hue: np.ndarray) -> np.ndarray:
    return np.clip(np.abs((hue + np.array([0, 2 / 3, 1 / 3])) % 1 * 6 - 3) - 1, 0.10, 1)


class _Frame:
    """A figure's own coordinates at every pixel (side: x mirrored), float[count, size, size]."""

    def __init__(self, pose: Mapping[str, np.ndarray], size: int):
        ticks = (np.arange(size) + 0.5) / size * 2 - 1
        self.across = (ticks - pose["x"][:, None])[:, None, :] / pose["scale"][:, None, None] + np.zeros((size, 1))
        self.up = (-ticks - pose["y"][:, None])[:, :, None] / pose["scale"][:, None, None] + np.zeros((1, size))
        self.side = np.abs(self.across)
        self.arm = pose["arm"][:, None, None]
        self.sharpness = size / 2 * pose["scale"][:, None, None]

    def cover(self, distance: np.ndarray) -> np.ndarray:
        """Return the share of each pixel that lies where a signed distance is negative."""
        return np.clip(0.5 - distance * self.sharpness, 0, 1)

    def limb(self, start: Point, end: Point, radius: float) -> np.ndarray:
        """Return the signed distance from a thick line, drawn on both sides alike."""
        x, y = start
        dx, dy = end[0] - x, end[1] - y
        along = np.clip(((self.side - x) * dx + (self.up - y) * dy) / (dx**2 + dy**2), 0, 1)
        return np.hypot(self.side - x - along * dx, self.up - y - along * dy) - radius

    def hand(self, reach: float) -> Point:
        """Return the point at `reach` along the arm, from the shoulder."""
        return 0.27 + reach * np.sin(self.arm), 0.33 - reach * np.cos(self.arm)


def _person(
    u: np.ndarray, pose: Mapping[str, np.ndarray], article: Articles, size: int
) -> tuple[np.ndarray, np.ndarray]:
    frame = _Frame(pose, size)
    skin = np.array([0.95, 0.78, 0.65]) * (1 - 0.55 * u[:, :1] * np.array([0.8, 1.0, 1.1]))
    hair = np.array([0.35, 0.22, 0.12]) * (0.4 + 1.6 * u[:, 1:2])
    trousers = 0.12 + 0.35 * u[:, 2:5]
    image = _page(0.62 + 0.25 * u[:, 5:6] + 0.08 * u[:, 6:9], size)
    image = _over(image, frame.cover(frame.limb((0.13, -0.30), (0.17, -0.92), 0.115)), trousers)
    image = _over(image, frame.cover(frame.limb((0.27, 0.33), frame.hand(0.62), 0.07)), skin)
    image = _over(image, frame.cover(frame.limb((0.0, 0.36), (0.0, 0.56), 0.075)), skin)
    image = _over(image, frame.cover(np.hypot(frame.side, frame.up - 0.70) - 0.195), hair)
    image = _over(image, frame.cover(np.hypot(frame.side, (frame.up - 0.645) * 0.92) - 0.16), skin)
    image, cover = _garment(image, frame, article)
    return image, (cover > 0.5).astype(np.uint8)


def _garment(image: np.ndarray, frame: _Frame, article: Articles) -> tuple[np.ndarray, np.ndarray]:
    # A box with rounded corners, short sleeves, and a neckline.
    x, y = frame.side - 0.19, np.abs(frame.up - 0.03) - 0.31
    body = np.hypot(np.maximum(x, 0), np.maximum(y, 0)) + np.minimum(np.maximum(x, y), 0) - 0.09
    shape = np.minimum(body, frame.limb((0.24, 0.32), frame.hand(0.26), 0.115))
    cover = frame.cover(np.maximum(shape, 0.11 - np.hypot(frame.side, frame.up - 0.46)))
    dot_x, dot_y = ((c + 0.09) % 0.18 - 0.09 for c in (frame.across, frame.up))
    marks = (
        np.full_like(frame.up, 1.0),
        np.abs((frame.up % 0.22) - 0.11) - 0.055,
        np.abs(((frame.across + 0.10) % 0.20) - 0.10) - 0.045,
        np.hypot(dot_x, dot_y) - 0.05,
    )
    chosen = np.stack(marks)[article.pattern, np.arange(len(image))]
    printed = frame.cover(chosen)[..., None]
    cloth = article.cloth[:, None, None] * (1 - printed) + article.print[:, None, None] * printed
    # Darker towards the sides, as cloth around a body is.
    cloth = cloth * (1 - 0.9 * np.minimum(frame.side, 0.5) ** 2)[..., None]
    return image * (1 - cover[..., None]) + cloth * cover[..., None], cover


def _over(image: np.ndarray, cover: np.ndarray, colour: np.ndarray) -> np.ndarray:
    return image * (1 - cover[..., None]) + colour[:, None, None] * cover[..., None]


def _page(colour: np.ndarray, size: int) -> np.ndarray:
    return np.broadcast_to(colour[:, None, None], (len(colour), size, size, 3))


def _bytes(values: np.ndarray) -> np.ndarray:
    return np.round(np.clip(values, 0, 1) * 255).astype(np.uint8)
