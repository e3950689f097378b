"""Hamiltonian chains: exact on Gaussians, reversible, invariant, and adapted to an acceptance."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from genjax import hmc

KEY = jax.random.key(11)
PRECISION = np.array([[2.0, 0.8], [0.8, 1.0]])
MEAN = np.array([1.0, -2.0])


def gaussian(position):
    centred = position - MEAN[None]
    return -0.5 * jnp.sum((centred @ PRECISION) * centred, -1)


def quartic(position):
    return -jnp.sum(position**4, -1)


def test_the_force_is_the_gradient_row_by_row():
    position = jax.random.normal(KEY, (5, 2))
    point = hmc.from_log_density(gaussian)(position)
    np.testing.assert_allclose(point.force, -(position - MEAN[None]) @ PRECISION, rtol=1e-5)
    np.testing.assert_allclose(point.log_density, gaussian(position))


def test_the_same_leaps_lead_back():
    with jax.enable_x64(True):
        target = hmc.from_log_density(quartic)
        start, momentum = target(jax.random.normal(KEY, (6, 3))), jax.random.normal(jax.random.key(1), (6, 3))
        end, turned = hmc.trajectory(target, start, momentum, 0.05, 20)
        back, again = hmc.trajectory(target, end, turned, 0.05, 20)
        assert np.abs(end.position - start.position).max() > 0.5
        np.testing.assert_allclose(back.position, start.position, atol=1e-12)
        np.testing.assert_allclose(again, momentum, atol=1e-12)


def test_energy_drifts_by_the_square_of_the_step():
    with jax.enable_x64(True):
        target = hmc.from_log_density(gaussian)
        start, momentum = target(jax.random.normal(KEY, (50, 2))), jax.random.normal(jax.random.key(1), (50, 2))
        drift = []
        for leaps in (10, 20):
            end, last = hmc.trajectory(target, start, momentum, 1.0 / leaps, leaps)
            drift.append(float(jnp.mean(jnp.abs(hmc.energy(end, last) - hmc.energy(start, momentum)))))
        assert drift[0] / drift[1] == pytest.approx(4, rel=0.1)


def test_a_skewed_step_leaves_the_target_invariant():
    """Chains that begin in exp(-z^4) stay in it, by steps so long that only acceptance can keep them there."""
    quantiles = stats.gennorm(4).ppf((np.arange(4000) + 0.5) / 4000)
    start = jnp.asarray(quantiles[:, None], jnp.float32)
    target = hmc.from_log_density(quartic)

    @jax.jit
    def run(key):
        def advance(point, key):
            return hmc.transition(target, point, key, 0.6, 2)

        return jax.lax.scan(advance, target(start), jax.random.split(key, 20))

    point, acceptance = run(KEY)
    assert 0.3 < float(acceptance.mean()) < 0.9  # so that taking every end would show
    assert stats.kstest(np.asarray(point.position[:, 0], float), stats.gennorm(4).cdf).pvalue > 0.01
    assert np.mean(np.abs(point.position - start)) > 0.3


def test_samples_have_the_moments_of_the_density_and_the_step_is_adapted():
    chains = hmc.Chains(burn_in=200, samples=300, leaps=5, rate=0.1)
    target = hmc.from_log_density(gaussian)
    start, small = jnp.zeros((64, 2)), jnp.float32(0.02)
    found = jax.jit(lambda key: hmc.sample(target, start, key, small, chains))(KEY)
    positions = np.asarray(found.positions).reshape(-1, 2)
    assert found.positions.shape == (300, 64, 2)
    np.testing.assert_allclose(positions.mean(0), MEAN, atol=0.05)
    np.testing.assert_allclose(np.cov(positions.T), np.linalg.inv(PRECISION), atol=0.07)
    assert found.step_size > 0.2
    after = jax.jit(lambda key: hmc.sample(target, start, key, found.step_size, chains))(KEY)
    assert float(after.acceptance) == pytest.approx(chains.acceptance, abs=0.03)


def test_the_step_rests_while_samples_are_kept():
    target, start = hmc.from_log_density(gaussian), jnp.zeros((8, 2))
    kept = hmc.sample(target, start, KEY, jnp.float32(0.3), hmc.Chains(burn_in=0, samples=3))
    assert float(kept.step_size) == np.float32(0.3)


def test_a_trajectory_that_runs_away_is_not_taken():
    target, start = hmc.from_log_density(quartic), jnp.ones((8, 2))
    point, acceptance = hmc.transition(target, target(start), KEY, 1e6, 5)
    assert np.array_equal(point.position, start)
    assert not np.any(acceptance)
