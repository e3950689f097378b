"""Data: one file per kind of source, and the pipeline that feeds the step."""

from __future__ import annotations

import os
import pathlib

from genjax.data import digits, domains, folder, idx, mixtures, npz, photos, scenes, stacked, tfds
from genjax.data.dataset import Arrays, DataError, Dataset, Files, Unpaired

__all__ = ["SPECS", "Arrays", "DataError", "Dataset", "Files", "Unpaired", "load"]

SPECS = (
    "digits, photos, scenes, stacked, mixture:ring, mixture:grid, domains:digits, domains:scenes, PATH.npz, "
    "folder:DIR, idx:DIR, tfds:NAME"
)


def load(
    spec: str,
    *,
    image_size: int | None = None,
    channels: int | None = None,
    cache_dir: str | os.PathLike | None = None,
    stream: bool = False,
) -> Dataset:
    """The data set that `spec` names, one of `SPECS`.

    Images are uint8[count, height, width, channels]. image_size: the shorter side is resized to it and the centre
    square kept; channels: 1 (grey) or 3; None leaves either as stored. Folders and tensorflow-datasets sets are decoded
    once into a memory-mapped file under `cache_dir` (default: the user's cache directory), or on demand with stream.
    DataError, which names the file and the cure, for everything that is wrong with the data.
    """
    if image_size is not None and image_size < 1:
        raise DataError(f"image_size {image_size} must be positive")
    if channels not in (None, 1, 3):
        raise DataError(f"channels {channels} must be 1 (grey) or 3 (colour), or None for as stored")
    kind, colon, rest = spec.partition(":")
    if spec == "digits":
        return digits.load(image_size, channels)
    if spec == "photos":
        return photos.load(image_size, channels)
    if spec == "scenes":
        return scenes.load(image_size, channels)
    if spec == "stacked":
        return stacked.load(image_size, channels)
    if spec.endswith(".npz"):
        return npz.load(spec, image_size, channels)
    if colon and rest and kind == "mixture":
        return mixtures.load(rest, image_size, channels)
    if colon and rest and kind == "domains":
        return domains.load(rest, image_size, channels)
    if colon and rest and kind == "idx":
        return idx.load(rest, image_size, channels)
    if colon and rest and kind == "folder":
        return folder.load(rest, image_size=image_size, channels=channels, cache_dir=cache_dir, stream=stream)
    if colon and rest and kind == "tfds":
        return tfds.load(rest, image_size=image_size, channels=channels, cache_dir=cache_dir, stream=stream)
    hint = f" (a directory: did you mean folder:{spec}?)" if pathlib.Path(spec).expanduser().is_dir() else ""
    raise DataError(f"unknown data {spec!r}{hint}; choose one of {SPECS}")
