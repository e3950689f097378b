"""Images that scikit-learn ships, read from its files: importing it takes longer than all else before a first step."""

import gzip
import importlib.util
from pathlib import Path

import numpy as np

from genjax.data.dataset import DataError


def _file(*names: str) -> Path:
    """Return the path of a file of the installed scikit-learn, which is not imported."""
    found = importlib.util.find_spec("sklearn")
    path = Path(((found and found.submodule_search_locations) or ["scikit-learn"])[0], "datasets", *names)
    if not path.is_file():
        raise DataError(f"{path} is not there, a file that scikit-learn 1.6 to 1.9 ships; install one of these")
    return path


def digits() -> tuple[np.ndarray, np.ndarray]:
    """Return the handwritten digits, float64[1797, 8, 8] in 0..16, and their labels, int32[1797]."""
    with gzip.open(_file("data", "digits.csv.gz"), "rt", encoding="ascii") as file:
        rows = np.loadtxt(file, delimiter=",")
    return rows[:, :-1].reshape(-1, 8, 8), rows[:, -1].astype(np.int32)


def photographs() -> list[np.ndarray]:
    """Return the two photographs, a pagoda and a dahlia, each uint8[427, 640, 3]."""
    from PIL import Image

    return [np.asarray(Image.open(_file("images", name))) for name in ("china.jpg", "flower.jpg")]
