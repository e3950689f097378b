"""What a run is told, and what it returns."""

from typing import Any, NamedTuple

from genjax.engine.log import Tracker
from genjax.engine.state import State


class Settings(NamedTuple):
    """How to run, none of which changes what is computed but `accumulate` (to rounding).

    fuse: steps in one compiled call; None: as many as `genjax.engine.step.steps_in_a_call` says.
    accumulate: slices of a batch, one after the other.
    checkpoint_every, evaluate_every: steps.  keep: checkpoints kept.
    rollback: on a loss that is not finite, go back to the last checkpoint and continue with other random numbers.
    trackers: what is told of metrics beside `metrics.jsonl`.
    """

    fuse: int | None = None
    accumulate: int = 1
    checkpoint_every: int = 1000
    evaluate_every: int = 1000
    keep: int = 3
    rollback: bool = False
    trackers: tuple[Tracker, ...] = ()


DEFAULTS = Settings()


class Result(NamedTuple):
    """state: the last one.  signal: what ended the run early, or None.  seconds: of this start, compiling included.

    rows: the metrics over steps, {"step", "seconds", "<player>/loss", ...}, of a run without a folder.
    """

    state: State
    signal: int | None
    seconds: float
    compile_seconds: float
    scores: dict[str, float]
    rows: tuple[dict[str, Any], ...] = ()
