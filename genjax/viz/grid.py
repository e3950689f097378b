"""Grids of images as PNG, and animated GIFs. Files appear whole or not at all."""

from __future__ import annotations

import os
import pathlib
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from genjax.files import atomic

if TYPE_CHECKING:
    from PIL.Image import Image

_GAP = 2
_MARGIN = 6
_CELL = 64  # smaller images are enlarged by a whole factor, smoothly
_FRAME = 192  # the same of the only image of an animation's frame


def to_uint8(images, *, low: float = 0.0, high: float = 1.0) -> np.ndarray:
    """round(255 (x - low) / (high - low)), clipped: uint8 of the same shape; uint8 passes unchanged.

    ValueError if a pixel is NaN or infinite, for then there is no picture to show.
    """
    images = np.asarray(images)
    if images.dtype == np.uint8:
        return images
    images = images.astype(np.float32)
    bad = np.count_nonzero(~np.isfinite(images))
    if bad:
        raise ValueError(f"{bad} of {images.size} pixels are NaN or infinite; the model has diverged, nothing is drawn")
    if not low < high:
        raise ValueError(f"low {low} must be below high {high}: the values shown as black and as white")
    return np.round(np.clip((images - low) / (high - low), 0.0, 1.0) * 255).astype(np.uint8)


def in_colour(images: np.ndarray) -> np.ndarray:
    """Return images [..., channels] as [..., 3]: one channel as grey, two as red and green, of more the first three."""
    channels = images.shape[-1]
    if channels == 1:
        return np.broadcast_to(images, (*images.shape[:-1], 3))
    return np.pad(images[..., :3], [(0, 0)] * (images.ndim - 1) + [(0, max(3 - channels, 0))])


