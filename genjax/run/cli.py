"""The command line of the recipes: parse, check, describe or train, and leave a folder with everything in it."""

import dataclasses
import json
import os
import sys
from collections.abc import Sequence
from functools import partial
from typing import Any

import jax

from genjax import data, parallel, precision, processes
from genjax.data import Dataset, pipeline
from genjax.data.known import KNOWN
from genjax.engine.phases import Phase
from genjax.engine.state import init_state
from genjax.engine.step import rematerialized
from genjax.environment import environment
from genjax.files import say, sentence
from genjax.run import devices as places
from genjax.run.describe import describe
from genjax.run.folder import opened, read_config, to_resume
from genjax.run.options import MOST_STEPS, OF_ONE_START, Options
from genjax.run.parsing import parse, suggestion
from genjax.run.run import Prepared, Recipe, Run, load_data, options_of
from genjax.run.run import recipe as find_recipe


def parse_recipe(recipe: Recipe, arguments: Sequence[str], program: str = "") -> tuple[str, Any]:
    """Return the preset's name and the hyperparameters of a command line: perhaps a preset, then options.

    With --resume, what is not given is as in the run that is continued.
    """
    arguments = list(arguments)
    named = bool(arguments) and not arguments[0].startswith("-")
    preset = arguments.pop(0) if named else next(iter(recipe.presets))
    if preset not in recipe.presets:
        known = list(recipe.presets)
        meant = suggestion(preset, known)
        raise ValueError(f"'{preset}' is no preset of {recipe.name}{meant}; choose one of: {', '.join(known)}")
    default = recipe.presets[preset]
    program = program or f"python -m train.{recipe.name}"
    hyper = parse(default, arguments, program=f"{program} {preset}", description=recipe.doc)
    base_batch = default.batch_size
    if hyper.resume and not hyper.describe:
        preset, saved = _resumed(recipe, preset if named else None, hyper)
        base_batch = saved.base_batch or saved.batch_size
        default = dataclasses.replace(saved, base_batch=None) if saved.scaling == "none" else saved
        hyper = parse(default, arguments, program=f"{program} {preset}", description=recipe.doc)
    return preset, hyper if hyper.base_batch else dataclasses.replace(hyper, base_batch=base_batch)


def _resumed(recipe: Recipe, preset: str | None, hyper: Options) -> tuple[str, Any]:
    """Return the preset and the options of the run that is continued; ValueError where it is another recipe's."""
    folder = to_resume(recipe.name, hyper)
    config = read_config(folder)
    for name, given in (("recipe", recipe.name), ("preset", preset)):
        if given is not None and config[name] != given:
            raise ValueError(f"{folder} is a run of {name} {config[name]}, not {given}; give that, or another --out")
    saved = options_of(recipe, config["hyper"])
    start = recipe.presets.get(config["preset"], hyper)
    return config["preset"], dataclasses.replace(saved, **{name: getattr(start, name) for name in OF_ONE_START})


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
    if hyper.seeds > 1 and hyper.devices is None:
        devices = devices[: places.most_devices(hyper.seeds, len(devices))]
    run = built(recipe, hyper, dataset)
    config = {
        "recipe": recipe.name,
        "preset": preset,
        "hyper": json.loads(json.dumps(dataclasses.asdict(hyper), default=str)),
        "data": dataset.facts.to_json(),
        "environment": environment(),
    }
    if not hyper.describe:
        if (steps := sum(phase.steps for phase in run.phases)) > MOST_STEPS:
            raise ValueError(
                f"the run would have {steps:.10g} steps, and a run has {MOST_STEPS:,} at most; ask for fewer"
            )
        if hyper.seeds > 1:
            places.check_seeds(hyper, run, devices)
        shares = devices if hyper.seeds == 1 else devices[:1]  # of a batch; a seed's batches stay on one device
        for phase in run.phases:
            parallel.check_batch(phase.feed.batch_size, shares, hyper.accumulate)
            pipeline.units_per_epoch(len(phase.feed.split), phase.feed.batch_size)
        for game in {id(phase.game): phase.game for phase in run.phases}.values():
            state = jax.eval_shape(
                partial(init_state, game), jax.random.key(0)
            )  # networks refuse sizes that do not fit
            places.check_memory(state, devices, hyper.shard, hyper.seeds // len(devices) or 1)
    return Prepared(run, config, devices, dataset.notes)


def main(name: str | Recipe, arguments: Sequence[str] | None = None, program: str = "") -> int:
    """Run a recipe from the command line and return the exit status.

    0, after SIGTERM too; 2 where the input cannot be used, or the disk not written; 3 where a loss was not finite; 130
    after an interrupt, 129 after a hang-up.
    program: how the recipe was called, for messages.
    """
    given = list(sys.argv[1:] if arguments is None else arguments)
    command = ["train", name if isinstance(name, str) else name.name, *given]
    try:
        recipe = find_recipe(name) if isinstance(name, str) else name
        preset, hyper = parse_recipe(recipe, given, program)
        places.check_places(hyper, hyper.processes)
        made = places.to_make(hyper)
        places.configure(made and made // hyper.processes, hyper.cache)
        if processes.scheduler(os.environ) is not None:
            with processes.member():
                return _main(recipe, preset, hyper, command)
        if hyper.processes > 1 and not hyper.describe:
            again = [sys.executable, "-m", "genjax", "train", recipe.name, *given]
            return processes.lead(hyper.processes, again)
        return _main(recipe, preset, hyper, command)
    except ValueError as error:
        say(f"error: {error}")
        return 2
    except OSError as error:
        say(f"error: {sentence(error)}")
        return 2
    except (MemoryError, jax.errors.JaxRuntimeError) as error:
        say(f"error: {places.exhausted(error)}")
        return 2
    except KeyboardInterrupt:  # before the run has begun, or a second one
        say("interrupted")
        return 130


def _main(recipe: Recipe, preset: str, hyper: Any, command: list[str]) -> int:
    """Describe or train, as one of perhaps several processes; return the exit status."""
    places.check_places(hyper, jax.process_count())
    prepared = prepare(recipe, preset, hyper)
    if hyper.describe:
        print(json.dumps(describe(recipe.name, preset, hyper, prepared.run), indent=2))
        return 0
    from genjax.run.training import starting, train_in  # with all that training needs, which --describe does not

    if hyper.init_from is not None:
        prepared = starting(hyper.init_from, prepared, hyper.resume)
    steps = sum(phase.steps for phase in prepared.run.phases)
    if hyper.seeds > 1:
        from genjax.run.seeds import opened_seeds, train_all

        with opened_seeds(recipe.name, hyper, prepared.config, steps=steps, command=command) as (root, folders):
            return train_all(root, folders, recipe, preset, hyper, prepared)
    with opened(recipe.name, hyper, prepared.config, steps=steps, command=command) as folder:
        try:
            return train_in(folder, recipe, preset, hyper, prepared)
        except OSError as error:
            raise OSError(f"{sentence(error)}; when that is mended, continue with --resume --out {folder}") from error
