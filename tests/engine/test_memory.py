"""What makes a network fit: parameters split over devices, and activations computed again for the gradient."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from genjax import parallel
from genjax.data import Arrays
from genjax.engine import Aux, Game, Player, init_state, make_run, make_step
from genjax.engine.step import rematerialized
from genjax.gans import dcgan
from tests.engine import toy

KEY = jax.random.key(1)
WIDTH = 256


def wide():
    """A regression whose matrices are worth splitting."""

    def net(key):
        a, b = jax.random.split(key)
        return {
            "params": {
                "first": jax.random.normal(a, (3, WIDTH)),
                "square": jax.random.normal(b, (WIDTH, WIDTH)) / 16,
                "last": jnp.zeros((WIDTH,)),
            }
        }

    def loss(state, batch, key):
        p = state.params["net"]
        x = batch["images"].reshape(-1, 3) / 255
        return jnp.mean((jnp.tanh(jnp.tanh(x @ p["first"]) @ p["square"]) @ p["last"] - x.sum(1)) ** 2), Aux()

    return Game((Player("net", loss, optax.sgd(0.002, momentum=0.9), ("net",)),), {"net": net}, ema={"net": 0.9})


def trained(plan, steps):
    game = wide()
    indices = np.arange(16 * steps).reshape(steps, 1, 16) % 64
    run = plan.compile(make_run(make_step(game, plan.axis)))
    state = plan.put_state(init_state(game, KEY))
    source = plan.put_source(Arrays(toy.split().arrays).arrays)
    for index in indices:  # one call a step, so that a state that changes its layout would compile again
        state, _ = run(state, source, plan.put_batches(index[None]), KEY)
    assert run._cache_size() == 1
    return state


def test_a_state_split_over_eight_devices_trains_to_the_same_numbers_on_an_eighth_of_the_memory():
    whole = trained(parallel.jit_plan(jax.devices()[:8]), 20)
    split = trained(parallel.jit_plan(jax.devices()[:8], shard=True), 20)
    assert toy.worst(whole, split) < 1e-6
    assert toy.worst(whole.params, trained(parallel.jit_plan(jax.devices()[:8]), 21).params) > 1e-5

    def of_one_device(state):
        return sum(x.addressable_shards[0].data.nbytes for x in jax.tree.leaves(state))

    assert of_one_device(split) < 0.15 * of_one_device(whole)
    square = split.opt_state["net"][0].trace["net"]["square"]
    assert square.sharding.shard_shape(square.shape) in {(WIDTH // 8, WIDTH), (WIDTH, WIDTH // 8)}


def residual_bytes(game, index, batch):
    """Return the bytes that a player's loss keeps from the forward to the backward pass."""
    player = game.players[index]

    def forward(state, batch):
        own = {net: state.params[net] for net in player.owns}

        def loss(own):
            return player.loss(state.replace(params={**state.params, **own}), batch, KEY)[0]

        return jax.vjp(loss, own)[1]

    state = jax.eval_shape(lambda: init_state(game, KEY))
    return sum(x.size * x.dtype.itemsize for x in jax.tree.leaves(jax.eval_shape(forward, state, batch)))


@pytest.mark.parametrize("index", [0, 1])
def test_rematerialised_losses_keep_half_and_have_the_same_gradients(index):
    tx = optax.sgd(0.1)
    networks = dcgan.Generator(16, 1, 8), dcgan.Discriminator(16, 8)
    game = dcgan.game(*networks, generator_tx=tx, discriminator_tx=tx, image_shape=(16, 16, 1), latent=5)
    batch = {"images": jax.random.uniform(KEY, (8, 16, 16, 1), minval=-1.0)}
    assert residual_bytes(rematerialized(game), index, batch) < 0.6 * residual_bytes(game, index, batch)
    if index == 0:
        start = init_state(game, KEY)
        lead = {"images": batch["images"][None]}
        ends = [jax.jit(make_step(each))(start, lead, KEY)[0] for each in (game, rematerialized(game))]
        assert toy.worst(ends[0].params, ends[1].params) < 1e-6
        assert toy.worst(ends[0].params, start.params) > 1e-4
