"""The published presets' optimizers take their sources' steps."""

import dataclasses
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from genjax.run.run import recipe
from tests.presets.built import dataset_of, run_of, steps_of


def updates(tx, gradients, parameter=1.0):
    """Return the updates that a transformation makes of gradients, one after the other, of one parameter."""
    params = jnp.asarray([parameter], jnp.float32)
    state, found = tx.init(params), []
    for gradient in gradients:
        update, state = tx.update(jnp.asarray([gradient], jnp.float32), state, params)
        found.append(float(update[0]))
    return np.array(found)


def torch_rmsprop(rate, gradients, alpha=0.99, eps=1e-8):
    average, found = 0.0, []
    for gradient in gradients:
        average = alpha * average + (1 - alpha) * gradient**2
        found.append(-rate * gradient / (math.sqrt(average) + eps))
    return np.array(found)


def test_wgans_rmsprop_is_pytorchs():
    for optimizer in run_of("wgan", "paper").optimizers.values():
        tx = optimizer.transformation(100)
        for size in (3e-5, 1e-4, 1e-9):
            gradients = size * np.array([1.0, -0.5, 2.0])
            np.testing.assert_allclose(updates(tx, gradients), torch_rmsprop(5e-5, gradients), rtol=1e-4)
        assert updates(tx, [3e-5])[0] == pytest.approx(-5e-5 * 9.9668, rel=1e-4)


def rates_of(tx, *at):
    """Return the rates of plain SGD at some of its moves."""
    params = jnp.zeros(1)
    state = tx.init(params)
    found = []
    for step in at:
        moved = jax.tree.map(lambda x, step=step: jnp.asarray(step, x.dtype) if x.ndim == 0 else x, state)
        found.append(-float(tx.update(jnp.ones(1), moved, params)[0][0]))
    return found


def rate_at(optimizer, steps, *at):
    """Return the rates at some steps of a run: of SGD with the optimizer's schedule."""
    return rates_of(optimizer._replace(rule="momentum", arguments={"momentum": 0.0}).transformation(steps), *at)


@pytest.mark.parametrize(
    ("which", "at", "expected"),
    [
        (("sngan", "paper"), (0, 25_000, 50_000), (2e-4, 1e-4, 0.0)),
        (("sngan", "imagenet"), (399_999, 425_000, 450_000), (2e-4, 1e-4, 0.0)),
        (("sngan", "imagenet64_projection"), (199_999, 225_000, 250_000), (2e-4, 1e-4, 0.0)),
        (("sngan", "plain"), (0, 99_999), (2e-4, 2e-4)),
        (("wgan_gp", "paper"), (0, 50_000, 100_000), (2e-4, 1e-4, 0.0)),
        (("wgan_gp", "mnist"), (0, 199_999), (1e-4, 1e-4)),
        (("gan", "paper"), (0, 100_000), (0.1, 0.1 / 1.000004**100_000)),
        (("cgan", "paper"), (0, 100_000, 287_829), (0.1, 0.1 / 1.00004**100_000, 1e-6)),
    ],
    ids=str,
)
def test_rates_fall_when_the_sources_do(which, at, expected):
    run = run_of(*which)
    for player, optimizer in run.optimizers.items():
        moves = next((p.repeats for p in run.phases[0].game.players if p.name == player), 1)
        found = rate_at(optimizer, moves * steps_of(*which), *(moves * step for step in at))
        np.testing.assert_allclose(found, expected, rtol=2e-3, atol=1e-9)


@pytest.mark.parametrize(
    ("name", "option"),
    [("sngan", "discriminator"), ("wgan_gp", "critic"), ("sagan", "discriminator"), ("biggan", "discriminator")],
)
def test_rates_of_a_game_fall_over_all_moves_of_their_player(name, option):
    options = (f"--{option}-steps", "3", "--optimizer", "sgd", "--decay-from", "0", "--steps", "50")
    (phase,) = run_of(name, "small", *options).phases
    assert {player.name: player.repeats for player in phase.game.players} == {"generator": 1, option: 3}
    for player in phase.game.players:
        whole, half, none = rates_of(player.tx, 0, 25 * player.repeats, 50 * player.repeats)
        np.testing.assert_allclose([half, none], [whole / 2, 0.0], rtol=1e-5, atol=1e-9)


