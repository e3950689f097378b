"""Images of any size through networks that take only some: padded by their mirror image, and cut back afterwards."""

from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np

Rows = Mapping[str, np.ndarray]
"""{name: bytes [count, height, width, channels]}, all of one height and width."""


class Takes(NamedTuple):
    """What a translator is given: the condition of `sample` that holds it, and which images fit.

    name: "images", or "maps" of numbers of classes.  channels: 1 (grey, or classes) or 3.
    multiple: both sides must divide by it.  smallest: side.  scale: pixels of the output for one of the input.
    """

    name: str = "images"
    channels: int = 3
    multiple: int = 1
    smallest: int = 1
    scale: int = 1

    def side(self, length: int) -> int:
        """Return the smallest side that the networks take and that is not below `length`."""
        return -(-max(length, self.smallest) // self.multiple) * self.multiple


def at_any_size(translate: Callable[[Rows], np.ndarray], takes: Takes, rows: Rows) -> np.ndarray:
    """Return `translate(rows)` of images whose sides the networks need not take.

    Each image is continued by its mirror image on all sides, evenly, and what belongs to that is cut off the result.
    Where the sides fit nothing is changed. A normalisation over the image sees the mirrored part too. ValueError for
    rows of different shapes.
    """
    sizes = {name: x.shape[:3] for name, x in rows.items()}
    if len(set(sizes.values())) != 1:
        raise ValueError(f"inputs must be equally many of one height and width, not {sizes}")
    height, width = next(iter(sizes.values()))[1:]
    room = [(takes.side(length) - length) for length in (height, width)]
    if not any(room):
        return translate(rows)
    pads = ((0, 0), *((free // 2, free - free // 2) for free in room), (0, 0))
    out = translate({name: np.pad(x, pads, mode="symmetric") for name, x in rows.items()})
    top, left = (takes.scale * before for before, _ in pads[1:3])
    return out[:, top : top + takes.scale * height, left : left + takes.scale * width]
