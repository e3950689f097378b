"""Reading, resizing and cropping images with Pillow (antialiased)."""

import os
from typing import IO, TYPE_CHECKING

import numpy as np

from genjax.data.dataset import DataError

if TYPE_CHECKING:
    from PIL.Image import Image


def read(file: str | os.PathLike | IO[bytes], name: object = None) -> "Image":
    """Return the image file upright, as a Pillow image of mode L (grey) or RGB. DataError naming it if it is broken."""
    from PIL import Image as pillow
    from PIL import ImageOps

    try:
        with pillow.open(file) as picture:
            return plain(ImageOps.exif_transpose(picture))
    # Pillow raises SyntaxError for broken PNG chunks, and its own error for absurd sizes.
    except (OSError, SyntaxError, ValueError, EOFError, pillow.DecompressionBombError) as error:
        raise DataError(f"{name or file} is not a readable image ({error}); repair or delete it") from error


def plain(picture: "Image") -> "Image":
    """Return any Pillow image as L or RGB: 16 bits lose their low byte, transparency is laid over white."""
    from PIL import Image as pillow

    if picture.mode.startswith("I"):
        return pillow.fromarray((np.clip(np.asarray(picture), 0, 65535) // 257).astype(np.uint8))
    if picture.mode in ("1", "L"):
        return picture.convert("L")
    if picture.mode in ("LA", "PA", "RGBA", "RGBa") or "transparency" in picture.info:
        layer = picture.convert("RGBA")
        page = pillow.new("RGBA", layer.size, "white")
        flat = pillow.alpha_composite(page, layer)
        return flat.convert("L" if picture.mode == "LA" else "RGB")
    return picture.convert("RGB")


def fit(picture: "Image", image_size: int | None, channels: int | None) -> np.ndarray:
    """Bring the shorter side to `image_size`, centre crop to a square, 1 or 3 channels: uint8[height, width, channels].

    None keeps what is there. Bicubic with the kernel widened when shrinking, so nothing aliases.
    """
    from PIL import Image as pillow

    if channels is not None:
        picture = picture.convert("L" if channels == 1 else "RGB")
    if image_size is not None and picture.size != (image_size, image_size):
        side = min(picture.size)
        left, top = (picture.width - side) / 2, (picture.height - side) / 2
        picture = picture.resize(
            (image_size, image_size), pillow.Resampling.BICUBIC, box=(left, top, left + side, top + side)
        )
    array = np.array(picture, np.uint8)
    return array[..., None] if array.ndim == 2 else array


def fit_all(images: np.ndarray, image_size: int | None, channels: int | None) -> np.ndarray:
    """Apply `fit` to uint8[count, height, width, 1, 3 or 4], transparency over white; no copy if nothing changes."""
    from PIL import Image as pillow

    height, width, depth = images.shape[1:]
    if depth != 4 and channels in (None, depth) and (image_size is None or height == width == image_size):
        return images
    pictures = (pillow.fromarray(image[..., 0] if depth == 1 else image) for image in images)
    return np.stack([fit(plain(picture), image_size, channels) for picture in pictures])
