"""Looks through all encoded images of a data set before any is used, so that one answer holds for all of them.

Broken ones are told at once, and grey or colour, the size, and which value is white do not depend on which comes first.
"""

import contextlib
import hashlib
import os
import warnings
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import IO, TYPE_CHECKING, Literal, NamedTuple

import numpy as np

from genjax.data.dataset import Arrays, DataError, Files
from genjax.data.holdout import Rows
from genjax.data.options import Options
from genjax.data.readers import image
from genjax.data.readers.cache import cache_folder, kept, memory_map, run_in_threads
from genjax.files import atomic

if TYPE_CHECKING:
    from PIL.Image import Image

_READERS = {"map": image.read_map, "instances": image.read_instances}
_NAMED = 10
_GROUP = 64
_DARK = 32


class Encoded(NamedTuple):
    """Images that are still files, or bytes of a prepared set; numbered from 0.

    open: number -> a path or a file.  name: number -> what messages call it.
    stamps: one for each, which changes when the image does.  origin: what changes when any of them may have.
    kind: what is taken of each file: the image, its left or right half, or the numbers of a map of labels or instances.
    """

    open: Callable[[int], str | IO[bytes]]
    name: Callable[[int], str]
    stamps: Sequence[object]
    origin: object = None
    kind: Literal["image", "left", "right", "map", "instances"] = "image"

    @property
    def numbers(self) -> bool:
        """Whether pixels are numbers, not brightness."""
        return self.kind in ("map", "instances")


class Look(NamedTuple):
    """What all usable images come out as.

    usable: their numbers, ascending.  seen: of every number, usable or not, what `image.Seen` says, in fields of the
    same names.  notes: sentences on what was done.
    """

    usable: np.ndarray
    seen: np.ndarray
    shape: tuple[int, int, int]
    white: image.White
    notes: tuple[str, ...]


def survey(encoded: Encoded, options: Options, where: object, broken: Sequence[str] = ()) -> Look:
    """Decode every image once and decide on one look for all; what was found is kept in the cache for the next time.

    broken: sentences on further files that cannot be images.  where: the data set, for messages.
    DataError that lists what cannot be used, unless `options.skip_unreadable`; for sizes that differ without
    image_size; for channels that files do not have.
    """
    if options.channels not in (None, 1, 3):
        raise DataError(f"image files are read in grey or colour; channels {options.channels} must be 1, 3 or left out")
    everything, problems = _examined(encoded, options.cache_dir)
    problems = [*broken, *problems]
    notes: list[str] = []
    usable = np.flatnonzero(everything["channels"])
    if problems:
        total = len(usable) + len(problems)
        if not options.skip_unreadable or not len(usable):
            raise DataError(_listed(problems, total, where))
        faults = "; ".join(map(_fault, problems[:_NAMED])) + ("; ..." if len(problems) > _NAMED else "")
        notes.append(f"left out {len(problems)} of {total} files that cannot be read: {faults}")
    if encoded.kind in ("left", "right"):
        odd = usable[everything["width"][usable] % 2 == 1]
        if len(odd):
            raise DataError(
                f"{encoded.name(int(odd[0]))} is {everything['width'][odd[0]]} pixels wide, which is no pair of halves "
                "side by side; use an even width, or folders A and B"
            )
        everything["width"] //= 2
    seen = everything[usable]
    white = image.White() if encoded.numbers else _white(seen, notes)
    depth = 1 if encoded.numbers else options.channels or int(seen["channels"].max())
    grey = int((seen["channels"] == 1).sum())
    if not encoded.numbers and options.channels is None and 0 < grey < len(seen):
        notes.append(f"{grey} of {len(seen)} images are grey and get three equal channels, as others are in colour")
    size = options.image_size
    if size is not None:
        return Look(usable, everything, (size, size, depth), white, tuple(notes))
    sizes = Counter(zip(seen["height"].tolist(), seen["width"].tolist(), strict=True))
    if len(sizes) > 1:
        (first, _), (second, _) = sizes.most_common(2)
        fits = (np.flatnonzero((seen["height"] == h) & (seen["width"] == w))[0] for h, w in (first, second))
        one, other = (encoded.name(int(usable[row])) for row in fits)
        raise DataError(
            f"{where} has images of {len(sizes)} sizes: {one} is {first[0]} x {first[1]} (height x width) but {other} "
            f"is {second[0]} x {second[1]}; pass image_size to resize and crop them all"
        )
    [(height, width)] = sizes
    return Look(usable, everything, (height, width, depth), white, tuple(notes))


