"""The command line of the recipes: parse, check, describe or train, and leave a folder with everything in it."""

import dataclasses
import json
import os
import signal
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import jax

from genjax import data, files, parallel, precision, processes
from genjax.data import Dataset, pipeline
from genjax.data.known import KNOWN
from genjax.engine.phases import Phase
from genjax.engine.state import State, init_state
from genjax.engine.step import rematerialized, steps_in_a_call
from genjax.environment import environment
from genjax.run import devices as places
from genjax.run.describe import card, describe
from genjax.run.folder import open_folder
from genjax.run.options import Options
from genjax.run.parsing import parse, suggestion
from genjax.run.run import Recipe, Run, load_data
from genjax.run.run import recipe as find_recipe
from genjax.tasks.task import Task
from genjax.viz.grid import save_page


def write_pictures(task: Task, state: State, folder: Path, step: int) -> None:
    """Write the task's pictures of a state as NAME-STEP.png."""
    for name, page in task.pictures(state).items():
        save_page(folder / f"{name}-{step:06d}.png", page)


def parse_recipe(recipe: Recipe, arguments: Sequence[str], program: str = "") -> tuple[str, Any]:
    """Return the preset's name and the hyperparameters of a command line: perhaps a preset, then options."""
    arguments = list(arguments)
    preset = next(iter(recipe.presets))
    if arguments and not arguments[0].startswith("-"):
        preset = arguments.pop(0)
        if preset not in recipe.presets:
            known = list(recipe.presets)
            meant = suggestion(preset, known)
            raise ValueError(f"'{preset}' is no preset of {recipe.name}{meant}; choose one of: {', '.join(known)}")
    default = recipe.presets[preset]
    program = program or f"python -m train.{recipe.name}"
    hyper = parse(default, arguments, program=f"{program} {preset}", description=recipe.doc)
    if hyper.base_batch is None:
        hyper = dataclasses.replace(hyper, base_batch=default.batch_size)
    return preset, hyper


class Prepared(NamedTuple):
    """A run that has been checked, what its folder will hold as configuration, and what is to be said of its data."""

    run: Run
    config: dict[str, Any]
    devices: list[jax.Device]
    notes: tuple[str, ...]


def _dataset(hyper: Options) -> Dataset:
    try:
        return load_data(hyper)
    except data.DataError:
        if not (hyper.describe and (hyper.data in KNOWN or hyper.data.startswith("tfds:"))):
            raise
        return data.placeholder(data.known(hyper.data, image_size=hyper.image_size, channels=hyper.channels))


def changed(phase: Phase, hyper: Options) -> Phase:
    """Return the phase with its game as --precision and --remat ask."""
    game = phase.game
    if precision.POLICIES[hyper.precision].scale_loss:
        game = precision.scaled(game)
    return phase._replace(game=rematerialized(game) if hyper.remat else game)


def built(recipe: Recipe, hyper: Options, dataset: Dataset) -> Run:
    """Return the recipe's run on `dataset`; a game that plays in several phases stays one."""
    run = recipe.build(hyper, dataset)
    games: dict[int, Phase] = {}
    phases = []
    for phase in run.phases:
        first = games.setdefault(id(phase.game), changed(phase, hyper))
        phases.append(phase._replace(game=first.game))
    return run._replace(phases=tuple(phases))


def prepare(recipe: Recipe, preset: str, hyper: Any) -> Prepared:
    """Load the data, build the run and check everything that can be checked before anything is written."""
    devices, dataset = places.chosen(hyper.devices), _dataset(hyper)
    run = built(recipe, hyper, dataset)
    config = {
        "recipe": recipe.name,
        "preset": preset,
        "hyper": json.loads(json.dumps(dataclasses.asdict(hyper), default=str)),
        "data": dataset.facts.to_json(),
        "environment": environment(),
    }
    if not hyper.describe:
        for phase in run.phases:
            parallel.check_batch(phase.feed.batch_size, devices, hyper.accumulate)
            pipeline.units_per_epoch(len(phase.feed.split), phase.feed.batch_size)
        for game in {id(phase.game): phase.game for phase in run.phases}.values():
            jax.eval_shape(partial(init_state, game), jax.random.key(0))  # networks refuse sizes that do not fit
    return Prepared(run, config, devices, dataset.notes)


def main(name: str | Recipe, arguments: Sequence[str] | None = None, program: str = "") -> int:
    """Run a recipe from the command line and return the exit status.

    0; 2 where the input cannot be used; 3 where a loss was not finite; 130 after an interrupt.
    program: how the recipe was called, for messages.
    """
    given = list(sys.argv[1:] if arguments is None else arguments)
    try:
        recipe = find_recipe(name) if isinstance(name, str) else name
        preset, hyper = parse_recipe(recipe, given, program)
        places.check_places(hyper, hyper.processes)
        places.configure(hyper.devices and hyper.devices // hyper.processes, hyper.cache)
        if processes.scheduler(os.environ) is not None:
            with processes.member():
                return _main(recipe, preset, hyper)
        if hyper.processes > 1 and not hyper.describe:
            command = [sys.executable, "-m", "genjax", "train", recipe.name, *given]
            return processes.lead(hyper.processes, command)
        return _main(recipe, preset, hyper)
    except ValueError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2


def _main(recipe: Recipe, preset: str, hyper: Any) -> int:
    from genjax.engine.loop import DivergedError, Settings, train

    def tell(text: str) -> None:
        if processes.is_first():
            print(text, file=sys.stderr)

    places.check_places(hyper, jax.process_count())
    run, config, devices, notes = prepare(recipe, preset, hyper)
    if hyper.describe:
        print(json.dumps(describe(recipe.name, preset, hyper, run), indent=2))
        return 0
    folder = Path(processes.from_first(lambda: open_folder(recipe.name, hyper, config)))
    for note in notes:
        tell(note)
    fuse = hyper.fuse or min(steps_in_a_call(phase.game) for phase in run.phases)
    tell(f"{recipe.name} ({preset}) on {hyper.data}: writing to {folder}, {fuse} step(s) a call")
    settings = Settings(
        fuse=fuse,
        accumulate=hyper.accumulate,
        checkpoint_every=hyper.checkpoint_every,
        evaluate_every=hyper.evaluate_every,
        keep=hyper.keep,
        rollback=hyper.on_nonfinite == "rollback",
        tensorboard=hyper.tensorboard,
    )
    try:
        result = train(
            run.phases,
            places.plan(hyper, devices),
            seed=hyper.seed,
            folder=folder,
            settings=settings,
            meta={"recipe": recipe.name, "preset": preset},
            resume=hyper.resume,
            evaluate=run.task.scores,
            pictures=lambda state, step: write_pictures(run.task, state, folder, step),
        )
    except DivergedError as error:
        tell(f"error: {error}")
        return 3
    if result.signal is not None:
        tell(f"stopped at step {int(result.state.step)}; continue with --resume --out {folder}")
        return 0 if result.signal == signal.SIGTERM else 130
    if not processes.is_first():
        return 0
    from genjax.viz.curves import save_curves

    save_curves(folder / "metrics.jsonl", folder / "curves.png")
    files.write_text(folder / "card.md", card(config, run, result, folder))
    for score, value in result.scores.items():
        print(f"{score}: {value:.4f}")
    print(f"{result.seconds:.1f} s; see {folder / 'card.md'}")
    return 0
