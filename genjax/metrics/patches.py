"""How like one image others are, patch by patch."""

import numpy as np

MOST = 1024
"""Patches of an image that are looked up or compared with, spread evenly, so that large images take no longer."""


def patches(image: np.ndarray, size: int, most: int = MOST) -> np.ndarray:
    """Return square patches of float[height, width, channels], spread evenly: float32[count, size size channels].

    Raises ValueError where no patch fits.
    """
    height, width = (side - size + 1 for side in image.shape[:2])
    if min(height, width) < 1:
        raise ValueError(f"no patch of {size} pixels fits into an image of {image.shape[0]} x {image.shape[1]}")
    views = np.lib.stride_tricks.sliding_window_view(image, (size, size), (0, 1)).reshape(height * width, -1)
    rows = np.arange(0, len(views), max(1, -(-len(views) // most)))
    return np.ascontiguousarray(views[rows], np.float32)


def patch_distance(samples: np.ndarray, image: np.ndarray, size: int = 5) -> float:
    """Return E min_j |p - q_j|, p over patches of the samples and q over those of the image: 0 where all are copies.

    Distances are roots of mean squares over pixels and channels. samples: float[count, height, width, channels].
    image: float[height', width', channels]; all of its patches are compared, up to 16 times as many as of a sample.
    It says whether what is drawn occurs in the image, not whether all of the image is drawn: for that exchange the two.
    """
    known = patches(image, size, 16 * MOST)
    squares = (known**2).sum(1)
    nearest = []
    for sample in samples:
        mine = patches(sample, size)
        apart = (mine**2).sum(1)[:, None] + squares - 2 * mine @ known.T
        nearest.append(np.sqrt(np.maximum(apart.min(1), 0) / known.shape[1]).mean())
    return float(np.mean(nearest))


def diversity(samples: np.ndarray, image: np.ndarray) -> float:
    """Return the deviation of a pixel over samples, averaged over pixels, over the deviation of the image's pixels.

    samples: float[count, height, width, channels].  image: float[height, width, channels]; colours become grey.
    Source: Shaham et al. 2019, arXiv 1905.01164, section 3.1 (0.5 at the coarsest scale for their photographs).
    """
    return float(samples.mean(-1).std(0).mean() / image.mean(-1).std())
