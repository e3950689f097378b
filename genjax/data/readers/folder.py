"""Folders of image files: one sub-folder per class, or flat; train/ and test/ (or val/) sub-folders are the splits.

Sub-folders trainA and trainB (testA and testB) are two domains without pairs. Everything Pillow reads is an image;
other files are counted, links are followed, and what is no regular file is told like a broken image.
"""

import os
import pathlib
import stat
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

from genjax.data.dataset import DataError, Dataset, Unpaired
from genjax.data.fingerprint import fingerprint
from genjax.data.holdout import Rows, empty_classes, hold_out
from genjax.data.options import DEFAULTS, Options, user_path
from genjax.data.readers.image import CURE, suffixes
from genjax.data.readers.survey import Encoded, Look, opened, survey

_COMMON = ".png, .jpg, .webp, .tif, ..."


class Listing(NamedTuple):
    """Image files; sentences on files that cannot be images although named so; and how many others, by suffix."""

    paths: list[str]
    broken: list[str]
    others: Counter[str]


class Part(NamedTuple):
    """The files of a split or of one of its domains; labels: int32[len(listing.paths)], None without classes."""

    listing: Listing
    labels: np.ndarray | None = None


def load(directory: str | os.PathLike, options: Options = DEFAULTS) -> Dataset:
    """Return the images of a folder, decoded once into a memory-mapped cache, or (stream) whenever asked for.

    Classes are the sorted names of the sub-folders. Without train/ and test/, a share of each class is held out for
    tests. trainA and trainB, with testA and testB or else a share of each, are two domains: `Unpaired` splits, of which
    sub-folders are no classes. image_size None needs images of one size; channels None is colour if any is in colour.
    DataError for a missing or empty folder, unreadable images, mixed sizes.
    """
    root = _root(directory)
    if any(os.path.isdir(root / name) for name in ("trainA", "trainB")):
        return _unpaired(root, options)
    return load_with_paths(root, options)[0]


def load_with_paths(directory: str | os.PathLike, options: Options = DEFAULTS) -> tuple[Dataset, list[list[str]]]:
    """Return what `load` does of one domain, and the file of each training and each test image."""
    root = _root(directory)
    names, parts = _parts(root)
    encoded, look, notes = _surveyed(root, parts, options)
    rows = _usable(parts, look)
    if len(rows) == 1:
        rows, note = hold_out(rows[0], options)
        notes.append(note)
    else:
        options.refuse_hold_out(root)
    train, test = (opened(encoded, part, look, options) for part in rows)
    notes += empty_classes(rows[0].labels, rows[1].labels, names)
    paths = [path for part in parts for path in part.listing.paths]
    mark = fingerprint(paths, root)
    dataset = Dataset(f"folder:{root.name}", train, test, names, fingerprint=mark, notes=tuple(notes))
    return dataset, [[paths[number] for number in part.numbers] for part in rows]


def _root(directory: str | os.PathLike) -> pathlib.Path:
    root = user_path(directory)
    if not os.path.isdir(root):
        raise DataError(
            f"{root} is not a directory; folder:DIR needs one that holds images or one sub-folder per class"
        )
    return root


def _unpaired(root: pathlib.Path, options: Options) -> Dataset:
    missing = [name for name in ("trainA", "trainB") if not os.path.isdir(root / name)]
    if missing:
        raise DataError(f"{root} lacks {missing[0]}; two domains need both trainA and trainB")
    given = [os.path.isdir(root / name) for name in ("testA", "testB")]
    if any(given) and not all(given):
        raise DataError(f"{root} has only one of testA and testB; add the other, or leave out both to hold some out")
    splits = ("train", "test") if all(given) else ("train",)
    parts = [Part(_domain(root / f"{split}{domain}")) for split in splits for domain in "AB"]
    encoded, look, notes = _surveyed(root, parts, options)
    rows = _usable(parts, look)
    if len(rows) == 2:
        (a, note_a), (b, note_b) = (hold_out(part, options) for part in rows)
        rows = [a[0], b[0], a[1], b[1]]
        notes += [f"domain A: {note_a}", f"domain B: {note_b}"]
    else:
        options.refuse_hold_out(root)
    halves = [opened(encoded, part, look, options) for part in rows]
    return Dataset(
        f"folder:{root.name}",
        Unpaired(halves[0], halves[1]),
        Unpaired(halves[2], halves[3]),
        fingerprint=fingerprint([path for part in parts for path in part.listing.paths], root),
        notes=tuple(notes),
    )


def _parts(root: pathlib.Path) -> tuple[tuple[str, ...], list[Part]]:
    """Return the class names, and the only part of a folder or its training and test parts."""
    if not os.path.isdir(root / "train"):
        names, part = _scan(root)
        return names, [part]
    names, part = _scan(root / "train")
    given = [root / name for name in ("test", "val") if os.path.isdir(root / name)]
    return names, [part, _scan(given[0], names)[1]] if given else [part]


def _surveyed(root: pathlib.Path, parts: Sequence[Part], options: Options) -> tuple[Encoded, Look, list[str]]:
    """Return the images of all parts one after the other, their common look, and notes."""
    listings = [part.listing for part in parts]
    encoded = of_paths([path for listing in listings for path in listing.paths])
    look = survey(encoded, options, root, [sentence for listing in listings for sentence in listing.broken])
    others = sum((listing.others for listing in listings), Counter())
    return encoded, look, [*look.notes, *([f"skipped {_counted(others)}"] if others else [])]