def test_srgans_second_phase_has_two_rates_and_its_first_one():
    run = run_of("srgan", "paper")
    assert [phase.steps for phase in run.phases] == [1_000_000, 200_000]
    assert [phase.steps for phase in run_of("srgan", "srresnet").phases] == [1_000_000]
    for optimizer in run.optimizers.values():
        found = rate_at(optimizer, 200_000, 0, 99_999, 100_001, 199_999)
        np.testing.assert_allclose(found, [1e-4, 1e-4, 1e-5, 1e-5], rtol=1e-4)


def test_stackgans_rates_are_halved_in_each_stage_and_the_texts_fall_with_the_epochs():
    run, epoch = run_of("stackgan", "birds"), 8855 // 64
    assert [phase.steps for phase in run.phases] == [44_200, 600 * epoch, 600 * epoch]
    assert [phase.feed.batch_size for phase in run.phases] == [40, 64, 64]
    for net in ("generator", "discriminator"):
        first = rate_at(run.optimizers[f"{net}1"], 600 * epoch, 50 * epoch - 1, 50 * epoch + 1, 599 * epoch)
        np.testing.assert_allclose(first, [2e-4, 1e-4, 2e-4 / 2**11], rtol=1e-4)
        second = rate_at(run.optimizers[f"{net}2"], 600 * epoch, 100 * epoch - 1, 100 * epoch + 1, 599 * epoch)
        np.testing.assert_allclose(second, [2e-4, 1e-4, 2e-4 / 2**5], rtol=1e-4)
    text = 8855 // 40
    found = rate_at(run.optimizers["embedding"], 44_200, text - 1, text + 1, 10 * text + 1)
    np.testing.assert_allclose(found, [4e-4, 4e-4 * 0.98, 4e-4 * 0.98**10], rtol=1e-4)
    coco = run_of("stackgan", "coco").optimizers["generator1"]
    np.testing.assert_allclose(rate_at(coco, 120 * 646, 20 * 646 + 1, 119 * 646), [1e-4, 2e-4 / 2**5], rtol=1e-4)


def test_pix2pixs_rate_is_constant_and_may_fall_as_in_the_authors_later_code():
    for options, expected in ((), (2e-4, 2e-4)), (("--decay-from", "0.5"), (1e-4, 0.0)):
        for optimizer in run_of("pix2pix", "facades", *options).optimizers.values():
            np.testing.assert_allclose(rate_at(optimizer, 1000, 750, 1000), expected, rtol=1e-3, atol=1e-9)


def test_singans_rates_fall_to_a_tenth_after_four_fifths_of_a_scales_moves():
    run = run_of("singan", "paper")
    assert [phase.steps for phase in run.phases] == [2000] * 8
    for optimizer in run.optimizers.values():
        found = rate_at(optimizer, 3 * 2000, 0, 3 * 1600 - 1, 3 * 1600, 3 * 2000 - 1)
        np.testing.assert_allclose(found, [5e-4, 5e-4, 5e-5, 5e-5], rtol=1e-4)


