"""Data: one file per kind of source, and the pipeline that feeds the step."""

from __future__ import annotations

import os

from genjax.data import digits
from genjax.data.dataset import Arrays, DataError, Dataset, Files

__all__ = ["Arrays", "DataError", "Dataset", "Files", "load"]


def load(
    spec: str,
    *,
    image_size: int | None = None,
    channels: int | None = None,
    cache_dir: str | os.PathLike | None = None,
    stream: bool = False,
) -> Dataset:
    """The data set that `spec` names."""
    if spec == "digits":
        return digits.load(image_size, channels)
    raise DataError(f"unknown data {spec!r}")
