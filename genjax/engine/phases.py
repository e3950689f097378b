"""Phases: stretches of training with one game and one feed each (growth by resolution, scales, pre-training)."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

import jax

from genjax.engine.game import Game
from genjax.engine.state import State, init_state


def carry_over(old: State, fresh: State) -> State:
    """Return `fresh` with every leaf that `old` has at the same path with the same shape and type."""
    known = dict(jax.tree_util.tree_leaves_with_path(old))

    def pick(path, leaf):
        other = known.get(path)
        fits = other is not None and other.shape == leaf.shape and other.dtype == leaf.dtype
        return other if fits else leaf

    return jax.tree_util.tree_map_with_path(pick, fresh)


def carry_over_networks(old: State, fresh: State) -> State:
    """Return `carry_over(old, fresh)` with every optimizer as `fresh` has it: moments of 0, counts of 0."""
    return carry_over(old, fresh).replace(opt_state=fresh.opt_state)


class Feed(NamedTuple):
    """What a phase trains on.

    split: a split of `genjax.data`.  batch_size: images in a sub-batch, over all devices.
    prepare: `(batch, key) -> batch`, runs inside the compiled step: see `genjax.engine.step.make_run`.
    """

    split: Any
    batch_size: int
    prepare: Callable[[Any, jax.Array], Any] | None = None


class Phase(NamedTuple):
    """`steps` steps of `game` on `feed`; `enter(old, fresh)` makes the state it starts from out of the last phase's."""

    game: Game
    steps: int
    feed: Feed
    enter: Callable[[State, State], State] = carry_over

    @property
    def images(self) -> int:
        """Images of the feed that the phase uses, each counted as often as it is used."""
        return self.steps * self.game.batches_per_step * self.feed.batch_size


def phase_at(phases: Sequence[Phase], step: int) -> tuple[int, int]:
    """Return (index, first step) of the phase to which `step` belongs; the last phase for a step at or past the end."""
    start = 0
    for index, phase in enumerate(phases):
        if step < start + phase.steps or index == len(phases) - 1:
            return index, start
        start += phase.steps
    raise ValueError("a run needs at least one phase")


def shapes_of(phases: Sequence[Phase], meta: Mapping[str, Any]) -> State:
    """Return the shapes of the state in a checkpoint whose `meta` names its "phase"; ValueError where there is none.

    A run that was stopped early is in an earlier phase than the last, whose networks may be smaller.
    """
    if meta["phase"] >= len(phases):
        raise ValueError(
            f"the checkpoint is of phase {meta['phase'] + 1}, and this run has {len(phases)}; give the options that it "
            "was trained with"
        )
    return jax.eval_shape(partial(init_state, phases[meta["phase"]].game), jax.random.key(0))