def of_paths(paths: Sequence[str]) -> Encoded:
    """Return image files by number. DataError where one has vanished."""
    try:
        stamps = [(p, info.st_size, info.st_mtime_ns, info.st_ino) for p in paths for info in [os.stat(p)]]
    except OSError as error:
        raise DataError(f"{error.filename} was there a moment ago ({error.strerror}); start again") from error
    return Encoded(lambda number: paths[number], lambda number: printable(paths[number]), stamps)


def _usable(parts: Sequence[Part], look: Look) -> list[Rows]:
    """Return what the survey left of each part. DataError where that is nothing."""
    rows, first = [], 0
    for part in parts:
        last = first + len(part.listing.paths)
        numbers = look.usable[(look.usable >= first) & (look.usable < last)]
        if not len(numbers):
            raise DataError(f"none of the {last - first} files beside {part.listing.paths[0]} can be read")
        rows.append(Rows(numbers, None if part.labels is None else part.labels[numbers - first]))
        first = last
    return rows


def _domain(folder: pathlib.Path) -> Listing:
    listing = list_images(folder)
    if not listing.paths:
        raise DataError(f"{_nothing(folder, listing)}; put the images of its domain there ({_COMMON})")
    return listing


def _scan(root: pathlib.Path, names: tuple[str, ...] | None = None) -> tuple[tuple[str, ...], Part]:
    """Return class names and files of one split; `names`, where given, are the classes it may have."""
    flat = list_images(root, recursive=False)
    classes = sorted(entry.name for entry in _entries(root) if os.path.isdir(entry) and entry.name[0] != ".")
    if flat.paths and classes:
        raise DataError(
            f"{root} holds both images ({os.path.basename(flat.paths[0])}, ...) and sub-folders ({classes[0]}, ...); "
            "move the images into a sub-folder per class, or the sub-folders elsewhere"
        )
    if not flat.paths and not classes:
        raise DataError(f"{_nothing(root, flat)}; put images ({_COMMON}) or one sub-folder per class there")
    if names is not None and bool(names) != bool(classes):
        raise DataError(f"{root} must have sub-folders per class exactly when its sibling train has")
    if not classes:
        return (), Part(flat)
    names = tuple(classes) if names is None else names
    members = {name: list_images(root / name) for name in classes}
    unknown = [name for name in classes if name not in names]
    if unknown:
        raise DataError(f"{root / unknown[0]} is a class that train lacks; its classes are {', '.join(names)}")
    empty = [name for name in classes if not members[name].paths]
    if empty:
        others = f" (nor do {', '.join(empty[1:])})" if len(empty) > 1 else ""
        raise DataError(
            f"{_nothing(root / empty[0], members[empty[0]])}{others}; remove empty folders or "
            "put images of their class there"
        )
    labels = np.concatenate([np.full(len(found.paths), names.index(name), np.int32) for name, found in members.items()])
    return names, Part(_joined([flat, *members.values()]), labels)


def _joined(listings: Iterable[Listing]) -> Listing:
    whole = Listing([], [], Counter())
    for listing in listings:
        whole.paths.extend(listing.paths)
        whole.broken.extend(listing.broken)
        whole.others.update(listing.others)
    return whole


def list_images(folder: pathlib.Path, recursive: bool = True) -> Listing:
    """Return the files of a folder, its own first and then those of each sub-folder, in the order of their names.

    Links are followed, to every folder once; hidden files and folders are left out.
    """
    listing, waiting, known = Listing([], [], Counter()), [os.fspath(folder)], {_identity(os.stat(folder))}
    while waiting:
        below = []
        for entry in _entries(waiting.pop()):
            if entry.name.startswith("."):
                continue
            named_image = entry.name.lower().endswith(suffixes())
            try:
                info = entry.stat()
            except OSError as error:  # a link to nothing, or to itself
                if named_image:
                    reason = f"a link that leads nowhere: {error.strerror}"
                    listing.broken.append(f"{printable(entry.path)} is not a readable image ({reason}); {CURE}")
                else:
                    listing.others[os.path.splitext(entry.name)[1]] += 1
                continue
            if stat.S_ISDIR(info.st_mode):
                if recursive and _identity(info) not in known:
                    known.add(_identity(info))
                    below.append(entry.path)
            elif not named_image:
                listing.others[os.path.splitext(entry.name)[1]] += 1
            elif stat.S_ISREG(info.st_mode):
                listing.paths.append(entry.path)
            else:
                reason = "no regular file but a pipe, socket or device"
                listing.broken.append(f"{printable(entry.path)} is not a readable image ({reason}); {CURE}")
        waiting.extend(reversed(below))
    return listing


def _entries(folder: str | os.PathLike[str]) -> list[os.DirEntry[str]]:
    try:
        return sorted(os.scandir(os.fspath(folder)), key=lambda entry: entry.name)
    except OSError as error:
        raise DataError(f"{printable(folder)} cannot be listed ({error.strerror}); mend its permissions") from error


def _identity(info: os.stat_result) -> tuple[int, int]:
    return info.st_dev, info.st_ino


def printable(path: str | os.PathLike) -> str:
    """Return the path as text that any file or terminal takes: bytes that are no UTF-8 become escapes."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")


def _nothing(folder: pathlib.Path, listing: Listing) -> str:
    held = [*([f"only {_counted(listing.others)}"] if listing.others else []), *listing.broken[:1]]
    return f"{folder} holds no images" + (f" ({'; '.join(held)})" if held else "")


def _counted(others: Counter[str]) -> str:
    kinds = ", ".join(f"{suffix or 'without suffix'}: {count}" for suffix, count in others.most_common(5))
    return f"{others.total()} files that are no images by their names ({kinds}{', ...' if len(others) > 5 else ''})"
