"""How well classes can be found again in a latent: K-means clusters compared with labels by the V-measure."""

import numpy as np


def v_measures(latents: np.ndarray, labels: np.ndarray, clusters: int = 10, restarts: int = 50, seed: int = 0):
    """Return the V-measure of each of `restarts` runs of K-means (one k-means++ start each): float[restarts] in [0, 1].

    V = 2 h c / (h + c), with homogeneity h = 1 - H(class|cluster) / H(class) and completeness c the other way round.
    latents: float[images, features].  labels: int[images].  Run i draws its start from seed + i.
    The spread over restarts measures K-means, not the model: train several models for that.
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
