"""Reads, resizes and crops images with Pillow (antialiased)."""

import contextlib
import functools
import os
import threading
from collections.abc import Iterator
from typing import IO, TYPE_CHECKING, NamedTuple

import numpy as np

from genjax.data.errors import DataError, reason
from genjax.data.readers import bounds

if TYPE_CHECKING:
    from PIL.Image import Image, Resampling

CURE = "repair or delete it"
LARGEST = 89_478_485
"""Pixels of the largest image that is decoded: a quarter of 1 GiB in colour."""
# Larger images are decoded one at a time: with one in each of many threads memory would have no bound.
_LARGE, _ONE_AT_A_TIME = 1 << 24, threading.Lock()
# Pillow only knows their outside, needs other programs for them, or (EPS) would run one on the user's file.
_NOT_READ = ("BUFR", "EPS", "GRIB", "HDF5", "MPEG", "WMF")
_TURNED = (5, 6, 7, 8)
_ORIENTATION = 0x0112
_FOLD = 251


class White(NamedTuple):
    """The value that is white, in files of 8 bits a channel (255; 1 in masks) and in deeper grey ones."""

    shallow: int = 255
    deep: int | None = None


class Seen(NamedTuple):
    """What was found in an image file.  channels: 1 or 3.  peak: the largest value.  deep: more than 8 bits, grey."""

    height: int
    width: int
    channels: int
    peak: int
    deep: bool


@functools.cache
def suffixes() -> tuple[str, ...]:
    """Return the endings of the files that are read, such as ".png": all formats that Pillow decodes by itself."""
    from PIL import Image as pillow

    pillow.init()
    return tuple(sorted(end for end, kind in pillow.registered_extensions().items() if kind in _formats()))


@functools.cache
def _formats() -> tuple[str, ...]:
    from PIL import Image as pillow

    pillow.init()
    return tuple(kind for kind in pillow.OPEN if kind not in _NOT_READ)


def read(file: str | os.PathLike | IO[bytes], name: object = None, *, white: White | None = None) -> "Image":
    """Return the image file upright, as a Pillow image of mode L (grey) or RGB.

    white: of the data set that the file belongs to. None: 255, or the full range of deeper files, which must then use
    it. DataError naming the file if it is broken, too large, or holds values that would come out wrong.
    """
    with _opened(file, name) as picture:
        from PIL import ImageOps

        return plain(ImageOps.exif_transpose(picture), white)


