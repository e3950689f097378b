"""The idx files of the MNIST family (MNIST, Fashion-MNIST, Kuzushiji-MNIST), as published (.gz) or unpacked."""

import contextlib
import gzip
import math
import os
import pathlib
import zlib

import numpy as np

from genjax.data.dataset import Arrays, DataError, Dataset
from genjax.data.fingerprint import fingerprint
from genjax.data.holdout import empty_classes
from genjax.data.labels import check_labels, number_names
from genjax.data.options import DEFAULTS, Options, user_path
from genjax.data.readers import bounds
from genjax.data.readers.image import fit_all

_PARTS = {"train": "train", "test": "t10k"}


def load(directory: str | os.PathLike, options: Options = DEFAULTS) -> Dataset:
    """Return uint8[count, 28, 28, 1] and labels from a folder's {train,t10k}-{images-idx3,labels-idx1}-ubyte[.gz]."""
    root = user_path(directory)
    if not os.path.isdir(root):
        raise DataError(
            f"{root} is not a directory; idx:DIR needs one with train-images-idx3-ubyte.gz and its siblings"
        )
    options.refuse_hold_out(root)
    splits, classes, paths = {}, None, []
    for split, prefix in _PARTS.items():
        images_path = _find(root, f"{prefix}-images-idx3-ubyte")
        labels_path = _find(root, f"{prefix}-labels-idx1-ubyte")
        paths += [images_path, labels_path]
        images, numbers = read(images_path, 3)[..., None], read(labels_path, 1)
        labels = check_labels(numbers, len(images), classes, str(labels_path))
        classes = classes or len(number_names(labels))
        splits[split] = Arrays({"images": fit_all(images, options.image_size, options.channels), "labels": labels})
    train, test = splits.values()
    names = number_names(train.arrays["labels"])
    notes = empty_classes(train.arrays["labels"], test.arrays["labels"], names)
    return Dataset(f"idx:{root.name}", train, test, names, fingerprint=fingerprint(paths, root), notes=tuple(notes))


def _find(root: pathlib.Path, stem: str) -> pathlib.Path:
    names = [stem + ".gz", stem, stem.replace("-idx", ".idx") + ".gz", stem.replace("-idx", ".idx")]
    for name in names:
        if os.path.isfile(root / name):
            return root / name
    raise DataError(f"{root} has no {names[0]} (nor {names[1]}); put the four official files there, under their names")


def read(path: pathlib.Path, rank: int) -> np.ndarray:
    """Return one idx file of unsigned bytes with `rank` axes: uint8 array. DataError if it is cut or something else."""
    try:
        with contextlib.closing(gzip.open(path) if path.suffix == ".gz" else path.open("rb")) as file:
            head = file.read(4 + 4 * rank)
            if head[:4] != bytes((0, 0, 8, rank)):
                raise DataError(
                    f"{path} starts with bytes {head[:4].hex()}, not 000008{rank:02x}: not an idx file of this kind"
                )
            shape = tuple(int(size) for size in np.frombuffer(head[4:], ">u4")) if len(head) == 4 + 4 * rank else ()
            count = math.prod(shape) if shape else 0
            bounds.check(count, path, "download it again, or use a smaller part of it")
            data = file.read(count + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{path} is not a readable gzip file ({error}); download it again") from error
    if not count or len(data) != count:
        held = "more" if len(data) > count else str(len(data))
        raise DataError(f"{path} has {held} bytes of data where its header says {list(shape)}; download it again")
    return np.frombuffer(data, np.uint8).reshape(shape)
