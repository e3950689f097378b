"""How well classes are found again without labels: K-means on a latent (V-measure), codes matched with classes."""

from typing import NamedTuple

import numpy as np


class CodeAgreement(NamedTuple):
    """accuracy and purity in [0, 1].  classes: the class matched with each code, {code: class}.  samples: how many."""

    accuracy: float
    purity: float
    classes: dict[int, int]
    samples: int


def code_agreement(codes: np.ndarray, labels: np.ndarray) -> CodeAgreement:
    """Return how well a categorical code tells classes that it was never shown.

    accuracy: the largest share of samples whose class is their code's, over all one-to-one matchings of codes with
    classes (the Hungarian method; samples of a code or a class that is left over are wrong).  purity: sum over codes of
    their most frequent class's count, over all samples: two codes may share a class.
    codes: int[samples], what the generator was given.  labels: int[samples], what a classifier sees in its samples.
    Codes that say nothing have an expected purity a little above the largest class's share, more so with few samples
    for each code: take 100 or more for each, and print the value of shuffled codes beside it. Raises ValueError for
    different counts, no samples, or values that are not integers from 0 up.
    """
    from scipy.optimize import linear_sum_assignment

    codes, labels = np.asarray(codes), np.asarray(labels)
    if codes.shape != labels.shape or codes.ndim != 1 or not len(codes):
        raise ValueError(
            f"codes {list(codes.shape)} and labels {list(labels.shape)} must be lists of one length, with a code and a "
            "class for each sample"
        )
    for name, values in (("codes", codes), ("labels", labels)):
        if values.dtype.kind not in "iu" or values.min() < 0:
            raise ValueError(f"{name} must be integers from 0 up, not {values.dtype} from {values.min()}")
    counts = np.zeros((codes.max() + 1, labels.max() + 1), np.int64)
    np.add.at(counts, (codes, labels), 1)
    matched = linear_sum_assignment(counts, maximize=True)
    classes = {int(code): int(label) for code, label in zip(*matched, strict=True)}
    right, most = counts[matched].sum(), counts.max(1).sum()
    return CodeAgreement(float(right / len(codes)), float(most / len(codes)), classes, len(codes))


def v_measures(latents: np.ndarray, labels: np.ndarray, clusters: int = 10, restarts: int = 50, seed: int = 0):
    """Return the V-measure of each of `restarts` runs of K-means (one k-means++ start each): float[restarts] in [0, 1].

    V = 2 h c / (h + c), with homogeneity h = 1 - H(class|cluster) / H(class) and completeness c the other way round.
    latents: float[images, features].  labels: int[images].  Run i draws its start from seed + i.
    The spread over restarts measures K-means, not the model: train several models for that. V is not corrected for
    chance: 1,000 images of ten classes in ten random clusters give 0.02, 100 images 0.21, so compare equal counts.
    Source: Rosenberg & Hirschberg 2007, V-measure (EMNLP). Raises ValueError for values that are not finite, or for
    fewer images than clusters.
    """
    from sklearn.cluster import KMeans
    from sklearn.metrics import v_measure_score
    from threadpoolctl import threadpool_limits

    latents = np.asarray(latents, np.float64)
    if len(latents) < clusters:
        raise ValueError(f"{len(latents)} images cannot form {clusters} clusters; give more images or ask for fewer")
    bad = np.count_nonzero(~np.isfinite(latents).all(-1))
    if bad:
        raise ValueError(f"the latents of {bad} of {len(latents)} images are not finite; the model has diverged")
    # One thread: on a busy machine OpenMP's threads wait for each other thirty times longer than they compute.
    with threadpool_limits(1):
        runs = (KMeans(clusters, n_init=1, random_state=seed + i).fit_predict(latents) for i in range(restarts))
        return np.array([v_measure_score(labels, found) for found in runs])
