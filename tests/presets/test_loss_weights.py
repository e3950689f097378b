"""A recipe hands the weights of the command line to its game's losses."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from genjax.engine import init_state
from tests.presets.built import run_of

# Recipe, options, player, and its loss by the metrics that it tells.
LOSSES = [
    (
        "cyclegan", "--cycle 3 --identity 2 --width 1 --blocks 0 --discriminator-width 1 --discriminator-layers 1",
        "generators", lambda told: told["adversarial"] + 3 * told["cycle"] + 2 * told["identity"],
    ),
    (
        "cagan", "--cycle 3 --identity 2 --width 1 --halvings 1 --discriminator-width 1 --discriminator-halvings 1",
        "generator", lambda told: told["adversarial"] + 3 * told["cycle"] + 2 * told["mask"],
    ),
    (
        "pix2pix", "--l1 3 --fooling 2 --width 1 --halvings 2 --discriminator-width 1 --discriminator-layers 1",
        "generator", lambda told: 2 * told["adversarial"] + 3 * told["l1"],
    ),
    ("wgan_gp", "--weight 7 --units 4", "critic", lambda told: 7 * told["penalty"] - told["distance"]),
]  # fmt: skip


@pytest.mark.parametrize(("name", "options", "player", "loss"), LOSSES, ids=[name for name, *_ in LOSSES])
def test_a_loss_weighs_its_parts_as_the_options_ask(name, options, player, loss):
    phase = run_of(name, "small", "--batch-size", "2", *options.split()).phases[-1]
    shapes, random = jax.eval_shape(partial(init_state, phase.game), jax.random.key(0)), np.random.default_rng(0)
    state = jax.tree.map(lambda x: jnp.asarray(random.normal(scale=0.1, size=x.shape), x.dtype), shapes)
    batch = phase.feed.prepare(jax.tree.map(jnp.asarray, phase.feed.split.take(np.arange(2))), jax.random.key(1))
    (moving,) = (each for each in phase.game.players if each.name == player)
    found, told = jax.jit(moving.loss)(state, batch, jax.random.key(2))
    assert float(found) == pytest.approx(float(loss(told.metrics)), rel=1e-5)
