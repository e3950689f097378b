"""A recipe and what it builds: hyperparameters and a data set in, phases, optimizers and a task out."""

import importlib
import importlib.util
import pkgutil
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from types import ModuleType
from typing import Any, NamedTuple

import jax.numpy as jnp

from genjax import data, precision
from genjax.data import DataError, Dataset
from genjax.data.dataset import shortened
from genjax.engine.phases import Phase
from genjax.run.optimizers import Optimizer
from genjax.run.options import Options
from genjax.run.parsing import suggestion
from genjax.tasks.task import Task


class Run(NamedTuple):
    """What a recipe builds from its hyperparameters and data.

    optimizers: `{player: optimizer}`, for descriptions and the card.  task: scores, pictures and samples.
    notes: what else belongs into both, such as the network that a loss compares images by.
    """

    phases: tuple[Phase, ...]
    optimizers: Mapping[str, Optimizer]
    task: Task
    notes: tuple[str, ...] = ()


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
    """Return the data set that the options name, read as they say."""
    return data.load(
        options.data, image_size=options.image_size, channels=options.channels, hold_out=options.hold_out,
        skip_unreadable=options.skip_unreadable, stream=options.stream,
    )  # fmt: skip


def compute_type(options: Options) -> jnp.dtype:
    """Return the type that layers compute in, as --precision says."""
    return precision.POLICIES[options.precision].compute
