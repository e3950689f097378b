"""Data sets of drawn scenes with one solid: anywhere near the middle, or off it and seen from all around."""

from collections.abc import Callable, Sequence

import numpy as np

from genjax.data.absent import placeholder
from genjax.data.dataset import Arrays, DataError, Dataset, Files
from genjax.data.drawn import scenes
from genjax.data.facts import LABEL, Columns, Facts
from genjax.data.options import DEFAULTS, Options
from genjax.data.readers.image import fit_all

COUNTS = {"train": 8192, "test": 2048}
IN_MEMORY = 64
"""Pixels a side up to which all scenes are drawn at once."""
ORBIT = 0.5
"""How far off the middle the solid of `load_orbit` stands, in half pictures."""


def load(options: Options = DEFAULTS) -> Dataset:
    """Return 8192 training and 2048 test scenes of one object: uint8[count, image_size, image_size, 3], else 32 pixels.

    Labels number `scenes.SHAPES`. Up to 64 pixels all are drawn now, in some seconds; larger ones each time they are
    asked for. DataError outside 16 .. 256 pixels.
    """
    options.refuse_hold_out("scenes")
    options.refuse_channels("scenes")
    size, channels = options.image_size or 32, options.channels
    scenes.check_size(size)
    if options.absent:
        return _undrawn("scenes", size, channels)
    splits: list[Arrays | Files] = []
    for seed, count in enumerate(COUNTS.values()):
        if size <= IN_MEMORY:
            factors = scenes.draw_factors(range(count), seed=seed)
            images = fit_all(scenes.render(factors, size).images, None, channels)
            splits.append(Arrays({"images": images, "labels": factors.shape[:, 0]}))
        else:
            labels = scenes.draw_factors(range(count), seed=seed).shape[:, 0]
            splits.append(Files(_decoder(size, channels, seed), count, (size, size, channels or 3), labels))
    return Dataset("scenes", splits[0], splits[1], scenes.SHAPES)


def load_orbit(_name: str, options: Options = DEFAULTS) -> Dataset:
    """Return scenes of one small solid that stands off the middle of a pale floor, seen from all around; 32 pixels.

    Solid and floor keep their places, so that the camera alone moves the solid in the picture: to the right of the
    middle by ORBIT cos(azimuth) of half the picture's width. Labels number `scenes.SHAPES`. DataError outside 16 .. 64
    pixels.
    """
    options.refuse_hold_out("orbit:scenes")
    options.refuse_channels("orbit:scenes")
    size = options.image_size or 32
    if not scenes.SMALLEST <= size <= IN_MEMORY:
        raise DataError(f"orbit:scenes is drawn at {scenes.SMALLEST} to {IN_MEMORY} pixels, not {size}")
    if options.absent:
        return _undrawn("orbit:scenes", size, options.channels)
    splits = []
    for seed, count in enumerate(COUNTS.values()):
        factors = orbiting(range(count), seed=seed)
        images = fit_all(scenes.render(factors, size).images, None, options.channels)
        splits.append(Arrays({"images": images, "labels": factors.shape[:, 0]}))
    return Dataset("orbit:scenes", splits[0], splits[1], scenes.SHAPES)


def orbiting(indices: Sequence[int] | np.ndarray, *, seed: int = 0) -> scenes.Factors:
    """Return the factors of `load_orbit`: sizes as of two objects, position (ORBIT, 0), the floor of one hue."""
    factors = scenes.draw_factors(indices, seed=seed)
    share = (factors.size - scenes.SIZES[1][0]) / (scenes.SIZES[1][1] - scenes.SIZES[1][0])
    return factors._replace(
        size=scenes.SIZES[2][0] + (scenes.SIZES[2][1] - scenes.SIZES[2][0]) * share,
        position=np.broadcast_to([ORBIT, 0.0], factors.position.shape),
        background=np.zeros_like(factors.background),
    )


def _undrawn(name: str, size: int, channels: int | None) -> Dataset:
    columns: Columns = {"images": ((size, size, channels or 3), "uint8"), "labels": LABEL}
    return placeholder(Facts(name, columns, COUNTS["train"], COUNTS["test"], class_names=scenes.SHAPES))


def _decoder(size: int, channels: int | None, seed: int) -> Callable[[int], np.ndarray]:
    def decode(index: int) -> np.ndarray:
        return fit_all(scenes.render(scenes.draw_factors([index], seed=seed), size).images, None, channels)[0]

    return decode
