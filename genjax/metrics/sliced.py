"""The sliced Wasserstein distance between two sets of images, or of features."""

import numpy as np

from genjax.metrics.features import checked


def sliced_wasserstein(a: np.ndarray, b: np.ndarray, directions: int = 128, seed: int = 0) -> float:
    """Return the mean over random unit directions u of the distance in one dimension between a u and b u.

    a, b: float[count, ...] of equal shapes, flattened per item; the distance in one dimension is the mean |difference|
    of sorted values. Not zero for two samples of one distribution: print the value between two real samples beside it.
    Source: Rabin et al. 2011, Wasserstein barycenter and its application to texture mixing. Raises ValueError for
    different shapes or values that are not finite.
    """
    if a.shape != b.shape:
        raise ValueError(
            f"sets of shapes {list(a.shape)} and {list(b.shape)} cannot be compared; take equally many of each"
        )
    a, b = checked(*(np.reshape(x, (len(x), -1)) for x in (a, b)), least=1)
    u = np.random.Generator(np.random.Philox(seed)).standard_normal((a.shape[1], directions))
    u /= np.linalg.norm(u, axis=0)
    return float(np.abs(np.sort(a @ u, 0) - np.sort(b @ u, 0)).mean())
