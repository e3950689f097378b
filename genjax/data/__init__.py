"""Data: one file for each kind of source, and the pipeline that feeds the training step.

A new source is a file with `load` and a row in `SOURCES`.
"""

import difflib
import os
from collections.abc import Callable
from typing import NamedTuple

from genjax.data.absent import placeholder
from genjax.data.dataset import Arrays, DataError, Dataset, Facts, Files, Mixture, Unpaired
from genjax.data.drawn import digits, domains, mixtures, photos, scene_sets, stacked, together
from genjax.data.known import KNOWN, known
from genjax.data.options import Options
from genjax.data.readers import aligned, captions, folder, idx, npz, single, tfds

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
        kind, colon, own = self.form.partition(":")
        if self.form.startswith("PATH"):
            return spec if spec.endswith(self.form.removeprefix("PATH")) else None
        if not own.isupper():
            return own if spec == self.form else None
        return spec.removeprefix(kind + colon) or None if spec.startswith(kind + colon) else None


SOURCES = (
    Source("digits", digits.load, "1,797 handwritten digits of 8 x 8 pixels, grey, 10 classes"),
    Source("photos", photos.load, "2,560 tiles of two photographs, 32 pixels, in colour, 2 classes"),
    Source("photo:pagoda", photos.load_whole, "a photograph of a pagoda, 427 x 640 pixels, for models of one image"),
    Source("photo:dahlia", photos.load_whole, "a photograph of a dahlia, 427 x 640 pixels"),
    Source("scenes", scene_sets.load, "10,240 drawn solids on a floor, 32 pixels or more, in colour, 5 classes"),
    Source("orbit:scenes", scene_sets.load_orbit, "10,240 drawn solids off a floor's middle, seen from all around"),
    Source("stacked", stacked.load, "32,000 stacks of three digits as red, green and blue, 1,000 classes"),
    Source("mixture:ring", mixtures.load, "points in the plane around 8 centres on a circle"),
    Source("mixture:ring-1.414", mixtures.load, "the same on a circle of radius 1.414"),
    Source("mixture:grid", mixtures.load, "points in the plane around 25 centres on a grid"),
    Source("domains:digits", domains.load, "white and yellow digits, two domains without pairs"),
    Source("domains:scenes", domains.load, "red and green solids, two domains without pairs"),
    Source("pairs:scenes", together.load_pairs, "outlines of drawn solids and the solids in colour, in pairs"),
    Source("maps:scenes", together.load_maps, "drawn solids with label maps of 6 classes"),
    Source("triplets:garments", together.load_triplets, "drawn persons, the garment they wear and another one"),
    Source("captions:scenes", together.load_captions, "two drawn solids and a sentence that tells which and where"),
    Source("image:FILE", single.load, "one image of any size, such as image:photo.jpg, for models of one image"),
    Source("folder:DIR", folder.load, "a folder of images, with a sub-folder for each class if there are classes"),
    Source("pairs:DIR", aligned.load_pairs, "pairs in folders A and B with equal names, or side by side in one file"),
    Source("maps:DIR", aligned.load_maps, "images and label maps in folders images and maps with equal names"),
    Source("triplets:DIR", aligned.load_triplets, "folders persons, articles and, where there are any, others"),
    Source("captions:DIR", captions.load, "a folder of images with captions.json, or a text file beside each image"),
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
    absent: bool = False,
) -> Dataset:
    """Return the data set that `spec` names, one of `SPECS`.

    >>> digits = load("digits", image_size=16)
    >>> digits.train.take([0, 1])["images"].shape
    (2, 16, 16, 1)

    Images are uint8[count, height, width, channels]; points in the plane float32[count, 1, 1, 2] in [0, 1]. What the
    options mean says `Options`; what was held out, scaled or left out, the data set's `notes`. DataError, which names
    the file and the cure, for everything wrong with the data.
    """
    options = Options(image_size, channels, hold_out, skip_unreadable, stream, cache_dir, absent)
    for source in SOURCES:
        argument = source.argument(spec)
        if argument is not None:
            return source.load(argument, options) if argument else source.load(options)
    raise DataError(f"unknown data {spec!r}{_hint(spec)}; choose one of {SPECS}")


CALLED = {
    "celeba": "celeb_a",
    "celeba_hq": "celeb_a_hq/1024",
    "fashionmnist": "fashion_mnist",
    "imagenet": "imagenet2012",
    "imagenet1k": "imagenet2012",
    "lsun": "lsun/bedroom",
    "svhn": "svhn_cropped",
    "cub": "caltech_birds2011",
    "flowers102": "oxford_flowers102",
}
"""What people call sets of tensorflow-datasets."""


def _hint(spec: str) -> str:
    path = os.path.expanduser(spec)
    if os.path.isdir(path):
        return f" (a directory: did you mean folder:{spec}?)"
    if os.path.isfile(path):
        return f" (one file: did you mean image:{spec}, or folder:{os.path.dirname(spec) or '.'}?)"
    name = spec.lower().replace("-", "_")
    name = CALLED.get(name, name)
    for found in (name, name.replace("_", "")):
        if f"tfds:{found}" in KNOWN:
            files = ", or idx:DIR with its four files" if found.endswith("mnist") else ""
            small = "; embedded, and smaller: digits" if found.endswith("mnist") else ""
            return f" (did you mean tfds:{found}, which is prepared once{files}{small}?)"
    close = difflib.get_close_matches(spec, [source.form for source in SOURCES], 1, 0.75)
    return f" (did you mean {close[0]}?)" if close else ""
