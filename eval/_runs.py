"""Models out of the run folders that `train.*` writes."""

import importlib
import json
from dataclasses import fields, replace
from functools import partial
from pathlib import Path

import jax

from eval._family import KINDS, Member
from genjax import data
from genjax.data import Dataset
from genjax.engine import checkpoint, init_state


def load_autoencoder(folder: Path) -> tuple[Member, Dataset]:
    """Return the model of the newest checkpoint in an autoencoder's run folder, and the data it was trained on.

    Raises ValueError where the folder holds no run of an autoencoder, or no checkpoint yet.
    """
    path = folder / "config.json"
    if not path.exists():
        raise ValueError(f"{folder} holds no run: there is no config.json; give a folder that train.vae or alike wrote")
    config = json.loads(path.read_text(encoding="utf-8"))
    if config["recipe"] not in KINDS:
        raise ValueError(f"{folder} is a run of train.{config['recipe']}; this program takes {', '.join(KINDS)}")
    recipe = importlib.import_module(f"train.{config['recipe']}")
    known = {field.name for field in fields(recipe.Hyper)}
    values = {k: tuple(v) if isinstance(v, list) else v for k, v in config["hyper"].items() if k in known}
    hyper = replace(recipe.Hyper(), **values)
    dataset = data.load(hyper.data)
    game = recipe.build(hyper, dataset).phases[-1].game
    player = game.players[0]
    like = jax.eval_shape(partial(init_state, game), jax.random.key(0))
    with checkpoint.open_checkpoints(folder / "checkpoints") as manager:
        if manager.latest_step() is None:
            raise ValueError(f"{folder} holds no checkpoint yet; wait for the first, or train with --checkpoint-every")
        state = checkpoint.restore(manager, like)
    model = player.loss.args[0]  # losses are partial functions whose first argument is the model
    return Member(config["recipe"], hyper.latent, hyper.seed, model, state.variables_of(player.owns[0])), dataset
