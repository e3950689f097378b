"""Data sets in one NumPy archive: x_train, y_train, x_test, y_test, or images (x) and labels (y)."""

import os
import pathlib

import numpy as np

from genjax.data.dataset import Arrays, DataError, Dataset
from genjax.data.errors import reason
from genjax.data.fingerprint import fingerprint
from genjax.data.holdout import Rows, empty_classes, hold_out
from genjax.data.labels import check_labels, check_names, number_names
from genjax.data.options import DEFAULTS, Options, user_path
from genjax.data.readers import bounds
from genjax.data.readers.image import fit_all

_KEYS = "x_train, y_train, x_test and y_test, or images and labels (x and y); labels are optional"
_DARK, _NAMED = 32, 10


def load(path: str | os.PathLike, options: Options = DEFAULTS) -> Dataset:
    """Return images [count, height, width] or [count, height, width, channels] with 8 bits, and labels -1, 0, 1, ...

    Pixels: uint8, integers in 0..255, booleans, masks of 0 and 1, or floats in [0, 1] or [-1, 1] (rounded to 256
    levels). Channels: any number; of four, the last is transparency unless channels is 4. Class names from
    "class_names" where present. Without a test part, a share of each class is held out. DataError for missing keys,
    wrong shapes, NaN, values or labels out of range.
    """
    path = user_path(path)
    content, keys = _read(path)
    names = check_names(content["class_names"], f"{path}: class_names") if "class_names" in content else None
    labelled = [y in content for _, y in keys]
    if any(labelled) != all(labelled):
        raise DataError(f"{path} has labels for one split only; add {keys[labelled.index(False)][1]} (-1 = no label)")
    images, notes = to_bytes([content[x] for x, _ in keys], [f"{path}: {x}" for x, _ in keys])
    if images[0].shape[-1] == 4 and options.channels is None:
        notes.append("the fourth channel is taken for transparency and laid over white; pass channels=4 to keep it")
    images = [fit_all(array, options.image_size, options.channels) for array in images]
    labels: list[np.ndarray | None] = [None] * len(images)
    if all(labelled):
        # The training labels say how many classes there are; the test labels must keep to them.
        for number, (_, y) in enumerate(keys):
            known = None if names is None else len(names)
            checked = check_labels(content[y], len(images[number]), known, f"{path}: {y}")
            names, labels[number] = names or number_names(checked), checked
    if len(images) == 1:
        rows, note = hold_out(Rows(np.arange(len(images[0])), labels[0]), options)
        images, labels = [images[0][part.numbers] for part in rows], [part.labels for part in rows]
        notes.append(note)
    else:
        options.refuse_hold_out(path)
    names = names if all(labelled) and names else ()
    train, test = (
        Arrays({"images": x} if y is None else {"images": x, "labels": y}) for x, y in zip(images, labels, strict=True)
    )
    notes += empty_classes(labels[0], labels[1], names)
    return Dataset(path.stem, train, test, names, fingerprint=fingerprint([path], path.parent), notes=tuple(notes))


def _read(path: pathlib.Path) -> tuple[dict[str, np.ndarray], list[tuple[str, str]]]:
    """Return the arrays that are used, and the keys of images and labels, one pair a split."""
    if not os.path.isfile(path):
        what = "is no regular file" if os.path.lexists(path) else "does not exist"
        raise DataError(f"{path} {what}; give the path of an .npz file with {_KEYS}")
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
            keys = _keys(path, archive.files)
            used = [name for pair in (*keys, ("class_names",)) for name in pair if name in archive.files]
            sizes = {info.filename.removesuffix(".npy"): info.file_size for info in archive.zip.infolist()}
            bounds.check(sum(sizes[name] for name in used), path)
            content = {name: archive[name] for name in used}
            foreign = [name for name, array in content.items() if not isinstance(array, np.ndarray)]
            if foreign:  # a member that does not begin as NumPy's arrays do
                raise ValueError(f"{foreign[0]} is no array")
            return content, keys
    except DataError:
        raise
    # A broken archive makes zipfile, zlib and NumPy's parser of headers raise nearly anything.
    except Exception as error:
        raise DataError(
            f"{path} is not a readable .npz file of plain arrays ({reason(error)}); write it with np.savez"
        ) from error


