"""Colours in CIE L*a*b* against published values, and back."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from genjax.data.colour import grey_from_lightness, lab_from_rgb, rgb_from_lab

# sRGB under D65, as in colour tables (and scikit-image).
KNOWN = {
    (0, 0, 0): (0, 0, 0),
    (255, 255, 255): (100, 0, 0),
    (255, 0, 0): (53.24, 80.09, 67.20),
    (0, 255, 0): (87.73, -86.18, 83.18),
    (0, 0, 255): (32.30, 79.19, -107.86),
    (128, 128, 128): (53.59, 0, 0),
}


@pytest.mark.parametrize("rgb", KNOWN)
def test_known_colours(rgb):
    found = lab_from_rgb(jnp.asarray(rgb, jnp.float32) / 255)
    np.testing.assert_allclose(found, KNOWN[rgb], atol=0.06)


def test_colours_come_back_and_greys_have_their_lightness():
    colours = jax.random.uniform(jax.random.key(0), (4, 5, 5, 3))
    np.testing.assert_allclose(rgb_from_lab(lab_from_rgb(colours)), colours, atol=2e-4)
    lightness = lab_from_rgb(colours)[..., :1]
    grey = grey_from_lightness(lightness)
    np.testing.assert_allclose(lab_from_rgb(jnp.broadcast_to(grey, colours.shape))[..., :1], lightness, atol=0.02)


def test_gradients_are_finite_where_formulas_change():
    for colour in (0.0, 1e-4, 1.0):
        both = jax.grad(lambda x: rgb_from_lab(lab_from_rgb(x)).sum())(jnp.full((2, 3), colour))
        assert np.isfinite(both).all()
