"""Random numbers by index: what drawn data sets are made from."""

from collections.abc import Sequence

import numpy as np

_WORD = (1 << 64) - 1


def uniforms(indices: Sequence[int] | np.ndarray, columns: int, seed: int) -> np.ndarray:
    """Return float64[len(indices), columns] in [0, 1), row i a function of (seed, indices[i]) only.

    The output function of SplitMix64 over a counter: Steele, Lea & Flood 2014.
    """
    counter = np.asarray(indices, np.uint64)[:, None] * np.uint64(columns) + np.arange(columns, dtype=np.uint64)
    start = _mix(np.array([seed & _WORD], np.uint64))
    return (_mix(start + counter * np.uint64(0x9E3779B97F4A7C15)) >> np.uint64(11)) * 2.0**-53


def _mix(x: np.ndarray) -> np.ndarray:
    # Wrapping multiplication is what is meant; NumPy does not warn of it in arrays.
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))
