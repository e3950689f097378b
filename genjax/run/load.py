"""Trained models out of run folders: sample, interpolate, encode, decode, translate, classify, without the data set.

model = load("runs/dcgan-digits")
images = model.sample(16, seed=0)          # uint8[16, 32, 32, 1]
"""

from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

from genjax import data, latent
from genjax.data import Dataset, Facts
from genjax.engine import State, checkpoint
from genjax.engine.phases import shapes_of
from genjax.run.cli import built
from genjax.run.folder import read_config
from genjax.run.run import Recipe, Run, load_data, options_of, recipe


class Trained(NamedTuple):
    """A trained model: the recipe and the options that made it, its run and the newest checkpoint's state.

    dataset: the data set, which holds nothing but its facts unless it was asked for.
    """

    folder: Path
    recipe: Recipe
    options: Any
    dataset: Dataset
    run: Run
    state: State

    @property
    def task(self) -> Any:
        """What the model is for: see `genjax.tasks`."""
        return self.run.task

    @property
    def finished(self) -> bool:
        """Whether the newest checkpoint is the run's last."""
        return int(self.state.step) >= sum(phase.steps for phase in self.run.phases)

    def _able(self, method: str) -> Any:
        if not hasattr(self.task, method):
            verb = "draw images from latents" if method in ("latents", "from_latents") else method
            raise ValueError(f"{self.folder} is a run of {self.recipe.name}, which does not {verb}")
        return getattr(self.task, method)

    def sample(self, count: int, *, seed: int = 0, **conditions: Any) -> np.ndarray:
        """Return `count` samples, uint8[count, height, width, channels], or points float32[count, 2].

        conditions: what the model can be told, such as labels=[3, 1, 4] (one each sample) or truncation=0.7;
        `model.task.conditions` lists them. Raises ValueError for conditions that it does not know.
        """
        if count < 1:
            raise ValueError(f"{count} samples: ask for at least one")
        return self._able("sample")(self.state, jax.random.key(seed), count, **conditions)

    def interpolate(self, first: int, second: int, steps: int = 10, *, label: int | None = None) -> np.ndarray:
        """Return images uint8[steps, height, width, channels] on the walk between the latents of two seeds.

        Along the arc where the prior is normal, straight where it is bounded. label: of a conditional model.
        """
        ends = [np.asarray(self._able("latents")(jax.random.key(seed), 1))[0] for seed in (first, second)]
        prior = getattr(self.task, "prior", latent.NORMAL)
        walk = latent.spherical if prior.bound is None else latent.linear
        return self.from_latents(walk(ends[0], ends[1], steps), None if label is None else [label] * steps)

    def from_latents(self, latents: Any, labels: Any = None) -> np.ndarray:
        """Return the images of latents float[count, size] as bytes; labels: int[count], of a conditional model."""
        return self._able("from_latents")(self.state, np.asarray(latents, np.float32), labels)

    def encode(self, images: np.ndarray, labels: Any = None) -> np.ndarray:
        """Return the latents float32[count, size] of images, bytes or float in [0, 1], of an autoencoder."""
        return self._able("encode")(self.state, images, labels)

    def decode(self, latents: np.ndarray, labels: Any = None) -> np.ndarray:
        """Return images float32[count, height, width, channels] in [0, 1] of latents, of an autoencoder."""
        return self._able("decode")(self.state, latents, labels)

    def reconstruct(self, images: np.ndarray, labels: Any = None) -> np.ndarray:
        """Return decode(encode(images)) as bytes, of an autoencoder."""
        return self._able("reconstruct")(self.state, images, labels)

    def translate(self, images: np.ndarray, backward: bool = False) -> np.ndarray:
        """Return images uint8[count, height, width, channels] translated into the other domain, of a translator."""
        return self._able("translate")(self.state, images, backward)

    def predict(self, images: np.ndarray) -> np.ndarray:
        """Return class probabilities float32[count, classes] of images uint8, of a classifier or M2."""
        return self._able("predict")(self.state, images)


def load(folder: Path | str, *, with_data: bool = False) -> Trained:
    """Return the model of the newest checkpoint in a run folder, ready to sample.

    with_data: read its data set too, for scores against real images. Raises ValueError where the folder holds no run,
    or no checkpoint yet.

        model = load("runs/cgan-digits")
        threes = model.sample(16, seed=0, labels=[3] * 16)
    """
    folder = Path(folder)
    config = read_config(folder)
    found = recipe(config["recipe"])
    options = options_of(found, config["hyper"])
    if with_data:
        dataset = load_data(options)
    else:
        dataset = data.placeholder(Facts.from_json(config["data"]))
    run = built(found, options, dataset)
    return Trained(folder, found, options, dataset, run, read_state(folder, run))


def read_state(folder: Path, run: Run) -> State:
    """Return the state of the newest checkpoint of a run folder that is whole."""
    checkpoints = folder / "checkpoints"
    if checkpoints.is_dir():  # opening makes the folder
        with checkpoint.open_checkpoints(checkpoints) as manager:
            found = checkpoint.restore(manager, partial(shapes_of, run.phases))
            if found is not None:
                return found[0]
    raise ValueError(f"{folder} holds no checkpoint yet; wait for the first, or train with --checkpoint-every")
