"""The game of a generator against one other network, a discriminator or a critic: nearly every GAN is one."""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple, Required, TypedDict

import jax
import jax.numpy as jnp
import optax

from genjax.engine.game import Aux, Batch, Game, Player
from genjax.engine.network import with_networks
from genjax.latent import NORMAL, Prior, sampler


class Side(NamedTuple):
    """A network and the player that owns it alone, both called `name`.

    loss: `(nets, state, batch, key, *, draw) -> (scalar, Aux)`, see `genjax.engine.network`; draw: (key, count) ->
    latents float[count, size].  repeats: moves a step.
    """

    name: str
    module: Any
    loss: Callable[..., tuple[jax.Array, Aux]]
    tx: optax.GradientTransformation
    repeats: int = 1


class Setting(TypedDict, total=False):
    """What every adversarial game is told, the keywords of `adversarial_game`."""

    image_shape: Required[tuple[int, int, int]]
    latent: Required[int]
    prior: Prior
    ema: float | None
    ema_start: int
    simultaneous: bool


def adversarial_game(
    *sides: Side,
    image_shape: tuple[int, int, int],
    latent: int,
    prior: Prior = NORMAL,
    ema: float | None = None,
    ema_start: int = 0,
    simultaneous: bool = False,
    labels: bool = False,
) -> Game:
    """Return the game of two sides, in the order in which they move; exactly one of them is called "generator".

    image_shape: (height, width, channels) that the other side judges.
    latent: numbers that the generator starts from, drawn from `prior`; both losses are given the same `draw`.
    ema: decay of the generator's average, None for none.  ema_start: first steps in which it is a copy.
    simultaneous: both move at once, as one player called "both", from the same batch, key and parameters.
    labels: whether both networks also take int[batch] labels.
    Raises ValueError for other than two sides, or not one generator among them.
    """
    names = [side.name for side in sides]
    if len(names) != 2 or names.count("generator") != 1:
        raise ValueError(f"an adversarial game has a 'generator' and one opponent, not the sides {names}")
    modules, draw = {side.name: side.module for side in sides}, sampler(prior, latent)
    label = (jnp.zeros((1,), jnp.int32),) if labels else ()

    def player(side: Side) -> Player:
        loss = with_networks(partial(side.loss, draw=draw), modules, (side.name,))
        return Player(side.name, loss, side.tx, (side.name,), side.repeats)

    def initialiser(side: Side) -> Callable[[jax.Array], Any]:
        shape = (latent,) if side.name == "generator" else image_shape
        return lambda key: side.module.init(key, jnp.zeros((1, *shape)), *label)

    players = tuple(player(side) for side in sides)
    return Game(
        players=(_at_once(players),) if simultaneous else players,
        networks={side.name: initialiser(side) for side in sides},
        ema={} if ema is None else {"generator": ema},
        ema_start=ema_start,
    )


def _at_once(players: tuple[Player, ...]) -> Player:
    names = tuple(player.name for player in players)
    if any(player.repeats != 1 for player in players):
        raise ValueError(f"the sides {list(names)} move at once, so none of them moves more than once a step")

    def both(state: Any, batch: Batch, key: jax.Array) -> tuple[jax.Array, Aux]:
        """Return the sum of the losses, each with the other network held: one gradient for both."""
        held, total, whole = jax.lax.stop_gradient(state.params), jnp.float32(0), Aux()
        for player in players:
            own = {name: state.params[name] for name in player.owns}
            loss, found = player.loss(state.replace(params={**held, **own}), batch, key)
            total = total + loss
            whole = Aux(
                {**whole.variables, **found.variables}, {**whole.memory, **found.memory},
                {**whole.metrics, **found.metrics, player.name: loss},
            )  # fmt: skip
        return total, whole

    tx = optax.partition({player.name: player.tx for player in players}, {name: name for name in names})
    return Player("both", both, tx, names)
