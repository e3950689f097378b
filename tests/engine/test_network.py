"""Networks as values: who keeps what a call changes, and what a game of two sides begins from."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import linen as nn

from genjax.engine import Network, Side, adversarial_game, aux, init_state, with_networks
from genjax.nn.dense import Dense
from genjax.nn.dropout import Dropout
from genjax.nn.weights import Spectral
from tests.engine.toy import same_bits, worst

KEY = jax.random.key(2)


class Layers(nn.Module):
    """A spectrally normalised layer, batch norm and dropout."""

    dtype: type | None = None

    @nn.compact
    def __call__(self, x, train=False, shift=0.0):
        x = Dense(4, weight=Spectral(), dtype=self.dtype)(x)
        x = nn.BatchNorm(use_running_average=not train, dtype=self.dtype)(x)
        return Dropout(0.5)(x, train) + shift


def network(owned):
    variables = dict(Layers().init(jax.random.key(0), jnp.ones((1, 3))))
    return Network("net", Layers(), variables.pop("params"), variables, owned)


def inputs(seed=1):
    return jax.random.normal(jax.random.key(seed), (6, 3))


def test_an_owned_network_comes_back_with_all_that_a_call_changed():
    before = network(owned=True)
    output, after = before(inputs(), key=KEY)
    assert output.shape == (6, 4)
    for collection in ("batch_stats", "spectral"):
        assert worst(before.variables[collection], after.variables[collection]) > 1e-3
    _, again = after(inputs(), key=KEY)
    assert worst(again.variables["batch_stats"], after.variables["batch_stats"]) > 1e-3
    assert aux(again).variables == {"net": again.variables}


def test_another_players_network_sees_this_batch_and_comes_back_as_it_was():
    before = network(owned=False)
    output, after = before(inputs(), key=KEY)
    assert after is before
    assert aux(after).variables == {}
    np.testing.assert_allclose(output, network(owned=True)(inputs(), key=KEY)[0])  # training mode all the same
    np.testing.assert_array_equal(output, before.output(inputs(), key=KEY))


def test_options_keys_and_types_reach_the_module():
    net = network(owned=True)
    plain = net.output(inputs(), key=KEY)
    np.testing.assert_allclose(net.output(inputs(), key=KEY, shift=2.0), plain + 2)
    assert worst(net.output(inputs(), key=jax.random.key(9)), plain) > 0.1
    half = net.at(jnp.bfloat16)
    assert half.output(inputs(), key=KEY).dtype == jnp.bfloat16
    assert net.output(inputs(), key=KEY).dtype == jnp.float32
    assert same_bits(half.params, net.params)


def test_a_network_that_is_held_gets_no_gradient():
    net = network(owned=True)

    def total(net, hold):
        return jnp.sum(jax.lax.stop_gradient(net).output(inputs(), key=KEY) if hold else net.output(inputs(), key=KEY))

    for hold in (False, True):
        gradient = jax.grad(
            lambda params, hold=hold: total(Network("net", Layers(), params, net.variables, True), hold)
        )
        assert (worst(gradient(net.params), jax.tree.map(jnp.zeros_like, net.params)) == 0) is hold


def test_a_loss_gets_the_networks_of_the_state_and_says_what_changed():
    def loss(nets, state, batch, key):
        seen.append((nets.mine.owned, nets.other.owned))
        outputs, mine = nets.mine(batch["images"], key=key)
        _, other = nets.other(batch["images"], key=key)
        return jnp.sum(outputs), aux(mine, other, memory={"seen": state.step}, size=jnp.mean(outputs))

    class State:
        step, params, variables = 3, {}, {}

    seen = []
    for name in ("mine", "other"):
        net = network(True)
        State.params[name], State.variables[name] = net.params, net.variables
    bound = with_networks(loss, {"mine": Layers(), "other": Layers()}, ("mine",))
    _, given = bound(State, {"images": inputs()}, KEY)
    assert seen == [(True, False)]
    assert set(given.variables) == {"mine"}
    assert (given.memory, set(given.metrics)) == ({"seen": 3}, {"size"})


class Generator(nn.Module):
    @nn.compact
    def __call__(self, latent, labels=None, train=False):
        return nn.Dense(4)(latent).reshape(-1, 2, 2, 1)


class Labelled(nn.Module):
    @nn.compact
    def __call__(self, images, labels, train=False):
        return nn.Dense(1)(jnp.concatenate([images.reshape(len(images), -1), jax.nn.one_hot(labels, 3)], -1))[:, 0]


def side(name, module, **options):
    return Side(name, module, lambda nets, state, batch, key: (jnp.float32(0), aux()), optax.sgd(0.1), **options)


def test_an_adversarial_game_initialises_both_sides_and_keeps_their_order():
    sides = side("critic", Labelled(), repeats=3), side("generator", Generator())
    options = {"latent": 5, "image_shape": (2, 2, 1), "labels": True, "ema": 0.9}
    for order in (sides, sides[::-1]):
        game = adversarial_game(*order, **options)
        assert [(player.name, player.owns) for player in game.players] == [(one.name, (one.name,)) for one in order]
        assert game.batches_per_step == 3
        state = init_state(game, KEY)
        assert state.params["generator"]["Dense_0"]["kernel"].shape == (5, 4)
        assert state.params["critic"]["Dense_0"]["kernel"].shape == (7, 1)
        assert set(state.ema) == {"generator"}


@pytest.mark.parametrize("names", [("generator",), ("critic", "other"), ("generator", "generator")])
def test_other_than_a_generator_and_an_opponent_is_refused(names):
    with pytest.raises(ValueError, match="a 'generator' and one opponent, not the sides"):
        adversarial_game(*(side(name, Generator()) for name in names), latent=5, image_shape=(2, 2, 1))
