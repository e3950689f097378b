"""Colours as lightness and two opponents, CIE L*a*b*, in which lightness is known and colour can be guessed.

Source: CIE 15 with the white D65 of two degrees; sRGB of IEC 61966-2-1.
"""

import jax
import jax.numpy as jnp
import numpy as np

_WHITE = np.array([0.95047, 1.0, 1.08883])
_TO_XYZ = (
    np.array([[0.412453, 0.357580, 0.180423], [0.212671, 0.715160, 0.072169], [0.019334, 0.119193, 0.950227]])
    / _WHITE[:, None]
)
"""Linear red, green and blue to X, Y and Z as shares of the white's."""
_SMALL = 6 / 29
"""Below its cube the cube root is replaced by a line."""


def lab_from_rgb(images: jax.Array) -> jax.Array:
    """Return (L, a, b) of sRGB in [0, 1], float[..., 3]: L in [0, 100], a and b in about [-108, 98].

    >>> np.round(lab_from_rgb(jnp.asarray([1.0, 0.0, 0.0])), 1).tolist()
    [53.2..., 80.0..., 67.1...]
    """
    linear = jnp.where(images > 0.04045, ((images + 0.055) / 1.055) ** 2.4, images / 12.92)
    xyz = _product(linear, _TO_XYZ)
    # The cube root of a positive number only, or its derivative at 0 would be infinite.
    root = jnp.cbrt(jnp.maximum(xyz, _SMALL**3))
    f = jnp.where(xyz > _SMALL**3, root, xyz / (3 * _SMALL**2) + 4 / 29)
    x, y, z = (f[..., i] for i in range(3))
    return jnp.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], -1)


def rgb_from_lab(images: jax.Array) -> jax.Array:
    """Return sRGB in [0, 1] of (L, a, b), float[..., 3]; colours that a screen cannot show are clipped."""
    lightness, a, b = (images[..., i] for i in range(3))
    y = (lightness + 16) / 116
    f = jnp.stack([y + a / 500, y, y - b / 200], -1)
    xyz = jnp.where(f > _SMALL, f**3, 3 * _SMALL**2 * (f - 4 / 29))
    linear = jnp.clip(_product(xyz, np.linalg.inv(_TO_XYZ)), 0, 1)
    curved = 1.055 * jnp.maximum(linear, 0.0031308) ** (1 / 2.4) - 0.055
    return jnp.clip(jnp.where(linear > 0.0031308, curved, 12.92 * linear), 0, 1)


def grey_from_lightness(lightness: jax.Array) -> jax.Array:
    """Return the sRGB grey in [0, 1] that has lightness L in [0, 100], float[..., 1]."""
    none = jnp.zeros_like(lightness)
    return rgb_from_lab(jnp.concatenate([lightness, none, none], -1)).mean(-1, keepdims=True)


def _product(colours: jax.Array, matrix: np.ndarray) -> jax.Array:
    return jnp.einsum("...i,ji->...j", colours, matrix.astype(colours.dtype), precision="highest")
