import jax.numpy as jnp
import numpy as np
import pytest

from genjax.metrics.image import luma, mean_absolute_error, psnr, sharpness, ssim
from tests.metrics.references import REFERENCES

IMAGES, TARGETS = (REFERENCES[name].astype(np.float32) / 255 for name in ("images", "targets"))


def test_psnr_and_ssim_equal_those_of_scikit_image_in_colour_and_on_cut_luma():
    found = np.stack([psnr(IMAGES, TARGETS), ssim(IMAGES, TARGETS)], 1)
    np.testing.assert_allclose(found, REFERENCES["colour"], rtol=1e-5)
    x, y = luma(IMAGES), luma(TARGETS)
    np.testing.assert_allclose(x[..., 0], REFERENCES["luma"], atol=1e-6)
    found = np.stack([psnr(x, y, border=4), ssim(x, y, border=4)], 1)
    np.testing.assert_allclose(found, REFERENCES["luma_cut"], rtol=1e-5)
    assert not np.allclose(psnr(x, y), found[:, 0])


def test_equal_images_are_perfect_and_scores_are_per_image():
    mixed = jnp.asarray(TARGETS).at[1].set(IMAGES[1])
    assert psnr(mixed, TARGETS)[0] == np.inf
    np.testing.assert_allclose(psnr(mixed, TARGETS)[1], REFERENCES["colour"][1, 0], rtol=1e-5)
    np.testing.assert_allclose(ssim(mixed, TARGETS), [1, REFERENCES["colour"][1, 1]], rtol=1e-5)
    # A flat bright image is where single precision would lose the variance.
    bright = jnp.full((1, 20, 20, 1), 0.97)
    np.testing.assert_allclose(ssim(bright, bright), 1, atol=1e-6)
    constant = mean_absolute_error(jnp.zeros((2, 3, 4, 1)), jnp.full((2, 3, 4, 1), 0.25).at[1].set(0.5))
    np.testing.assert_allclose(constant, [0.25, 0.5])
    assert np.isnan(psnr(bright * jnp.nan, bright)[0]) and np.isnan(ssim(bright * jnp.nan, bright)[0])


def test_luma_of_black_and_white():
    np.testing.assert_allclose(luma(jnp.zeros((1, 1, 1, 3))), 16 / 255, rtol=1e-6)
    np.testing.assert_allclose(luma(jnp.ones((1, 1, 1, 3))), 235 / 255, rtol=1e-6)


def test_sharpness_is_the_root_mean_square_step_between_neighbours():
    ramp = jnp.tile(jnp.arange(5.0)[None, None, :, None] / 10, (1, 4, 1, 2))
    # 4 rows of 4 steps of 0.1; 3 steps down in each of 5 columns, all 0.
    np.testing.assert_allclose(sharpness(ramp), [np.sqrt(16 * 0.1**2 / (16 + 15))], rtol=1e-5)
    edge = jnp.zeros((1, 8, 8, 1)).at[:, :, 4:].set(1.0)
    soft = (edge[:, :, :-1] + edge[:, :, 1:]) / 2  # two steps of a half: half the square
    assert sharpness(soft)[0] < 0.8 * sharpness(edge)[0]
    blurred = (TARGETS[:, :-1] + TARGETS[:, 1:]) / 2
    assert np.all(sharpness(blurred) < sharpness(TARGETS))


def test_bad_input_teaches():
    with pytest.raises(ValueError, match=r"images \[2, 30, 42, 3\] and targets \[2, 30, 41, 3\]"):
        psnr(IMAGES, TARGETS[:, :, :-1])
    with pytest.raises(ValueError, match=r"targets \[30, 42, 3\]"):
        mean_absolute_error(IMAGES[0], TARGETS[0])
    with pytest.raises(ValueError, match="a border of 15 pixels on each side leaves nothing of 30 x 42"):
        psnr(IMAGES, TARGETS, border=15)
    with pytest.raises(ValueError, match="11 x 11 pixels does not fit into 10 x 22"):
        ssim(IMAGES, TARGETS, border=10)
    for score in (lambda x: psnr(IMAGES, x), lambda x: ssim(x, x), luma, sharpness):
        with pytest.raises(ValueError, match="not uint8; divide bytes by 255"):
            score(REFERENCES["images"])
    with pytest.raises(ValueError, match="not of 1 channels"):
        luma(IMAGES[..., :1])
