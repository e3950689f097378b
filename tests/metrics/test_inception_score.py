import numpy as np
import pytest

from genjax.metrics.inception_score import class_score


def test_certain_and_balanced_reaches_the_class_count_and_blank_or_collapsed_one():
    certain = np.tile(np.eye(5), (40, 1))
    found = class_score(certain, splits=4)
    np.testing.assert_allclose(found[:2], (5, 0), atol=1e-12)
    assert (found.splits, found.samples, found.classes) == (4, 200, 5)
    np.testing.assert_allclose(class_score(np.full((200, 5), 0.2)).mean, 1, rtol=1e-12)
    np.testing.assert_allclose(class_score(np.tile(np.eye(5)[:1], (200, 1))).mean, 1, rtol=1e-12)


def test_it_is_the_exponential_of_the_mutual_information():
    p = np.random.default_rng(3).dirichlet([0.3] * 4, size=90)

    def score(q):
        entropy = -(q * np.log(q)).sum(1).mean()
        marginal = q.mean(0)
        return np.exp(-(marginal * np.log(marginal)).sum() - entropy)

    found = class_score(p, splits=3)
    expected = [score(p[i : i + 30]) for i in (0, 30, 60)]
    np.testing.assert_allclose(found[:2], (np.mean(expected), np.std(expected)), rtol=1e-9)
    # No sample is left out: runs of 29, 30 and 30.
    found = class_score(p[:89], splits=3)
    expected = [score(part) for part in np.split(p[:89], (29, 59))]
    np.testing.assert_allclose(found[:2], (np.mean(expected), np.std(expected)), rtol=1e-9)
    assert found.samples == 89


def test_logits_too_few_samples_and_nan_are_errors():
    with pytest.raises(ValueError, match="apply softmax"):
        class_score(np.random.default_rng(4).normal(size=(50, 4)))
    with pytest.raises(ValueError, match="needs at least 20"):
        class_score(np.full((19, 2), 0.5))
    with pytest.raises(ValueError, match="splits 0"):
        class_score(np.full((19, 2), 0.5), splits=0)
    with pytest.raises(ValueError, match="NaN"):
        class_score(np.full((50, 2), np.nan))
