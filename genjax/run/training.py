"""The training of a run that has been checked, in a folder of its own: what it says, draws and leaves there."""

import signal
import sys
from functools import cache, partial
from pathlib import Path
from typing import Any

import jax
from jax.tree_util import keystr, tree_leaves_with_path

from genjax import files, processes
from genjax.engine.loop import DivergedError, Result, Settings, train
from genjax.engine.phases import carry_over
from genjax.engine.state import State, init_state
from genjax.engine.step import steps_in_a_call
from genjax.environment import memory_text
from genjax.run import devices as places
from genjax.run.describe import card
from genjax.run.folder import read_config
from genjax.run.run import Prepared, Run
from genjax.tasks.task import Task
from genjax.viz.curves import save_curves
from genjax.viz.grid import save_page

NETWORKS = ("params", "variables", "ema")
"""What a run that starts from another one takes of its state."""


def write_pictures(task: Task, state: State, folder: Path, step: int) -> None:
    """Write the task's pictures of a state as NAME-STEP.png."""
    for name, page in task.pictures(state).items():
        save_page(folder / f"{name}-{step:06d}.png", page)


def tell(text: str) -> None:
    """Say something on stderr, once for all processes."""
    if processes.is_first():
        print(text, file=sys.stderr, flush=True)


def train_in(folder: Path, recipe: str, preset: str, hyper: Any, prepared: Prepared) -> int:
    """Train in a folder that is this process's own; return the exit status."""
    run, devices = prepared.run, prepared.devices
    fuse = hyper.fuse or min(steps_in_a_call(phase.game) for phase in run.phases)
    tell(
        f"{recipe} ({preset}) on {hyper.data}: writing to {folder}, {fuse} step(s) a call; "
        f"{len(devices)} x {devices[0].device_kind}, {memory_text()}"
    )
    for note in prepared.notes:
        tell(note)
    settings = Settings(
        fuse=fuse,
        accumulate=hyper.accumulate,
        checkpoint_every=hyper.checkpoint_every,
        evaluate_every=hyper.evaluate_every,
        keep=hyper.keep,
        rollback=hyper.on_nonfinite == "rollback",
        tensorboard=hyper.tensorboard,
    )

    def report(result: Result) -> None:
        """Draw what is to be seen, the curves so far and the card."""
        write_pictures(run.task, result.state, folder, int(result.state.step))
        write_summary(run, result, folder)

    try:
        result = train(
            run.phases,
            places.plan(hyper, devices),
            seed=hyper.seed,
            folder=folder,
            settings=settings,
            meta={"recipe": recipe, "preset": preset},
            resume=hyper.resume,
            begin=prepared.begin,
            evaluate=run.task.scores,
            report=report,
        )
    except DivergedError as error:
        tell(f"error: {error}")
        return 3
    if result.signal is not None:
        tell(f"stopped at step {int(result.state.step)}; continue with --resume --out {folder}")
        return 0 if result.signal == signal.SIGTERM else 128 + result.signal
    if not processes.is_first():
        return 0
    write_summary(run, result, folder)  # once more, with the time of the last step
    for score, value in result.scores.items():
        print(f"{score}: {value:.4f}")
    print(f"{result.seconds:.1f} s; see {folder / 'card.md'}")
    return 0


def write_summary(run: Run, result: Result, folder: Path) -> None:
    """Write curves.png and card.md of a run so far."""
    save_curves(folder / "metrics.jsonl", folder / "curves.png")
    files.write_text(folder / "card.md", card(read_config(folder), run, result))


def starting(folder: Path, prepared: Prepared, resume: bool) -> Prepared:
    """Return a run that starts from the networks and averages of another run's newest checkpoint, where they fit.

    A run that is continued reads them only where it has no checkpoint of its own yet.
    Raises ValueError where the folder holds no run or nothing fits.
    """
    from genjax.run.load import load

    @cache
    def networks() -> dict[str, Any]:
        other = load(folder).state
        return {name: getattr(other, name) for name in NETWORKS}

    def begin(fresh: State) -> State:
        return carry_over(fresh.replace(**networks()), fresh)

    if resume:
        return prepared._replace(begin=begin)
    first = jax.eval_shape(partial(init_state, prepared.run.phases[0].game), jax.random.key(0))
    taken, left = matching(networks(), {name: getattr(first, name) for name in NETWORKS})
    if not taken:
        raise ValueError(f"--init-from {folder}: no array of its networks has the name and shape of one here")
    note = f"{len(taken)} arrays are those of {folder}" + (f"; not {', '.join(left)}" if left else "")
    return prepared._replace(begin=begin, notes=(*prepared.notes, note))


def matching(old: Any, fresh: Any) -> tuple[list[str], list[str]]:
    """Return the names of the arrays of `fresh` that `old` has in the same shape and type, and of those it has not."""
    known = {keystr(path, simple=True, separator="/"): x for path, x in tree_leaves_with_path(old)}
    names: tuple[list[str], list[str]] = [], []
    for path, x in tree_leaves_with_path(fresh):
        name = keystr(path, simple=True, separator="/")
        fits = name in known and (known[name].shape, known[name].dtype) == (x.shape, x.dtype)
        names[0 if fits else 1].append(name)
    return names
