"""Tables of images: a heading for every column and row, drawn around a grid."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from genjax.viz.grid import enlarged, in_colour, to_uint8, wrapped

_GAP, _MARGIN, _SIZE = 2, 6, 13


def image_table(images, rows: Sequence[str], columns: Sequence[str], *, title: str = "", zoom: int | None = None):
    """float[rows, columns, height, width, channels] in [0, 1] with headings: one uint8[height', width', 3] picture.

    zoom None enlarges small images smoothly. A heading wider than its column is broken at spaces.
    ValueError for pixels that are not finite, or a number of headings that is not that of the rows or columns.
    """
    from PIL import Image, ImageDraw, ImageFont

    images = to_uint8(images)
    if images.ndim != 5 or images.shape[:2] != (len(rows), len(columns)):
        raise ValueError(
            f"{len(rows)} row and {len(columns)} column headings need images [{len(rows)}, {len(columns)}, height, "
            f"width, channels], not {list(images.shape)}"
        )
    flat = images.reshape(-1, *images.shape[2:])
    large = enlarged(in_colour(flat), zoom)
    height, width = large.shape[1] + _GAP, large.shape[2] + _GAP
    font = ImageFont.load_default(size=_SIZE)
    heads = [wrapped(text, width - _GAP, font) for text in columns]
    left = int(max(font.getlength(text) for text in rows)) + 2 * _MARGIN
    title_height = _SIZE + 2 * _MARGIN if title else 0
    top = title_height + max(len(lines) for lines in heads) * (_SIZE + 2) + _MARGIN
    wide = max(left + width * len(columns) + _MARGIN, int(font.getlength(title)) + 2 * _MARGIN)
    page = Image.new("RGB", (wide, top + height * len(rows) + _MARGIN), "white")
    draw = ImageDraw.Draw(page)
    draw.text((_MARGIN, _MARGIN), title, fill="black", font=font)
    for column, lines in enumerate(heads):
        for number, line in enumerate(lines):
            bottom = top - _MARGIN // 2 - (len(lines) - 1 - number) * (_SIZE + 2)
            draw.text((left + (column + 0.5) * width, bottom), line, fill="black", font=font, anchor="mb")
    for row, text in enumerate(rows):
        draw.text((left - _MARGIN, top + (row + 0.5) * height), text, fill="black", font=font, anchor="rm")
    pixels = np.array(page)
    for (row, column), image in zip(np.ndindex(images.shape[:2]), large, strict=True):
        y, x = top + row * height, left + column * width
        pixels[y : y + height - _GAP, x : x + width - _GAP] = image
    return pixels
