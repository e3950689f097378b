import numpy as np
import pytest

from genjax.metrics.precision_recall import precision_recall
from tests.metrics.references import REFERENCES

RANDOM = np.random.default_rng(2)


def by_loops(real, fake, k, inside=np.less):
    """The four definitions, one distance at a time; np.less_equal is the code of Kynkaanniemi et al."""

    def radii(points):
        return [sorted(np.linalg.norm(points - p, axis=1))[k] for p in points]

    held = np.array([[inside(np.linalg.norm(f - r), s) for r, s in zip(real, radii(real), strict=True)] for f in fake])
    recalled = np.array(
        [[inside(np.linalg.norm(f - r), s) for f, s in zip(fake, radii(fake), strict=True)] for r in real]
    )
    return held.any(1).mean(), recalled.any(1).mean(), held.sum() / (k * len(fake)), held.any(0).mean()


@pytest.mark.parametrize("k", [3, 5])
@pytest.mark.parametrize("name", ["tied", "free"])
def test_scores_equal_those_of_the_authors_package(name, k):
    real, fake = REFERENCES[f"{name}_real"], REFERENCES[f"{name}_fake"]
    expected = REFERENCES[f"{name}_{k}"]
    np.testing.assert_allclose(precision_recall(real, fake, neighbours=k)[:4], expected, rtol=1e-12)
    closed = by_loops(real, fake, k, np.less_equal)
    # Points on a lattice lie on spheres: the references can tell open balls from closed ones.
    assert np.allclose(closed, expected) == (name == "free")


@pytest.mark.parametrize("chunk", [7, 1000])
def test_scores_equal_the_definitions_in_any_chunks(chunk):
    random = np.random.default_rng(0)
    real, fake = random.normal(size=(40, 3)) + 50, random.normal(size=(31, 3)) + 51
    found = precision_recall(real, fake, neighbours=3, chunk=chunk)
    np.testing.assert_allclose(found[:4], by_loops(real, fake, 3), rtol=1e-12)
    assert 0 < found.recall < 1
    assert 0 < found.precision < 1
    assert (found.neighbours, found.counts) == (3, (40, 31))


@pytest.mark.parametrize("shift", [0.0, 3e4])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_same_set_in_any_order_is_perfect_and_a_far_one_nothing(dtype, shift):
    # The matrix product rounds equal pairs differently by where they stand: alone it gives densities up to 1.01 here.
    real = (RANDOM.normal(size=(150, 257)) + shift).astype(dtype)
    for same in (real, real[RANDOM.permutation(150)]):
        for chunk in (64, 149, 1000):
            assert precision_recall(real, same, chunk=chunk)[:4] == (1, 1, 1, 1)
    assert precision_recall(real, real + 100)[:4] == (0, 0, 0, 0)


def test_more_copies_than_neighbours_have_empty_balls():
    real = np.repeat(np.arange(4.0)[:, None], [6, 1, 1, 1], 0)
    assert precision_recall(real, real[:3], neighbours=2)[:4] == (0, 0, 0, 0)
    assert precision_recall(real, real[[8, 8, 8]], neighbours=2).coverage == pytest.approx(1 / 9)


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
