"""Large images through a convolutional network piece by piece, without seams."""

from collections.abc import Callable, Iterator

import numpy as np


def in_tiles(
    enlarge: Callable[[np.ndarray], np.ndarray], images: np.ndarray, *, tile: int, reach: int, scale: int
) -> np.ndarray:
    """Return `enlarge(images)` computed in windows of one size, so that memory does not grow with the image.

    enlarge: [count, h, w, c] -> [count, scale h, scale w, c'].  reach: pixels of the input around an output's place
    that it depends on.  tile: side of what a window contributes; it sees `reach` pixels more on every side, those that
    are there. Equal to the whole but for rounding, as long as nothing reaches farther: a norm over the image would.
    """
    count, height, width, _ = images.shape
    window = tile + 2 * reach
    if height <= window and width <= window:
        return enlarge(images)
    out = None
    for top, first_row, last_row in _windows(height, tile, reach):
        for left, first, last in _windows(width, tile, reach):
            part = enlarge(images[:, top : top + window, left : left + window])
            if out is None:
                out = np.empty((count, scale * height, scale * width, part.shape[-1]), part.dtype)
            rows, columns = (slice(scale * a, scale * b) for a, b in ((first_row, last_row), (first, last)))
            inner = part[:, scale * (first_row - top) : scale * (last_row - top)]
            out[:, rows, columns] = inner[:, :, scale * (first - left) : scale * (last - left)]
    assert out is not None
    return out


def _windows(length: int, tile: int, reach: int) -> Iterator[tuple[int, int, int]]:
    """Yield (start of the window, first and last place that it contributes) along an axis."""
    for first in range(0, length, tile):
        yield max(0, min(first - reach, length - tile - 2 * reach)), first, min(first + tile, length)
