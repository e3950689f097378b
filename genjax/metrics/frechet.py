"""The Frechet distance between two sets of features, each taken for a Gaussian.

d^2 = |m1 - m2|^2 + tr(C1 + C2 - 2 (C1 C2)^(1/2)). Source: Heusel et al. 2017, arXiv 1706.08500, equation 6; Dowson &
Landau 1982. It is the "FID" only on the 2048 pooled features of the published InceptionV3 weights; name it otherwise
elsewhere. Everything is float64 on the host: the square root of a nearly singular product is lost in float32.
"""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from genjax.metrics.features import checked


class Moments(NamedTuple):
    """How many samples; mean: float64[features]; scatter: float64[features, features], sum (x - mean)(x - mean)^T."""

    samples: int
    mean: np.ndarray
    scatter: np.ndarray

    @property
    def covariance(self) -> np.ndarray:
        """Return scatter / (samples - 1), as the published scores take it. ValueError for a single sample."""
        if self.samples < 2:
            raise ValueError(f"{self.samples} sample has no covariance; give at least 2, better 10 times the features")
        return self.scatter / (self.samples - 1)


class Frechet(NamedTuple):
    """distance: the squared Frechet distance.  counts: samples in each set, on which its bias depends."""

    distance: float
    counts: tuple[int, int]


def moments(batches: Iterable) -> Moments:
    """Return the moments of features that come in batches float[batch, features], each seen once and let go.

    Each batch is centred on its own mean before it is merged (Chan, Golub & LeVeque 1979), so that a mean far from 0
    costs no digits. Raises ValueError for NaN, for batches of different widths, or without any batch.
    """
    total = None
    for batch in batches:
        (features,) = checked(batch, least=1)
        features = features.astype(np.float64)
        mean = features.mean(0)
        centred = features - mean
        part = Moments(len(features), mean, centred.T @ centred)
        total = part if total is None else merge(total, part)
    if total is None:
        raise ValueError("there are no features: give at least one batch")
    return total


def merge(a: Moments, b: Moments) -> Moments:
    """Return the moments of both sets together."""
    _same_width(a, b)
    count, shift = a.samples + b.samples, b.mean - a.mean
    scatter = a.scatter + b.scatter + np.outer(shift, shift) * (a.samples * b.samples / count)
    return Moments(count, a.mean + shift * (b.samples / count), scatter)


def distance_of_moments(a: Moments, b: Moments) -> Frechet:
    """Return the distance from two sets' moments, by eigenvalues: tr (C1 C2)^(1/2) = tr (R C2 R)^(1/2), R = C1^(1/2).

    Both matrices under a root are symmetric, so no complex numbers occur and no epsilon is needed, whatever their rank.
    Raises ValueError for different widths or a single sample.
    """
    _same_width(a, b)
    c1, c2 = a.covariance, b.covariance
    values, vectors = np.linalg.eigh(c1)
    root = (vectors * np.sqrt(np.clip(values, 0, None))) @ vectors.T
    inner = root @ c2 @ root
    cross = np.sqrt(np.clip(np.linalg.eigvalsh((inner + inner.T) / 2), 0, None)).sum()
    return _finish(a.mean - b.mean, np.trace(c1) + np.trace(c2), cross, (a.samples, b.samples))


def frechet_distance(real, fake) -> Frechet:
    """Return the distance of two sets of features, float[count, features], of any counts above 1.

    With X, Y centred and divided by sqrt(count - 1), tr (C1 C2)^(1/2) is the sum of the singular values of X Y^T: a
    matrix [count, count] instead of [features, features]. That small-sample form is taken when it is the smaller one,
    the eigenvalue form otherwise; they are equal.
    The distance of two sets of one distribution is not 0 but falls as 1 / count: compare equal counts (published values
    take 50,000 samples), beside `genjax.metrics.features.real_floor`. For a single image (Shaham et al. 2019, arXiv
    1905.01164, section 3.2) the samples are the positions of one layer's feature map, float[height * width, channels].
    Raises ValueError for NaN, different widths or fewer than 2 samples.
    """
    real, fake = checked(real, fake)
    if min(len(real), len(fake)) >= real.shape[1]:
        return distance_of_moments(moments([real]), moments([fake]))
    real, fake = real.astype(np.float64), fake.astype(np.float64)
    means = real.mean(0), fake.mean(0)
    x, y = ((a - mean) / np.sqrt(len(a) - 1) for a, mean in zip((real, fake), means, strict=True))
    cross = np.linalg.svd(x @ y.T, compute_uv=False).sum()
    return _finish(means[0] - means[1], (x**2).sum() + (y**2).sum(), cross, (len(real), len(fake)))


def _finish(shift, traces, cross, counts):
    # Rounding can leave equal sets a hair below zero.
    return Frechet(max(float(shift @ shift + traces - 2 * cross), 0.0), counts)


def _same_width(a, b):
    if a.mean.shape != b.mean.shape:
        raise ValueError(
            f"moments of {len(a.mean)} and of {len(b.mean)} features; both must come from the same extractor and layer"
        )
