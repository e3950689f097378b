"""Data sets in one NumPy archive: x_train, y_train, x_test, y_test, or images (x) and labels (y)."""

import os
import pathlib
import zipfile
import zlib

import numpy as np

from genjax.data.dataset import Arrays, DataError, Dataset, check_labels, number_names
from genjax.data.holdout import held_out
from genjax.data.options import DEFAULTS, Options
from genjax.data.readers.image import fit_all

_KEYS = "x_train, y_train, x_test and y_test, or images and labels (x and y); labels are optional"


def load(path: str | os.PathLike, options: Options = DEFAULTS) -> Dataset:
    """Return images [count, height, width] or [count, height, width, channels] with 8 bits, and labels -1, 0, 1, ...

    Pixels: uint8, integers in 0..255, booleans, or floats in [0, 1] or [-1, 1] (rounded to 256 levels). Class names
    from "class_names" where present. Without a test part, a fixed fifth of each class. DataError for missing keys,
    wrong shapes, NaN, values or labels out of range.
    """
    path = pathlib.Path(path).expanduser()
    if not path.is_file():
        raise DataError(f"{path} does not exist; give the path of an .npz file with {_KEYS}")
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
            content = {name: archive[name] for name in archive.files}
    except (OSError, ValueError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise DataError(
            f"{path} is not a readable .npz file of plain arrays ({error}); write it with np.savez"
        ) from error
    names = tuple(str(name) for name in content["class_names"]) if "class_names" in content else None

    if "x_train" in content:
        keys = [("x_train", "y_train")] + [("x_test", "y_test")] * ("x_test" in content)
    else:
        keys = [next(((x, y) for x, y in (("images", "labels"), ("x", "y")) if x in content), ("", ""))]
    if not keys[0][0]:
        raise DataError(f"{path} has the keys {', '.join(content) or 'none'}; expected {_KEYS}")
    labelled = [y in content for _, y in keys]
    if any(labelled) != all(labelled):
        raise DataError(f"{path} has labels for one split only; add {keys[labelled.index(False)][1]} (-1 = no label)")

    images = to_bytes([content[x] for x, _ in keys], [f"{path}: {x}" for x, _ in keys])
    images = [fit_all(array, options.image_size, options.channels) for array in images]
    labels: list[np.ndarray | None] = [None] * len(images)
    if all(labelled):
        # The training labels say how many classes there are; the test labels must keep to them.
        classes = len(names) if names is not None else None
        for number, (_, y) in enumerate(keys):
            labels[number] = check_labels(content[y], len(images[number]), classes, f"{path}: {y}")
            classes = classes or len(number_names(labels[0]))
        names = names or number_names(labels[0])
    if len(images) == 1:
        rows = held_out(len(images[0]), labels[0])
        images, labels = [images[0][r] for r in rows], [None if labels[0] is None else labels[0][r] for r in rows]
    train, test = (
        Arrays({"images": x} if y is None else {"images": x, "labels": y}) for x, y in zip(images, labels, strict=True)
    )
    return Dataset(path.stem, train, test, names if train.labelled and names else ())


def to_bytes(arrays: list[np.ndarray], where: list[str]) -> list[np.ndarray]:
    """Return arrays of images, of one range together, as uint8[count, height, width, channels]; DataError as `load`."""
    arrays = [array[..., None] if array.ndim == 3 else array for array in arrays]
    for array, name in zip(arrays, where, strict=True):
        if array.ndim != 4 or array.shape[-1] not in (1, 3, 4) or 0 in array.shape:
            cure = "move the channels last" if array.ndim == 4 and array.shape[1] in (1, 3, 4) else "reshape it"
            raise DataError(
                f"{name} has shape {list(array.shape)}, not [count, height, width] or [count, height, width, channels] "
                f"with 1, 3 or 4 channels; {cure}"
            )
        if array.dtype.kind not in "buif":
            raise DataError(f"{name} holds {array.dtype}, not numbers; store uint8 or float32")
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            bad = np.flatnonzero(~np.isfinite(array).all((1, 2, 3)))
            raise DataError(
                f"{name}: image {bad[0]} has a NaN or infinite pixel ({len(bad)} images do); remove or mend it"
            )
    if all(array.dtype == np.uint8 for array in arrays):
        return arrays
    if len({array.dtype.kind == "f" for array in arrays}) > 1:
        raise DataError(
            f"{where[0]} and {where[1]} differ in kind ({arrays[0].dtype}, {arrays[1].dtype}); use one dtype"
        )
    low, high = min(float(array.min()) for array in arrays), max(float(array.max()) for array in arrays)
    if arrays[0].dtype.kind == "f":
        if low < -1 or high > 1:
            raise DataError(f"{where[0]}: floats must lie in [0, 1] or [-1, 1], not [{low:g}, {high:g}]; rescale them")
        offset, stretch = (1.0, 127.5) if low < 0 else (0.0, 255.0)
        return [np.round((array.astype(np.float32) + offset) * stretch).astype(np.uint8) for array in arrays]
    if arrays[0].dtype.kind == "b":
        return [array.astype(np.uint8) * np.uint8(255) for array in arrays]
    if low < 0 or high > 255:
        raise DataError(
            f"{where[0]}: integer pixels must lie in 0..255, not {low:g}..{high:g}; rescale and store uint8"
        )
    return [array.astype(np.uint8) for array in arrays]
