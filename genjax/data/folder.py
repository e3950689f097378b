"""Folders of image files: one sub-folder per class, or flat; train/ and test/ (or val/) sub-folders are the splits.

Sub-folders trainA and trainB (testA and testB) are two domains without pairs.
"""

from __future__ import annotations

import os
import pathlib

import numpy as np

from genjax.data.cache import memory_map
from genjax.data.dataset import Arrays, DataError, Dataset, Files, Unpaired
from genjax.data.image import fit, read
from genjax.data.split import held_out

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".pgm", ".ppm")


def load(
    directory: str | os.PathLike,
    *,
    image_size: int | None = None,
    channels: int | None = None,
    cache_dir: str | os.PathLike | None = None,
    stream: bool = False,
) -> Dataset:
    """Images of a folder, decoded once into a memory-mapped cache, or (stream) whenever they are asked for.

    Classes are the sorted names of the sub-folders. Without train/ and test/, a fixed fifth of each class is the test
    split. trainA and trainB, with testA and testB or else a fixed fifth of each, are two domains: `Unpaired` splits, of
    which sub-folders are no classes. image_size None needs images of one size; channels None takes those of the first
    image (1 or 3).
    DataError for a missing or empty folder, an unreadable image, mixed shapes.
    """
    root = pathlib.Path(directory).expanduser().absolute()
    if not root.is_dir():
        raise DataError(
            f"{root} is not a directory; folder:DIR needs one that holds images or one sub-folder per class"
        )
    if any((root / name).is_dir() for name in ("trainA", "trainB")):
        return _unpaired(root, image_size, channels, cache_dir, stream)
    given = [root / name for name in ("test", "val") if (root / name).is_dir()]
    if (root / "train").is_dir():
        names, paths, labels = _scan(root / "train")
        if given:
            test = _scan(given[0], names)[1:]
            parts = [(paths, labels), test]
        else:
            parts = _split(paths, labels)
    else:
        names, paths, labels = _scan(root)
        parts = _split(paths, labels)
    first = read(paths[0])
    depth = channels or (1 if first.mode == "L" else 3)
    example = fit(first, image_size, depth)
    train, test = (
        _open(members, numbers, example.shape, paths[0], image_size, channels, cache_dir, stream)
        for members, numbers in parts
    )
    return Dataset(f"folder:{root.name}", train, test, names)


def _unpaired(root, image_size, channels, cache_dir, stream):
    missing = [name for name in ("trainA", "trainB") if not (root / name).is_dir()]
    if missing:
        raise DataError(f"{root} lacks {missing[0]}; two domains need both trainA and trainB")
    given = [(root / name).is_dir() for name in ("testA", "testB")]
    if any(given) and not all(given):
        raise DataError(f"{root} has only one of testA and testB; add the other, or leave out both to hold out a fifth")
    halves = []
    for domain in "AB":
        paths = _domain(root / f"train{domain}")
        if all(given):
            halves.append((paths, _domain(root / f"test{domain}")))
        else:
            halves.append(tuple(members for members, _ in _split(paths, None)))
    first = read(halves[0][0][0])
    depth = channels or max(1 if read(paths[0]).mode == "L" else 3 for paths, _ in halves)
    shape = fit(first, image_size, depth).shape
    train, test = (
        Unpaired(
            *(_open(half[i], None, shape, halves[0][0][0], image_size, depth, cache_dir, stream) for half in halves)
        )
        for i in range(2)
    )
    return Dataset(f"folder:{root.name}", train, test)


def _domain(folder):
    paths = _images(folder, recursive=True)
    if not paths:
        raise DataError(f"{folder} holds no images; put the images of its domain there ({', '.join(SUFFIXES)})")
    return paths


def _images(folder, recursive):
    found = []
    for directory, below, files in os.walk(folder):
        below[:] = sorted(name for name in below if not name.startswith(".")) if recursive else []
        found += [os.path.join(directory, name) for name in sorted(files) if name.lower().endswith(SUFFIXES)]
    return [path for path in found if not os.path.basename(path).startswith(".")]


def _scan(root, names=None):
    """(class names, paths, labels or None) of one split; `names`, where given, are the classes it may have."""
    flat = _images(root, recursive=False)
    classes = sorted(entry.name for entry in os.scandir(root) if entry.is_dir() and not entry.name.startswith("."))
    if flat and classes:
        raise DataError(
            f"{root} holds both images ({os.path.basename(flat[0])}, ...) and sub-folders ({classes[0]}, ...); "
            "move the images into a sub-folder per class, or the sub-folders elsewhere"
        )
    if not flat and not classes:
        raise DataError(f"{root} holds no images; put {', '.join(SUFFIXES)} files or one sub-folder per class there")
    if names is not None and bool(names) != bool(classes):
        raise DataError(f"{root} must have sub-folders per class exactly when its sibling train has")
    if flat:
        return (), flat, None
    names = tuple(classes) if names is None else names
    paths: list[str] = []
    labels: list[int] = []
    for name in classes:
        if name not in names:
            raise DataError(f"{root / name} is a class that train lacks; its classes are {', '.join(names)}")
        members = _images(root / name, recursive=True)
        if not members:
            raise DataError(f"{root / name} holds no images; remove the empty folder or put images of its class there")
        paths += members
        labels += [names.index(name)] * len(members)
    return names, paths, np.array(labels, np.int32)


def _split(paths, labels):
    return [
        ([paths[row] for row in rows], None if labels is None else labels[rows])
        for rows in held_out(len(paths), labels)
    ]


def _open(paths, labels, shape, first, image_size, channels, cache_dir, stream) -> Arrays | Files:
    """One split; every image must come out with `shape`, that of the data set's `first` image."""

    def decode(index: int) -> np.ndarray:
        picture = read(paths[index])
        if channels is None and shape[2] == 1 and picture.mode != "L":
            raise DataError(f"{paths[index]} is in colour but {first} is grey; pass channels=1 or channels=3")
        image = fit(picture, image_size, shape[2])
        if image.shape != shape:
            raise DataError(
                f"{paths[index]} is {image.shape[0]}x{image.shape[1]} (height x width) but {first} is "
                f"{shape[0]}x{shape[1]}; pass image_size to resize and crop them all"
            )
        return image

    files = Files(decode, len(paths), shape, labels)
    if stream:
        return files
    stamps = [(path, info.st_size, info.st_mtime_ns) for path in paths for info in [os.stat(path)]]
    return memory_map(files, ("folder", 1, stamps, shape), cache_dir)
