"""What the metrics on features share: their checks, and the score that two halves of the real data get."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np


def checked(*sets, least: int = 2) -> list[np.ndarray]:
    """Return each set as finite float[count, features] with count >= least and equal feature counts, or ValueError."""
    arrays = [np.asarray(features) for features in sets]
    for array in arrays:
        if array.ndim != 2 or array.dtype.kind not in "fiu":
            raise ValueError(
                f"features must be float[count, features], not {array.dtype}{list(array.shape)}; "
                "flatten each sample and cast to float32"
            )
        if len(array) < least:
            raise ValueError(f"{len(array)} samples are too few: this metric needs at least {least} in each set")
        bad = np.count_nonzero(~np.isfinite(array).all(-1))
        if bad:
            raise ValueError(
                f"the features of {bad} of {len(array)} samples are NaN or infinite; the generator has diverged or the "
                "extractor got images outside its range"
            )
    widths = {array.shape[1] for array in arrays}
    if len(widths) > 1:
        raise ValueError(
            f"the sets have {' and '.join(str(array.shape[1]) for array in arrays)} features; both must come from the "
            "same extractor and layer"
        )
    return arrays


class Floor(NamedTuple):
    """A metric's mean and deviation over pairs of disjoint halves of the real data, and the samples in one half."""

    mean: float
    deviation: float
    samples: int


def real_floor(metric: Callable[..., float], real, *, repeats: int = 3, seed: int = 0) -> Floor:
    """Return metric(half, other half) over `repeats` random halvings of real features: the best a generator can do.

    A score of n generated against n real samples is comparable with the floor of 2 n real ones, not with 0: every
    metric here depends on the sample count. real: float[count, features].  metric: two such arrays -> a number.
    Raises ValueError as the metric does, and below 4 samples.
    """
    (real,) = checked(real, least=4)
    half = len(real) // 2
    random = np.random.Generator(np.random.Philox(seed))
    orders = (random.permutation(len(real)) for _ in range(repeats))
    scores = [float(metric(real[order[:half]], real[order[half : 2 * half]])) for order in orders]
    return Floor(float(np.mean(scores)), float(np.std(scores)), half)
