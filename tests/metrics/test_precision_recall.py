import numpy as np
import pytest

from genjax.metrics.precision_recall import precision_recall

RANDOM = np.random.default_rng(2)


def by_loops(real, fake, k):
    """The four definitions, one distance at a time."""

    def radii(points):
        return [sorted(np.linalg.norm(points - p, axis=1))[k] for p in points]

    inside = np.array([[np.linalg.norm(f - r) <= s for r, s in zip(real, radii(real), strict=True)] for f in fake])
    recalled = np.array([[np.linalg.norm(f - r) <= s for f, s in zip(fake, radii(fake), strict=True)] for r in real])
    return inside.any(1).mean(), recalled.any(1).mean(), inside.sum() / (k * len(fake)), inside.any(0).mean()


@pytest.mark.parametrize("chunk", [7, 1000])
def test_scores_equal_the_definitions_in_any_chunks(chunk):
    random = np.random.default_rng(0)
    real, fake = random.normal(size=(40, 3)) + 50, random.normal(size=(31, 3)) + 51
    found = precision_recall(real, fake, neighbours=3, chunk=chunk)
    np.testing.assert_allclose(found[:4], by_loops(real, fake, 3), rtol=1e-6)
    assert 0 < found.recall < 1
    assert 0 < found.precision < 1
    assert (found.neighbours, found.counts) == (3, (40, 31))


def test_the_same_set_is_perfect_and_a_far_one_nothing():
    real = RANDOM.normal(size=(60, 4))
    same = precision_recall(real, real)
    assert (same.precision, same.recall, same.coverage) == (1, 1, 1)
    assert same.density > 1
    assert precision_recall(real, real + 100)[:4] == (0, 0, 0, 0)


def test_a_dropped_mode_costs_recall_not_precision():
    centres = np.array([[0.0, 0], [20, 0], [0, 20], [20, 20]])
    real = np.concatenate([c + RANDOM.normal(size=(100, 2)) for c in centres])
    fresh = np.concatenate([c + RANDOM.normal(size=(100, 2)) for c in centres[:2]])
    found = precision_recall(real, fresh)
    assert found.precision > 0.9
    assert 0.8 < found.density < 1.2
    assert 0.4 < found.recall < 0.52
    assert 0.4 < found.coverage < 0.52
    noisy = precision_recall(real, RANDOM.uniform(-20, 40, size=(400, 2)))
    assert noisy.precision < 0.5 < noisy.recall


def test_bad_input_teaches():
    x = RANDOM.normal(size=(8, 2))
    with pytest.raises(ValueError, match="5 samples are too few: this metric needs at least 6"):
        precision_recall(x, x[:5])
    with pytest.raises(ValueError, match="neighbours 0"):
        precision_recall(x, x, neighbours=0)
    with pytest.raises(ValueError, match="2 and 1 features"):
        precision_recall(x, x[:, :1])
