"""The inception-style score of class probabilities: confident on each image, varied over all.

Source: Salimans et al. 2016, arXiv 1606.03498, section 4. It is "the Inception score" only with the published
InceptionV3 weights; a classifier trained on the same data gives a score of its own scale, at most its class count.
"""

from itertools import pairwise
from typing import NamedTuple

import numpy as np

from genjax.metrics.features import checked


class ClassScore(NamedTuple):
    """mean and deviation over splits, each at least 1 and at most `classes`; samples: in all splits together."""

    mean: float
    deviation: float
    splits: int
    samples: int
    classes: int


def class_score(probabilities, *, splits: int = 10) -> ClassScore:
    """Return exp(E_x KL(p(y|x) || p(y))) of each of `splits` runs of samples: mean and deviation.

    Every sample is in one run; where the count does not divide, runs differ by one sample, as in the authors' code. The
    score grows with the samples in a run: published values take 50,000 in 10 splits, and a comparison needs equal
    counts. Real images of the data give what a good generator reaches; 1 is the score of samples all alike.

    probabilities: float[count, classes], rows summing to 1 (softmax of the logits), in an order without meaning: sorted
    by class, each split would look poor. Raises ValueError for NaN, logits in their place, or fewer than 2 a split.
    """
    (p,) = checked(probabilities, least=max(2 * splits, 2))
    if splits < 1:
        raise ValueError(f"splits {splits} must be positive; the published score takes 10")
    p = p.astype(np.float64)
    total = p.sum(1)
    if p.min() < 0 or np.abs(total - 1).max() > 1e-3:
        worst = total[np.abs(total - 1).argmax()]
        raise ValueError(
            f"rows must be probabilities (not negative, sum 1), but the lowest entry is {p.min():.3g} and one row sums "
            f"to {worst:.3g}; apply softmax to the logits"
        )
    ends = [i * len(p) // splits for i in range(splits + 1)]
    scores = [_score(p[start:end]) for start, end in pairwise(ends)]
    return ClassScore(float(np.mean(scores)), float(np.std(scores)), splits, len(p), p.shape[1])


def _score(p):
    marginal = np.broadcast_to(p.mean(0), p.shape)
    # 0 log 0 = 0; where p > 0 the marginal is, too.
    ratio = np.divide(p, marginal, out=np.ones_like(p), where=p > 0)
    return np.exp((p * np.log(ratio)).sum(1).mean())
