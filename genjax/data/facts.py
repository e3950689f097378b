"""What is known of a data set besides its images."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

import numpy as np

from genjax.data.errors import DataError

Columns = dict[str, tuple[tuple[int, ...], str]]
"""{array's name: (shape, type) of one row}."""


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
                columns={name: (tuple(map(int, shape)), dtype) for name, (shape, dtype) in content["columns"].items()},
                train=int(content["train"]),
                test=int(content["test"]),
                class_names=tuple(map(str, content["class_names"])),
                second=None if second is None else (int(second[0]), int(second[1])),
                mixture=mixture and Mixture(np.array(mixture["centres"], float), float(mixture["deviation"])),
                channels_of=content["channels_of"],
                words=tuple(map(str, content["words"])),
                map_names=tuple(map(str, content["map_names"])),
                fingerprint=str(content["fingerprint"]),
            )
        except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
            raise DataError(f"these are no facts of a data set ({type(error).__name__}: {error})") from error
