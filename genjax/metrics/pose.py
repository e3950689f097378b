"""Does a generator's azimuth turn its object? Where the object is, and a sinusoid fitted to that."""

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


def objects(images: np.ndarray, contrast: float = 0.2) -> tuple[np.ndarray, np.ndarray]:
    """Return where the object of each image is, and its colour: float[images, 2], float[images, channels].

    images: float[images, height, width, channels] in [0, 1], with something in front of a plain ground: a pixel counts
    by how much more than `contrast` its strongest channel differs from the median of the image's border. Places are
    means of pixels weighted so, (to the right, down) of the middle, in pixels; (0, 0) and the ground's colour where
    nothing differs.
    """
    images = np.asarray(images, np.float64)
    rim = np.concatenate([images[:, 0], images[:, -1], images[:, :, 0], images[:, :, -1]], 1)
    ground = np.median(rim, 1)[:, None, None]
    weight = np.maximum(np.abs(images - ground).max(-1) - contrast, 0)
    total = weight.sum((1, 2))
    share = weight / np.where(total > 0, total, 1)[:, None, None]
    down, right = (np.arange(side) - (side - 1) / 2 for side in images.shape[1:3])
    places = np.stack([(share * right).sum((1, 2)), (share * down[:, None]).sum((1, 2))], 1)
    colours = ground[:, 0, 0] + (share[..., None] * (images - ground)).sum((1, 2))
    return places, colours
