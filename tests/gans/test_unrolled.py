"""The gradient through the discriminator's optimizer, against closed forms, finite differences and its own promises."""

from functools import partial
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from genjax import parallel
from genjax.engine import Aux, State, init_state, make_run, make_step, move
from genjax.gans import gan, unrolled
from tests.engine.toy import same_bits, worst

KEY = jax.random.key(5)
POINT = (1, 1, 2)


def adam(rate):
    return optax.adam(rate, b1=0.5, eps=0, eps_root=1e-16)


def build(steps, tx=adam, activation=jnp.tanh):
    generator = gan.Generator((8,), POINT, activation, lambda x: x)
    discriminator = gan.Discriminator((8,), activation=activation)
    txs = {"generator_tx": tx(1e-2), "discriminator_tx": tx(1e-2)}
    return unrolled.game(generator, discriminator, **txs, image_shape=POINT, latent=4, steps=steps)


def start(game):
    return jax.jit(lambda key: init_state(game, key))(KEY)


def points(count=24, seed=0):
    return {"images": jax.random.normal(jax.random.key(seed), (count, *POINT))}


def test_the_bilinear_game(monkeypatch):
    """f = g d, ascent on d with rate eta: df_K/dg = d + 2 K eta g; half of it without the second term."""
    g, d, eta, count = 0.7, -0.3, 0.1, 10

    def loss(nets, state, batch, key, *, draw):  # what the discriminator minimises
        return -nets.generator.params * nets.discriminator.params, Aux()

    monkeypatch.setattr(unrolled, "discriminator_loss", loss)
    nets = SimpleNamespace(generator=SimpleNamespace(module=None), discriminator=SimpleNamespace(module=None))
    params, tx = {"generator": jnp.float32(g), "discriminator": jnp.float32(d)}, optax.sgd(eta)
    state = State(
        jnp.int32(0), params, {"generator": {}, "discriminator": {}},
        {"discriminator": tx.init({"discriminator": params["discriminator"]})}, {}, {},
    )  # fmt: skip

    def f_k(value):
        given = state.replace(params={**params, "generator": value})
        return unrolled.unrolled_loss(nets, given, {}, KEY, draw=None, tx=tx, steps=count)[0]

    np.testing.assert_allclose(jax.grad(f_k)(jnp.float32(g)), d + 2 * count * eta * g, rtol=1e-5)


@pytest.mark.parametrize("steps", [0, 3])
def test_finite_differences_through_adam(steps):
    with jax.enable_x64(True):
        game = build(steps)
        state = jax.tree.map(lambda x: x.astype(jnp.float64) if x.dtype == jnp.float32 else x, start(game))
        for _ in range(2):  # moments that are not zero
            state, _ = jax.jit(partial(move, game.players[1]))(state, points(), KEY)
        batch = jax.tree.map(lambda x: x.astype(jnp.float64), points(seed=1))

        def f_k(generator):
            given = state.replace(params={**state.params, "generator": generator})
            return game.players[0].loss(given, batch, KEY)[0]

        f_k = jax.jit(f_k)
        own = state.params["generator"]
        gradient = jax.jit(jax.grad(f_k))(own)
        leaves, form = jax.tree.flatten(own)
        keys = jax.random.split(jax.random.key(9), len(leaves))
        direction = form.unflatten(
            [jax.random.normal(k, x.shape, jnp.float64) for k, x in zip(keys, leaves, strict=True)]
        )
        shifted = [f_k(jax.tree.map(lambda p, v, h=h: p + h * v, own, direction)) for h in (1e-5, -1e-5)]
        slope = sum(jax.tree.leaves(jax.tree.map(lambda g, v: jnp.sum(g * v), gradient, direction)))
        np.testing.assert_allclose(slope, (shifted[0] - shifted[1]) / 2e-5, rtol=1e-6)


def test_without_look_ahead_it_is_the_minimax_game():
    game = build(0)
    state, batch = start(game), points()
    after, _ = jax.jit(partial(move, game.players[0]))(state, batch, KEY)

    def minimax(state, batch, key):
        loss, _ = game.players[1].loss(state, batch, key)
        return -loss, Aux()

    expected, _ = jax.jit(partial(move, game.players[0]._replace(loss=minimax)))(state, batch, KEY)
    assert worst(after.params, expected.params) < 1e-7
    assert worst(after.params, state.params) > 1e-4


def test_the_look_ahead_leaves_the_discriminator_and_its_adam_as_they_were():
    game = build(5)
    state, batch = start(game), points()
    after, _ = jax.jit(partial(move, game.players[0]))(state, batch, KEY)
    assert same_bits(after.params["discriminator"], state.params["discriminator"])
    assert same_bits(after.opt_state["discriminator"], state.opt_state["discriminator"])
    whole, _ = jax.jit(make_step(game))(state, jax.tree.map(lambda x: x[None], batch), KEY)
    counts = [x for x in jax.tree.leaves(whole.opt_state["discriminator"]) if x.dtype == jnp.int32]
    assert [int(count) for count in counts] == [1] * len(counts)


def test_dead_units_give_no_nan():
    game = build(3, activation=lambda x: jax.nn.relu(x - 1e3))  # every hidden unit is dead: gradients of exactly 0
    state, _ = jax.jit(partial(move, game.players[0]))(start(game), points(), KEY)
    assert all(np.isfinite(x).all() for x in jax.tree.leaves(state.params))


@pytest.mark.slow  # in float64 it is in tests/test_contracts.py
def test_devices_that_split_the_batch_look_ahead_together():
    def run(plan):
        game = build(3, optax.sgd)
        compiled = plan.compile(make_run(make_step(game, plan.axis)))
        batches = {"images": np.asarray(points(24)["images"]).reshape(1, 1, 24, *POINT).repeat(2, 0)}
        state, _ = compiled(plan.put_state(start(game)), plan.put_batches(batches), None, KEY)
        return plan.get_state(state)

    one = run(parallel.jit_plan(jax.devices()[:1]))
    assert worst(one, run(parallel.pmap_plan(jax.devices()[:4]))) < 1e-6
    assert worst(one.params, start(build(3)).params) > 1e-4
