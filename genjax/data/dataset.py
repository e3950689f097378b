"""A data set as the rest of the library sees it: two splits of images with optional labels."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from genjax.data.drawn.uniforms import uniforms
from genjax.data.errors import DataError
from genjax.data.facts import Columns, Facts, Mixture
from genjax.data.labels import check_labels


@dataclass(frozen=True)
class Arrays:
    """A split held in memory or in a memory-mapped file.

    arrays: {"images": uint8[count, height, width, channels] (or float32 in [0, 1]), "labels": int32[count]};
    no labels, no "labels"; label -1 means none. Pairs have "targets" too, the image that belongs to each, and other
    sets more of the kind, always a row for each image. Raises DataError for other shapes, types or label values.
    """

    arrays: dict[str, np.ndarray]

    def __post_init__(self):
        images = self.arrays.get("images")
        if images is None or images.ndim != 4 or images.dtype not in (np.uint8, np.float32):
            found = "nothing" if images is None else f"{images.dtype}{list(images.shape)}"
            raise DataError(f'"images" must be uint8 or float32 [count, height, width, channels], not {found}')
        if images.dtype == np.float32 and images.size and not (images.min() >= 0 and images.max() <= 1):
            raise DataError(f"float images must lie in [0, 1], not [{images.min():g}, {images.max():g}]; rescale them")
        if self.labelled:
            check_labels(self.arrays["labels"], len(images), None, "labels")
        for name, array in self.arrays.items():
            if len(array) != len(images):
                raise DataError(f'there are {len(images)} "images" but {len(array)} "{name}"; give one for each image')

    def __len__(self) -> int:
        return len(self.arrays["images"])

    @property
    def shape(self) -> tuple[int, int, int]:
        """(height, width, channels) of every image."""
        height, width, channels = self.arrays["images"].shape[1:]
        return height, width, channels

    @property
    def labelled(self) -> bool:
        """Whether batches carry "labels"."""
        return "labels" in self.arrays

    @property
    def nbytes(self) -> int:
        """Bytes of all arrays together."""
        return sum(array.nbytes for array in self.arrays.values())

    @property
    def columns(self) -> Columns:
        """Shape and type of one row of every array."""
        return {name: (array.shape[1:], str(array.dtype)) for name, array in self.arrays.items()}

    def take(self, indices: Sequence[int] | np.ndarray) -> dict[str, np.ndarray]:
        """Return rows `indices` of every array, in that order: {"images": uint8[len(indices), ...], ...}."""
        return {name: np.asarray(array[indices]) for name, array in self.arrays.items()}


@dataclass(frozen=True)
class Files:
    """A split whose images are decoded when they are asked for.

    decode: index -> uint8[height, width, channels], equal for equal indices and safe to call from several threads.
    others: by name ("targets", "captions"), what else belongs to each image: arrays, or splits for their images.
    """

    decode: Callable[[int], np.ndarray]
    count: int
    shape: tuple[int, int, int]
    labels: np.ndarray | None = None
    others: "Mapping[str, np.ndarray | Arrays | Files]" = field(default_factory=dict, compare=False)

    def __post_init__(self):
        for name, other in self.others.items():
            if len(other) != self.count:
                raise DataError(f'there are {self.count} "images" but {len(other)} "{name}"; give one for each image')

    def __len__(self) -> int:
        return self.count

    @property
    def labelled(self) -> bool:
        """Whether batches carry "labels"."""
        return self.labels is not None

    @property
    def columns(self) -> Columns:
        """Shape and type of one image and, where there are any, one label."""
        labels: Columns = {"labels": ((), "int32")} if self.labelled else {}
        others: Columns = {}
        for name, other in self.others.items():
            if isinstance(other, np.ndarray):
                others[name] = (other.shape[1:], str(other.dtype))
            else:
                others[name] = other.columns["images"]
        return {"images": (self.shape, "uint8"), **others, **labels}

    def take(self, indices: Sequence[int] | np.ndarray) -> dict[str, np.ndarray]:
        """Decode the images `indices`, in that order: {"images": uint8[len(indices), ...], ...}."""
        images = np.empty((len(indices), *self.shape), np.uint8)
        for row, index in enumerate(indices):
            images[row] = self.decode(int(index))
        batch = {"images": images}
        for name, other in self.others.items():
            batch[name] = other[indices] if isinstance(other, np.ndarray) else other.take(indices)["images"]
        if self.labels is not None:
            batch["labels"] = self.labels[indices]
        return batch


@dataclass(frozen=True)
class Unpaired:
    """Splits of two domains, A `first` and B `second`, whose images belong to no image of the other domain.

    An epoch is one pass over the larger one; of the other each image is drawn at random. Raises DataError where images
    differ in shape.
    """

    first: Arrays | Files
    second: Arrays | Files

    def __post_init__(self):
        if tuple(self.first.shape) != tuple(self.second.shape):
            raise DataError(
                f"images of domain A are {list(self.first.shape)} but those of domain B {list(self.second.shape)} "
                "(height, width, channels); pass image_size (and channels) to bring both to one shape"
            )

    def __len__(self) -> int:
        return max(len(self.first), len(self.second))

    @property
    def shape(self) -> tuple[int, int, int]:
        """(height, width, channels) of every image of both domains."""
        return self.first.shape

    @property
    def labelled(self) -> bool:
        """Whether batches carry "labels", those of domain A."""
        return self.first.labelled

    @property
    def columns(self) -> Columns:
        """Shape and type of one image (and label) of A and, as "targets" (and "target_labels"), of B."""
        second = self.second.columns
        renamed = {"images": "targets", "labels": "target_labels"}
        return {**self.first.columns, **{renamed[name]: second[name] for name in renamed if name in second}}

    def take(self, indices: Sequence[int] | np.ndarray) -> dict[str, np.ndarray]:
        """Return images of A and B, {"images": uint8[len(indices), ...], "targets": ...}, "labels" and "target_labels".

        Index epoch * len(self) + i is image i of the larger domain; which of the other joins it is a function of the
        whole number, so that every epoch has other couples.
        """
        numbers = np.asarray(indices, np.int64)

        def rows(split: Arrays | Files) -> np.ndarray:
            if len(split) == len(self) and (split is self.first or len(self.first) < len(self)):
                return numbers % len(self)
            return (uniforms(numbers, 1, 0)[:, 0] * len(split)).astype(np.int64)

        a, b = (split.take(rows(split)) for split in (self.first, self.second))
        labels = {"labels": a["labels"]} if "labels" in a else {}
        target_labels = {"target_labels": b["labels"]} if "labels" in b else {}
        return {"images": a["images"], "targets": b["images"], **labels, **target_labels}


def shortened(split: Arrays | Files | Unpaired, count: int) -> Arrays | Files | Unpaired:
    """Return the first `count` images of a split, of each domain where there are two; DataError where it has fewer."""
    if count > len(split):
        raise DataError(f"the first {count} images are asked for, and there are {len(split)}; ask for fewer")
    if isinstance(split, Arrays):
        return Arrays({name: array[:count] for name, array in split.arrays.items()})
    if isinstance(split, Files):
        return replace(split, count=count, labels=None if split.labels is None else split.labels[:count])
    first, second = (shortened(domain, min(count, len(domain))) for domain in (split.first, split.second))
    assert not isinstance(first, Unpaired) and not isinstance(second, Unpaired)
    return Unpaired(first, second)


@dataclass(frozen=True)
class Dataset:
    """A training and a test split with images of one shape; `class_names` is empty when there are no labels.

    Batches hold "images" and, where there are any, "labels"; sets for translation hold "targets" too, the images of
    domain B: of the same thing where they are paired, any others where they are `Unpaired`. "maps" are the classes of
    pixels, uint8[..., height, width, 1], 255 for none; "captions" numbers in `words`, int32[..., captions, length];
    "articles" and "others" the garment that a person wears, and another one.

    mixture: what the points were drawn from, where images [1, 1, 2] are points in the plane; None for images.
    channels_of: the data set of which every channel is an image of its own (stacked digits: "digits"), so that a
    classifier of that set reads them channel by channel; None where the channels are colours.
    words: the vocabulary of "captions"; word 0 fills up.  map_names: the classes of "maps".
    fingerprint: changes when the files' names, sizes or times do; "" for what is drawn.
    absent: the images are not here. All are zeros, which take no memory, but what `facts` tells is true.
    notes: sentences on what loading did besides reading: what it held out, scaled or left out.
    """

    name: str
    train: Arrays | Files | Unpaired
    test: Arrays | Files | Unpaired
    class_names: tuple[str, ...] = ()
    mixture: Mixture | None = None
    channels_of: str | None = None
    words: tuple[str, ...] = ()
    map_names: tuple[str, ...] = ()
    fingerprint: str = ""
    absent: bool = False
    notes: tuple[str, ...] = field(default=(), compare=False)

    def __post_init__(self):
        if tuple(self.train.shape) != tuple(self.test.shape):
            raise DataError(
                f"{self.name}: training images are {list(self.train.shape)} but test images {list(self.test.shape)}; "
                "pass image_size (and channels) to bring both to one shape"
            )
        for split, what in ((self.train, "training"), (self.test, "test")):
            labels = split.arrays.get("labels") if isinstance(split, Arrays) else getattr(split, "labels", None)
            if labels is not None and self.class_names:
                check_labels(labels, len(split), self.num_classes, f"{self.name}, {what} images")

    @property
    def shape(self) -> tuple[int, int, int]:
        """(height, width, channels) of every image."""
        return self.train.shape

    @property
    def num_classes(self) -> int:
        """Number of classes; 0 when there are no labels."""
        return len(self.class_names)

    @property
    def facts(self) -> Facts:
        """Everything but the images; `genjax.data.placeholder` makes a data set without images of it."""
        train, test, second = len(self.train), len(self.test), None
        if isinstance(self.train, Unpaired) and isinstance(self.test, Unpaired):
            train, test = len(self.train.first), len(self.test.first)
            second = (len(self.train.second), len(self.test.second))
        return Facts(
            name=self.name,
            columns=self.train.columns,
            train=train,
            test=test,
            class_names=self.class_names,
            second=second,
            mixture=self.mixture,
            channels_of=self.channels_of,
            words=self.words,
            map_names=self.map_names,
            fingerprint=self.fingerprint,
        )
