"""How a data set is loaded: options that mean the same for every source."""

import os
import pathlib
from dataclasses import dataclass

from genjax.data.errors import DataError

LARGEST = 8192


@dataclass(frozen=True)
class Options:
    """What may be asked of a source. DataError for values out of range.

    image_size: the shorter side is resized to it and the centre square kept; None leaves images as stored.
    channels: 1 (grey) or 3 (colour), and of archives any number that is stored; None leaves them as stored.
    hold_out: the share of the images that test, where a source has no test part of its own, in [0, 1); of every class
    alike. None is a fifth; 0 trains and tests on all.
    skip_unreadable: leave out image files that cannot be read, instead of listing them in an error.
    stream: decode files each time they are asked for, instead of once into a memory-mapped file.
    cache_dir: where decoded images are kept; None is the user's cache directory.
    absent: leave the images of a set that is drawn here undrawn, all black, where only its facts are needed. Files are
    read all the same: nothing else knows what is in them.
    """

    image_size: int | None = None
    channels: int | None = None
    hold_out: float | None = None
    skip_unreadable: bool = False
    stream: bool = False
    cache_dir: str | os.PathLike | None = None
    absent: bool = False

    def __post_init__(self):
        if self.image_size is not None and not 1 <= self.image_size <= LARGEST:
            raise DataError(f"image_size {self.image_size} must be positive and at most {LARGEST} pixels")
        if self.channels is not None and self.channels < 1:
            raise DataError(f"channels {self.channels} must be 1 (grey) or 3 (colour), or None for as stored")
        if self.hold_out is not None and not 0 <= self.hold_out < 1:
            raise DataError(f"hold_out {self.hold_out} must be a share from 0 to less than 1, such as 0.2")

    def refuse_hold_out(self, where: object) -> None:
        """Raise DataError where `hold_out` is given although `where` has a test part of its own."""
        if self.hold_out is not None:
            raise DataError(f"{where} has a test part of its own, so nothing is held out; leave out hold_out")

    def refuse_channels(self, where: object) -> None:
        """Raise DataError for channels other than 1 and 3, where `where` has none but grey and colour."""
        if self.channels not in (None, 1, 3):
            raise DataError(
                f"channels {self.channels} must be 1 (grey) or 3 (colour) for {where}, or None for as stored"
            )


DEFAULTS = Options()


def user_path(path: str | os.PathLike[str]) -> pathlib.Path:
    """Return the absolute path that a user means, "~" resolved where there is such a home."""
    return pathlib.Path(os.path.abspath(os.path.expanduser(path)))
