import numpy as np
import pytest

from genjax import data
from genjax.data.drawn import mixtures
from genjax.metrics.sliced import sliced_wasserstein
from genjax.tasks.plane import plane_scores


@pytest.mark.parametrize(("name", "modes"), [("ring", 8), ("grid", 25)])
def test_the_loader_gives_the_mixture_back(name, modes):
    dataset = data.load(f"mixture:{name}")
    mixture = mixtures.MIXTURES[name]
    assert dataset.shape == (1, 1, 2)
    assert dataset.num_classes == len(mixture.centres) == modes
    batch = dataset.train.take(np.arange(20_000))
    points = (2 * batch["images"].reshape(-1, 2) - 1) * mixtures.EXTENT
    offsets = points - mixture.centres[batch["labels"]]
    np.testing.assert_allclose(offsets.std(0), mixture.deviation, rtol=0.03)
    np.testing.assert_allclose(np.bincount(batch["labels"]) / 20_000, 1 / modes, atol=0.01)
    assert not np.array_equal(dataset.train.arrays["images"][:100], dataset.test.arrays["images"][:100])


def test_points_belong_to_a_mode_within_three_deviations():
    mixture = mixtures.MIXTURES["ring"]
    points, _ = mixtures.draw(mixture, 2500, 0)
    scores = plane_scores(mixture, points)
    assert scores["modes"] == 8
    assert abs(scores["near"] - 0.989) < 0.01
    assert scores["mode_divergence"] < 0.01
    aside = np.array([mixture.deviation, 0])
    shifted = {factor: plane_scores(mixture, mixture.centres + factor * aside) for factor in (2.9, 3.1)}
    assert (shifted[2.9]["modes"], shifted[2.9]["near"]) == (8, 1)
    assert (shifted[3.1]["modes"], shifted[3.1]["near"]) == (0, 0)


def test_the_ring_counts_no_centre_twice():
    centres = mixtures.ring().centres
    np.testing.assert_allclose(np.linalg.norm(centres, axis=1), 2, rtol=1e-12)
    distances = np.linalg.norm(centres[:, None] - centres[None], axis=-1) + 9 * np.eye(8)
    assert distances.min() > 1.5


@pytest.mark.parametrize("spec", ["mixture:line", "mixture:"])
def test_an_unknown_mixture_is_an_error_that_names_the_known(spec):
    with pytest.raises(data.DataError, match="mixture:ring"):
        data.load(spec)
    with pytest.raises(data.DataError, match="leave out image_size"):
        data.load("mixture:ring", image_size=8)


def test_the_sliced_distance_of_a_shift_is_the_mean_projection_of_the_shift():
    a = np.random.default_rng(0).normal(size=(500, 2, 3, 1))
    assert sliced_wasserstein(a, a) == 0
    assert sliced_wasserstein(a, a[::-1]) < 1e-12
    shift = np.zeros((2, 3, 1))
    shift[0, 0] = 2.0
    # The mean |component| of a unit vector in six dimensions is Gamma(3) / (sqrt(pi) Gamma(3.5)).
    np.testing.assert_allclose(sliced_wasserstein(a, a + shift, 20_000), 2 * 0.33953, rtol=0.02)
    with pytest.raises(ValueError, match="equally many"):
        sliced_wasserstein(a, a[:-1])
