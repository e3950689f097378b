"""The kernel distance: unbiased squared maximum mean discrepancy with a cubic kernel.

Source: Binkowski et al. 2018, arXiv 1801.01401, section 4 ("KID" on InceptionV3's features, and only there).
"""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from genjax.metrics.features import checked


class KernelDistance(NamedTuple):
    """mean and deviation over subsets (standard error: deviation / sqrt(subsets)); size of one subset; counts."""

    mean: float
    deviation: float
    subset_size: int
    subsets: int
    counts: tuple[int, int]


@partial(jax.jit, static_argnames="degree")
def polynomial_kernel(x: jax.Array, y: jax.Array, degree: int = 3) -> jax.Array:
    """Return (x . y / features + 1)^degree of every pair: float[n, features], float[m, features] -> float[n, m]."""
    return (jnp.matmul(x, y.T, precision=jax.lax.Precision.HIGHEST) / x.shape[1] + 1) ** degree


def squared_mmd(x, y, degree: int = 3) -> float:
    """Return the unbiased estimate of MMD^2 = E k(x, x') + E k(y, y') - 2 E k(x, y), x and x' different samples.

    x: float[n, features].  y: float[m, features]. It may be negative, as an unbiased estimate of 0 must be. Kernel
    values come from the device in float32 and are summed in float64. Raises ValueError as `kernel_distance`.
    """
    x, y = checked(x, y)
    x, y = jnp.asarray(x, jnp.float32), jnp.asarray(y, jnp.float32)

    def within(a):
        kernel = np.asarray(polynomial_kernel(a, a, degree), np.float64)
        return (kernel.sum() - np.trace(kernel)) / (len(kernel) * (len(kernel) - 1))

    return float(within(x) + within(y) - 2 * np.asarray(polynomial_kernel(x, y, degree), np.float64).mean())


def kernel_distance(
    real, fake, *, subsets: int = 100, subset_size: int = 1000, degree: int = 3, seed: int = 0
) -> KernelDistance:
    """Return the mean and deviation of MMD^2 over `subsets` random subsets, drawn without replacement within each.

    real, fake: float[count, features]. Unlike the Frechet distance its expectation does not depend on the counts, so
    small sets can be compared. A set smaller than subset_size lowers it, and the result says so. Raises ValueError for
    NaN, different widths, fewer than 2 samples, or no subsets.
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
