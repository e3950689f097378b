"""Moves of the published presets that are their own: at once, halved, from the same samples."""

import dataclasses
import math
from functools import partial
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import linen as nn

from genjax import data
from genjax.data import Arrays, Dataset
from genjax.engine import init_state
from genjax.engine.adversarial import Side, adversarial_game
from genjax.engine.network import aux
from genjax.engine.phases import carry_over_networks
from genjax.engine.step import make_step
from genjax.gans import gan, pggan
from genjax.run.run import recipe
from tests.presets.built import run_of


def test_simultaneous_moves_follow_each_its_own_loss_and_half_the_discriminators():
    shape = (1, 1, 2)
    networks = gan.Generator((4,), shape, output=lambda x: x), gan.Discriminator((4,))
    batch = {"images": jnp.asarray(np.random.default_rng(0).normal(size=(1, 8, *shape)), jnp.float32)}

    def moved(**options):
        game = gan.game(
            *networks, generator_tx=optax.sgd(0.1), discriminator_tx=optax.sgd(0.1), image_shape=shape, latent=3,
            simultaneous=True, **options,
        )  # fmt: skip
        state = jax.jit(partial(init_state, game))(jax.random.key(0))
        after, _ = jax.jit(make_step(game))(state, batch, jax.random.key(1))
        return jax.tree.map(lambda a, b: a - b, after.params, state.params)

    close = partial(np.testing.assert_allclose, rtol=1e-4, atol=1e-8)
    half, whole = moved(weight=0.5), moved(weight=1.0)
    jax.tree.map(close, half["discriminator"], jax.tree.map(lambda x: x / 2, whole["discriminator"]))
    jax.tree.map(close, half["generator"], whole["generator"])
    other = moved(objective=lambda logits: 3 * jnp.mean(logits))
    jax.tree.map(close, other["discriminator"], whole["discriminator"])
    sizes = [max(float(jnp.abs(x).max()) for x in jax.tree.leaves(tree)) for tree in (whole, other)]
    assert min(sizes) > 1e-3 and abs(sizes[0] - sizes[1]) > 1e-3


def test_in_simultaneous_moves_a_networks_statistics_are_those_of_its_owners_loss():
    class Layer(nn.Module):
        @nn.compact
        def __call__(self, x, train=False):
            return nn.BatchNorm(use_running_average=not train, momentum=0.5)(x)

    def loss(nets, state, batch, key, *, draw, own):
        shift = 0.0 if own == "generator" else 10.0
        value, generator = nets.generator(batch + shift)
        other, critic = nets.critic(batch - shift)
        return jnp.mean(value) + jnp.mean(other), aux(generator, critic)

    sides = [Side(name, Layer(), partial(loss, own=name), optax.sgd(0.1)) for name in ("critic", "generator")]
    game = adversarial_game(*sides, latent=2, image_shape=(1, 1, 2), simultaneous=True)
    (player,) = game.players
    _, told = player.loss(init_state(game, jax.random.key(0)), jnp.full((3, 1, 1, 2), 4.0), jax.random.key(0))
    means = {net: float(told.variables[net]["batch_stats"]["BatchNorm_0"]["mean"][0]) for net in player.owns}
    assert means == {"critic": -3.0, "generator": 2.0}
    with pytest.raises(ValueError, match="more than once"):
        adversarial_game(sides[0]._replace(repeats=2), sides[1], latent=2, image_shape=(1, 1, 2), simultaneous=True)


class Recorder:
    """A network that remembers what it was called with, and answers with logits of 0."""

    def __init__(self, shape):
        self.shape, self.calls = shape, []

    def output(self, x, key=None):
        self.calls.append((np.asarray(x), np.asarray(jax.random.key_data(key))))
        return jnp.zeros((len(x), *self.shape))


def test_both_losses_of_a_gan_see_the_same_samples_under_the_same_dropout():
    nets = SimpleNamespace(generator=Recorder((2, 2, 1)), discriminator=Recorder(()))

    def draw(key, count):
        return jax.random.normal(key, (count, 3))

    batch, key = {"images": jnp.ones((4, 2, 2, 1))}, jax.random.key(5)
    loss, _ = gan.discriminator_loss(nets, None, batch, key, draw=draw, weight=0.5)
    gan.generator_loss(nets, None, batch, key, draw=draw, objective=lambda logits: logits.mean())
    assert float(loss) == pytest.approx(math.log(2))
    for first, second in zip(nets.generator.calls[0], nets.generator.calls[1], strict=True):
        np.testing.assert_array_equal(first, second)
    real, fake, again = nets.discriminator.calls
    np.testing.assert_array_equal(fake[1], again[1])
    assert (real[1] != fake[1]).any()


def test_samples_begin_at_the_mean_image():
    random = np.random.default_rng(0)
    mean = random.uniform(0, 255, (28, 28, 1))
    mean[:4] = 0  # pixels that are always black
    images = np.clip(mean + random.normal(size=(300, 28, 28, 1)), 0, 255).astype(np.uint8)
    images[:, :4] = 0
    split = Arrays({"images": images})
    hyper = dataclasses.replace(recipe("gan").presets["paper"], train_images=250)
    run = recipe("gan").build(hyper, Dataset("images", split, split))
    state = jax.jit(partial(init_state, run.phases[0].game))(jax.random.key(0))
    samples = run.task.generate(state, run.task.latents(jax.random.key(1), 1000))
    assert np.abs(samples.mean(0) - images[:250].mean(0) / 255).mean() < 0.03
    assert samples.mean(0)[:4].max() < 1e-5
    with pytest.raises(ValueError, match="leave out --stream"):
        files = data.Files(lambda index: images[index], 300, (28, 28, 1))
        recipe("gan").build(hyper, Dataset("files", files, files))


def test_pggans_networks_on_cifar_move_at_once_from_the_same_samples():
    (player,) = run_of("pggan", "cifar10").phases[0].game.players
    assert (player.name, player.owns) == ("both", ("critic", "generator"))
    assert [p.name for p in run_of("pggan", "lsun").phases[0].game.players] == ["critic", "generator"]
    assert {phase.enter for phase in run_of("pggan", "small").phases} == {carry_over_networks}

    networks = pggan.Generator(4, 1, 16, 6), pggan.Critic(4, 16, 6)
    make = partial(pggan.game, *networks, generator_tx=optax.sgd(0.1), latent=5)
    batch = {"images": jnp.asarray(np.random.default_rng(0).uniform(-1, 1, (1, 6, 4, 4, 1)), jnp.float32)}

    def generator_after(rate):
        game = make(critic_tx=optax.sgd(rate), simultaneous=True)
        state = jax.jit(partial(init_state, game))(jax.random.key(0))
        after, _ = jax.jit(make_step(game))(state, batch, jax.random.key(1))
        return state.params, after.params

    start, slow = generator_after(0.01)
    _, fast = generator_after(0.5)
    jax.tree.map(np.testing.assert_array_equal, slow["generator"], fast["generator"])  # at the critic's old parameters
    moved = jax.tree.map(lambda a, b: float(jnp.abs(a - b).max()), start, fast)
    assert all(max(jax.tree.leaves(moved[net])) > 1e-4 for net in ("generator", "critic"))
