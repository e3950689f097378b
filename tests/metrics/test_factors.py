import numpy as np
import pytest

from genjax.metrics.factors import explained, properties


def bar(width, height, dx=0, dy=0, shear=0.0, side=41):
    y, x = np.mgrid[:side, :side] - side // 2
    y, x = y - dy, x - dx
    return (((np.abs(x - shear * y) <= width) & (np.abs(y) <= height)) * 255).astype(np.uint8)[..., None]


def test_properties_are_those_of_a_bar():
    nothing = np.zeros((41, 41, 1), np.uint8)
    images = np.stack([bar(2, 10), bar(4, 10), bar(2, 5, 6, -3), bar(2, 10, shear=0.5), nothing])
    found = properties(images)
    np.testing.assert_allclose(found["ink"][[0, 1, 2, 4]], np.array([5 * 21, 9 * 21, 5 * 11, 0]) / 41**2)
    np.testing.assert_allclose(found["across"], [0, 0, 6, 0, 0], atol=1e-9)
    np.testing.assert_allclose(found["down"], [0, 0, -3, 0, 0], atol=1e-9)
    np.testing.assert_allclose(found["width"][:3], np.sqrt([2, 20 / 3, 2]), rtol=1e-6)  # (n^2 - 1) / 12 for n pixels
    np.testing.assert_allclose(found["height"][:3], np.sqrt([440 / 12, 440 / 12, 10]), rtol=1e-6)
    np.testing.assert_allclose(found["slant"], [0, 0, 0, 0.5, 0], atol=0.02)
    halved = properties(images.repeat(3, -1).astype(np.float32) / 510)
    np.testing.assert_allclose(halved["ink"], found["ink"] / 2)
    np.testing.assert_allclose(halved["slant"], found["slant"])


def test_a_code_explains_what_it_explains_within_groups():
    random = np.random.default_rng(0)
    codes, groups = random.uniform(-1, 1, 4000), random.integers(0, 3, 4000)
    noise = random.normal(0, np.sqrt(1 / 3), 4000)
    assert explained(codes, 2 * codes + 100.0 * groups, groups) == pytest.approx(1)
    assert explained(codes, codes + noise + 100.0 * groups, groups) == pytest.approx(0.5, abs=0.03)
    assert explained(codes, codes + 100.0 * groups) < 0.01
    assert explained(codes, noise, groups) < 0.005
    both = np.stack([3 * codes, noise], 1)  # of a variance nine times that of the noise, all of it explained
    assert explained(codes, both, groups) == pytest.approx(0.9, abs=0.01)
    assert explained(codes, np.ones(4000)) == explained(np.ones(4000), codes) == 0


def test_bad_input_teaches():
    with pytest.raises(ValueError, match="give as many of each"):
        explained(np.ones(3), np.ones(4))
    with pytest.raises(ValueError, match=r"not \[3, 4, 4\]"):
        properties(np.ones((3, 4, 4)))
