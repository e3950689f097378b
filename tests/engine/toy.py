"""Small games on which the engine's promises are checked: a regression with batch statistics, and a two-player game."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax

from genjax import parallel
from genjax.data import Arrays
from genjax.engine import Aux, Game, Player, aux, with_networks
from genjax.engine.phases import Feed


class Net(nn.Module):
    """Dense, batch norm (synchronised where devices are mapped), dense."""

    @nn.compact
    def __call__(self, x, train):
        x = nn.Dense(8, use_bias=False)(x)
        x = nn.BatchNorm(use_running_average=not train, axis_name=parallel.bound_axis(), use_fast_variance=False)(x)
        return nn.Dense(2)(nn.tanh(x))


def regression(tx=None, poison=None):
    """One player; `poison`, a step at which the loss becomes infinite."""
    net = Net()

    def loss(nets, state, batch, key):
        x = batch["images"].reshape(-1, 3) / 255
        out, changed = nets.net(x)
        value = jnp.mean((out - jnp.stack([x.sum(1), x[:, 0] * x[:, 1]], 1)) ** 2)
        if poison is not None:
            value = value * jnp.where(state.step == poison, jnp.inf, 1.0)
        return value, aux(changed, out=out.mean())

    player = Player("net", with_networks(loss, {"net": net}, ("net",)), tx or optax.adam(1e-2), ("net",))
    return Game((player,), {"net": lambda key: net.init(key, jnp.zeros((1, 3)), train=False)}, ema={"net": 0.9})


def duel(critic_steps=3, generator_steps=1):
    """Two players that own a number each and move several times, each time on a sub-batch of its own."""

    def number(value):
        return lambda key: {"params": {"value": jnp.float32(value)}}

    def critic(state, batch, key):
        gap = state.params["critic"]["value"] - state.params["generator"]["value"] - batch["images"].mean()
        return gap**2, Aux(memory={"seen": state.memory["seen"] + 1})

    def generator(state, batch, key):
        values = state.params
        return (values["generator"]["value"] - values["critic"]["value"] * batch["images"].mean()) ** 2, Aux()

    players = (
        Player("critic", critic, optax.sgd(0.1), ("critic",), repeats=critic_steps),
        Player("generator", generator, optax.sgd(0.1), ("generator",), repeats=generator_steps),
    )
    return Game(players, {"critic": number(1.0), "generator": number(0.0)}, memory={"seen": jnp.int32(0)})


def split(count=64):
    """Return a split of `genjax.data` with one pixel of three channels an image."""
    return Arrays({"images": np.random.default_rng(0).integers(0, 256, (count, 1, 1, 3), np.uint8)})


def feed(batch_size=16):
    """Return a feed over `split`."""
    return Feed(split(), batch_size)


def worst(a, b):
    """Return the largest absolute difference between two pytrees, NaN where one of them holds a NaN."""
    pairs = zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True)
    return float(np.max([np.max(np.abs(np.asarray(x, float) - np.asarray(y, float))) for x, y in pairs]))


def same_bits(a, b):
    """Return whether two pytrees hold the same bytes."""
    pairs = zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True)
    return all(np.asarray(x).tobytes() == np.asarray(y).tobytes() for x, y in pairs)
