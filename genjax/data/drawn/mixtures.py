"""Two-dimensional mixtures of Gaussians on which mode collapse can be counted: a ring of 8 and a grid of 25.

Ring: radius 2, deviation 0.02 (Metz et al. 2017, arXiv 1611.02163, appendix A); both divided by 1.414 in the code of
Gulrajani et al. 2017, arXiv 1704.00028. Grid: 2 {-2 .. 2}^2, deviation 0.05 (the same code).
"""

import numpy as np

from genjax.data.dataset import Arrays, DataError, Dataset, Mixture
from genjax.data.options import DEFAULTS, Options

EXTENT = 5.0
"""Points lie in [-EXTENT, EXTENT]^2 and are stored as (x / EXTENT + 1) / 2, pixel values in [0, 1]."""


def ring(modes: int = 8, radius: float = 2.0, deviation: float = 0.02) -> Mixture:
    """Return modes at equal angles on a circle; the first is at angle 0 and none is there twice."""
    angles = 2 * np.pi * np.arange(modes) / modes
    return Mixture(radius * np.stack([np.cos(angles), np.sin(angles)], -1), deviation)


def grid(side: int = 5, spacing: float = 2.0, deviation: float = 0.05) -> Mixture:
    """Return side^2 modes on a square grid around the origin."""
    ticks = spacing * (np.arange(side) - (side - 1) / 2)
    return Mixture(np.stack(np.meshgrid(ticks, ticks, indexing="ij"), -1).reshape(-1, 2), deviation)


MIXTURES = {"ring": ring(), "ring-1.414": ring(8, 2 / 1.414, 0.02 / 1.414), "grid": grid()}


def draw(mixture: Mixture, count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return points float32[count, 2] and the mode of each, int32[count]."""
    random = np.random.Generator(np.random.Philox(seed))
    modes = random.integers(0, len(mixture.centres), count)
    noise = mixture.deviation * random.standard_normal((count, 2))
    return (mixture.centres[modes] + noise).astype(np.float32), modes.astype(np.int32)


def to_pixels(points: np.ndarray) -> np.ndarray:
    """Return points float[count, 2] as images float32[count, 1, 1, 2] in [0, 1]."""
    return np.clip((points / EXTENT + 1) / 2, 0, 1).astype(np.float32).reshape(-1, 1, 1, 2)


def load(name: str, options: Options = DEFAULTS) -> Dataset:
    """Return 100,000 training and 10,000 test points of one of `MIXTURES` as images [1, 1, 2]; labels are the modes.

    DataError for another name, or options of images.
    """
    if name not in MIXTURES:
        raise DataError(f"there is no mixture {name!r}; choose one of mixture:{', mixture:'.join(MIXTURES)}")
    if options.image_size is not None or options.channels is not None:
        raise DataError(f"mixture:{name} has points in the plane; leave out image_size and channels")
    options.refuse_hold_out(f"mixture:{name}")
    mixture = MIXTURES[name]

    def split(count: int, seed: int) -> Arrays:
        points, modes = draw(mixture, count, seed)
        return Arrays({"images": to_pixels(points), "labels": modes})

    names = tuple(str(mode) for mode in range(len(mixture.centres)))
    return Dataset(f"mixture:{name}", split(100_000, 0), split(10_000, 1), names, mixture=mixture)
