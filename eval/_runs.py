"""Models out of the run folders that `train.*` writes."""

import importlib
import json
from dataclasses import fields, replace
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import jax

from eval._family import KINDS, Member
from genjax import data
from genjax.data import Dataset
from genjax.engine import State, checkpoint, init_state
from train._cli import Run, Sampler


class Trained(NamedTuple):
    """What a run folder holds: the recipe's name, its options, its data and run, and the newest checkpoint's state."""

    recipe: str
    hyper: Any
    dataset: Dataset
    run: Run
    state: State


class Generator(NamedTuple):
    """A trained generator, and how to draw from it."""

    recipe: str
    hyper: Any
    dataset: Dataset
    state: State
    sampler: Sampler


def recipe_of(folder: Path) -> str:
    """Return the name of the recipe that wrote `folder`; ValueError where it holds no run."""
    return _config(folder)["recipe"]


def _config(folder: Path) -> dict[str, Any]:
    path = folder / "config.json"
    if not path.exists():
        raise ValueError(f"{folder} holds no run: there is no config.json; give a folder that train.* wrote")
    return json.loads(path.read_text(encoding="utf-8"))


def load(folder: Path) -> Trained:
    """Return what `folder` holds; ValueError where it holds no run, or no checkpoint yet."""
    config = _config(folder)
    recipe = importlib.import_module(f"train.{config['recipe']}")
    known = {field.name for field in fields(recipe.Hyper)}
    values = {k: tuple(v) if isinstance(v, list) else v for k, v in config["hyper"].items() if k in known}
    hyper = replace(recipe.Hyper(), **values)
    dataset = data.load(hyper.data, image_size=hyper.image_size, stream=hyper.stream)
    run = recipe.build(hyper, dataset)
    checkpoints = folder / "checkpoints"
    latest = None
    if checkpoints.is_dir():  # opening makes the folder
        with checkpoint.open_checkpoints(checkpoints) as manager:
            latest = checkpoint.latest_step(manager)
            if latest is not None:
                # A run that was stopped early is in an earlier phase, whose networks may be smaller.
                game = run.phases[(checkpoint.read_meta(manager) or {})["phase"]].game
                like = jax.eval_shape(partial(init_state, game), jax.random.key(0))
                return Trained(config["recipe"], hyper, dataset, run, checkpoint.restore(manager, like))
    raise ValueError(f"{folder} holds no checkpoint yet; wait for the first, or train with --checkpoint-every")


def load_generator(folder: Path) -> Generator:
    """Return the generator of the newest checkpoint in a GAN's run folder.

    Raises ValueError where the folder holds no run, no checkpoint yet, or a model that draws nothing from a latent.
    """
    name = recipe_of(folder)
    if name in KINDS:
        raise ValueError(f"{folder} is a run of train.{name}, an autoencoder; give the folder of a GAN's run")
    trained = load(folder)
    if trained.run.sampler is None:
        raise ValueError(f"{folder} is a run of train.{name}, which has no generator; give the folder of a GAN's run")
    return Generator(trained.recipe, trained.hyper, trained.dataset, trained.state, trained.run.sampler)


def load_autoencoder(folder: Path) -> tuple[Member, Dataset]:
    """Return the model of the newest checkpoint in an autoencoder's run folder, and the data it was trained on.

    Raises ValueError where the folder holds no run of an autoencoder, or no checkpoint yet.
    """
    name = recipe_of(folder)
    if name not in KINDS:
        raise ValueError(f"{folder} is a run of train.{name}; this program takes {', '.join(KINDS)}")
    trained = load(folder)
    player: Any = trained.run.phases[-1].game.players[0]
    model = player.loss.args[0]  # losses are partial functions whose first argument is the model
    variables = trained.state.variables_of(player.owns[0])
    return Member(name, trained.hyper.latent, trained.hyper.seed, model, variables), trained.dataset
