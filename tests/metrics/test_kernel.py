import numpy as np
import pytest

from genjax.metrics.features import real_floor
from genjax.metrics.kernel import kernel_distance, squared_mmd

RANDOM = np.random.default_rng(1)


def test_the_estimate_equals_its_definition():
    x, y = RANDOM.normal(size=(5, 3)), RANDOM.normal(size=(4, 3)) + 1

    def k(a, b):
        return (a @ b / 3 + 1) ** 3

    expected = np.mean([k(x[i], x[j]) for i in range(5) for j in range(5) if i != j])
    expected += np.mean([k(y[i], y[j]) for i in range(4) for j in range(4) if i != j])
    expected -= 2 * np.mean([k(a, b) for a in x for b in y])
    np.testing.assert_allclose(squared_mmd(x, y), expected, rtol=1e-12)


def test_large_features_are_summed_in_float64_and_too_large_ones_refused():
    x, y = RANDOM.normal(size=(20, 4)), RANDOM.normal(size=(20, 4)) + 1
    # k is nearly (x . y / features)^3 there: float32 ends at 3e38, and loses the difference long before.
    scale = 1e30
    found = squared_mmd(x * scale, y * scale)
    expected = squared_mmd(x * 1e10, y * 1e10) * (scale / 1e10) ** 6
    np.testing.assert_allclose(found, expected, rtol=1e-9)
    with pytest.raises(ValueError, match="overflow the cubic kernel"):
        squared_mmd(x * 1e60, y * 1e60)


def test_it_is_unbiased_and_finds_a_shift():
    def normals(count):
        return RANDOM.normal(size=(count, 4))

    values = [squared_mmd(normals(20), normals(20)) for _ in range(200)]
    error = np.std(values) / np.sqrt(len(values))
    # The biased estimate would be off by the mean of k(x, x) / 20, some 0.4.
    assert abs(np.mean(values)) < 4 * error < 0.1
    real = normals(400)
    floor = real_floor(squared_mmd, real)
    found = kernel_distance(real, normals(300) + 1, subsets=8, subset_size=150)
    assert found.mean > 10 * (abs(floor.mean) + floor.deviation)
    assert 0 < found.deviation < found.mean
    assert (found.subset_size, found.subsets, found.counts) == (150, 8, (400, 300))
    again = kernel_distance(real, real, subsets=8, subset_size=150)
    assert abs(again.mean) < 0.1 * found.mean


def test_a_small_set_lowers_the_subset_and_bad_input_teaches():
    x = RANDOM.normal(size=(30, 4))
    found = kernel_distance(x, x + 1, subsets=3)
    assert (found.subset_size, found.deviation < 1e-5) == (30, True)
    with pytest.raises(ValueError, match="4 and 3 features"):
        kernel_distance(x, x[:, :3])
    with pytest.raises(ValueError, match="0 subsets"):
        kernel_distance(x, x, subsets=0)
    with pytest.raises(ValueError, match="NaN or infinite"):
        kernel_distance(x, x * np.inf)