def opened(encoded: Encoded, rows: Rows, look: Look, options: Options) -> Arrays | Files:
    """Return the images `rows` as a split, decoded into the cache or (stream) whenever they are asked for."""
    import PIL

    def decode(index: int) -> np.ndarray:
        number = int(rows.numbers[index])
        file, name = encoded.open(number), encoded.name(number)
        if encoded.numbers:
            found = _READERS[encoded.kind](file, name, options.image_size)
        else:
            picture = _part(image.read(file, name, white=look.white), encoded.kind)
            found = image.fit(picture, options.image_size, look.shape[2])
        if found.shape != look.shape:
            raise DataError(
                f"{name} is {found.shape[0]} x {found.shape[1]} (height x width) but others are "
                f"{look.shape[0]} x {look.shape[1]}; pass image_size to resize and crop them all"
            )
        return found

    files = Files(decode, len(rows.numbers), look.shape, rows.labels)
    if options.stream:
        return files
    stamps = [encoded.stamps[row] for row in rows.numbers]
    key = (
        "images",
        2,
        PIL.__version__,
        look.shape,
        options.image_size,
        look.white,
        encoded.kind,
        encoded.origin,
        stamps,
    )
    return memory_map(files, key, options.cache_dir)


def joined(columns: Mapping[str, Arrays | Files]) -> Arrays | Files:
    """Return one split of which row i holds image i of every column, as "images" and under the other names."""
    images = columns["images"]
    others = {name: split for name, split in columns.items() if name != "images"}
    if isinstance(images, Files):
        return replace(images, others=others)
    arrays = {name: split.arrays["images"] for name, split in others.items() if isinstance(split, Arrays)}
    return Arrays({**images.arrays, **arrays})


def _part(picture: "Image", kind: str) -> "Image":
    middle = picture.width // 2
    if kind == "image":
        return picture
    return picture.crop((0, 0, middle, picture.height) if kind == "left" else (middle, 0, 2 * middle, picture.height))


_SEEN = np.dtype(
    [("height", np.int32), ("width", np.int32), ("channels", np.uint8), ("peak", np.int32), ("deep", np.bool_)]
)


def _examined(encoded: Encoded, cache_dir: str | os.PathLike | None) -> tuple[np.ndarray, list[str]]:
    """Return a row of _SEEN for every image, channels 0 where it is broken, and a sentence for each of those."""
    import PIL

    kind = encoded.kind if encoded.numbers else "image"
    key = ("survey", 2, PIL.__version__, kind, encoded.origin, list(encoded.stamps))
    examine = {"image": image.examine, "map": image.examine_map, "instances": image.examine_instances}[kind]
    path = cache_folder(cache_dir) / f"{hashlib.sha256(repr(key).encode()).hexdigest()[:32]}.seen.npy"
    earlier = kept(path, (len(encoded.stamps),), _SEEN)
    seen = np.zeros(len(encoded.stamps), _SEEN) if earlier is None else np.array(earlier)
    unknown = np.flatnonzero(seen["channels"] == 0)  # those that were broken may be readable now
    problems: list[str] = []

    def look(group: np.ndarray) -> int:
        for number in group:
            try:
                found = examine(encoded.open(number), encoded.name(number))
                seen[number] = (found.height, found.width, found.channels, found.peak, found.deep)
            except DataError as error:
                problems.append(str(error))
        return len(group)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow warns of what the sentences here say, in every run again
        groups = [unknown[first : first + _GROUP] for first in range(0, len(unknown), _GROUP)]
        run_in_threads(look, groups, "checking images", len(unknown))
    if len(unknown) > len(problems):
        with contextlib.suppress(OSError), atomic(path) as temporary, temporary.open("wb") as file:
            np.save(file, seen)
    return seen, sorted(problems)


def _white(seen: np.ndarray, notes: list[str]) -> image.White:
    deep, shallow = (seen["peak"][seen["deep"] == is_deep] for is_deep in (True, False))
    top = None
    if len(deep):
        peak = int(deep.max())
        top = next(2**bits - 1 for bits in (8, 10, 12, 14, 16) if peak < 2**bits)
        if top < 65535:
            notes.append(f"files of 16 bits hold values up to {peak} only; {top} is taken as white")
    if not len(shallow) or not 0 < shallow.max() < _DARK:
        return image.White(deep=top)
    if shallow.max() == 1:
        notes.append("the images hold the values 0 and 1 only; 1 is taken as white")
        return image.White(1, top)
    notes.append(f"no pixel is brighter than {shallow.max()} of 255; multiply the values if that is white")
    return image.White(deep=top)


def _fault(problem: str) -> str:
    return problem.removesuffix(f"; {image.CURE}")


def _listed(problems: Sequence[str], total: int, where: object) -> str:
    cure = f"{image.CURE}, or pass skip_unreadable to leave it out"
    if len(problems) == 1 < total:
        return f"{_fault(problems[0])}; {cure}"
    cure = cure.replace(" it", " them") if len(problems) < total else "put images there that can be read"
    lines = [f"  {_fault(problem)}" for problem in problems[:_NAMED]]
    more = [f"  and {len(problems) - _NAMED} more"] * (len(problems) > _NAMED)
    return "\n".join([f"{len(problems)} of {total} files of {where} cannot be read; {cure}:", *lines, *more])