def _keys(path: pathlib.Path, names: list[str]) -> list[tuple[str, str]]:
    if "x_train" in names:
        return [("x_train", "y_train")] + [("x_test", "y_test")] * ("x_test" in names)
    for pair in (("images", "labels"), ("x", "y")):
        if pair[0] in names:
            return [pair]
    found = ", ".join(name.encode("unicode_escape").decode() for name in names[:_NAMED]) or "none"
    raise DataError(f"{path} has the keys {found}{', ...' * (len(names) > _NAMED)}; expected {_KEYS}")


def to_bytes(arrays: list[np.ndarray], where: list[str]) -> tuple[list[np.ndarray], list[str]]:
    """Return arrays of images, of one range together, as uint8[count, height, width, channels], and notes.

    DataError as in `load`.
    """
    arrays = [array[..., None] if array.ndim == 3 else array for array in arrays]
    for array, name in zip(arrays, where, strict=True):
        _check(array, name)
    if len({array.dtype.kind if array.dtype.kind in "bf" else "i" for array in arrays}) > 1:
        raise DataError(
            f"{where[0]} and {where[1]} differ in kind ({arrays[0].dtype}, {arrays[1].dtype}); use one dtype"
        )
    kind = arrays[0].dtype.kind
    if kind == "b":
        return [array.astype(np.uint8) * np.uint8(255) for array in arrays], []
    low, high = min(float(array.min()) for array in arrays), max(float(array.max()) for array in arrays)
    if kind == "f":
        return _of_floats(arrays, where[0], low, high)
    if low < 0 or high > 255:
        raise DataError(
            f"{where[0]}: integer pixels must lie in 0..255, not {low:g}..{high:g}; rescale and store uint8"
        )
    arrays = [array if array.dtype == np.uint8 else array.astype(np.uint8) for array in arrays]
    if high == 1:
        return [array * np.uint8(255) for array in arrays], ["the images hold 0 and 1 only; 1 is taken as white"]
    dark = [f"no pixel is brighter than {high:g} of 255; multiply the values if that is white"] * (0 < high < _DARK)
    return arrays, dark


def _check(array: np.ndarray, name: str) -> None:
    if array.ndim != 4 or 0 in array.shape:
        raise DataError(
            f"{name} has shape {list(array.shape)}, not [count, height, width] or [count, height, width, channels]; "
            "reshape it"
        )
    if array.shape[1] in (1, 3, 4) and array.shape[1] < min(array.shape[2:]):
        raise DataError(
            f"{name} has shape {list(array.shape)}, which looks like [count, channels, height, width]; "
            "move the channels last"
        )
    if array.dtype.kind not in "buif":
        raise DataError(f"{name} holds {array.dtype}, not numbers; store uint8 or float32")
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        bad = np.flatnonzero(~np.isfinite(array).all((1, 2, 3)))
        raise DataError(f"{name}: image {bad[0]} has a NaN or infinite pixel ({len(bad)} images do); remove or mend it")


def _of_floats(arrays: list[np.ndarray], where: str, low: float, high: float) -> tuple[list[np.ndarray], list[str]]:
    if low < -1 or high > 1:
        raise DataError(f"{where}: floats must lie in [0, 1] or [-1, 1], not [{low:g}, {high:g}]; rescale them")
    if -0.5 < low < 0:
        raise DataError(
            f"{where}: floats from {low:g} to {high:g} may be meant for [0, 1] or for [-1, 1]; clip them to [0, 1], or "
            "scale them so that black is -1"
        )
    if 0 <= low < high <= 1 / 255:
        raise DataError(
            f"{where}: floats reach {high:g} only and would come out black; rescale them (were they divided "
            "by 255 twice?)"
        )
    offset, stretch, span = (1.0, 127.5, "[-1, 1]") if low < 0 else (0.0, 255.0, "[0, 1]")
    scaled = [np.round((array.astype(np.float32) + offset) * stretch).astype(np.uint8) for array in arrays]
    return scaled, [f"floats in {span} are stored with 256 levels"]
