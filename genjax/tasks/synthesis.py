"""Drawing images from label maps: scores by what a segmenter sees in them, maps with exchanged classes, styles."""

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

import jax
import numpy as np

from genjax.classifiers import segmenter
from genjax.data import Dataset
from genjax.data.ranges import UNIT
from genjax.data.transforms import centre_crop
from genjax.engine.state import State
from genjax.metrics.segmentation import segmentation_scores
from genjax.tasks.generation import spread_rows
from genjax.tasks.pairs import Pairs
from genjax.tasks.sizes import Rows, Takes

TAUGHT = 1000
"""Training images that the segmenter learns from."""
Draw = Callable[[State, Rows, jax.Array], Any]
"""(state, {"maps": classes, perhaps "instances" and "style": images}, key) -> images in [0, 1]."""


def synthesis(
    *,
    dataset: Dataset,
    size: tuple[int, int],
    takes: Takes,
    draw: Draw,
    prepare: Callable[[Any, jax.Array], Any],
    inputs: Mapping[str, str],
) -> Pairs:
    """Return the task of drawing images of label maps.

    size: height and width that the networks are trained on; the middle of larger images and maps is taken for scores.
    inputs: what `draw` is given of a test image beside "maps", by name, with a clause on each; "style" is the image.
    Scores: mean_iou of the maps that a small segmenter, trained on the data set's images and maps, sees in drawn
    images, and mean_iou_real, in test images themselves; exchanged_iou: the mean over two classes, the most frequent
    ones but one, that are exchanged in the maps, and unexchanged_iou: against the maps as they were.
    """
    conditions = {"maps": "uint8[count, height, width, 1], the class of each pixel, 255 for none", **inputs}

    def split(rows: Rows) -> tuple[Rows, np.ndarray]:
        cut = {
            name: np.asarray(centre_crop(rows[name], size)) for name in ("images", "maps", "instances") if name in rows
        }
        images = cut["images"]
        cut["style"] = images if images.dtype == np.uint8 else UNIT.to_bytes(images)
        return {name: cut[name] for name in conditions if name in cut}, cut["style"]

    @cache
    def seen() -> tuple[segmenter.Segment, float]:
        """Return a segmenter and the mean IoU of what it sees in test images."""
        rows = dataset.train.take(spread_rows(len(dataset.train), TAUGHT))
        given, images = split(rows)
        segment = segmenter.trained({"images": images, "maps": given["maps"]}, classes)
        given, images = split(dataset.test.take(spread_rows(len(dataset.test), 200)))
        return segment, _scored(segment(images), given["maps"]).mean_iou

    classes = len(dataset.map_names)

    def _scored(found: np.ndarray, maps: np.ndarray) -> Any:
        return segmentation_scores(found, maps[..., 0], classes, ignored=255)

    def measure(state: State, rows: Rows, outputs: np.ndarray) -> dict[str, float]:
        segment, real = seen()
        given, _ = split(rows)
        scored = _scored(segment(UNIT.to_bytes(outputs)), given["maps"])
        scores = {"mean_iou": scored.mean_iou, "pixel_accuracy": scored.pixel_accuracy, "mean_iou_real": real}
        pair = frequent(given["maps"], classes)[1:3]
        if len(pair) < 2:
            return scores
        maps = exchanged(given["maps"], *pair)
        found = segment(UNIT.to_bytes(np.asarray(draw(state, {**given, "maps": maps}, jax.random.key(0)))))
        for name, right in (("exchanged_iou", maps), ("unexchanged_iou", given["maps"])):
            scores[name] = float(np.mean(_scored(found, right).iou[list(pair)]))
        return scores

    return Pairs(
        dataset=dataset, takes=takes, split=split, apply=draw, prepare=prepare, conditions=conditions, trivial={},
        measure=measure, imitates="images", size=size,
    )  # fmt: skip


def frequent(maps: np.ndarray, classes: int) -> list[int]:
    """Return the classes that occur in label maps, the most frequent first."""
    counts = np.bincount(maps.ravel(), minlength=256)[:classes]
    return [int(number) for number in np.argsort(-counts, kind="stable") if counts[number]]


def exchanged(maps: np.ndarray, first: int, second: int) -> np.ndarray:
    """Return label maps with two classes exchanged."""
    table = np.arange(256, dtype=maps.dtype)
    table[[first, second]] = second, first
    return table[maps]
