"""Folders of image files: one sub-folder per class, or flat; train/ and test/ (or val/) sub-folders are the splits.

Sub-folders trainA and trainB (testA and testB) are two domains without pairs.
"""

import os
import pathlib
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from genjax.data.dataset import Arrays, DataError, Dataset, Files, Unpaired
from genjax.data.holdout import held_out
from genjax.data.options import DEFAULTS, Options
from genjax.data.readers.cache import memory_map
from genjax.data.readers.image import fit, read

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".pgm", ".ppm")


class Part(NamedTuple):
    """The files of a split or a domain; labels: int32[len(paths)], None where there are no classes."""

    paths: Sequence[str]
    labels: np.ndarray | None = None


class Look(NamedTuple):
    """What every image must come out as.  example: the file that decided it.  chosen: channels were asked for."""

    shape: tuple[int, int, int]
    example: str
    chosen: bool


def load(directory: str | os.PathLike, options: Options = DEFAULTS) -> Dataset:
    """Return the images of a folder, decoded once into a memory-mapped cache, or (stream) whenever asked for.

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
        return _unpaired(root, options)
    names, parts = _parts(root)
    example = min(part.paths[0] for part in parts)
    first = read(example)
    depth = options.channels or (1 if first.mode == "L" else 3)
    look = Look(_shape(fit(first, options.image_size, depth)), example, options.channels is not None)
    train, test = (_open(part, look, options) for part in parts)
    return Dataset(f"folder:{root.name}", train, test, names)


def _parts(root: pathlib.Path) -> tuple[tuple[str, ...], list[Part]]:
    """Return the class names and the training and the test part of a folder."""
    given = [root / name for name in ("test", "val") if (root / name).is_dir()]
    if not (root / "train").is_dir():
        names, part = _scan(root)
        return names, _split(part)
    names, part = _scan(root / "train")
    return names, [part, _scan(given[0], names)[1]] if given else _split(part)


def _unpaired(root: pathlib.Path, options: Options) -> Dataset:
    missing = [name for name in ("trainA", "trainB") if not (root / name).is_dir()]
    if missing:
        raise DataError(f"{root} lacks {missing[0]}; two domains need both trainA and trainB")
    given = [(root / name).is_dir() for name in ("testA", "testB")]
    if any(given) and not all(given):
        raise DataError(f"{root} has only one of testA and testB; add the other, or leave out both to hold out a fifth")
    domains = []
    for domain in "AB":
        part = Part(_domain(root / f"train{domain}"))
        domains.append([part, Part(_domain(root / f"test{domain}"))] if all(given) else _split(part))
    example = domains[0][0].paths[0]
    firsts = [read(parts[0].paths[0]) for parts in domains]
    depth = options.channels or max(1 if first.mode == "L" else 3 for first in firsts)
    look = Look(_shape(fit(firsts[0], options.image_size, depth)), example, chosen=True)
    train, test = (Unpaired(*(_open(parts[i], look, options) for parts in domains)) for i in range(2))
    return Dataset(f"folder:{root.name}", train, test)


def _domain(folder: pathlib.Path) -> list[str]:
    paths = _images(folder, recursive=True)
    if not paths:
        raise DataError(f"{folder} holds no images; put the images of its domain there ({', '.join(SUFFIXES)})")
    return paths


def _images(folder: pathlib.Path, recursive: bool) -> list[str]:
    found: list[str] = []
    for directory, below, files in os.walk(folder):
        below[:] = sorted(name for name in below if not name.startswith(".")) if recursive else []
        found += [os.path.join(directory, name) for name in sorted(files) if name.lower().endswith(SUFFIXES)]
    return [path for path in found if not os.path.basename(path).startswith(".")]


def _scan(root: pathlib.Path, names: tuple[str, ...] | None = None) -> tuple[tuple[str, ...], Part]:
    """Return class names and files of one split; `names`, where given, are the classes it may have."""
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
        return (), Part(flat)
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
    return names, Part(paths, np.array(labels, np.int32))


def _split(part: Part) -> list[Part]:
    return [
        Part([part.paths[row] for row in rows], None if part.labels is None else part.labels[rows])
        for rows in held_out(len(part.paths), part.labels)
    ]


def _shape(image: np.ndarray) -> tuple[int, int, int]:
    height, width, channels = image.shape
    return height, width, channels


def _open(part: Part, look: Look, options: Options) -> Arrays | Files:
    paths, shape = part.paths, look.shape

    def decode(index: int) -> np.ndarray:
        picture = read(paths[index])
        if not look.chosen and shape[2] == 1 and picture.mode != "L":
            raise DataError(f"{paths[index]} is in colour but {look.example} is grey; pass channels=1 or channels=3")
        image = fit(picture, options.image_size, shape[2])
        if image.shape != shape:
            raise DataError(
                f"{paths[index]} is {image.shape[0]}x{image.shape[1]} (height x width) but {look.example} is "
                f"{shape[0]}x{shape[1]}; pass image_size to resize and crop them all"
            )
        return image

    files = Files(decode, len(paths), shape, part.labels)
    if options.stream:
        return files
    stamps = [(path, info.st_size, info.st_mtime_ns) for path in paths for info in [os.stat(path)]]
    return memory_map(files, ("folder", 1, stamps, shape), options.cache_dir)
