"""SAGAN's networks beside their golden values: where they attend, and who moves the power iteration."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from genjax.engine import init_state, move
from genjax.gans import sagan
from tests.engine.toy import same_bits
from tests.presets.built import run_of

KEY = jax.random.key(3)


def generator(attention, **fields):
    return sagan.Generator(16, 3, (16, 8), 8, attention=attention, **fields)


def test_a_network_attends_after_the_block_that_makes_maps_of_that_size():
    for side, channels in ((8, 16), (16, 8)):
        shapes = jax.eval_shape(generator(side).init, KEY, jnp.zeros((1, 5)))["params"]
        assert shapes["attention"]["query"]["kernel"].shape == (1, 1, channels, channels // 8)
    assert "attention" not in jax.eval_shape(generator(None).init, KEY, jnp.zeros((1, 5)))["params"]
    with pytest.raises(ValueError, match=r"attention at 4 pixels: the generator's blocks make maps of 8, 16"):
        generator(4).init(KEY, jnp.zeros((1, 5)))
    images = jnp.zeros((1, 16, 16, 3))
    for side, channels in ((8, 8), (4, 16)):  # the first of the two blocks with maps of 4 pixels
        discriminator = sagan.Discriminator((8, 16, 32), 2, attention=side)
        shapes = jax.eval_shape(discriminator.init, KEY, images)["params"]
        assert shapes["attention"]["query"]["kernel"].shape[2] == channels
    with pytest.raises(ValueError, match=r"attention at 16 pixels: the discriminator's blocks make maps of 8, 4"):
        sagan.Discriminator((8, 16, 32), 2, attention=16).init(KEY, images)


def test_before_gamma_moves_networks_with_attention_are_those_without():
    latents, labels = jax.random.normal(KEY, (3, 5)), jnp.arange(3)
    variables = jax.jit(generator(8, classes=4).init)(KEY, latents, labels)

    def without(tree):
        return {net: {name: x for name, x in leaves.items() if name != "attention"} for net, leaves in tree.items()}

    expected = jax.jit(generator(None, classes=4).apply)(without(variables), latents, labels)
    assert np.array_equal(jax.jit(generator(8, classes=4).apply)(variables, latents, labels), expected)


def test_the_full_form_is_the_papers():
    shapes = jax.eval_shape(generator(8, full=True).init, KEY, jnp.zeros((1, 5)))["params"]["attention"]
    assert shapes["value"]["kernel"].shape == (1, 1, 16, 2)


def test_every_kernel_and_table_is_normalised_and_only_its_owner_moves_its_iteration():
    modules = generator(8, classes=4), sagan.Discriminator((8, 8), 2, classes=4, attention=8)
    txs = {"generator_tx": optax.sgd(1e-3), "discriminator_tx": optax.sgd(1e-3)}
    game = sagan.game(*modules, **txs, classes=4, image_shape=(16, 16, 3), latent=5)
    state = jax.jit(partial(init_state, game))(KEY)
    for net in ("generator", "discriminator"):
        kernels = [x for x in jax.tree.leaves(state.params[net]) if x.ndim > 1 and x.shape[0] != 4]
        tables = 1 if net == "discriminator" else 0  # the generator's tables are scales and biases of classes
        assert len(jax.tree.leaves(state.variables[net]["spectral"])) == len(kernels) + tables
    batch = {"images": jax.random.uniform(KEY, (6, 16, 16, 3)), "labels": jnp.arange(6) % 4}
    for player in game.players:
        after, _ = jax.jit(lambda state, player=player: move(player, state, batch, KEY))(state)
        for net in ("generator", "discriminator"):
            stood = same_bits(after.variables[net]["spectral"], state.variables[net]["spectral"])
            assert stood == (net != player.name)


def test_time_scales_differ_as_in_the_sources():
    for preset, rates in (("paper", (1e-4, 4e-4)), ("attention64", (1e-4, 4e-4)), ("cifar10", (2e-4, 2e-4))):
        optimizers = run_of("sagan", preset).optimizers
        assert (optimizers["generator"].rate, optimizers["discriminator"].rate) == rates


def test_momenta_reach_the_norms():
    network = generator(None, momenta=(0.5, 0.75))
    latents = jax.random.normal(KEY, (64, 5))
    variables = jax.jit(network.init)(KEY, latents)
    train = jax.jit(partial(network.apply, train=True, mutable=["batch_stats"]))
    _, changed = train(variables, latents)
    _, again = train({**variables, **changed}, latents)
    # The same batch twice: the distance to its statistics shrinks by the momentum.
    for path, momentum in ((("UpBlock_1", "ClassNorm_1", "BatchNorm_0"), 0.5), (("BatchNorm_0",), 0.75)):
        means = []
        for tree in (variables, changed, again):
            leaf = tree["batch_stats"]
            for name in (*path, "BatchNorm_0"):
                leaf = leaf[name]
            means.append(np.asarray(leaf["mean"]))
        np.testing.assert_allclose(means[2] - means[1], momentum * (means[1] - means[0]), atol=1e-5)
