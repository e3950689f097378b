"""Tables of images: a heading for every column and row, drawn around a grid."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from genjax.viz.grid import in_colour, to_uint8

_GAP, _MARGIN, _SIZE = 2, 6, 13


def image_table(images, rows: Sequence[str], columns: Sequence[str], *, title: str = "", zoom: int | None = None):
    """float[rows, columns, height, width, channels] in [0, 1] with headings: one uint8[height', width', 3] picture.

    zoom None enlarges small images to at least 48 pixels. A heading wider than its column is broken at spaces.
    ValueError for pixels that are not finite, or a number of headings that is not that of the rows or columns.
    """
    from PIL import Image, ImageDraw, ImageFont

    images = to_uint8(images)
    if images.ndim != 5 or images.shape[:2] != (len(rows), len(columns)):
        raise ValueError(
            f"{len(rows)} row and {len(columns)} column headings need images [{len(rows)}, {len(columns)}, height, "
            f"width, channels], not {list(images.shape)}"
        )
    height, width = images.shape[2:4]
    zoom = zoom or max(1, -(-48 // max(height, width)))
    height, width = height * zoom + _GAP, width * zoom + _GAP
    font = ImageFont.load_default(size=_SIZE)
    heads = [_wrapped(text, width - _GAP, font) for text in columns]
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
    for (row, column), image in zip(np.ndindex(images.shape[:2]), images.reshape(-1, *images.shape[2:]), strict=True):
        large = in_colour(image).repeat(zoom, 0).repeat(zoom, 1)
        y, x = top + row * height, left + column * width
        pixels[y : y + height - _GAP, x : x + width - _GAP] = large
    return pixels


def _wrapped(text: str, width: int, font) -> list[str]:
    """Break `text` at spaces so that its lines are at most `width` pixels wide, where its words are."""
    lines: list[str] = []
    for word in text.split(" "):
        if lines and font.getlength(f"{lines[-1]} {word}") <= width:
            lines[-1] += f" {word}"
        else:
            lines.append(word)
    return lines
