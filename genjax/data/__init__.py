"""Data: one file for each kind of source, and the pipeline that feeds the training step.

    digits = data.load("digits", image_size=16)           # any of `SPECS`
    digits.train.take([0, 1])                             # {"images": uint8[2, 16, 16, 1], "labels": int32[2]}

A new source is a file with `load` and a row in `SOURCES`.
"""

import os
from collections.abc import Callable
from typing import NamedTuple

from genjax.data.dataset import Arrays, DataError, Dataset, Facts, Files, Mixture, Unpaired
from genjax.data.drawn import digits, domains, mixtures, photos, scenes, stacked
from genjax.data.known import known, placeholder
from genjax.data.options import Options
from genjax.data.readers import folder, idx, npz, tfds

__all__ = [
    "SOURCES", "SPECS", "Arrays", "DataError", "Dataset", "Facts", "Files", "Mixture", "Options", "Source", "Unpaired",
    "known", "load", "placeholder",
]  # fmt: skip


class Source(NamedTuple):
    """A kind of data set.

    form: how it is written: a name, NAME:argument (in capitals what the user fills in), or PATH and a suffix.
    load: (options) -> data set for a plain name, else (argument, options) -> data set.  about: one clause for people.
    """

    form: str
    load: Callable[..., Dataset]
    about: str

    def argument(self, spec: str) -> str | None:
        """Return what `spec` says after the kind, "" for a plain name; None where `spec` is of another kind."""
        kind, colon, _ = self.form.partition(":")
        if self.form.startswith("PATH"):
            return spec if spec.endswith(self.form.removeprefix("PATH")) else None
        if not colon:
            return "" if spec == self.form else None
        return spec.removeprefix(kind + colon) or None if spec.startswith(kind + colon) else None


SOURCES = (
    Source("digits", digits.load, "1,797 handwritten digits of 8 x 8 pixels, grey, 10 classes"),
    Source("photos", photos.load, "2,560 tiles of two photographs, 32 pixels, in colour, 2 classes"),
    Source("scenes", scenes.load, "10,240 drawn solids on a floor, 32 pixels or more, in colour, 5 classes"),
    Source("stacked", stacked.load, "32,000 stacks of three digits as red, green and blue, 1,000 classes"),
    Source("mixture:ring", mixtures.load, "points in the plane around 8 centres on a circle"),
    Source("mixture:ring-1.414", mixtures.load, "the same on a circle of radius 1.414"),
    Source("mixture:grid", mixtures.load, "points in the plane around 25 centres on a grid"),
    Source("domains:digits", domains.load, "white and yellow digits, two domains without pairs"),
    Source("domains:scenes", domains.load, "red and green solids, two domains without pairs"),
    Source("folder:DIR", folder.load, "a folder of images, with a sub-folder for each class if there are classes"),
    Source("idx:DIR", idx.load, "the four idx files of MNIST, Fashion-MNIST or Kuzushiji-MNIST"),
    Source("tfds:NAME", tfds.load, "a prepared tensorflow-datasets set, NAME@SPLIT to train on another split"),
    Source("PATH.npz", npz.load, "a NumPy archive of images and labels"),
)
SPECS = ", ".join(source.form for source in SOURCES)
"""All forms in one line, for help and errors."""


def load(
    spec: str,
    *,
    image_size: int | None = None,
    channels: int | None = None,
    hold_out: float | None = None,
    skip_unreadable: bool = False,
    stream: bool = False,
    cache_dir: str | os.PathLike | None = None,
) -> Dataset:
    """Return the data set that `spec` names, one of `SPECS`.

    Images are uint8[count, height, width, channels]; points in the plane float32[count, 1, 1, 2] in [0, 1]. What the
    options mean says `Options`; what was held out, scaled or left out, the data set's `notes`. DataError, which names
    the file and the cure, for everything wrong with the data.
    """
    options = Options(image_size, channels, hold_out, skip_unreadable, stream, cache_dir)
    for source in SOURCES:
        argument = source.argument(spec)
        if argument is not None:
            return source.load(argument, options) if argument else source.load(options)
    hint = f" (a directory: did you mean folder:{spec}?)" if os.path.isdir(os.path.expanduser(spec)) else ""
    raise DataError(f"unknown data {spec!r}{hint}; choose one of {SPECS}")
