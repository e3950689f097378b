"""The game of a generator against one other network, a discriminator or a critic: nearly every GAN is one."""

from collections.abc import Mapping
from dataclasses import replace
from types import SimpleNamespace
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

from genjax.engine.game import Aux, Game, Player
from genjax.engine.network import NetworkLoss, with_networks


class Side(NamedTuple):
    """A network and the player that owns it alone, both called `name`.

    loss: `(nets, state, batch, key) -> (scalar, Aux)`, see `genjax.engine.network`.  repeats: moves a step.
    """

    name: str
    module: Any
    loss: NetworkLoss
    tx: optax.GradientTransformation
    repeats: int = 1


def adversarial_game(
    *sides: Side,
    latent: int,
    image_shape: tuple[int, int, int],
    labels: bool = False,
    ema: float | None = None,
    memory: Mapping[str, Any] = {},
    simultaneous: bool = False,
) -> Game:
    """Return the game of two sides, in the order in which they move; exactly one of them is called "generator".

    latent: numbers that the generator starts from.  image_shape: (height, width, channels) that the other side judges.
    labels: whether both networks also take int[batch] labels.  ema: decay of the generator's average, None for none.
    simultaneous: both move at once, as one player called "both", from the same batch, key and parameters.
    Raises ValueError for other than two sides, or not one generator among them.
    """
    names = [side.name for side in sides]
    if len(names) != 2 or names.count("generator") != 1:
        raise ValueError(f"an adversarial game has a 'generator' and one opponent, not the sides {names}")
    modules = {side.name: side.module for side in sides}
    label = (jnp.zeros((1,), jnp.int32),) if labels else ()

    def initialiser(side: Side):
        shape = (latent,) if side.name == "generator" else image_shape
        return lambda key: side.module.init(key, jnp.zeros((1, *shape)), *label)

    players = tuple(
        Player(side.name, with_networks(side.loss, modules, (side.name,)), side.tx, (side.name,), side.repeats)
        for side in sides
    )
    return Game(
        players=(_at_once(sides, modules),) if simultaneous else players,
        networks={side.name: initialiser(side) for side in sides},
        ema={} if ema is None else {"generator": ema},
        memory=memory,
    )


def _at_once(sides: tuple[Side, ...], modules: Mapping[str, Any]) -> Player:
    names = tuple(side.name for side in sides)
    if any(side.repeats != 1 for side in sides):
        raise ValueError(f"the sides {list(names)} move at once, so none of them moves more than once a step")

    def both(nets: Any, state: Any, batch: Any, key: Any) -> tuple[Any, Aux]:
        """Return the sum of the losses, each with the other network held: one gradient for both."""
        held = {name: replace(jax.lax.stop_gradient(net), owned=False) for name, net in vars(nets).items()}
        losses: dict[str, Any] = {}
        variables: dict[str, Any] = {}
        memory: dict[str, Any] = {}
        metrics: dict[str, Any] = {}
        for side in sides:
            others = SimpleNamespace(**{**held, side.name: getattr(nets, side.name)})
            losses[side.name], told = side.loss(others, state, batch, key)
            variables |= told.variables
            memory |= told.memory
            metrics |= told.metrics
        return sum(losses.values()), Aux(variables, memory, metrics | losses)

    tx = optax.partition({side.name: side.tx for side in sides}, {name: name for name in names})
    return Player("both", with_networks(both, modules, names), tx, names)
