"""The training of a run that has been checked, in a folder of its own: what it says, draws and leaves there."""

import signal
import sys
from collections.abc import Callable, Mapping
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
from genjax.metrics.words import word
from genjax.run import devices as places
from genjax.run import trackers
from genjax.run.best import check_best, keep_best
from genjax.run.describe import card
from genjax.run.folder import read_config
from genjax.run.run import Prepared, Recipe, Run
from genjax.tasks.task import Task
from genjax.viz.curves import save_curves
from genjax.viz.grid import captioned, save_page

NETWORKS = ("params", "variables", "ema")
"""What a run that starts from another one takes of its state."""


def write_pictures(task: Task, state: State, folder: Path, caption: str = "") -> None:
    """Write the task's pictures of a state as NAME-STEP.png, with a caption below."""
    for name, page in task.pictures(state).items():
        page = captioned(page, caption) if caption else page
        save_page(folder / f"{name}-{int(state.step):06d}.png", page)


def caption_for(recipe: Recipe, preset: str, data: str, step: int, scores: Mapping[str, float]) -> str:
    """Return what stands below pictures: model, preset, data, step, and the recipe's score where it is known."""
    parts = [f"{recipe.name} ({preset})", data, f"step {step:,}"]
    name = recipe.score[0] if recipe.score else ""
    if name in scores:
        parts.append(f"{word(name).words}: {scores[name]:.3g}")
    return ", ".join(parts)


def tell(text: str) -> None:
    """Say something on stderr, once for all processes."""
    if processes.is_first():
        print(text, file=sys.stderr, flush=True)


def settings_of(hyper: Any, run: Run, folder: Path | None = None) -> Settings:
    """Return how a run happens, as its options say. folder: of the run, whose configuration services are told."""
    return Settings(
        fuse=hyper.fuse or min(steps_in_a_call(phase.game) for phase in run.phases),
        accumulate=hyper.accumulate,
        checkpoint_every=hyper.checkpoint_every,
        evaluate_every=hyper.evaluate_every,
        keep=hyper.keep,
        rollback=hyper.on_nonfinite == "rollback",
        trackers=trackers.chosen(hyper.log, read_config(folder)["hyper"]) if folder else (),
    )


def reporting(recipe: Recipe, preset: str, hyper: Any, run: Run, folder: Path) -> Callable[[Result], None]:
    """Return what is done with a result: draw what is to be seen, the curves and the card; keep it if it is the best.

    Raises ValueError for --keep-best of a recipe that does not say which score is good in which direction.
    """
    if hyper.keep_best:
        check_best(recipe)

    def report(result: Result) -> None:
        caption = caption_for(recipe, preset, hyper.data, int(result.state.step), result.scores)
        write_pictures(run.task, result.state, folder, caption)
        save_curves(folder / "metrics.jsonl", folder / "curves.png")
        write_card(run, result, folder)
        if hyper.keep_best:
            keep_best(folder, run, result, recipe.score)

    return report


def stopped(result: Result, cure: str) -> int:
    """Say where a signal stopped a run and how it is continued; return the exit status."""
    assert result.signal is not None
    tell(f"stopped at step {int(result.state.step)}; continue with {cure}")
    return 0 if result.signal == signal.SIGTERM else 128 + result.signal


def train_in(folder: Path, recipe: Recipe, preset: str, hyper: Any, prepared: Prepared) -> int:
    """Train in a folder that is this process's own; return the exit status. Raises what `reporting` does."""
    run, devices = prepared.run, prepared.devices
    report = reporting(recipe, preset, hyper, run, folder)
    settings = settings_of(hyper, run, folder)
    tell(
        f"{recipe.name} ({preset}) on {hyper.data}: writing to {folder}, {settings.fuse} step(s) a call; "
        f"{len(devices)} x {devices[0].device_kind}, {memory_text()}"
    )
    for note in prepared.notes:
        tell(note)
    try:
        result = train(
            run.phases,
            places.plan(hyper, devices),
            seed=hyper.seed,
            folder=folder,
            settings=settings,
            meta={"recipe": recipe.name, "preset": preset},
            resume=hyper.resume,
            begin=prepared.begin,
            evaluate=run.task.scores,
            report=report,
        )
    except DivergedError as error:
        tell(f"error: {error}")
        return 3
    if result.signal is not None:
        return stopped(result, f"--resume --out {folder}")
    if not processes.is_first():
        return 0
    write_card(run, result, folder)  # once more, with the time of the last step
    for score, value in result.scores.items():
        print(f"{score}: {value:.4f}")
    print(f"{result.seconds:.1f} s; see {folder / 'card.md'}")
    return 0


def write_card(run: Run, result: Result, folder: Path) -> None:
    """Write card.md of a run so far."""
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