def examine(file: str | os.PathLike | IO[bytes], name: object = None) -> Seen:
    """Return what an image file holds, having decoded all of it. DataError as `read`."""
    with _opened(file, name) as picture:
        width, height = picture.size
        if picture.getexif().get(_ORIENTATION) in _TURNED:
            width, height = height, width
        picture.draft(None, (max(1, width // 8), max(1, height // 8)))  # JPEG: reads every byte, computes few pixels
        deep = picture.mode.startswith("I")
        peak = int(_deep_values(picture).max()) if deep else 0
        picture = plain(picture, White(deep=max(peak, 1)))
        if not deep:
            peak = int(np.max(picture.getextrema()))
        return Seen(height, width, 1 if picture.mode == "L" else 3, peak, deep)


@contextlib.contextmanager
def _opened(file: str | os.PathLike | IO[bytes], name: object) -> Iterator["Image"]:
    from PIL import Image as pillow

    name = name or file
    with contextlib.ExitStack() as stack:
        try:
            picture = stack.enter_context(pillow.open(file, formats=_formats()))
            pixels = picture.width * picture.height
            if pixels > LARGEST:
                raise DataError(f"it has {picture.width} x {picture.height} pixels, more than {LARGEST:,}")
            if pixels > _LARGE:
                stack.enter_context(_ONE_AT_A_TIME)
            yield picture
        except DataError as error:
            raise DataError(f"{name} cannot be used: {error}; {CURE}") from error
        # The bytes of a broken file make Pillow's decoders raise nearly anything: struct.error, KeyError, ...
        except Exception as error:
            raise DataError(f"{name} is not a readable image ({reason(error)}); {CURE}") from error


def plain(picture: "Image", white: White | None = None) -> "Image":
    """Return any Pillow image as L or RGB, with transparency laid over white.

    white: as in `read`. DataError for values that have no place in 0 .. white.
    """
    from PIL import Image as pillow

    if picture.mode.startswith("I"):
        values = _deep_values(picture)
        top = white.deep if white is not None and white.deep else 65535
        if white is None and 0 < values.max() < 4096:
            raise DataError(
                f"its 16 bits hold values up to {values.max()} only, which would come out nearly black; "
                "multiply them so that white is 65535"
            )
        return pillow.fromarray(np.round(np.minimum(values, top) * (255 / top)).astype(np.uint8))
    if picture.mode.startswith("F"):
        values = np.asarray(picture, np.float32)
        low, high = float(values.min()), float(values.max())
        if not 0 <= low <= high <= 1:
            raise DataError(f"its floats go from {low:g} to {high:g}; they must lie in [0, 1]: rescale them")
        return pillow.fromarray(np.round(values * 255).astype(np.uint8))
    if picture.mode in ("1", "L"):
        picture = picture.convert("L")
    elif picture.mode in ("La", "LA", "PA", "RGBA", "RGBa") or "transparency" in picture.info:
        grey = picture.mode in ("La", "LA")
        layer = picture.convert("LA").convert("RGBA") if picture.mode == "La" else picture.convert("RGBA")
        flat = pillow.alpha_composite(pillow.new("RGBA", layer.size, "white"), layer)
        picture = flat.convert("L" if grey else "RGB")
    else:
        picture = picture.convert("RGB")
    return picture.point(lambda value: 255 * (value > 0)) if white is not None and white.shallow == 1 else picture


def examine_map(file: str | os.PathLike | IO[bytes], name: object = None) -> Seen:
    """Return what a label map holds.  peak: the largest class.  deep: 255, which is no class, occurs. DataError."""
    numbers = read_map(file, name)
    classes = numbers[numbers < 255]
    height, width, _ = numbers.shape
    return Seen(height, width, 1, int(classes.max()) if classes.size else 0, classes.size < numbers.size)


def examine_instances(file: str | os.PathLike | IO[bytes], name: object = None) -> Seen:
    """Return what a map of instances holds; its numbers do not matter. DataError where it is none."""
    height, width, _ = read_instances(file, name).shape
    return Seen(height, width, 1, 0, False)


def read_map(file: str | os.PathLike | IO[bytes], name: object = None, image_size: int | None = None) -> np.ndarray:
    """Return the numbers that a label map stores, uint8[height, width, 1], by the nearest pixel where it is resized.

    Palettes count by their numbers, not their colours. DataError for files that hold something else.
    """
    return _numbers(file, name, image_size, folded=False)


def read_instances(
    file: str | os.PathLike | IO[bytes], name: object = None, image_size: int | None = None
) -> np.ndarray:
    """Return a map of instances modulo 251, uint8[height, width, 1]: what matters is where neighbours differ.

    Numbers of 16 bits are usual (class times 1000 and a count); those of neighbours that differ by a multiple of 251
    would run together. DataError as `read_map`, for negative numbers too.
    """
    return _numbers(file, name, image_size, folded=True)


def _numbers(file: str | os.PathLike | IO[bytes], name: object, image_size: int | None, *, folded: bool) -> np.ndarray:
    with _opened(file, name) as picture:
        from PIL import Image as pillow
        from PIL import ImageOps

        if picture.format in ("JPEG", "MPO"):
            raise DataError("it is a JPEG, whose losses change the numbers of classes; save label maps as PNG")
        if picture.mode not in ("1", "L", "P") and not picture.mode.startswith("I"):
            raise DataError(f"it is in colour ({picture.mode}); a label map is grey or has a palette, a number a pixel")
        values = np.asarray(ImageOps.exif_transpose(picture))
        if folded and values.min() >= 0:
            values = values % _FOLD
        if values.min() < 0 or values.max() > 255:
            raise DataError(
                f"its numbers go from {values.min()} to {values.max()}; classes are 0 .. 254, and 255 is none"
            )
        numbers = pillow.fromarray(values.astype(np.uint8))
        return np.asarray(_square(numbers, image_size, pillow.Resampling.NEAREST))[..., None]


def _deep_values(picture: "Image") -> np.ndarray:
    values = np.asarray(picture)
    if values.min() < 0 or values.max() > 65535:
        raise DataError(f"its integers go from {values.min()} to {values.max()}; save it with 8 or 16 bits")
    return values


def fit(picture: "Image", image_size: int | None, channels: int | None) -> np.ndarray:
    """Bring the shorter side to `image_size`, centre crop to a square, 1 or 3 channels: uint8[height, width, channels].

    None keeps what is there. Bicubic with the kernel widened when shrinking, so nothing aliases.
    """
    from PIL import Image as pillow

    if channels is not None:
        picture = picture.convert("L" if channels == 1 else "RGB")
    array = np.array(_square(picture, image_size, pillow.Resampling.BICUBIC), np.uint8)
    return array[..., None] if array.ndim == 2 else array


def _square(picture: "Image", image_size: int | None, resample: "Resampling") -> "Image":
    if image_size is None or picture.size == (image_size, image_size):
        return picture
    side = min(picture.size)
    left, top = (picture.width - side) / 2, (picture.height - side) / 2
    return picture.resize((image_size, image_size), resample, box=(left, top, left + side, top + side))


def fit_all(images: np.ndarray, image_size: int | None, channels: int | None) -> np.ndarray:
    """Apply `fit` to uint8[count, height, width, any channels]; no copy if nothing changes.

    A fourth channel is transparency and laid over white, unless channels is 4. Other numbers of channels but 1 and 3
    stay as they are. DataError where such are asked to become grey or colour, or the result would not fit into memory.
    """
    from PIL import Image as pillow

    height, width, depth = images.shape[1:]
    resized = image_size is not None and not height == width == image_size
    if image_size is not None and resized:
        bounds.check(
            len(images) * image_size**2 * (channels or depth), f"{len(images)} images of {image_size} pixels",
            "choose a smaller image_size",
        )  # fmt: skip
    if depth not in (1, 3, 4) or channels == 4 == depth:
        if channels not in (None, depth):
            raise DataError(f"images of {depth} channels cannot be brought to {channels}; leave out channels")
        if not resized:
            return images
        planes = (fit_all(images[..., i : i + 1], image_size, 1) for i in range(depth))
        return np.concatenate(list(planes), -1)
    if channels not in (None, 1, 3):
        raise DataError(f"images of {depth} channels cannot be brought to {channels}; choose 1, 3 or as stored")
    if depth != 4 and channels in (None, depth) and not resized:
        return images
    pictures = (pillow.fromarray(image[..., 0] if depth == 1 else image) for image in images)
    return np.stack([fit(plain(picture), image_size, channels) for picture in pictures])
