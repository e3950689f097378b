"""Distances of patches, and how much samples vary."""

import numpy as np
import pytest

from genjax.metrics.patches import diversity, patch_distance, patches


def test_patches_are_all_squares_in_rows():
    image = np.arange(4 * 5 * 2, dtype=np.float32).reshape(4, 5, 2)
    found = patches(image, 3)
    assert found.shape == (2 * 3, 18)
    np.testing.assert_array_equal(found[4], np.moveaxis(image[1:4, 1:4], -1, 0).ravel())
    assert len(patches(np.zeros((100, 100, 1)), 5, 1000)) <= 1000
    with pytest.raises(ValueError, match="no patch of 5 pixels fits into an image of 4 x 5"):
        patches(image, 5)


def test_a_copy_and_its_parts_are_no_distance_away_and_noise_is():
    draw = np.random.default_rng(0)
    image = draw.uniform(-1, 1, (20, 24, 3))
    assert patch_distance(image[None], image) == pytest.approx(0, abs=1e-3)
    assert patch_distance(image[None, 3:15, 5:20], image) == pytest.approx(0, abs=1e-3)
    near = patch_distance((image + 0.1)[None], image)
    assert near == pytest.approx(0.1, abs=0.01)
    assert patch_distance(draw.uniform(-1, 1, (2, 20, 24, 3)), image) > 0.3
    # Of the nearest patch, not of the one in the same place.
    assert patch_distance(np.roll(image, 6, 0)[None, 6:], image) == pytest.approx(0, abs=1e-3)


def test_diversity_is_the_deviation_over_samples_as_a_share_of_the_images_own():
    image = np.random.default_rng(0).normal(size=(30, 30, 3))
    assert diversity(np.repeat(image[None], 5, 0), image) == pytest.approx(0)
    grey = image[..., :1]
    draw = np.random.default_rng(1).normal(size=(400, 30, 30, 1)) * grey.std() / 2
    assert diversity(draw, grey) == pytest.approx(0.5, rel=0.02)
