"""One image file: what models learn from that need no more."""

import os

from genjax.data.dataset import Arrays, DataError, Dataset
from genjax.data.fingerprint import fingerprint
from genjax.data.options import DEFAULTS, Options, user_path
from genjax.data.readers.image import fit, read


def load(path: str | os.PathLike, options: Options = DEFAULTS) -> Dataset:
    """Return an image file, uint8[1, height, width, 1 or 3], as training and as test data.

    As stored, upright, with transparency laid over white; with image_size its middle square, resized. DataError where
    there is no such file, or it holds no image.
    """
    path = user_path(path)
    options.refuse_hold_out("a single image")
    options.refuse_channels("a single image")
    if not path.is_file():
        what = "is no regular file" if os.path.lexists(path) else "does not exist"
        raise DataError(f"{path} {what}; image:FILE needs one picture, such as image:photo.jpg")
    split = Arrays({"images": fit(read(path), options.image_size, options.channels)[None]})
    return Dataset(f"image:{path.stem}", split, split, fingerprint=fingerprint([path], path.parent))
