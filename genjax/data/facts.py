"""What is known of a data set besides its images."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

import numpy as np

from genjax.data.errors import DataError, reason

Columns = dict[str, tuple[tuple[int, ...], str]]
"""{array's name: (shape, type) of one row}."""
LABEL: tuple[tuple[int, ...], str] = ((), "int32")
"""Shape and type of one label."""


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
    mixture, channels_of, words, map_names, fingerprint: as in `Dataset`.
    """

    name: str
    columns: Columns
    train: int
    test: int
    class_names: tuple[str, ...] = ()
    second: tuple[int, int] | None = None
    mixture: Mixture | None = None
    channels_of: str | None = None
    words: tuple[str, ...] = ()
    map_names: tuple[str, ...] = ()
    fingerprint: str = ""

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
            "words": list(self.words), "map_names": list(self.map_names),
        }  # fmt: skip

    @staticmethod
    def from_json(content: Mapping[str, Any]) -> "Facts":
        """Return the facts that `to_json` wrote. DataError where `content` is something else."""
        try:
            mixture, second = content["mixture"], content["second"]
            return Facts(
                name=str(content["name"]),
                columns=_columns(content["columns"]),
                train=_count(content["train"]),
                test=_count(content["test"]),
                class_names=_texts(content["class_names"]),
                second=None if second is None else (_count(second[0]), _count(second[1])),
                mixture=None if mixture is None else _mixture(mixture),
                channels_of=None if content["channels_of"] is None else str(content["channels_of"]),
                words=_texts(content["words"]),
                map_names=_texts(content["map_names"]),
                fingerprint=str(content["fingerprint"]),
            )
        except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
            raise DataError(f"these are no facts of a data set ({type(error).__name__}: {reason(error)})") from error


def _count(value: Any, largest: int = 10**8) -> int:
    if type(value) is not int or not 0 <= value <= largest:
        raise ValueError(f"{value} is no number from 0 to {largest}")
    return value


def _texts(values: Any) -> tuple[str, ...]:
    if not isinstance(values, list):
        raise ValueError(f"{values} is no list of texts")
    return tuple(map(str, values))


def _columns(content: Any) -> Columns:
    columns: Columns = {}
    for name, (shape, dtype) in content.items():
        columns[name] = (tuple(_count(size, 2**16) for size in shape), np.dtype(str(dtype)).name)
    if len(columns["images"][0]) != 3:
        raise ValueError(f"images have height, width and channels, not {columns['images'][0]}")
    return columns


def _mixture(content: Any) -> Mixture:
    centres = np.array(content["centres"], float)
    if centres.ndim != 2 or centres.shape[1] != 2:
        raise ValueError(f"centres are points in the plane, not {centres.shape}")
    return Mixture(centres, float(content["deviation"]))
