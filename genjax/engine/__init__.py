"""The training engine: games of players, one compiled step, one loop."""

from genjax.engine.adversarial import Side, adversarial_game
from genjax.engine.game import Aux, Game, Player
from genjax.engine.network import Network, aux, with_networks
from genjax.engine.state import State, init_state
from genjax.engine.step import make_run, make_step, move

__all__ = [
    "Aux",
    "Game",
    "Network",
    "Player",
    "Side",
    "State",
    "adversarial_game",
    "aux",
    "init_state",
    "make_run",
    "make_step",
    "move",
    "with_networks",
]
