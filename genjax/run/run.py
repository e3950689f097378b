"""A recipe and what it builds: hyperparameters and a data set in, phases, optimizers and a task out."""

import importlib
import importlib.util
import pkgutil
import types
import typing
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from genjax import data, precision
from genjax.data import DataError, Dataset
from genjax.data.dataset import shortened
from genjax.engine.phases import Phase
from genjax.engine.state import State
from genjax.run.optimizers import Optimizer
from genjax.run.options import Options, check
from genjax.run.parsing import suggestion
from genjax.tasks.task import Task


class Run(NamedTuple):
    """What a recipe builds from its hyperparameters and data.

    optimizers: `{player: optimizer}`, for descriptions and the card.  task: scores, pictures and samples.
    notes: what else belongs into both, such as the network that a loss compares images by.
    by_seed: what of this beside first weights and chance follows from the seed, so that seeds do not share it.
    """

    phases: tuple[Phase, ...]
    optimizers: Mapping[str, Optimizer]
    task: Task
    notes: tuple[str, ...] = ()
    by_seed: str = ""


class Prepared(NamedTuple):
    """A run that has been checked, what its folder will hold as configuration, and what is to be said of its start.

    begin: what it does with its first state, None for nothing.
    """

    run: Run
    config: dict[str, Any]
    devices: list[jax.Device]
    notes: tuple[str, ...]
    begin: Callable[[State], State] | None = None


class Recipe(NamedTuple):
    """A model's hyperparameters and how they become a run.

    presets: `{name: hyperparameters}`, the first one is the default.  build: (hyperparameters, data set) -> run.
    score: (metric, text) by which the small preset is measured.  controls: `{text: options}` that take a mechanism out.
    """

    name: str
    doc: str
    presets: Mapping[str, Any]
    build: Callable[[Any, Dataset], Run]
    score: tuple[str, str] | None = None
    controls: Mapping[str, tuple[str, ...]] = {}

    @property
    def options(self) -> type[Options]:
        """The class of the recipe's hyperparameters."""
        return type(next(iter(self.presets.values())))


PACKAGES = ("genjax.recipes", "train")
"""Where recipes live: in an installed package, and in a checkout."""


def package(places: tuple[str, ...]) -> str:
    """Return the first of these packages that is there."""

    def there(name: str) -> bool:
        try:
            return importlib.util.find_spec(name) is not None
        except ModuleNotFoundError:
            return False

    return next((name for name in places if there(name)), places[-1])


def names(places: tuple[str, ...] = PACKAGES) -> list[str]:
    """Return the names of the programs in a package, in alphabetical order."""
    folder = importlib.import_module(package(places))
    return sorted(found.name for found in pkgutil.iter_modules(folder.__path__) if not found.name.startswith("_"))


def recipe(name: str) -> Recipe:
    """Return the recipe of that name; ValueError names the known ones."""
    if name not in names():
        known = names()
        raise ValueError(f"there is no recipe '{name}'{suggestion(name, known)}; the recipes are: {', '.join(known)}")
    return of_module(importlib.import_module(f"{package(PACKAGES)}.{name}"), name)


def options_of(found: Recipe, values: Mapping[str, Any]) -> Any:
    """Return the options that a configuration holds; ValueError for one that is damaged or of another version."""
    hints = typing.get_type_hints(found.options)
    try:
        options = found.options(**{name: _typed(name, x, hints[name]) for name, x in values.items() if name in hints})
        check(options)
    except (TypeError, ValueError) as error:
        raise ValueError(f"this run's configuration is not one of today's {found.name}: {error}") from None
    return options


def _typed(name: str, value: Any, hint: Any) -> Any:
    """Return a value out of JSON as the type of its field; ValueError where it has another."""
    if isinstance(value, list):
        value = tuple(tuple(x) if isinstance(x, list) else x for x in value)
    if Path in typing.get_args(hint) and isinstance(value, str):
        return Path(value)
    if not _fits(value, hint):
        raise ValueError(f"{name} is {value!r}")
    return value


def _fits(value: Any, hint: Any) -> bool:
    """Return whether a value is of the type that an options class declares."""
    origin, inner = typing.get_origin(hint), typing.get_args(hint)
    if origin is typing.Literal:
        return value in inner
    if origin in (typing.Union, types.UnionType):
        return any(_fits(value, each) for each in inner)
    if origin is tuple:
        each = inner[:1] * len(value) if isinstance(value, tuple) and inner[-1] is ... else inner
        return isinstance(value, tuple) and len(value) == len(each) and all(map(_fits, value, each))
    if hint is float:
        return isinstance(value, (int, float)) and not isinstance(value, bool)
    if hint is int:
        return type(value) is int
    return isinstance(value, hint)


def _build(build: Callable[[Any, Dataset], Run], options: Any, dataset: Dataset) -> Run:
    """Return what a recipe builds on the training images that the options leave."""
    if options.train_images is None:
        return build(options, dataset)
    try:
        train = shortened(dataset.train, options.train_images)
    except DataError as error:
        raise ValueError(f"--train-images {options.train_images}: {error}") from None
    return build(options, replace(dataset, train=train))


def of_module(module: ModuleType, name: str) -> Recipe:
    """Return the recipe that a module holds: PRESETS, build and perhaps SCORE and CONTROLS."""
    values: Any = module
    return Recipe(
        name, values.__doc__ or "", values.PRESETS, partial(_build, values.build), getattr(module, "SCORE", None),
        getattr(module, "CONTROLS", {}),
    )  # fmt: skip


def load_data(options: Options) -> Dataset:
    """Return the data set that the options name, read as they say; for --describe what is drawn here stays undrawn."""
    return data.load(
        options.data, image_size=options.image_size, channels=options.channels, hold_out=options.hold_out,
        skip_unreadable=options.skip_unreadable, stream=options.stream, absent=options.describe,
    )  # fmt: skip


def compute_type(options: Options) -> jnp.dtype:
    """Return the type that layers compute in, as --precision says."""
    return precision.POLICIES[options.precision].compute
