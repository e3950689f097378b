"""Folders whose images belong together by their names: pairs, photographs with label maps, persons with garments.

train/A/1.png  train/B/1.png      (or A/train, B/train; or trainA, trainB; test or val likewise, else some held out)
"""

import os
import pathlib
from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np

from genjax.data.dataset import Arrays, DataError, Dataset, Files
from genjax.data.errors import reason
from genjax.data.fingerprint import fingerprint
from genjax.data.holdout import Rows, hold_out
from genjax.data.labels import check_names
from genjax.data.options import DEFAULTS, Options, user_path
from genjax.data.readers.folder import list_images, of_paths, printable
from genjax.data.readers.survey import Encoded, Look, joined, opened, survey

_NAMED = 5
_NO_CLASS = 255
Columns = dict[str, list[str]]
"""Files by name of the column, in one order."""
Kinds = Mapping[str, Literal["image", "left", "right", "map", "instances"]]
"""What is taken of each column's files, where it is not the image."""


def load_pairs(directory: str | os.PathLike[str], options: Options = DEFAULTS) -> Dataset:
    """Return pairs: "images" of folders A and "targets" of folders B with the same names, or each pair in one file.

    In one file A is the left half and B the right one: folders train, test or val of such files, or only these. Both
    images of a pair must have one size. DataError where an image has no partner, or sizes differ.
    """
    root = _root(directory, "pairs:DIR")
    splits = _layout(root, {"images": "A", "targets": "B"})
    if splits is not None:
        return _load(root, splits, options, form="pairs", same_size=True)
    splits = _side_by_side(root)
    return _load(root, splits, options, form="pairs", same_size=True, kinds={"images": "left", "targets": "right"})


def load_maps(directory: str | os.PathLike[str], options: Options = DEFAULTS) -> Dataset:
    """Return "images" of folders named images with "maps" of folders named maps: the class of each pixel, 255 for none.

    Where there are folders named instances too, "instances": a number for each thing, of 8 or 16 bits, kept modulo 251,
    for the borders between things of one class. The names of the classes are the lines of DIR/classes.txt, or else
    numbers up to the largest. Maps are resized to the nearest pixel, never mixed. DataError for classes out of range,
    JPEG or coloured maps, and as `load_pairs`.
    """
    root = _root(directory, "maps:DIR")
    names = {"images": "images", "maps": "maps", "instances": "instances"}
    splits = _layout(root, names) or _layout(root, {name: names[name] for name in ("images", "maps")})
    if splits is None:
        raise DataError(f"{root} needs folders images and maps (or train/images, train/maps, ...), with equal names")
    kinds: Kinds = {"maps": "map", "instances": "instances"}
    return _load(root, splits, options, form="maps", same_size=True, kinds=kinds)


def load_triplets(directory: str | os.PathLike[str], options: Options = DEFAULTS) -> Dataset:
    """Return "images" of folders named persons with the "articles" they wear and, where there are any, "others".

    Folders persons, articles and others hold files of the same names; others are garments that are not worn. DataError
    as `load_pairs`, but the three may differ in size, and are then brought to one by image_size.
    """
    root = _root(directory, "triplets:DIR")
    names = {"images": "persons", "articles": "articles", "others": "others"}
    splits = _layout(root, names) or _layout(root, {name: names[name] for name in ("images", "articles")})
    if splits is None:
        raise DataError(
            f"{root} needs folders persons and articles (and others, where there are any), with equal names"
        )
    return _load(root, splits, options, form="triplets")


def _root(directory: str | os.PathLike[str], form: str) -> pathlib.Path:
    root = user_path(directory)
    if not os.path.isdir(root):
        raise DataError(f"{root} is not a directory; {form} needs one")
    return root


def _layout(root: pathlib.Path, folders: Mapping[str, str]) -> list[Columns] | None:
    """Return the files of each column, split by split and with equal names; None where there are no such folders."""
    styles = ("{split}/{folder}", "{folder}/{split}", "{split}{folder}")
    for style in styles:
        train = _folders(root, style, folders, "train")
        if train is not None:
            tests = (_folders(root, style, folders, split) for split in ("test", "val"))
            test = next((found for found in tests if found is not None), None)
            return [_matched(found) for found in (train, test) if found is not None]
    alone = _folders(root, "{folder}", folders, "")
    return None if alone is None else [_matched(alone)]


def _folders(root: pathlib.Path, style: str, folders: Mapping[str, str], split: str) -> dict[str, pathlib.Path] | None:
    places = {name: root / style.format(split=split, folder=folder) for name, folder in folders.items()}
    there = [os.path.isdir(place) for place in places.values()]
    if any(there) and not all(there) and not {"others", "instances"} & set(folders):
        missing = [place for place, is_there in zip(places.values(), there, strict=True) if not is_there]
        raise DataError(f"{missing[0]} is missing; every image needs a partner of the same name there")
    return places if all(there) else None


