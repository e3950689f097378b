"""How a data set is loaded: options that mean the same for every source."""

import os
from dataclasses import dataclass

from genjax.data.dataset import DataError


@dataclass(frozen=True)
class Options:
    """What may be asked of a source. DataError for values out of range.

    image_size: the shorter side is resized to it and the centre square kept; None leaves images as stored.
    channels: 1 (grey) or 3 (colour); None leaves them as stored.
    stream: decode files each time they are asked for, instead of once into a memory-mapped file.
    cache_dir: where decoded images are kept; None is the user's cache directory.
    """

    image_size: int | None = None
    channels: int | None = None
    stream: bool = False
    cache_dir: str | os.PathLike | None = None

    def __post_init__(self):
        if self.image_size is not None and self.image_size < 1:
            raise DataError(f"image_size {self.image_size} must be positive")
        if self.channels not in (None, 1, 3):
            raise DataError(f"channels {self.channels} must be 1 (grey) or 3 (colour), or None for as stored")


DEFAULTS = Options()
