"""The idx files of the MNIST family (MNIST, Fashion-MNIST, Kuzushiji-MNIST), as published (.gz) or unpacked."""

import gzip
import os
import pathlib
import zlib

import numpy as np

from genjax.data.dataset import Arrays, DataError, Dataset, check_labels, number_names
from genjax.data.options import DEFAULTS, Options
from genjax.data.readers.image import fit_all

_PARTS = {"train": "train", "test": "t10k"}


def load(directory: str | os.PathLike, options: Options = DEFAULTS) -> Dataset:
    """Return uint8[count, 28, 28, 1] and labels from a folder's {train,t10k}-{images-idx3,labels-idx1}-ubyte[.gz]."""
    root = pathlib.Path(directory).expanduser()
    if not root.is_dir():
        raise DataError(
            f"{root} is not a directory; idx:DIR needs one with train-images-idx3-ubyte.gz and its siblings"
        )
    splits, classes = {}, None
    for split, prefix in _PARTS.items():
        images_path = _find(root, f"{prefix}-images-idx3-ubyte")
        labels_path = _find(root, f"{prefix}-labels-idx1-ubyte")
        images, numbers = read(images_path, 3), read(labels_path, 1)
        labels = check_labels(numbers, len(images), classes, str(labels_path))
        classes = classes or len(number_names(labels))
        splits[split] = Arrays(
            {"images": fit_all(images[..., None], options.image_size, options.channels), "labels": labels}
        )
    names = number_names(splits["train"].arrays["labels"])
    return Dataset(f"idx:{root.name}", splits["train"], splits["test"], names)


def _find(root: pathlib.Path, stem: str) -> pathlib.Path:
    names = [stem + ".gz", stem, stem.replace("-idx", ".idx") + ".gz", stem.replace("-idx", ".idx")]
    for name in names:
        if (root / name).is_file():
            return root / name
    raise DataError(f"{root} has no {names[0]} (nor {names[1]}); put the four official files there, under their names")


def read(path: pathlib.Path, rank: int) -> np.ndarray:
    """Return one idx file of unsigned bytes with `rank` axes: uint8 array. DataError if it is cut or something else."""
    try:
        data = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{path} is not a readable gzip file ({error}); download it again") from error
    if data[:4] != bytes((0, 0, 8, rank)):
        raise DataError(
            f"{path} starts with bytes {data[:4].hex()}, not 000008{rank:02x}: not an idx file of this kind"
        )
    shape = tuple(int(size) for size in np.frombuffer(data, ">u4", rank, 4)) if len(data) >= 4 + 4 * rank else ()
    pixels = len(data) - 4 - 4 * rank
    if not shape or pixels != int(np.prod(shape)) or not pixels:
        raise DataError(f"{path} has {pixels} bytes of data where its header says {list(shape)}; download it again")
    return np.frombuffer(data, np.uint8, offset=4 + 4 * rank).reshape(shape)