def _matched(folders: Mapping[str, pathlib.Path]) -> Columns:
    """Return the files of each folder in one order of names. DataError where one has no partner."""
    found = {name: _by_name(folder) for name, folder in folders.items()}
    everything = sorted(set().union(*found.values()))
    for name, files in found.items():
        missing = [stem for stem in everything if stem not in files]
        if missing:
            some = ", ".join(map(printable, missing[:_NAMED])) + (", ..." if len(missing) > _NAMED else "")
            raise DataError(
                f"{folders[name]} lacks {len(missing)} of {len(everything)} images that its siblings have: {some}; add "
                "them, or remove their partners"
            )
    return {name: [files[stem] for stem in everything] for name, files in found.items()}


def _by_name(folder: pathlib.Path) -> dict[str, str]:
    listing = list_images(folder)
    if listing.broken:
        raise DataError(listing.broken[0])
    files: dict[str, str] = {}
    for path in listing.paths:
        stem = os.path.splitext(os.path.relpath(path, folder))[0]
        if stem in files:
            raise DataError(f"{printable(files[stem])} and {printable(path)} have one name; remove one of the two")
        files[stem] = path
    if not files:
        raise DataError(f"{folder} holds no images; put one there for each image of its siblings")
    return files


def _side_by_side(root: pathlib.Path) -> list[Columns]:
    given = [root / name for name in ("test", "val") if os.path.isdir(root / name)]
    folders = [root / "train", *given[:1]] if os.path.isdir(root / "train") else [root]
    splits = []
    for folder in folders:
        files = list(_by_name(folder).values())
        splits.append({"images": files, "targets": files})
    return splits


def _load(
    root: pathlib.Path,
    splits: Sequence[Columns],
    options: Options,
    *,
    form: str,
    same_size: bool = False,
    kinds: Kinds | None = None,
) -> Dataset:
    kinds = kinds or {}
    columns = {name: [path for split in splits for path in split[name]] for name in splits[0]}
    encoded = {name: of_paths(paths)._replace(kind=kinds.get(name, "image")) for name, paths in columns.items()}
    looks = {name: survey(one, options, root) for name, one in encoded.items()}
    usable = looks["images"].usable
    for look in looks.values():
        usable = np.intersect1d(usable, look.usable)
    if not len(usable):
        raise DataError(f"of no row of {root} can all images be read; mend them")
    if same_size:
        _check_sizes(encoded, looks, usable)
    notes = list(dict.fromkeys(note for look in looks.values() for note in look.notes))
    map_names = _map_names(root, encoded["maps"], looks["maps"], usable) if "maps" in encoded else ()
    cut = len(splits[0]["images"])
    rows = [Rows(part) for part in (usable[usable < cut], usable[usable >= cut]) if len(part)]
    if len(splits) == 1:
        rows, note = hold_out(Rows(usable), options)
        notes.append(note)
    elif len(rows) < 2:
        raise DataError(f"{root} has a training or a test part of which no image can be read; mend or remove it")
    else:
        options.refuse_hold_out(root)

    def split(part: Rows) -> Arrays | Files:
        return joined({name: opened(encoded[name], part, looks[name], options) for name in encoded})

    return Dataset(
        f"{form}:{root.name}",
        split(rows[0]),
        split(rows[1]),
        map_names=map_names,
        fingerprint=fingerprint([path for paths in columns.values() for path in paths], root),
        notes=tuple(notes),
    )


def _check_sizes(encoded: Mapping[str, Encoded], looks: Mapping[str, Look], usable: np.ndarray) -> None:
    sizes = {name: np.stack([look.seen["height"], look.seen["width"]], 1) for name, look in looks.items()}
    for name in encoded:
        differ = usable[(sizes[name] != sizes["images"])[usable].any(1)]
        if len(differ):
            row = int(differ[0])
            (height, width), (other_height, other_width) = sizes["images"][row], sizes[name][row]
            raise DataError(
                f"{encoded['images'].name(row)} is {height} x {width} (height x width) but its partner "
                f"{encoded[name].name(row)} is {other_height} x {other_width} ({len(differ)} differ so); bring both to "
                "one size"
            )


def _map_names(root: pathlib.Path, encoded: Encoded, look: Look, usable: np.ndarray) -> tuple[str, ...]:
    peaks, none = look.seen["peak"][usable], look.seen["deep"][usable]
    largest = int(peaks.max())
    if largest == 0 and none.any():
        raise DataError(f"the maps of {root} hold 0 and {_NO_CLASS} only, and {_NO_CLASS} is no class; use 0 and 1")
    path = root / "classes.txt"
    if not os.path.isfile(path):
        return tuple(str(number) for number in range(largest + 1))
    try:
        lines = path.read_text(encoding="utf-8").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path} cannot be read ({reason(error)}); write one class a line, in UTF-8") from error
    names = check_names(np.array([line.strip() for line in lines if line.strip()], np.str_), str(path))
    if largest >= len(names):
        row = int(usable[int(peaks.argmax())])
        raise DataError(
            f"{encoded.name(row)} holds class {largest}, but {path} names {len(names)}: 0 .. {len(names) - 1} "
            f"({_NO_CLASS} is no class); name all classes or mend the map"
        )
    return names
