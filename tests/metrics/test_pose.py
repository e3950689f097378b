import numpy as np
import pytest
from sklearn.linear_model import LinearRegression

from genjax.data.drawn import scene_sets, scenes
from genjax.metrics.pose import objects, sinusoid_fit

ANGLES = np.linspace(0, 2 * np.pi, 24, endpoint=False)


def test_a_sinusoid_is_found_and_noise_lowers_its_share():
    found = sinusoid_fit(ANGLES, 7 + 5 * np.cos(ANGLES - 2.5))
    np.testing.assert_allclose(found[:4], (1, 5, 2.5, 7), rtol=1e-12)
    assert found.samples == 24
    np.testing.assert_allclose(sinusoid_fit(ANGLES, -np.cos(ANGLES)).phase, np.pi)
    random = np.random.default_rng(7)
    angles = random.uniform(-4, 4, 30)
    values = 2 * np.sin(angles) + random.normal(size=30)
    design = np.stack([np.cos(angles), np.sin(angles)], 1)
    expected = LinearRegression().fit(design, values).score(design, values)
    assert 0.3 < expected < 0.9
    np.testing.assert_allclose(sinusoid_fit(angles, values).r_squared, expected, rtol=1e-9)
    # Two periods are no turn, and noise explains 2 / (samples - 1) on average.
    assert sinusoid_fit(ANGLES, np.cos(2 * ANGLES)).r_squared < 1e-12
    noise = [sinusoid_fit(ANGLES, random.normal(size=24)).r_squared for _ in range(400)]
    np.testing.assert_allclose(np.mean(noise), 2 / 23, rtol=0.15)


def test_a_constant_is_no_turn_and_bad_input_teaches():
    assert sinusoid_fit(ANGLES, np.full(24, 0.1)).r_squared == 0
    assert sinusoid_fit(ANGLES, np.zeros(24)).r_squared == 0
    with pytest.raises(ValueError, match=r"angles \[3\] and values \[3\]"):
        sinusoid_fit(ANGLES[:3], ANGLES[:3])
    with pytest.raises(ValueError, match="NaN or infinite"):
        sinusoid_fit(ANGLES, np.full(24, np.nan))
    with pytest.raises(ValueError, match="2 different angles do not determine"):
        sinusoid_fit(np.tile([0.0, 1.0], 5), np.arange(10.0))


def test_an_object_is_where_it_differs_from_the_border_by_more_than_the_contrast():
    images = np.full((3, 7, 9, 3), 0.5)
    images[0, 1:3, 6] = (0.9, 0.5, 0.1)
    images[0, 5, 2] = 0.65  # too faint to count
    images[1, 3, 4] = 1.0  # counts with 0.3, twice as much as the next
    images[1, 3, 8] = 0.85
    places, colours = objects(images)
    np.testing.assert_allclose(places, [[2, -1.5], [4 / 3, 0], [0, 0]], atol=1e-12)
    np.testing.assert_allclose(colours[0], (0.9, 0.5, 0.1))
    np.testing.assert_allclose(colours[2], 0.5)


def test_the_camera_of_drawn_scenes_moves_the_solid_along_a_sinusoid():
    factors = scene_sets.orbiting(range(200))
    places, _ = objects(scenes.render(factors, 16).images / 255)
    fit = sinusoid_fit(factors.azimuth, places[:, 0])
    assert fit.r_squared > 0.98
    np.testing.assert_allclose(fit.amplitude, scene_sets.ORBIT * 8, rtol=0.05)
    assert abs(fit.phase) < 0.1
