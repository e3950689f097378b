"""InfoGAN's losses against golden values, and what its networks and moves promise."""

import math
from functools import partial
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from genjax.codes import Codes
from genjax.engine import init_state, move
from genjax.gans import infogan
from genjax.losses import information
from tests.engine.toy import same_bits, worst
from tests.gans import golden
from tests.gans.golden import agree, under

KEY = jax.random.key(3)
CODES = Codes(5, (10,), 2)
SHAPE = (8, 8, 1)


@pytest.fixture
def values():
    with jax.enable_x64(True):
        yield golden.read("infogan")


class Fixed:
    """A network whose outputs are given, whatever its inputs."""

    def __init__(self, name, *outputs):
        self.name, self.outputs, self.owned, self.variables, self.asked = name, list(outputs), False, {}, []

    def output(self, x, **options):
        self.asked.append(options)
        return self.outputs.pop(0)

    def __call__(self, x, **options):
        return self.output(x, **options), self


def latents_of(values):
    hot = np.eye(10)[values["in/categorical_code"]]
    return np.concatenate([np.zeros((6, 5)), hot, values["in/continuous_code"]], 1)


def numbers_of(values):
    return np.concatenate([values["in/q_categorical_logits"], values["in/q_mean"], values["in/q_raw_log_variance"]], 1)


def loss_of(which, values, learned=True, weights=infogan.ONE, fake=None, numbers=None):
    fake = values["in/D_fake_logits"] if fake is None else fake
    numbers = jnp.asarray(numbers_of(values)) if numbers is None else numbers
    judged = [(values["in/D_real_logits"], None)] if which is infogan.discriminator_loss else []
    nets = SimpleNamespace(
        generator=Fixed("generator", jnp.zeros((6, 2))), discriminator=Fixed("discriminator", *judged, (fake, numbers))
    )
    draw = golden.given(latents_of(values))
    reading = infogan.Reading(CODES, weights, learned)
    loss, aux = which(
        nets, None, {"images": jnp.zeros((6, 2))}, KEY, draw=lambda key, count: draw(key, (count, 17)), reading=reading
    )
    return loss, aux.metrics


def test_the_information_on_codes_is_the_golden_one(values):
    _, metrics = loss_of(infogan.generator_loss, values)
    agree(metrics["categorical_information"], values["loss/MI_categorical_estimate"])
    entropy = values["loss/uniform_prior_entropy"]
    learned = entropy - values["loss/gaussian_nll_learned_std_summed_over_codes"]
    agree(metrics["continuous_information"], learned)
    _, metrics = loss_of(infogan.generator_loss, values, learned=False)
    agree(metrics["continuous_information"], entropy - values["loss/gaussian_nll_std_1_summed_over_codes"])
    assert values["loss/categorical_prior_entropy"] == pytest.approx(math.log(10))


@pytest.mark.parametrize("weights", [infogan.ONE, infogan.Weights(0.5, 3.0), infogan.Weights(0.0, 0.0)])
def test_both_losses_are_the_golden_ones_less_the_information_by_its_weights(values, weights):
    told = weights.categorical * values["loss/MI_categorical_estimate"] + weights.continuous * (
        values["loss/uniform_prior_entropy"] - values["loss/gaussian_nll_learned_std_summed_over_codes"]
    )
    loss, _ = loss_of(infogan.generator_loss, values, weights=weights)
    agree(loss, values["loss/G_non_saturating"] - told)
    loss, _ = loss_of(infogan.discriminator_loss, values, weights=weights)
    agree(loss, values["loss/D_softplus"] - told)
    agree(values["loss/D_softplus"], values["loss/D_probabilities_with_1e-8"])


def test_the_gradients_are_the_golden_ones(values):
    def loss(fake, numbers):
        return loss_of(infogan.generator_loss, values, fake=fake, numbers=numbers)[0]

    fake, numbers = jax.grad(loss, (0, 1))(jnp.asarray(values["in/D_fake_logits"]), jnp.asarray(numbers_of(values)))
    expected = under(values, "grad/G_plus_ce_plus_nll/")
    agree(fake, expected["D_fake_logits"])
    logits, (mean, log_variance) = numbers[:, :10], jnp.split(numbers[:, 10:], 2, 1)
    agree(logits, expected["q_categorical_logits"])
    agree(mean, expected["q_mean"])
    agree(log_variance, expected["q_raw_log_variance"])


def test_information_in_closed_form():
    sure = 60.0 * jnp.eye(4)
    assert information.categorical(jnp.eye(4), sure) == pytest.approx(math.log(4), rel=1e-6)
    assert information.categorical(jnp.eye(4), 0 * sure) == pytest.approx(0, abs=1e-6)
    # The best a normal distribution can do that knows nothing: variance 1/3, less than the entropy by 0.176 a code.
    c = jnp.linspace(-1, 1, 200_001)[:, None]
    blind = information.uniform(c, 0 * c, jnp.full_like(c, math.log(1 / 3)))
    assert blind == pytest.approx(math.log(2) - 0.5 * math.log(2 * math.pi * math.e / 3), rel=1e-3)
    # Two codes with deviations 0.1 that are off by one deviation.
    mean = jnp.concatenate([c, c], 1)
    told = information.uniform(mean + 0.1, mean, jnp.full_like(mean, 2 * math.log(0.1)))
    assert told == pytest.approx(2 * (math.log(20) - 0.5 * math.log(2 * math.pi) - 0.5), rel=1e-4)
    assert information.uniform(mean, mean) == pytest.approx(2 * (math.log(2) - 0.5 * math.log(2 * math.pi)), rel=1e-5)


NETWORKS = {"generator": infogan.Generator(SHAPE, width=4), "discriminator": infogan.Discriminator(CODES, width=4)}


