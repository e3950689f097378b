"""Does a generator's azimuth turn its object? A sinusoid fitted to where the object is."""

from typing import NamedTuple

import numpy as np


class Sinusoid(NamedTuple):
    """r_squared: share of the values' variance that the fit explains.  values ~ offset + amplitude cos(angle - phase).

    amplitude >= 0 in the units of the values.  phase in radians, in (-pi, pi].  samples: how many values.
    """

    r_squared: float
    amplitude: float
    phase: float
    offset: float
    samples: int


def sinusoid_fit(angles, values) -> Sinusoid:
    """Return the least-squares sinusoid of one period through values at known angles, and its R^2.

    R^2 = 1 - sum (value - fit)^2 / sum (value - mean)^2. An object that circles the camera's axis has its horizontal
    place on such a curve: R^2 near 1 with the true amplitude says that the pose turns it. angles: float[samples] in
    radians, over much of the circle.  values: float[samples], such as the object's horizontal centroid in pixels.
    Noise alone reaches 2 / (samples - 1) on average: take 16 samples or more for each latent, and a generator without
    rotation as control. Constant values give 0. Raises ValueError for different counts, below 4 samples, values that
    are not finite, or angles too few or too alike to tell three parameters apart.
    """
    angles, values = np.asarray(angles, np.float64), np.asarray(values, np.float64)
    if angles.shape != values.shape or angles.ndim != 1 or len(angles) < 4:
        raise ValueError(
            f"angles {list(angles.shape)} and values {list(values.shape)} must be lists of one length, at least 4: a "
            "sinusoid has three parameters"
        )
    if not (np.isfinite(angles).all() and np.isfinite(values).all()):
        raise ValueError("an angle or a value is NaN or infinite; leave out images in which no object is found")
    design = np.stack([np.ones_like(angles), np.cos(angles), np.sin(angles)], 1)
    (offset, cosine, sine), _, rank, _ = np.linalg.lstsq(design, values, rcond=1e-6)
    if rank < 3:
        raise ValueError(
            f"{len(np.unique(angles))} different angles do not determine a sinusoid; spread them over the circle (in "
            "radians)"
        )
    residual = values - design @ (offset, cosine, sine)
    spread = ((values - values.mean()) ** 2).sum()
    # Rounding leaves a constant a spread of its own, which a fit would "explain".
    constant = spread <= len(values) * (1e-12 * np.abs(values).max()) ** 2
    r_squared = 0.0 if constant else 1 - (residual**2).sum() / spread
    return Sinusoid(
        float(r_squared), float(np.hypot(cosine, sine)), float(np.arctan2(sine, cosine)), float(offset), len(angles)
    )
