"""What every small preset learns, against the untrained network and against itself with its mechanism taken out."""

import numpy as np
import pytest

from tests.gans.learning import judge, learned, samples

pytestmark = pytest.mark.slow
SEEDS = range(3)


def modes(name, **changes):
    return [learned(name, seed=seed, **changes).after["modes"] for seed in SEEDS]


def test_looking_ahead_covers_the_ring_and_without_it_at_most_half():
    first = learned("unrolled")
    assert first.before["near"] < 0.2
    assert first.after["modes"] == 8
    assert first.after["near"] > 0.5
    assert max(modes("unrolled", look_ahead=0)) <= 4


def test_the_penalty_keeps_all_seeds_on_the_ring_and_without_it_one_leaves():
    with_penalty, without = ([learned("wgan_gp", seed=s, **c).after for s in SEEDS] for c in ({}, {"weight": 0.0}))
    assert [score["modes"] for score in with_penalty] == [8, 8, 8]
    assert min(score["near"] for score in with_penalty) > 0.7
    assert min(score["modes"] for score in without) <= 4


def test_clipping_keeps_all_seeds_on_the_ring_and_without_it_one_leaves():
    first = learned("wgan")
    assert first.before["near"] < 0.2
    assert first.after["near"] > 0.3
    assert min(modes("wgan")) >= 7
    assert min(modes("wgan", limit=float("inf"))) <= 4


def test_spectral_normalisation_covers_the_ring_and_without_it_at_most_half():
    first = learned("sngan")
    assert first.before["near"] < 0.2
    assert first.after["modes"] == 8
    assert first.after["near"] > 0.5
    assert max(modes("sngan", networks="unnormalised")) <= 5


def excess(scores):
    """Return by how much samples are farther from test images than training images are."""
    return scores["sliced_wasserstein"] - scores["real_against_real"]


@pytest.mark.parametrize("simultaneous", [False, True])
def test_the_gan_learns_in_turns_and_at_once(simultaneous):
    learnt = learned("gan", simultaneous=simultaneous)
    assert excess(learnt.after) < 0.3 * excess(learnt.before)
    classes, _ = judge(8).classify(samples(learnt)[0])
    assert np.bincount(classes, minlength=10).min() > 0


def test_the_cgan_draws_the_digit_that_was_asked_for_and_learns_it_from_the_labels():
    true, noise = learned("cgan"), learned("cgan", label_noise=1.0)
    assert excess(true.after) < 0.3 * excess(true.before)
    assert judge(8).accuracy > 0.95
    kept = []
    for learnt in (true, noise):
        images, asked = samples(learnt)
        kept.append((judge(8).classify(images)[0] == asked).mean())
    assert kept[0] >= 0.9
    assert kept[1] < 0.3


def test_the_dcgan_draws_all_ten_digits():
    """Without batch norm it does so too, and closer: that control is recorded, not asserted."""
    learnt = learned("dcgan")
    assert excess(learnt.after) < 0.4 * excess(learnt.before)
    critic = judge(16)
    assert critic.accuracy > 0.95
    images, _ = samples(learnt)
    classes, _ = critic.classify(images)
    assert np.bincount(classes, minlength=10).min() >= 5
    assert critic.distance(images) < 45 * critic.floor()
