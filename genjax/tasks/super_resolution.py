"""Enlarging images: scores on luma against the right images with the border cut, bicubic enlargement beside each."""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from genjax.data import Dataset
from genjax.data.ranges import TANH, UNIT
from genjax.data.resize import bicubic, shrunk
from genjax.data.transforms import centre_crop
from genjax.engine.state import State
from genjax.metrics.image import WINDOW, luma, psnr, sharpness, ssim
from genjax.tasks.pairs import Pairs
from genjax.tasks.sizes import Rows, Takes
from genjax.tasks.tiles import in_tiles

TILE = 96
"""Pixels a side that one window of a large image contributes."""


def super_resolution(
    *,
    dataset: Dataset,
    factor: int,
    enlarge: Callable[[State, Any], Any],
    reach: int,
    prepare: Callable[[Any, jax.Array], Any],
) -> Pairs:
    """Return the task of enlarging images by a factor; what is enlarged are the data set's images, reduced.

    enlarge: (state, small images in [0, 1]) -> large ones in [-1, 1].  reach: pixels of a small image around a place
    that matter for it; large images go through the network in tiles that overlap by as much.
    Scores: psnr_y, ssim_y (from 11 pixels on) of luma without `factor` pixels along the border, psnr_y_bicubic and
    ssim_y_bicubic of the bicubic enlargement, psnr_y_gain, their difference; sharpness, of bicubic and of the right
    images too, and sharpness_share, the enlarged images' over the right ones'. No score of the three says alone what
    people see: the sharper of two enlargements is the one with the lower PSNR.
    """

    def split(rows: Rows) -> tuple[Rows, np.ndarray]:
        images = rows["images"]
        images = images if images.dtype == np.uint8 else UNIT.to_bytes(images)
        height, width = (side // factor * factor for side in images.shape[1:3])
        right = centre_crop(images, (height, width))
        return {"images": np.asarray(shrunk(jnp.asarray(right), factor))}, right

    def apply(state: State, rows: Rows, key: jax.Array) -> np.ndarray:
        lows = np.asarray(UNIT.from_bytes(rows["images"]))
        large = in_tiles(lambda part: np.asarray(enlarge(state, part)), lows, tile=TILE, reach=reach, scale=factor)
        return np.clip((large - TANH.low) / (TANH.high - TANH.low), 0, 1)

    return Pairs(
        dataset=dataset,
        takes=Takes("images", dataset.shape[-1], scale=factor),
        split=split,
        apply=apply,
        prepare=prepare,
        conditions={"images": "uint8[count, height, width, channels] to enlarge"},
        trivial={"bicubic": partial(enlarged, factor=factor)},
        measure=partial(_measure, split, factor),
        imitates="images",
        size=(dataset.shape[0] // factor * factor, dataset.shape[1] // factor * factor),
    )


def enlarged(rows: Rows, factor: int) -> np.ndarray:
    """Return the bicubic enlargement of small images, as bytes: what needs no network."""
    small = jnp.asarray(rows["images"], jnp.float32)
    large = bicubic(small, factor * small.shape[1], factor * small.shape[2])
    return np.asarray(jnp.round(jnp.clip(large, 0, 255)).astype(jnp.uint8))


def _measure(split: Callable, factor: int, state: State, rows: Rows, outputs: np.ndarray) -> dict[str, float]:
    given, right = split(rows)
    # Bytes, as in files: what published figures are measured on.
    shown = {"": UNIT.to_bytes(outputs), "_bicubic": enlarged(given, factor), "_real": right}
    images = {name: UNIT.from_bytes(x) for name, x in shown.items()}
    grey = {name: luma(x) if x.shape[-1] == 3 else x for name, x in images.items()}
    scores: dict[str, float] = {}
    for name in ("", "_bicubic"):
        scores[f"psnr_y{name}"] = float(jnp.mean(psnr(grey[name], grey["_real"], border=factor)))
        if min(right.shape[1:3]) - 2 * factor >= WINDOW:
            scores[f"ssim_y{name}"] = float(jnp.mean(ssim(grey[name], grey["_real"], border=factor)))
    scores["psnr_y_gain"] = scores["psnr_y"] - scores["psnr_y_bicubic"]
    scores |= {f"sharpness{name}": float(jnp.mean(sharpness(x))) for name, x in images.items()}
    scores["sharpness_share"] = scores["sharpness"] / scores["sharpness_real"]
    return scores
