"""The kernel distance: unbiased squared maximum mean discrepancy with a cubic kernel.

Source: Binkowski et al. 2018, arXiv 1801.01401, section 4 ("KID" on InceptionV3's features, and only there).
"""

from typing import NamedTuple

import numpy as np

from genjax.metrics.features import checked


class KernelDistance(NamedTuple):
    """mean and deviation over subsets (standard error: deviation / sqrt(subsets)); size of one subset; counts."""

    mean: float
    deviation: float
    subset_size: int
    subsets: int
    counts: tuple[int, int]


def squared_mmd(x, y) -> float:
    """Return the unbiased estimate of MMD^2 = E k(x, x') + E k(y, y') - 2 E k(x, y), x and x' different samples.

    k(x, y) = (x . y / features + 1)^3, in float64.  x: float[n, features].  y: float[m, features]. It may be negative,
    as an unbiased estimate of 0 must be. Raises ValueError as `kernel_distance`.
    """
    x, y = (a.astype(np.float64) for a in checked(x, y))
    with np.errstate(over="ignore", invalid="ignore"):
        distance = float(_mean_within(x) + _mean_within(y) - 2 * _total(x, y) / (len(x) * len(y)))
    if not np.isfinite(distance):
        raise ValueError(
            f"features up to {max(np.abs(x).max(), np.abs(y).max()):.3g} overflow the cubic kernel in float64; the "
            "generator has diverged, or the features need a common scale: divide both sets by one number"
        )
    return distance


def _mean_within(x: np.ndarray) -> float:
    """Return the mean kernel of two different samples of one set."""
    own = ((x**2).mean(1) + 1) ** 3
    return (_total(x, x) - own.sum()) / (len(x) * (len(x) - 1))


def _total(x: np.ndarray, y: np.ndarray) -> float:
    """Return the kernel's sum over all pairs."""
    # The product of [x / sqrt(features), 1] and [y / sqrt(features), 1] is the kernel's base, in one pass.
    x, y = (np.pad(a / np.sqrt(a.shape[1]), ((0, 0), (0, 1)), constant_values=1) for a in (x, y))
    base = x @ y.T
    return np.einsum("ij,ij,ij->", base, base, base)


def kernel_distance(real, fake, *, subsets: int = 100, subset_size: int = 1000, seed: int = 0) -> KernelDistance:
    """Return the mean and deviation of MMD^2 over `subsets` random subsets, drawn without replacement within each.

    real, fake: float[count, features]. Unlike the Frechet distance its expectation does not depend on the counts, so
    small sets can be compared: two sets of one distribution give 0 on average, with `deviation` around it. Published
    values take 100 subsets of 1000, from 10,000 or more images. A set smaller than subset_size lowers it, and the
    result says so. Raises ValueError for NaN, different widths, fewer than 2 samples, no subsets, or features so large
    that the kernel overflows.
    """
    from threadpoolctl import threadpool_limits

    real, fake = checked(real, fake)
    if subsets < 1 or subset_size < 2:
        raise ValueError(f"{subsets} subsets of {subset_size} samples; ask for at least 1 subset of at least 2")
    size = min(subset_size, len(real), len(fake))
    random = np.random.Generator(np.random.Philox(seed))

    def subset(features):
        return features[random.permutation(len(features))[:size]]

    # One thread: on a busy machine the threads of so many small products wait for each other longer than they compute.
    with threadpool_limits(1):
        values = [squared_mmd(subset(real), subset(fake)) for _ in range(subsets)]
    return KernelDistance(float(np.mean(values)), float(np.std(values)), size, subsets, (len(real), len(fake)))