def test_spades_rates_are_two_and_fall_over_the_second_half():
    run, steps = run_of("spade", "ade20k"), steps_of("spade", "ade20k")
    assert steps == 200 * (20_210 // 32)
    for player, rate in (("generator", 1e-4), ("discriminator", 4e-4)):
        found = rate_at(run.optimizers[player], steps, 0, steps // 2 - 1, 3 * steps // 4, steps)
        np.testing.assert_allclose(found, [rate, rate, rate / 2, 0.0], rtol=1e-3, atol=1e-9)


def test_cyclegans_rate_is_constant_over_the_first_half():
    run = run_of("cyclegan", "cityscapes")
    steps = steps_of("cyclegan", "cityscapes")
    for optimizer in run.optimizers.values():
        found = rate_at(optimizer, steps, 0, steps // 2 - 1, 3 * steps // 4, steps)
        np.testing.assert_allclose(found, [2e-4, 2e-4, 1e-4, 0.0], rtol=1e-4, atol=1e-9)


@pytest.mark.parametrize(("which", "epoch"), [(("gan", "paper"), 500), (("cgan", "paper"), 600)], ids=str)
def test_momentum_rises_from_a_half_to_seven_tenths(which, epoch):
    for optimizer in run_of(*which).optimizers.values():
        rise = optimizer.arguments["momentum"]
        found = [float(rise(step)) for step in (0, epoch - 1, epoch, 249 * epoch, 10**6)]
        np.testing.assert_allclose(found, [0.5, 0.5, 0.5 + 0.2 / 249, 0.7, 0.7], rtol=1e-6)
    # v <- m v + g, and the step is rate v.
    tx = optimizer._replace(arguments={"momentum": lambda step: 0.5 + 0.1 * step}).transformation(1000)
    np.testing.assert_allclose(updates(tx, [1.0, 1.0, 1.0]) / -0.1, [1.0, 1.6, 2.12], rtol=1e-3)


@pytest.mark.parametrize(
    ("which", "l2"), [(("dcgan", "paper"), 1e-5), (("vae", "paper"), 1 / 60_000), (("m2", "paper"), 2e-5)], ids=str
)
def test_the_penalty_adds_to_every_gradient(which, l2):
    for optimizer in run_of(*which).optimizers.values():
        tx = optimizer._replace(rule="momentum", rate=1.0, arguments={"momentum": 0.0}).transformation(10)
        params = {"norm": {"scale": jnp.full(3, 2.0), "bias": jnp.full(3, -1.0)}, "kernel": jnp.full((2, 3), 4.0)}
        found = tx.update(jax.tree.map(jnp.zeros_like, params), tx.init(params), params)[0]
        for update, value in zip(jax.tree.leaves(found), jax.tree.leaves(params), strict=True):
            np.testing.assert_allclose(update, -l2 * value, rtol=1e-5)


def test_the_penalty_is_a_part_of_the_gradient_that_is_clipped():
    optimizer = run_of("dcgan", "small", "--l2", "10", "--clip", "1").optimizers["generator"]
    tx = optimizer._replace(rule="momentum", rate=1.0, arguments={"momentum": 0.0}).transformation(10)
    assert updates(tx, [0.0], parameter=2.0)[0] == pytest.approx(-1.0)


def test_vaes_adagrad_begins_at_the_rate():
    tx = run_of("vae", "paper").optimizers["vae"]._replace(l2=0.0).transformation(10)
    np.testing.assert_allclose(updates(tx, [3.0, 3.0]), [-0.01, -0.01 / math.sqrt(2)], rtol=1e-5)


def test_pggans_rates_rise_over_the_first_images():
    for preset, expected in (("paper", (6.738e-6, 2.865e-4, 1e-3, 1e-3)), ("cifar10", (1e-3,) * 4)):
        optimizer = run_of("pggan", preset).optimizers["critic"]
        np.testing.assert_allclose(rate_at(optimizer, 50_000, 0, 1250, 2500, 40_000), expected, rtol=1e-3)
    # A first stage of 400 images: the next one goes on where it stopped.
    hyper = dataclasses.replace(recipe("pggan").presets["small"], first_images=640, ramp_images=1600)
    run = recipe("pggan").build(hyper, dataset_of("digits", 16))
    moved = []
    for phase in run.phases[:2]:
        tx = next(player.tx for player in phase.game.players if player.name == "critic")
        moved.append(-float(tx.update(jnp.ones(1), tx.init(jnp.zeros(1)), jnp.zeros(1))[0][0]))
    np.testing.assert_allclose(moved, [3e-3 * math.exp(-5), 3e-3 * math.exp(-5 * 0.6**2)], rtol=1e-4)


def test_wgans_warm_up_of_the_rate_counts_the_critics_moves():
    run = run_of("wgan", "small", "--rate-warm-up", "0.5", "--steps", "50")
    critic = next(player for player in run.phases[0].game.players if player.name == "critic")
    params, moves = jnp.zeros(1), 25 * 100 + 25 * 5
    for at, rate in ((moves // 4, 0.5e-3), (moves // 2, 1e-3)):
        state = jax.tree.map(
            lambda x, at=at: jnp.asarray(at, x.dtype) if jnp.issubdtype(x.dtype, jnp.integer) else x,
            critic.tx.init(params),
        )
        # The first step of RMSProp is 10 times the rate.
        assert float(critic.tx.update(jnp.ones(1), state, params)[0][0]) == pytest.approx(-10 * rate, rel=5e-3)


def test_the_unrolled_gan_has_adams_epsilon_inside_the_discriminators_root_alone():
    run = run_of("unrolled", "paper")
    gradients = 1e-8 * np.array([1.0, -0.5, 2.0])
    mean = square = 0.0
    expected = {"discriminator": [], "generator": []}
    for step, gradient in enumerate(gradients, 1):
        mean, square = 0.5 * mean + 0.5 * gradient, 0.999 * square + 0.001 * gradient**2
        m, v = mean / (1 - 0.5**step), square / (1 - 0.999**step)
        expected["discriminator"].append(-1e-4 * m / math.sqrt(v + 1e-16))
        expected["generator"].append(-1e-4 * m / (math.sqrt(v) + 1e-8))
    for player in run.phases[0].game.players:
        np.testing.assert_allclose(updates(player.tx, gradients), expected[player.name], rtol=1e-4)
