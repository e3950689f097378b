"""Scores of an image against the one it should be: PSNR, SSIM, mean absolute error; and sharpness without a reference.

Images are float[batch, height, width, channels] in [0, 1], bytes are refused; every score is per image, float[batch],
to be averaged over the test images. NaN in an image makes its score NaN. None of them means much alone: print beside it
what the trivial answer gets on the same images, which is bicubic enlargement for super-resolution, and the input itself
or the mean training image for translation. Papers on super-resolution measure PSNR and SSIM on `luma` with the border
cut, by as many pixels as the factor of enlargement.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np

WINDOW, DEVIATION = 11, 1.5
"""Side in pixels and deviation of the Gaussian window of SSIM."""


def psnr(images: jax.Array, targets: jax.Array, *, border: int = 0) -> jax.Array:
    """Return the peak signal-to-noise ratio of each image, -10 log10(mean squared error), in dB: float[batch].

    The mean is over pixels and channels of one image, without `border` pixels on each side; a data set's score is the
    mean of these decibels. Equal images give infinity. Raises ValueError for different shapes, or an image that the
    border uses up.
    """
    images, targets = _pair(images, targets, border)
    return -10 * jnp.log10(jnp.mean((images - targets) ** 2, (1, 2, 3)))


@functools.partial(jax.jit, static_argnames="border")
def ssim(images: jax.Array, targets: jax.Array, *, border: int = 0) -> jax.Array:
    """Return the structural similarity of each image with its target, in [-1, 1], 1 for equal images: float[batch].

    SSIM = (2 m_x m_y + C1) (2 s_xy + C2) / ((m_x^2 + m_y^2 + C1) (s_x^2 + s_y^2 + C2)) with the means m, variances s^2
    and covariance s_xy under a Gaussian window of 11 x 11 pixels and deviation 1.5 whose weights sum to 1 (so that they
    are population moments), C1 = 0.01^2, C2 = 0.03^2; averaged over the places where the window lies wholly inside,
    and over channels. `border` pixels on each side are cut first.
    Source: Wang et al. 2004, Image quality assessment: from error visibility to structural similarity (IEEE TIP 13).
    Raises ValueError for different shapes, or images below 11 x 11 pixels after the cut.
    """
    x, y = _pair(images, targets, border)
    if min(x.shape[1:3]) < WINDOW:
        raise ValueError(
            f"SSIM's window of {WINDOW} x {WINDOW} pixels does not fit into {x.shape[1]} x {x.shape[2]} (height x "
            f"width, after a border of {border}); give larger images or cut less"
        )
    # Around 1/2: far from 0 a variance as a difference of squares loses digits.
    x, y = x - 0.5, y - 0.5
    mean_x, mean_y = _blur(x), _blur(y)
    variance_x, variance_y = _blur(x**2) - mean_x**2, _blur(y**2) - mean_y**2
    covariance = _blur(x * y) - mean_x * mean_y
    mean_x, mean_y = mean_x + 0.5, mean_y + 0.5
    c1, c2 = 0.01**2, 0.03**2
    luminance = (2 * mean_x * mean_y + c1) / (mean_x**2 + mean_y**2 + c1)
    structure = (2 * covariance + c2) / (variance_x + variance_y + c2)
    return jnp.mean(luminance * structure, (1, 2, 3))


def mean_absolute_error(images: jax.Array, targets: jax.Array) -> jax.Array:
    """Return the mean of |image - target| over pixels and channels, in [0, 1] (half of it in [-1, 1]): float[batch].

    Raises ValueError for different shapes.
    """
    images, targets = _pair(images, targets, 0)
    return jnp.mean(jnp.abs(images - targets), (1, 2, 3))


def luma(images: jax.Array) -> jax.Array:
    """Return Y = (16 + 65.481 R + 128.553 G + 24.966 B) / 255 of ITU-R BT.601: float[batch, height, width, 1].

    In [16 / 255, 235 / 255], as MATLAB's rgb2ycbcr has it, without its rounding to bytes. Raises ValueError unless
    images have three channels.
    """
    _floating(images)
    if images.shape[-1] != 3:
        raise ValueError(f"luma is of red, green and blue, not of {images.shape[-1]} channels; grey images are luma")
    red, green, blue = (images[..., i : i + 1] for i in range(3))
    return (16 + 65.481 * red + 128.553 * green + 24.966 * blue) / 255


def sharpness(images: jax.Array) -> jax.Array:
    """Return the root mean square difference of neighbouring pixels, along rows and columns, in [0, 1]: float[batch].

    It needs no target, and cannot tell detail from noise: the real images' own value is what to come near, a blurred
    or bicubically enlarged image's the floor. Squares, since an edge that is blurred over k pixels has k differences of
    a k-th: their sum stays, that of their squares falls. This is the energy of the gradient, by which cameras focus.
    """
    _floating(images)
    down, right = jnp.diff(images, axis=1) ** 2, jnp.diff(images, axis=2) ** 2
    total = jnp.sum(down, (1, 2, 3)) + jnp.sum(right, (1, 2, 3))
    return jnp.sqrt(total / (down[0].size + right[0].size))


def _floating(*images: jax.Array) -> None:
    for each in images:
        if not jnp.issubdtype(each.dtype, jnp.floating):
            raise ValueError(f"images must be floating-point in [0, 1], not {each.dtype}; divide bytes by 255")


def _pair(images: jax.Array, targets: jax.Array, border: int) -> tuple[jax.Array, jax.Array]:
    _floating(images, targets)
    if images.shape != targets.shape or images.ndim != 4:
        raise ValueError(
            f"images {list(images.shape)} and targets {list(targets.shape)} must have one shape, "
            "[batch, height, width, channels]"
        )
    if border < 0 or 2 * border >= min(images.shape[1:3]):
        raise ValueError(
            f"a border of {border} pixels on each side leaves nothing of {images.shape[1]} x {images.shape[2]} (height "
            "x width); cut less"
        )
    inside = (slice(None), slice(border, images.shape[1] - border), slice(border, images.shape[2] - border))
    return images[inside], targets[inside]


def _blur(x: jax.Array) -> jax.Array:
    """Return the Gaussian window's mean where it lies inside: height and width fall by 10."""
    weights = np.exp(-(((np.arange(WINDOW) - WINDOW // 2) / DEVIATION) ** 2) / 2)
    weights /= weights.sum()
    height, width = x.shape[1] - WINDOW + 1, x.shape[2] - WINDOW + 1
    rows = [float(weight) * x[:, i : i + height] for i, weight in enumerate(weights)]
    x = functools.reduce(jnp.add, rows)
    columns = [float(weight) * x[:, :, i : i + width] for i, weight in enumerate(weights)]
    return functools.reduce(jnp.add, columns)
