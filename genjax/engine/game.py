"""A model is a game: players, each a plain loss function with the networks it owns.

Autoencoders and classifiers are games with one player, GANs games with two or three. Whatever is richer than the five
fields of a `Player` is ordinary Python inside its loss.
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import optax

Batch = Mapping[str, jax.Array]
Variables = Mapping[str, Any]


class Aux(NamedTuple):
    """What a loss returns beside its scalar.

    variables: updated collections of the networks that the player owns, `{net: {"batch_stats": ...}}`.
    memory: replacements for entries of `State.memory`, equal on every device (see `parallel.gather`, `parallel.mean`).
    metrics: scalars to log, averaged over sub-batches and devices.
    """

    variables: Mapping[str, Variables] = {}
    memory: Mapping[str, Any] = {}
    metrics: Mapping[str, jax.Array] = {}


Loss = Callable[[Any, Batch, jax.Array], tuple[jax.Array, Aux]]
"""(state, batch, key) -> (scalar to minimise, Aux); what is differentiated are the owned networks' `state.params`."""


class Player(NamedTuple):
    """One optimizer and the loss it minimises over the networks it owns.

    loss: see `Loss`; only the owned networks are differentiated, so no stop_gradient is needed.
    tx: any optax transformation over `{net: params}` of the owned networks.
    owns: names of networks.
    repeats: moves a step, each on a sub-batch of its own.
    scale_loss: multiply the loss by a dynamic scale for its gradients, which float16 needs: see `genjax.precision`.
    """

    name: str
    loss: Loss
    tx: optax.GradientTransformation
    owns: tuple[str, ...]
    repeats: int = 1
    scale_loss: bool = False


class Game(NamedTuple):
    """Players in the order in which they move, and how everything they touch begins.

    networks: `{net: key -> flax variables}`, for example `{"vae": lambda key: vae.init(key, images)}`.
    ema: `{net: decay}`, the networks of which an exponential moving average is kept, of their parameters and of batch
        norm's running statistics, see `genjax.engine.state.followed`.
    memory: arrays that outlive a step and that no optimizer touches (replay pools, running means).
    ema_start: first steps of a run in which averages are copies of what they follow.
    """

    players: tuple[Player, ...]
    networks: Mapping[str, Callable[[jax.Array], Variables]]
    ema: Mapping[str, float] = {}
    memory: Mapping[str, Any] = {}
    ema_start: int = 0

    @property
    def batches_per_step(self) -> int:
        """Sub-batches that one step consumes: the largest `repeats`."""
        return max(player.repeats for player in self.players)


def check(game: Game) -> None:
    """Raise ValueError where a game contradicts itself: the sentence names the player or network and the cure."""
    names = [player.name for player in game.players]
    if len(set(names)) != len(names):
        raise ValueError(f"players {names} share a name; give each its own, since optimizer states are kept by name")
    known = sorted(game.networks)
    for player in game.players:
        missing = [net for net in player.owns if net not in game.networks]
        if missing or not player.owns:
            raise ValueError(f"player '{player.name}' owns {missing or 'nothing'}; the game has the networks {known}")
        if player.repeats < 1:
            raise ValueError(f"player '{player.name}' has repeats={player.repeats}; it must be at least 1")
    for net in game.ema:
        if net not in game.networks:
            raise ValueError(f"an average is asked for network '{net}'; the game has the networks {known}")
    if game.ema_start and not game.ema:
        raise ValueError(f"ema_start={game.ema_start}, and the game keeps no average; give ema too, or leave it out")
