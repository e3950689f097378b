"""What each game promises about its moves, exactly."""

from functools import partial
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import linen as nn

from genjax.engine import init_state, make_step, move
from genjax.gans import cgan, dcgan, gan, sngan, wgan, wgan_gp
from genjax.latent import Prior
from genjax.losses import adversarial
from tests.engine.toy import worst

KEY = jax.random.key(3)
POINT, IMAGE = (1, 1, 2), (8, 8, 1)
PLANE = {"generator": gan.Generator((16,), POINT, output=lambda x: x), "discriminator": gan.Discriminator((16,))}


def start(game):
    return jax.jit(lambda key: init_state(game, key))(KEY)


def points(repeats=1, count=32, seed=0):
    return {"images": jax.random.normal(jax.random.key(seed), (repeats, count, *POINT))}


def images(repeats=1, count=16):
    draw = jax.random.uniform(jax.random.key(0), (repeats, count, *IMAGE), minval=-1.0)
    return {"images": draw, "labels": jnp.tile(jnp.arange(count) % 4, (repeats, 1))}


def first(batch):
    return jax.tree.map(lambda x: x[-1], batch)


def txs(opponent, generator=None, other=None):
    """Return the optimizers of a game of "generator" and `opponent`; by default neither moves."""
    still = optax.sgd(0.0)
    return {"generator_tx": generator or still, f"{opponent}_tx": other or still}


# The same latents for whatever key.
CONSTANT = Prior("1", lambda key, shape: jnp.ones(shape), 1.0)


# GAN


def test_simultaneous_moves_take_both_gradients_at_the_old_parameters():
    both = txs("discriminator", optax.sgd(0.1), optax.sgd(0.2))
    make = partial(gan.game, *PLANE.values(), **both, image_shape=POINT, latent=4, prior=CONSTANT)
    together, turns = make(simultaneous=True), make()
    state, batch = start(together), points()
    after, metrics = jax.jit(make_step(together))(state, batch, KEY)
    alone = {}
    for player in turns.players:  # each moves alone from the old state
        moved, _ = jax.jit(partial(move, player))(start(turns), first(batch), KEY)
        alone |= {net: moved.params[net] for net in player.owns}
    assert worst(after.params, alone) < 1e-6
    in_turn, _ = jax.jit(make_step(turns))(start(turns), batch, KEY)
    assert worst(in_turn.params["discriminator"], alone["discriminator"]) < 1e-6
    assert worst(in_turn.params["generator"], alone["generator"]) > 1e-6
    assert {"both/loss", "both/discriminator", "both/generator"} <= set(metrics)


def test_the_objective_is_the_one_given():
    make = partial(gan.game, *PLANE.values(), **txs("discriminator"), image_shape=POINT, latent=4)
    losses = []
    for objective in (adversarial.non_saturating_generator, adversarial.minimax_generator):
        _, metrics = jax.jit(make_step(make(objective=objective)))(start(make()), points(), KEY)
        losses.append(float(metrics["generator/loss"]))
    assert losses[0] > 0 > losses[1]


# CGAN


def test_labels_are_those_of_images_and_samples_at_the_same_place():
    """With images and samples that are their labels, and logits of minus the square of what is wrong."""

    def sample(latent, labels, key):
        return jnp.broadcast_to(labels[:, None, None, None], (len(labels), *POINT)).astype(jnp.float32)

    def logits(images, labels, key):
        return -((images[:, 0, 0, 0] - labels) ** 2)

    nets = SimpleNamespace(generator=SimpleNamespace(output=sample), discriminator=SimpleNamespace(output=logits))
    labels = jnp.array([1, 4, 2, 3])
    batch = {"images": sample(None, labels, None), "labels": labels}
    for loss, expected in ((cgan.discriminator_loss, 2 * np.log(2)), (cgan.generator_loss, np.log(2))):
        found, _ = loss(nets, None, batch, KEY, draw=lambda key, count: jnp.zeros((count, 1)))
        np.testing.assert_allclose(found, expected, rtol=1e-6)


# Batch norm, and who may change statistics


def test_images_and_samples_are_normalised_apart():
    """The running mean is the recursion over two batches, not the mean of their union."""
    networks = dcgan.Generator(16, 1, 4), dcgan.Discriminator(16, 4)
    game = dcgan.game(*networks, **txs("discriminator"), image_shape=(16, 16, 1), latent=5)
    state = start(game)
    real = jax.random.uniform(jax.random.key(1), (8, 16, 16, 1), minval=-1.0)
    moved, _ = jax.jit(partial(move, game.players[0]))(state, {"images": real}, KEY)

    def batch_mean(x):  # what reaches the first norm: the second convolution's outputs
        params = state.params["discriminator"]
        for name in ("Conv_0", "Conv_1"):
            layer = nn.Conv(params[name]["kernel"].shape[-1], (4, 4), (2, 2), use_bias=False)
            x = layer.apply({"params": params[name]}, x)
            x = nn.leaky_relu(x, 0.2) if name == "Conv_0" else x
        return jnp.mean(x, (0, 1, 2))

    latent = jax.random.normal(KEY, (8, 5))
    draw = jax.jit(partial(dcgan.Generator(16, 1, 4).apply, train=True, mutable=["batch_stats"]))
    fake, _ = draw(state.variables_of("generator"), latent)
    expected = 0.9 * (0.1 * batch_mean(real)) + 0.1 * batch_mean(fake)
    statistics = moved.variables["discriminator"]["batch_stats"]["Norm_0"]["BatchNorm_0"]["BatchNorm_0"]["mean"]
    np.testing.assert_allclose(statistics, expected, rtol=1e-4, atol=1e-7)


