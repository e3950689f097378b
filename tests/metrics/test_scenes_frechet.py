"""What the features of default scores see, and that the distance of pixels does not."""

import numpy as np
import pytest

from genjax import data
from genjax.data.resize import bicubic
from genjax.metrics import scenes_frechet
from genjax.metrics.sliced import sliced_wasserstein


@pytest.fixture(scope="module")
def digits():
    found = data.load("digits", image_size=16)
    half = len(found.test) // 2
    images = found.test.take(np.arange(2 * half))["images"]
    return images[:half], images[half:]


def test_features_prefer_sharp_digits_with_a_bright_border_to_blurred_ones_and_pixels_do_not(digits):
    real, others = digits
    small = np.asarray(bicubic(bicubic(others.astype(np.float32), 4, 4), 16, 16))
    blurred = np.clip(small, 0, 255).astype(np.uint8)
    stained = others.copy()
    stained[:, :, :4] = 255
    by_features = [scenes_frechet.frechet(x, real) for x in (others, stained, blurred)]
    assert by_features == sorted(by_features)
    assert by_features[1] > 100 * by_features[0]
    by_pixels = [sliced_wasserstein(x / 255, real / 255) for x in (others, blurred, stained)]
    assert by_pixels == sorted(by_pixels)


def test_many_images_are_seen_in_parts_as_at_once_and_other_channels_by_their_mean(digits, monkeypatch):
    images = digits[0][:5].astype(np.float32) / 127.5 - 1
    whole = scenes_frechet.feature_maps(images)
    assert whole.shape == (5, 8, 8, 32)
    monkeypatch.setattr(scenes_frechet, "AT_ONCE", 2 * 16 * 16)
    np.testing.assert_allclose(scenes_frechet.feature_maps(images), whole, atol=1e-5)
    two = np.concatenate([images + 0.1, images - 0.1], -1)
    np.testing.assert_allclose(scenes_frechet.feature_maps(two), whole, atol=1e-4)