def grid(
    images,
    columns: int | None = None,
    *,
    low: float = 0.0,
    high: float = 1.0,
    zoom: int | None = None,
    row_labels: Sequence[str] = (),
) -> np.ndarray:
    """Return images row by row as one picture, uint8[height', width', 3], with `row_labels` to the left of its rows.

    images: float[count, height, width, channels] in [low, high], or uint8.  columns: None makes the grid as square as
    can be.  zoom: None enlarges small images smoothly, a number each pixel to a block. Raises ValueError for other
    shapes, NaN, and another number of row labels.
    """
    images = to_uint8(images, low=low, high=high)
    if images.ndim != 4 or 0 in images.shape:
        raise ValueError(f"expected images [count, height, width, channels], not {list(images.shape)}")
    count = len(images)
    columns = columns or int(np.ceil(np.sqrt(count)))
    rows = -(-count // columns)
    images = enlarged(in_colour(images), zoom)
    high_, wide = images.shape[1] + _GAP, images.shape[2] + _GAP
    page = np.full((rows * high_ + _GAP, columns * wide + _GAP, 3), 255, np.uint8)
    for number, image in enumerate(images):
        top, left = number // columns * high_ + _GAP, number % columns * wide + _GAP
        page[top : top + high_ - _GAP, left : left + wide - _GAP] = image
    return _with_row_labels(page, rows, row_labels) if row_labels else page


def enlarged(images: np.ndarray, zoom: int | None = None, cell: int = _CELL) -> np.ndarray:
    """Return images uint8[count, height, width, 3] larger: each pixel a block of `zoom`, or smoothly to `cell` or more.

    zoom: None leaves images as they are that have `cell` pixels.
    """
    from PIL import Image as pillow

    if zoom is not None:
        return images.repeat(zoom, 1).repeat(zoom, 2)
    height, width = images.shape[1:3]
    factor = -(-cell // max(height, width))
    if factor == 1:
        return images
    size = (width * factor, height * factor)
    pictures = (pillow.fromarray(image).resize(size, pillow.Resampling.BICUBIC) for image in images)
    return np.stack([np.asarray(picture) for picture in pictures])


def captioned(page: np.ndarray, caption: str) -> np.ndarray:
    """Return a picture uint8[height, width, 3] with a line of text below it, broken where it is too long."""
    from PIL import Image as pillow
    from PIL import ImageDraw, ImageFont

    font = ImageFont.load_default(size=13)
    width = max(page.shape[1], 240)
    lines = wrapped(caption, width - 2 * _MARGIN, font)
    picture = pillow.new("RGB", (width, page.shape[0] + 16 * len(lines) + 2 * _MARGIN), "white")
    picture.paste(pillow.fromarray(page), (0, 0))
    draw = ImageDraw.Draw(picture)
    for number, line in enumerate(lines):
        draw.text((_MARGIN, page.shape[0] + _MARGIN + 16 * number), line, fill="#333333", font=font)
    return np.asarray(picture)


def wrapped(text: str, width: int, font) -> list[str]:
    """Break `text` at spaces so that its lines are at most `width` pixels wide, where its words are."""
    lines: list[str] = []
    for word in text.split(" "):
        if lines and font.getlength(f"{lines[-1]} {word}") <= width:
            lines[-1] += f" {word}"
        else:
            lines.append(word)
    return lines


def sheet(rows: Mapping[str, np.ndarray]) -> np.ndarray:
    """Return a picture with a named row for each entry, uint8[height', width', 3]: inputs above what became of them.

    rows: {name: uint8[count, height, width, channels]}, `count` equal. Smaller images are enlarged, each pixel to a
    block where the factor is whole. Raises ValueError for different counts, or other shapes.
    """
    counts = {name: len(images) for name, images in rows.items()}
    if len(set(counts.values())) != 1:
        raise ValueError(f"a sheet has as many images in each row, not {counts}")
    height, width = (max(images.shape[axis] for images in rows.values()) for axis in (1, 2))
    shown = [_brought(in_colour(x), height, width) for x in rows.values()]
    return grid(np.concatenate(shown), next(iter(counts.values())), row_labels=list(rows))


def _brought(images: np.ndarray, height: int, width: int) -> np.ndarray:
    from PIL import Image as pillow

    if images.shape[1:3] == (height, width):
        return images
    pictures = (pillow.fromarray(image).resize((width, height), pillow.Resampling.NEAREST) for image in images)
    return np.stack([np.asarray(picture) for picture in pictures])


def _with_row_labels(page: np.ndarray, rows: int, labels: Sequence[str]) -> np.ndarray:
    from PIL import Image as pillow
    from PIL import ImageDraw, ImageFont

    if len(labels) != rows:
        raise ValueError(f"{len(labels)} row labels for {rows} rows; give one per row")
    font = ImageFont.load_default(size=13)
    left = int(max(font.getlength(label) for label in labels)) + 2 * _MARGIN
    picture = pillow.new("RGB", (left + page.shape[1], page.shape[0]), "white")
    picture.paste(pillow.fromarray(page), (left, 0))
    draw = ImageDraw.Draw(picture)
    for row, label in enumerate(labels):
        middle = (row + 0.5) * (page.shape[0] - _GAP) / rows + _GAP
        draw.text((left - _MARGIN, middle), label, fill="black", font=font, anchor="rm")
    return np.asarray(picture)


def save_page(path: str | os.PathLike, page: np.ndarray) -> None:
    """Write a picture, uint8[height, width, 3], as PNG."""
    from PIL import Image as pillow

    _save(path, pillow.fromarray(page), format="PNG")


def save_grid(
    path: str | os.PathLike,
    images,
    columns: int | None = None,
    *,
    low: float = 0.0,
    high: float = 1.0,
    zoom: int | None = None,
    row_labels: Sequence[str] = (),
) -> None:
    """Write `grid(images, columns)` as PNG; arguments and errors as there."""
    save_page(path, grid(images, columns, low=low, high=high, zoom=zoom, row_labels=row_labels))


def save_gif(
    path: str | os.PathLike,
    frames,
    fps: float = 10.0,
    *,
    columns: int | None = None,
    low: float = 0.0,
    high: float = 1.0,
    zoom: int | None = None,
) -> None:
    """Writes an endless GIF; a frame is one image [height, width, channels] or several [count, ...], drawn as a grid.

    float[frames, (count,) height, width, channels] in [low, high], or uint8. GIF counts time in 1/100 s. ValueError as
    `grid`.
    """
    from PIL import Image as pillow

    pages = []
    for frame in frames:
        frame = np.asarray(frame)
        if frame.ndim == 3 and zoom is None:
            only = to_uint8(frame[None], low=low, high=high)
            page = enlarged(in_colour(only), cell=_FRAME)[0]
        else:
            page = grid(frame[None] if frame.ndim == 3 else frame, columns, low=low, high=high, zoom=zoom)
        pages.append(pillow.fromarray(page))
    if not pages:
        raise ValueError("an animation needs at least one frame")
    duration = max(10 * round(100 / fps), 10)
    _save(path, pages[0], format="GIF", save_all=True, append_images=pages[1:], duration=duration, loop=0)


def _save(path: str | os.PathLike, picture: Image, **options) -> None:
    with atomic(pathlib.Path(path)) as temporary:
        picture.save(temporary, **options)
