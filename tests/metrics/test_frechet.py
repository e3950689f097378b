import numpy as np
import pytest

from genjax.metrics import frechet
from genjax.metrics.features import real_floor
from genjax.metrics.frechet import Moments, distance_of_moments, frechet_distance, merge, moments

RANDOM = np.random.default_rng(0)
REAL = RANDOM.normal(size=(300, 12)) @ RANDOM.normal(size=(12, 12))
FAKE = RANDOM.normal(size=(250, 12)) @ RANDOM.normal(size=(12, 12)) + 0.5


def gaussian(mean, covariance, count=10):
    return Moments(count, np.asarray(mean, float), np.asarray(covariance, float) * (count - 1))


def by_eigenvalues_of_the_product(a, b):
    """The definition itself: the eigenvalues of C1 C2, whose principal root's trace is asked for, are not negative."""
    c1, c2 = np.cov(a.T), np.cov(b.T)
    root = np.sqrt(np.linalg.eigvals(c1 @ c2).real.clip(0)).sum()
    return ((a.mean(0) - b.mean(0)) ** 2).sum() + np.trace(c1) + np.trace(c2) - 2 * root


def test_gaussians_with_a_closed_form():
    # Diagonal covariances: the sum of squared differences of the deviations.
    a, b = gaussian([0, 1, 2], np.diag([1.0, 4.0, 9.0])), gaussian([1, 1, 0], np.diag([4.0, 4.0, 1.0]))
    np.testing.assert_allclose(distance_of_moments(a, b).distance, 1 + 4 + (1 + 0 + 4), rtol=1e-12)
    # The same turned by a rotation, so that the covariances are full.
    q, _ = np.linalg.qr(RANDOM.normal(size=(3, 3)))
    turned = [gaussian(q @ m.mean, q @ m.covariance @ q.T) for m in (a, b)]
    np.testing.assert_allclose(distance_of_moments(*turned).distance, 10, rtol=1e-10)
    # In two dimensions tr (C1 C2)^(1/2) = sqrt(tr C1 C2 + 2 sqrt(det C1 C2)), for matrices that do not commute as well.
    c1, c2 = np.array([[2.0, 0.5], [0.5, 1.0]]), np.array([[1.0, -0.7], [-0.7, 3.0]])
    root = np.sqrt(np.trace(c1 @ c2) + 2 * np.sqrt(np.linalg.det(c1 @ c2)))
    found = distance_of_moments(gaussian([0, 0], c1), gaussian([0, 0], c2)).distance
    np.testing.assert_allclose(found, np.trace(c1 + c2) - 2 * root, rtol=1e-12)


def test_both_forms_equal_the_definition_and_are_symmetric():
    expected = by_eigenvalues_of_the_product(REAL, FAKE)
    assert expected > 1
    result = frechet_distance(REAL, FAKE)
    np.testing.assert_allclose(result.distance, expected, rtol=1e-10)
    assert result.counts == (300, 250)
    np.testing.assert_allclose(frechet_distance(FAKE, REAL).distance, expected, rtol=1e-10)
    # Fewer samples than features: the covariances have no full rank.
    a, b = REAL[:7], FAKE[:9]
    small = frechet_distance(a, b).distance
    np.testing.assert_allclose(small, distance_of_moments(moments([a]), moments([b])).distance, rtol=1e-7)
    np.testing.assert_allclose(small, by_eigenvalues_of_the_product(a, b), rtol=1e-5)
    np.testing.assert_allclose(frechet_distance(b, a).distance, small, rtol=1e-10)


@pytest.mark.parametrize("rows", [300, 8])
def test_a_translation_costs_its_square_and_equal_sets_nothing(rows):
    shift = np.linspace(-1, 2, 12)
    assert frechet_distance(REAL[:rows], REAL[:rows]).distance < 1e-9
    found = frechet_distance(REAL[:rows], REAL[:rows] + shift).distance
    np.testing.assert_allclose(found, shift @ shift, rtol=1e-9)


def test_streamed_moments_equal_those_at_once_far_from_zero():
    features = (REAL + 1e4).astype(np.float32)
    found = moments([features[:1], features[1:130], features[130:]])
    wide = features.astype(np.float64)
    assert found.samples == 300
    np.testing.assert_allclose(found.mean, wide.mean(0), rtol=1e-14)
    np.testing.assert_allclose(found.covariance, np.cov(wide.T), rtol=1e-10, atol=1e-9)
    other = merge(moments([features[:40]]), moments([features[40:]]))
    np.testing.assert_allclose(other.covariance, found.covariance, rtol=1e-10, atol=1e-9)


def test_the_real_floor_falls_with_the_count():
    floors = [real_floor(lambda a, b: frechet_distance(a, b).distance, REAL[:rows]) for rows in (60, 300)]
    assert [floor.samples for floor in floors] == [30, 150]
    assert 0 < floors[1].mean < floors[0].mean < frechet_distance(REAL, FAKE).distance
    assert floors[0].deviation > 0


def test_bad_features_are_one_sentence():
    with pytest.raises(ValueError, match="1 samples are too few"):
        frechet_distance(REAL[:1], FAKE)
    with pytest.raises(ValueError, match="12 and 11 features"):
        frechet_distance(REAL, FAKE[:, :11])
    with pytest.raises(ValueError, match="moments of 12 and of 11"):
        distance_of_moments(moments([REAL]), moments([FAKE[:, :11]]))
    broken = REAL.copy()
    broken[3, 4] = np.nan
    with pytest.raises(ValueError, match="features of 1 of 300 samples are NaN"):
        frechet_distance(REAL, broken)
    with pytest.raises(ValueError, match=r"not float64\[300, 3, 4\]"):
        frechet_distance(REAL.reshape(300, 3, 4), FAKE)
    with pytest.raises(ValueError, match="no covariance"):
        _ = moments([REAL[:1]]).covariance
    with pytest.raises(ValueError, match="no features"):
        frechet.moments([])
