"""What SRGAN and SPADE are for, learned by their smallest games: sharp images, and colours that follow maps."""

from functools import partial

import jax
import numpy as np
import optax
import pytest

from genjax.engine import init_state, make_run, make_step
from genjax.engine.phases import carry_over_networks
from genjax.gans import spade, srgan
from genjax.nn.initializers import GLOROT, scaled_glorot
from genjax.nn.patch import PatchDiscriminator


def trained(game, state, batch, steps, seed=0):
    """Return a game's state after so many steps on batches `batch(step)`, leaves [B, ...]."""
    run = jax.jit(make_run(make_step(game)))
    every = [batch(step) for step in range(steps)]
    batches = jax.tree.map(lambda *rows: np.stack(rows)[:, None], *every)
    return run(state, batches, None, jax.random.key(seed))[0]


STRIPES = np.where(np.arange(16) % 4 < 2, 0.8, -0.8).reshape(1, 1, 16, 1)


def striped(step):
    """Return stripes, bright or dark first by chance, and small images in which nothing is left of them but noise."""
    draw = np.random.default_rng(step)
    images = np.broadcast_to(STRIPES * draw.choice([-1, 1], (16, 1, 1, 1)), (16, 16, 16, 1))
    lows = 0.5 + draw.uniform(-0.5, 0.5, (16, 1, 1, 1)) * np.ones((16, 8, 8, 1))
    return {"images": images.astype(np.float32), "lows": lows.astype(np.float32)}


# Small networks, which compile in seconds; SRGAN's own discriminator takes most of a minute.
ENLARGING = srgan.Generator(2, 1, 4, 0), PatchDiscriminator(1, 8, lambda x, train: x, initializer=GLOROT)


def adversarial_phase():
    rates = {"generator_tx": optax.adam(2e-3, 0.5), "discriminator_tx": optax.adam(1e-3, 0.5)}
    return srgan.game(
        *ENLARGING, **rates, image_shape=(16, 16, 1), content=lambda x, y, state: 0.01 * srgan.square_error(x, y),
        weight=1.0,
    )  # fmt: skip


def first_state(game):
    return jax.jit(lambda key: init_state(game, key))(jax.random.key(0))


def enlarged(state):
    apply = jax.jit(partial(ENLARGING[0].apply, train=True, mutable=["batch_stats"]))
    return np.asarray(apply(state.variables_of("generator"), striped(1000)["lows"])[0])


def error(out):
    """Return how far images are from the nearer one of both stripes, 0.8 of grey."""
    return float(np.minimum(*(np.abs(out - sign * STRIPES).mean((1, 2, 3)) for sign in (-1, 1))).mean())


def test_the_adversarial_loss_draws_stripes_that_small_images_do_not_show():
    game = adversarial_phase()
    start = first_state(game)
    assert error(enlarged(start)) > 0.7
    assert error(enlarged(trained(game, start, striped, 160))) < 0.5


@pytest.mark.slow
def test_the_adversarial_phase_draws_stripes_where_the_square_error_draws_grey():
    first = srgan.pretraining(ENLARGING[0], generator_tx=optax.adam(5e-3), image_shape=(16, 16, 1))
    state = trained(first, first_state(first), striped, 40)
    assert np.abs(enlarged(state)).mean() < 0.2
    second = adversarial_phase()
    assert error(enlarged(trained(second, carry_over_networks(state, first_state(second)), striped, 160))) < 0.5


COLOURS = np.array([[-0.8, -0.8, 0.8], [0.8, -0.8, -0.8]])


def coloured(step):
    """Return maps of two classes in blocks, finer than the generator starts, and images with a colour a class."""
    maps = np.random.default_rng(step).integers(0, 2, (8, 8, 8, 1)).repeat(2, 1).repeat(2, 2)
    return {"images": COLOURS[maps[..., 0]].astype(np.float32), "maps": maps.astype(np.uint8)}


def test_colours_follow_the_map_and_exchange_with_its_labels():
    made = {"initializer": scaled_glorot(1.0)}
    labels = spade.Labels(2)
    networks = spade.Generator(4, 2, 8, **made), spade.Discriminator(8, 3, 1, **made)
    rates = {"generator_tx": optax.adam(2e-3, 0.0), "discriminator_tx": optax.adam(4e-3, 0.0)}
    game = spade.game(*networks, **rates, image_shape=(16, 16, 3), labels=labels)
    state = trained(game, jax.jit(lambda key: init_state(game, key))(jax.random.key(0)), coloured, 80)
    test = coloured(1000)
    draw = jax.jit(partial(networks[0].apply, train=True, mutable=["batch_stats"]))

    def right(maps):
        out, _ = draw(state.variables_of("generator"), labels.read({"maps": maps}))
        nearest = np.abs(np.asarray(out)[..., None, :] - COLOURS).sum(-1).argmin(-1)
        return (nearest == maps[..., 0]).mean()

    assert right(test["maps"]) > 0.9
    assert right(1 - test["maps"]) > 0.9
