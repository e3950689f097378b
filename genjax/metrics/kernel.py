"""The kernel distance: unbiased squared maximum mean discrepancy with a polynomial kernel.

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


def squared_mmd(x, y, degree: int = 3) -> float:
    """Return the unbiased estimate of MMD^2 = E k(x, x') + E k(y, y') - 2 E k(x, y), x and x' different samples.

    k(x, y) = (x . y / features + 1)^degree, in float64.  x: float[n, features].  y: float[m, features]. It may be
    negative, as an unbiased estimate of 0 must be. Raises ValueError as `kernel_distance`.
    """
    from sklearn.metrics.pairwise import polynomial_kernel

    x, y = (a.astype(np.float64) for a in checked(x, y))

    def within(a):
        kernel = polynomial_kernel(a, degree=degree)
        return (kernel.sum() - np.trace(kernel)) / (len(kernel) * (len(kernel) - 1))

    with np.errstate(over="ignore", invalid="ignore"):
        distance = float(within(x) + within(y) - 2 * polynomial_kernel(x, y, degree=degree).mean())
    if not np.isfinite(distance):
        raise ValueError(
            f"features up to {max(np.abs(x).max(), np.abs(y).max()):.3g} overflow the kernel of degree {degree} in "
            "float64; the generator has diverged, or the features need a common scale: divide both sets by one number"
        )
    return distance


def kernel_distance(
    real, fake, *, subsets: int = 100, subset_size: int = 1000, degree: int = 3, seed: int = 0
) -> KernelDistance:
    """Return the mean and deviation of MMD^2 over `subsets` random subsets, drawn without replacement within each.

    real, fake: float[count, features]. Unlike the Frechet distance its expectation does not depend on the counts, so
    small sets can be compared: two sets of one distribution give 0 on average, with `deviation` around it. Published
    values take 100 subsets of 1000, from 10,000 or more images. A set smaller than subset_size lowers it, and the
    result says so. Raises ValueError for NaN, different widths, fewer than 2 samples, no subsets, or features so large
    that the kernel overflows.
    """
    real, fake = checked(real, fake)
    if subsets < 1 or subset_size < 2:
        raise ValueError(f"{subsets} subsets of {subset_size} samples; ask for at least 1 subset of at least 2")
    size = min(subset_size, len(real), len(fake))
    random = np.random.Generator(np.random.Philox(seed))

    def subset(features):
        return features[random.permutation(len(features))[:size]]

    values = [squared_mmd(subset(real), subset(fake), degree) for _ in range(subsets)]
    return KernelDistance(float(np.mean(values)), float(np.std(values)), size, subsets, (len(real), len(fake)))
