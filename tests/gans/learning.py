"""What the learning tests share: trained small presets, and a classifier of digits that judges samples."""

import dataclasses
import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import numpy as np

from genjax import data, parallel, rng
from genjax.classifiers import classify
from genjax.engine import State, init_state
from genjax.engine.loop import Settings, train
from genjax.metrics.frechet import frechet_distance
from genjax.run.run import Run, recipe


class Learned(NamedTuple):
    """before, after: scores of the untrained and of the trained generator.  state: the trained one's."""

    run: Run
    before: dict[str, float]
    after: dict[str, float]
    state: State


def _train(run: Run, seed: int) -> State:
    settings = Settings(checkpoint_every=10**9, evaluate_every=10**9)
    return train(run.phases, parallel.jit_plan(jax.devices()[:1]), seed=seed, settings=settings).state


def learned(name: str, preset: str = "small", **changes: Any) -> Learned:
    """Train a preset of a recipe with some hyperparameters changed."""
    found = recipe(name)
    hyper = dataclasses.replace(found.presets[preset], **changes)
    run = found.build(hyper, data.load(hyper.data, image_size=hyper.image_size))
    key = rng.named(jax.random.key(hyper.seed), "init")
    start = jax.jit(lambda key: init_state(run.phases[0].game, key))(key)
    state = _train(run, hyper.seed)
    return Learned(run, run.task.scores(start), run.task.scores(state), state)


class Judge(NamedTuple):
    """classify: images uint8[count, height, width, 1] -> (classes int[count], features float[count, 64]).

    accuracy: on test images.  real: features of the training images.
    """

    classify: Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]
    accuracy: float
    real: np.ndarray

    def floor(self) -> float:
        """Return the Frechet distance of one half of the training images to the other."""
        return frechet_distance(self.real[::2], self.real[1::2]).distance

    def distance(self, images: np.ndarray) -> float:
        """Return the Frechet distance of images to as many training images as in `floor`."""
        return frechet_distance(self.real[::2], self.classify(images[: len(self.real[1::2])])[1]).distance


@functools.cache
def judge(size: int) -> Judge:
    """Return a classifier trained on the digits at `size` pixels."""
    found, dataset = recipe("classifier"), data.load("digits", image_size=size)
    run = found.build(dataclasses.replace(found.presets["small"], image_size=size), dataset)
    state, task = _train(run, 0), run.task

    @jax.jit
    def apply(images):
        return classify.features_and_logits(task.network, task.variables(state), task.preprocess(images))

    def judged(images):
        parts = [apply(images[at : at + 256]) for at in range(0, len(images), 256)]
        features, logits = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
        return logits.argmax(-1), features

    return Judge(judged, task.scores(state)["accuracy"], judged(dataset.train.arrays["images"])[1])


def samples(learnt: Learned, count: int = 1000) -> tuple[np.ndarray, np.ndarray | None]:
    """Return samples, as bytes, and the labels that were asked for, in turn; None for unconditional generators."""
    task = learnt.run.task
    labels = np.arange(count) % task.classes if task.classes else None
    return task.sample(learnt.state, jax.random.key(7), count, labels=labels), labels
