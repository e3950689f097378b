"""GANs of points in the plane learn four corners in seconds, five games each, beside games without their mechanism.

Every game is a few hundred steps of small dense networks. Scores are of 400 samples: the share within 0.3 of a corner,
and how many of the four corners have more than a twentieth of the samples. Single games without the mechanism may do
well, so what is asserted of them is what the mechanism bounds, or a mean.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from genjax.engine import State, init_state, make_run, make_step
from genjax.gans import cgan, gan, sngan, unrolled, wgan, wgan_gp

SEEDS, BATCH, COUNT, SHAPE = 5, 64, 400, (1, 1, 2)
CORNERS = np.array([[1, 0], [0, 1], [-1, 0], [0, -1]], np.float32)
GENERATOR = gan.Generator((32, 32), SHAPE, output=lambda x: x)
DISCRIMINATOR = gan.Discriminator((32, 32))
LABELS = np.arange(COUNT) % 4


class Played(NamedTuple):
    """Of every game: samples near corners, corners found, samples at their label's corner; the state; metrics."""

    near: np.ndarray
    modes: np.ndarray
    asked: np.ndarray
    state: State
    metrics: dict


def played(game, steps, generator=GENERATOR, labelled=False, shift=0):
    """Play five games of a model. labelled: the generator sees labels.  shift: give every point another's label."""
    draw, shape = np.random.default_rng(0), (steps, game.batches_per_step, BATCH)
    corners = draw.integers(0, 4, shape)
    points = CORNERS[corners] + 0.05 * draw.normal(size=(*shape, 2))
    batches = {
        "images": jnp.asarray(points.reshape(*shape, *SHAPE), jnp.float32),
        "labels": jnp.asarray(np.roll(corners, shift, 2), jnp.int32),
    }
    told = (jax.random.normal(jax.random.key(2), (COUNT, 2)), *([jnp.asarray(LABELS)] if labelled else []))

    @jax.jit
    @jax.vmap
    def play(key):
        state, metrics = make_run(make_step(game))(init_state(game, key), batches, None, key)
        return generator.apply(state.variables_of("generator"), *told), state, metrics

    samples, state, metrics = jax.device_get(play(jax.random.split(jax.random.key(0), SEEDS)))
    away = np.linalg.norm(samples.reshape(SEEDS, COUNT, 1, 2) - CORNERS, axis=-1)
    near, nearest = away.min(2) < 0.3, away.argmin(2)
    found = np.stack([(near & (nearest == corner)).mean(1) > 0.05 for corner in range(4)])
    return Played(near.mean(1), found.sum(0), (nearest == LABELS).mean(1), state, metrics)


def setting(tx, opponent="discriminator"):
    return {"generator_tx": tx, f"{opponent}_tx": tx, "image_shape": SHAPE, "latent": 2}


def adam(rate=1e-3, b1=0.5):
    return optax.adam(rate, b1=b1)


@pytest.mark.parametrize("simultaneous", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_the_gan_learns_in_turns_and_at_once(simultaneous):
    found = played(gan.game(GENERATOR, DISCRIMINATOR, **setting(adam()), simultaneous=simultaneous), 1500)
    assert np.median(found.near) > 0.4
    assert np.median(found.modes) >= 3


def check_asked(shift, low, high):
    generator = cgan.Generator(SHAPE, 4, 16, 16, 32, dropout=0.0, output=lambda x: x)
    discriminator = cgan.Discriminator(4, (16, 2), (8, 2), (16, 2), dropout=0.0)
    game = cgan.game(generator, discriminator, **setting(adam(2e-3)))
    asked = played(game, 600, generator, labelled=True, shift=shift).asked
    assert low < asked.min() and asked.max() < high


def test_the_cgan_draws_the_corner_that_was_asked_for():
    check_asked(0, low=0.9, high=1.01)


@pytest.mark.slow
def test_the_cgan_learns_the_corner_from_the_labels():
    check_asked(1, low=-0.01, high=0.6)


def wasserstein(limit):
    """Return what became of games with a clipped critic, and the critics' largest weight."""
    tx = optax.rmsprop(1e-3, eps_in_sqrt=False)
    found = played(wgan.game(GENERATOR, DISCRIMINATOR, **setting(tx, "critic"), limit=limit), 400)
    return found, max(np.abs(leaf).max() for leaf in jax.tree.leaves(found.state.params["critic"]))


def test_a_clipped_critic_brings_every_game_to_the_corners():
    clipped, largest = wasserstein(0.05)
    assert clipped.near.min() > 0.15
    assert largest <= 0.05


@pytest.mark.slow
def test_a_critic_that_is_not_clipped_grows():
    assert wasserstein(1e9)[1] > 0.1


def penalised(weight):
    """Return what became of games with a gradient penalty, and the last penalties of each."""
    game = wgan_gp.game(GENERATOR, DISCRIMINATOR, **setting(adam(b1=0.0), "critic"), weight=weight)
    found = played(game, 400)
    return found, found.metrics["critic/penalty"][:, -20:].mean(1)


def test_the_gradient_penalty_brings_every_game_to_all_corners_and_holds_the_critics_slope():
    held, penalty = penalised(1.0)
    assert held.near.min() > 0.4 and held.modes.min() == 4
    assert penalty.max() < 0.2


@pytest.mark.slow
def test_without_the_penalty_the_critic_is_steep():
    assert penalised(0.0)[1].min() > 50


def steepest(discriminator, state):
    """Return the greatest slope of every game's discriminator between 400 pairs of points."""
    a, b = np.random.default_rng(1).normal(size=(2, COUNT, *SHAPE)).astype(np.float32)
    away = np.linalg.norm((a - b).reshape(COUNT, 2), axis=1)
    variables = state.variables_of("discriminator")
    rise = jax.vmap(lambda own: discriminator.apply(own, a) - discriminator.apply(own, b))(variables)
    return (np.abs(np.asarray(rise)) / away).max(1)


def hinged(discriminator):
    return played(sngan.game(GENERATOR, discriminator, **setting(adam(2e-3, 0.0)), discriminator_steps=3), 400)


def test_spectral_normalisation_bounds_the_slope_and_the_game_finds_all_corners():
    normalised = sngan.DenseDiscriminator((32, 32))
    bounded = hinged(normalised)
    assert bounded.near.min() > 0.6 and bounded.modes.min() == 4
    assert steepest(normalised, bounded.state).max() < 1.05  # power iteration comes near each norm from below


@pytest.mark.slow
def test_without_spectral_normalisation_the_discriminator_is_steep():
    assert steepest(DISCRIMINATOR, hinged(DISCRIMINATOR).state).min() > 1.5


def foreseen(steps):
    return played(unrolled.game(GENERATOR, DISCRIMINATOR, **setting(adam()), steps=steps), 500)


def test_looking_ahead_finds_all_corners():
    ahead = foreseen(5)
    assert ahead.modes.mean() > 3.4
    assert np.median(ahead.modes) == 4 and np.median(ahead.near) > 0.4


@pytest.mark.slow
def test_without_looking_ahead_games_stay_at_some_corners():
    assert foreseen(0).modes.mean() < 2.9  # 2.2 against 4
