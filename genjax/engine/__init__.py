"""The training engine: games of players, one compiled step, one loop."""

from genjax.engine.game import Aux, Game, Player
from genjax.engine.state import State, init_state
from genjax.engine.step import make_run, make_step, move

__all__ = ["Aux", "Game", "Player", "State", "init_state", "make_run", "make_step", "move"]