def started(**options):
    txs = {"generator_tx": optax.sgd(1.0), "discriminator_tx": optax.sgd(1.0)}
    game = infogan.game(*NETWORKS.values(), codes=CODES, image_shape=SHAPE, **(txs | options))
    return game, jax.jit(lambda key: init_state(game, key))(KEY)


def moved(game, state, images, number=0):
    """Return a player's gradient by network, and the state after its move."""
    after, _ = jax.jit(partial(move, game.players[number]))(state, {"images": images}, KEY)
    return jax.tree.map(jnp.subtract, state.params, after.params), after


def test_q_reads_samples_alone_and_images_do_not_touch_its_statistics():
    game, state = started()
    images = jax.random.uniform(KEY, (16, *SHAPE))
    (first, after), (second, other) = (moved(game, state, factor * images) for factor in (1.0, 0.1))
    before, one, two = (s.variables["discriminator"]["batch_stats"] for s in (state, after, other))
    own, shared = "BatchNorm_2", "BatchNorm_1"  # Q's layer comes last
    assert worst(one[own], two[own]) == 0 < worst(before[own], one[own])
    assert worst(one[shared], two[shared]) > 1e-4
    first, second = first["discriminator"], second["discriminator"]
    assert same_bits(first["codes"], second["codes"]) and not same_bits(first["Conv_0"], second["Conv_0"])
    assert float(jnp.abs(first["codes"]["kernel"]).max()) > 0


def test_the_information_reaches_the_generator_q_and_the_shared_layers():
    images = jax.random.uniform(KEY, (16, *SHAPE))
    gradients = {}
    for name, weights in (("with", infogan.ONE), ("without", infogan.Weights(0.0, 0.0))):
        game, state = started(weights=weights)
        discriminator, _ = moved(game, state, images, 0)
        generator, _ = moved(game, state, images, 1)
        gradients[name] = discriminator["discriminator"] | generator["generator"]
    for layer in ("codes", "recognition"):
        assert not any(np.any(x) for x in jax.tree.leaves(gradients["without"][layer])), layer
        assert any(np.any(x) for x in jax.tree.leaves(gradients["with"][layer])), layer
    for layer in ("Conv_0", "ConvTranspose_0"):
        assert worst(gradients["with"][layer], gradients["without"][layer]) > 1e-6, layer
    assert same_bits(gradients["with"]["judge"], gradients["without"]["judge"])


def test_variances_that_are_held_at_one_leave_their_outputs_without_gradient():
    game, state = started(learned=False)
    gradient, _ = moved(game, state, jax.random.uniform(KEY, (16, *SHAPE)))
    bias = np.asarray(gradient["discriminator"]["codes"]["bias"])
    assert (bias[:12] != 0).all() and not bias[12:].any()


def test_numbers_of_q_are_logits_then_means_then_variances_of_the_codes_in_their_order():
    codes = Codes(4, (2, 3), 2)
    found = infogan.recognised(codes, jnp.arange(9.0)[None])
    assert {name: x.tolist() for name, x in found.logits.items()} == {"c1": [[0, 1]], "c2": [[2, 3, 4]]}
    assert (found.mean.tolist(), found.log_variance.tolist()) == ([[5, 6]], [[7, 8]])
    discriminator = infogan.DenseDiscriminator(codes, (4,))
    x = jax.random.normal(KEY, (5, 1, 1, 2))
    variables = jax.jit(discriminator.init)(KEY, x)
    state = SimpleNamespace(variables_of=lambda net: variables)
    read = infogan.reading_of(discriminator)(state, x)
    numbers = discriminator.apply(variables, x)[1]
    assert list(read) == ["c1", "c2", "c3", "c4"]
    np.testing.assert_array_equal(read["c2"], numbers[:, 2:5].argmax(1))
    np.testing.assert_array_equal(read["c4"], numbers[:, 6])


COUNTS = {
    "MNIST": (infogan.MNIST, Codes(62, (10,), 2), (28, 28, 1), 6_652_481, 6_559_169, 133_262),
    # By hand: of Q a layer of 128 with norm and 48 or 100 numbers of the codes, or these alone, 10 and 62.
    "SVHN": (infogan.SVHN, Codes(124, (10,) * 4, 4), (32, 32, 3), 2_800_835, 663_745, 530_864),
    "CelebA": (infogan.SVHN, Codes(128, (10,) * 10), (32, 32, 3), 2_908_355, 663_745, 537_572),
    "faces": (infogan.FACES, Codes(128, (), 5), (32, 32, 1), 8_684_737, 8_525_249, 10_250),
    "chairs": (infogan.CHAIRS, Codes(128, (20,) * 3, 1), (64, 64, 1), 19_778_625, 19_537_601, 63_550),
}


@pytest.mark.parametrize("name", COUNTS)
def test_parameters_of_generator_discriminator_and_q(name):
    layers, codes, shape, *expected = COUNTS[name]

    def count(network, *inputs):
        return sum(math.prod(x.shape) for x in jax.tree.leaves(jax.eval_shape(network.init, KEY, *inputs)["params"]))

    discriminator, images = infogan.Discriminator(codes, layers), jnp.zeros((1, *shape))
    generator = count(infogan.Generator(shape, layers), jnp.zeros((1, codes.size)))
    both, alone = (
        count(discriminator, images),
        count(SimpleNamespace(init=partial(discriminator.init, read=False)), images),
    )
    assert [generator, alone, both - alone] == expected


def test_images_that_the_layers_do_not_reach_are_refused_with_a_size_that_they_do():
    with pytest.raises(ValueError, match="multiples of 4, not 30 x 30; give --image-size 32"):
        infogan.Generator((30, 30, 1)).init(KEY, jnp.zeros((1, 74)))
