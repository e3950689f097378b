"""A data set as the rest of the library sees it: two splits of images with optional labels, and facts about them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, NamedTuple

import numpy as np

from genjax.data.drawn.uniforms import uniforms
from genjax.data.errors import DataError
from genjax.data.labels import check_labels

Columns = dict[str, tuple[tuple[int, ...], str]]
"""{array's name: (shape, type) of one row}."""


@dataclass(frozen=True)
class Arrays:
    """A split held in memory or in a memory-mapped file.

    arrays: {"images": uint8[count, height, width, channels] (or float32 in [0, 1]), "labels": int32[count]};
    no labels, no "labels"; label -1 means none. Pairs have "targets" too, the image that belongs to each.
    Raises DataError for other shapes, types or label values.
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
    """

    decode: Callable[[int], np.ndarray]
    count: int
    shape: tuple[int, int, int]
    labels: np.ndarray | None = None

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
        return {"images": (self.shape, "uint8"), **labels}

    def take(self, indices: Sequence[int] | np.ndarray) -> dict[str, np.ndarray]:
        """Decode the images `indices`, in that order: {"images": uint8[len(indices), ...], ...}."""
        images = np.empty((len(indices), *self.shape), np.uint8)
        for row, index in enumerate(indices):
            images[row] = self.decode(int(index))
        batch = {"images": images}
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


class Mixture(NamedTuple):
    """A mixture of Gaussians in the plane.

    centres: float[modes, 2], equally probable.  deviation: of each mode, per axis.
    """

    centres: np.ndarray
    deviation: float


@dataclass(frozen=True)
class Facts:
    """What a model needs to know of a data set to be built, described and sampled: everything but the images.

    columns: {"images": ((height, width, channels), "uint8"), "labels": ((), "int32"), "targets": ...}, of one row.
    train, test: numbers of images, of domain A where the domains are unpaired.
    second: (training, test) images of domain B where the domains are unpaired, else None.
    mixture, channels_of: as in `Dataset`.
    """

    name: str
    columns: Columns
    train: int
    test: int
    class_names: tuple[str, ...] = ()
    second: tuple[int, int] | None = None
    mixture: Mixture | None = None
    channels_of: str | None = None

    @property
    def shape(self) -> tuple[int, int, int]:
        """(height, width, channels) of every image."""
        height, width, channels = self.columns["images"][0]
        return height, width, channels

    @property
    def paired(self) -> bool:
        """Whether every image comes with the target that belongs to it."""
        return "targets" in self.columns and self.second is None

    def to_json(self) -> dict[str, Any]:
        """Return the facts as lists, numbers and strings, for a run's config.json."""
        mixture = self.mixture and {"centres": self.mixture.centres.tolist(), "deviation": self.mixture.deviation}
        columns = {name: [list(shape), dtype] for name, (shape, dtype) in self.columns.items()}
        second = None if self.second is None else list(self.second)
        return asdict(self) | {
            "columns": columns, "class_names": list(self.class_names), "second": second, "mixture": mixture,
        }  # fmt: skip

    @staticmethod
    def from_json(content: Mapping[str, Any]) -> "Facts":
        """Return the facts that `to_json` wrote. DataError where `content` is something else."""
        try:
            mixture, second = content["mixture"], content["second"]
            return Facts(
                name=str(content["name"]),
                columns={name: (tuple(map(int, shape)), dtype) for name, (shape, dtype) in content["columns"].items()},
                train=int(content["train"]),
                test=int(content["test"]),
                class_names=tuple(map(str, content["class_names"])),
                second=None if second is None else (int(second[0]), int(second[1])),
                mixture=mixture and Mixture(np.array(mixture["centres"], float), float(mixture["deviation"])),
                channels_of=content["channels_of"],
            )
        except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
            raise DataError(f"these are no facts of a data set ({type(error).__name__}: {error})") from error


@dataclass(frozen=True)
class Dataset:
    """A training and a test split with images of one shape; `class_names` is empty when there are no labels.

    Batches hold "images" and, where there are any, "labels"; sets for translation hold "targets" too, the images of
    domain B: of the same thing where they are paired, any others where they are `Unpaired`.

    mixture: what the points were drawn from, where images [1, 1, 2] are points in the plane; None for images.
    channels_of: the data set of which every channel is an image of its own (stacked digits: "digits"), so that a
    classifier of that set reads them channel by channel; None where the channels are colours.
    absent: the images are not here. All are zeros, which take no memory, but what `facts` tells is true.
    notes: sentences on what loading did besides reading: what it held out, scaled or left out.
    """

    name: str
    train: Arrays | Files | Unpaired
    test: Arrays | Files | Unpaired
    class_names: tuple[str, ...] = ()
    mixture: Mixture | None = None
    channels_of: str | None = None
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
        )
