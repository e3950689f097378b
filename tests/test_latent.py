"""Priors, truncation and walks."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from genjax import latent, parallel

KEY = jax.random.key(4)


@pytest.mark.parametrize(
    ("prior", "name", "mean", "variance", "bound"),
    [
        (latent.NORMAL, "N(0, 1)", 0.0, 1.0, None),
        (latent.UNIT, "U(0, 1)", 0.5, 1 / 12, 1.0),
        (latent.SYMMETRIC, "U(-1, 1)", 0.0, 1 / 3, 1.0),
        (latent.uniform(-(3**0.5), 3**0.5), "U(-1.73205, 1.73205)", 0.0, 1.0, 3**0.5),
    ],
)
def test_a_prior_is_the_distribution_it_names(prior, name, mean, variance, bound):
    drawn = np.asarray(prior.draw(KEY, (20_000,)))
    assert prior.name == name
    assert drawn.mean() == pytest.approx(mean, abs=0.03)
    assert drawn.var() == pytest.approx(variance, rel=0.05)
    assert prior.bound == bound
    if bound is not None:
        assert 0.99 * bound < np.abs(drawn).max() <= bound


@pytest.mark.parametrize("ends", [(1.0, 1.0), (2.0, -2.0), (0.0, float("inf"))])
def test_a_range_that_is_none_is_refused(ends):
    with pytest.raises(ValueError, match="the smaller one first"):
        latent.uniform(*ends)


def test_a_sampler_draws_the_same_rows_on_devices_that_split_the_batch():
    draw = latent.sampler(latent.NORMAL, 5)
    whole = draw(KEY, 8)
    assert whole.shape == (8, 5)
    parts = jax.pmap(lambda _: draw(KEY, 2), axis_name=parallel.DATA)(jnp.zeros(4))
    np.testing.assert_array_equal(parts.reshape(8, 5), whole)


@pytest.mark.parametrize("limit", [0.02, 0.5, 2.0])
def test_truncated_latents_lie_within_the_limit_and_keep_what_did(limit):
    plain, within = latent.NORMAL.draw(KEY, (50, 20)), latent.truncated(latent.NORMAL, KEY, (50, 20), limit)
    assert float(jnp.abs(within).max()) <= limit
    assert float(within.std()) > 0.5 * limit / 3**0.5
    kept = np.abs(plain) <= limit
    np.testing.assert_array_equal(np.asarray(within)[kept], np.asarray(plain)[kept])
    assert len(np.unique(within)) > 0.99 * within.size


@pytest.mark.parametrize("factor", [0.1, 0.5, 1.0])
def test_scaled_latents_are_a_factor_on_those_within_two(factor):
    found = latent.scaled(latent.NORMAL, KEY, (50, 20), factor)
    np.testing.assert_allclose(found, factor * latent.truncated(latent.NORMAL, KEY, (50, 20), 2.0))
    assert float(found.std()) == pytest.approx(0.88 * factor, rel=0.05)


@pytest.mark.parametrize("factor", [0.0, -1.0, 1.5, float("nan")])
def test_factors_that_are_none_are_refused(factor):
    with pytest.raises(ValueError, match="give a factor in"):
        latent.scaled(latent.NORMAL, KEY, (5, 2), factor)


@pytest.mark.parametrize(
    ("prior", "limit", "text"),
    [
        (latent.NORMAL, 0.0, "must be positive"),
        (latent.NORMAL, float("nan"), "must be positive"),
        (latent.NORMAL, 0.005, "leaves hardly anything"),
        (latent.UNIT, 0.5, "bounded already"),
    ],
)
def test_what_cannot_be_truncated_is_refused(prior, limit, text):
    with pytest.raises(ValueError, match=text):
        latent.truncated(prior, KEY, (3, 2), limit)


def test_walks_reach_both_ends_and_the_arc_keeps_the_length():
    first, second = np.array([3.0, 0.0]), np.array([0.0, 3.0])
    straight, arc = latent.linear(first, second, 5), latent.spherical(first, second, 5)
    for walk in (straight, arc):
        np.testing.assert_allclose(walk[[0, -1]], [first, second], atol=1e-12)
    np.testing.assert_allclose(straight[2], [1.5, 1.5])
    np.testing.assert_allclose(np.linalg.norm(arc, axis=1), 3.0)
    np.testing.assert_allclose(latent.spherical(first, -first, 3), latent.linear(first, -first, 3))