# WGAN


def test_every_weight_stays_within_its_bound_after_each_critic_move():
    limit = 0.02
    networks, fast = (dcgan.Generator(16, 1, 4), dcgan.Discriminator(16, 4)), optax.rmsprop(0.05)
    game = wgan.game(*networks, **txs("critic", fast, fast), image_shape=(16, 16, 1), latent=5, limit=limit)
    state, advance = start(game), jax.jit(partial(move, game.players[0]))
    assert max(float(jnp.max(jnp.abs(x))) for x in jax.tree.leaves(state.params["critic"])) > limit
    batch = {"images": jax.random.uniform(jax.random.key(0), (8, 16, 16, 1))}
    for i in range(4):
        state, _ = advance(state, batch, jax.random.fold_in(KEY, i))
        sizes = [float(jnp.max(jnp.abs(x))) for x in jax.tree.leaves(state.params["critic"])]
        assert max(sizes) <= limit * (1 + 1e-5)
        assert max(sizes) > 0.9 * limit


def test_the_critic_moves_five_times_a_step_on_a_batch_each_and_its_distance_is_minus_its_loss():
    game = wgan.game(*PLANE.values(), **txs("critic"), image_shape=POINT, latent=4)
    batch = points(5)
    assert game.batches_per_step == 5
    _, metrics = jax.jit(make_step(game))(start(game), batch, KEY)
    np.testing.assert_allclose(metrics["critic/distance"], -metrics["critic/loss"], rtol=1e-6)


# WGAN-GP


class Slope(nn.Module):
    """A linear critic."""

    @nn.compact
    def __call__(self, images, labels=None, train=False):
        return images.reshape(images.shape[0], -1) @ self.param("a", lambda key: jnp.array([3.0, 4.0]))


def test_the_loss_of_a_linear_critic_is_known_and_the_penalty_pulls_its_norm_to_one():
    game = wgan_gp.game(
        PLANE["generator"], Slope(), **txs("critic", other=optax.sgd(0.01)), image_shape=POINT, latent=4,
        critic_steps=1, weight=10.0,
    )  # fmt: skip
    state = start(game)
    advance = jax.jit(partial(move, game.players[0]))
    state, metrics = advance(state, first(points()), KEY)
    np.testing.assert_allclose(metrics["critic/penalty"], 16.0, rtol=1e-5)
    np.testing.assert_allclose(metrics["critic/loss"], 160 - metrics["critic/distance"], rtol=1e-5)
    for i in range(30):
        state, metrics = advance(state, first(points()), jax.random.fold_in(KEY, i))
    assert abs(float(jnp.linalg.norm(state.params["critic"]["a"])) - 1) < 0.2


def test_the_generator_may_move_on_a_larger_batch():
    seen = []

    def draw(key, shape):
        seen.append(shape)
        return jax.random.normal(key, shape)

    prior = Prior("N(0, 1)", draw)
    game = wgan_gp.game(*PLANE.values(), **txs("critic"), image_shape=POINT, latent=4, generator_batch=2, prior=prior)
    jax.eval_shape(partial(move, game.players[1]), start(game), first(points()), KEY)
    assert seen == [(64, 4)]


# SNGAN


def test_the_power_iteration_moves_once_a_move_of_the_discriminator_and_not_in_the_generators():
    networks = PLANE["generator"], sngan.DenseDiscriminator((8,))
    game = sngan.game(*networks, **txs("discriminator"), image_shape=POINT, latent=4, discriminator_steps=3)
    state = start(game)
    after, _ = jax.jit(make_step(game))(state, points(3), KEY)
    kernel = state.params["discriminator"]["SpectralDense_0"]["kernel"]
    u = state.variables["discriminator"]["spectral"]["SpectralDense_0"]["norm"]["u"]
    for _ in range(3):
        v = kernel @ u / jnp.linalg.norm(kernel @ u)
        u = v @ kernel / jnp.linalg.norm(v @ kernel)
    np.testing.assert_allclose(after.variables["discriminator"]["spectral"]["SpectralDense_0"]["norm"]["u"], u, 1e-4)


def test_projection_adds_the_inner_product_of_the_class_with_the_features():
    network = sngan.ResNetDiscriminator((4, 4), 1, classes=3)
    x = jax.random.normal(KEY, (5, *IMAGE))
    variables = jax.jit(network.init)(jax.random.key(0), x, jnp.zeros(5, jnp.int32))
    plain = sngan.ResNetDiscriminator((4, 4), 1)
    without = {name: {k: v for k, v in part.items() if k != "SpectralEmbed_0"} for name, part in variables.items()}
    base, score = jax.jit(plain.apply)(without, x), jax.jit(network.apply)
    table = variables["params"]["SpectralEmbed_0"]["table"]
    scores = jnp.stack([score(variables, x, jnp.full(5, c)) - base for c in range(3)], 1)
    # Three classes, four features: scores of a class are linear in its row, with the same features for all.
    features, *_ = np.linalg.lstsq(np.asarray(table), np.asarray(scores).T, rcond=None)
    np.testing.assert_allclose(np.asarray(table) @ features, scores.T, atol=1e-4)
    assert float(jnp.max(jnp.abs(scores))) > 1e-3
