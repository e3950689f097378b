"""What the learning tests share: trained small presets, and a classifier of digits that judges samples."""

import dataclasses
import functools
import importlib
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

from genjax import data, parallel, rng
from genjax.classifiers.convnet import ConvNet
from genjax.engine import State, init_state
from genjax.engine.loop import Settings, train
from genjax.metrics.frechet import frechet_distance
from train import classifier
from train._cli import Run


class Learned(NamedTuple):
    """before, after: scores of the untrained and of the trained generator.  state: the trained one's."""

    run: Run
    before: dict[str, float]
    after: dict[str, float]
    state: State


def _train(run: Run, seed: int, fuse: int) -> State:
    settings = Settings(checkpoint_every=10**9, evaluate_every=10**9, fuse=fuse)
    plan = parallel.jit_plan(jax.devices()[:1])
    with tempfile.TemporaryDirectory() as folder:
        return train(run.phases, plan, seed=seed, folder=Path(folder), settings=settings).state


def learned(name: str, **changes: Any) -> Learned:
    """Train the small preset of a recipe with some hyperparameters changed."""
    recipe = importlib.import_module(f"train.{name}")
    hyper = dataclasses.replace(recipe.PRESETS["small"], **changes)
    run = recipe.build(hyper, data.load(hyper.data, image_size=hyper.image_size))
    key = rng.named(jax.random.key(hyper.seed), "init")
    start = jax.jit(lambda key: init_state(run.phases[0].game, key))(key)
    state = _train(run, hyper.seed, hyper.fuse)
    return Learned(run, run.evaluate(start), run.evaluate(state), state)


class Judge(NamedTuple):
    """classify: images in [0, 1] -> (classes int[count], features float[count, 64]).

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
    hyper = dataclasses.replace(classifier.PRESETS["small"], image_size=size)
    dataset = data.load("digits", image_size=size)
    run = classifier.build(hyper, dataset)
    variables = _train(run, 0, 1).variables_of("classifier")
    network = ConvNet()

    @jax.jit
    def apply(images):
        logits, state = network.apply(
            variables, images, capture_intermediates=lambda module, _: module.name == "stage3", mutable="intermediates"
        )
        (activations,) = state["intermediates"]["stage3"]["__call__"]
        return logits.argmax(-1), activations.mean((1, 2))

    def classify(images):
        parts = [apply(images[at : at + 256]) for at in range(0, len(images), 256)]
        return tuple(np.concatenate(arrays) for arrays in zip(*parts, strict=True))

    test, train_ = (np.asarray(split.arrays["images"]) / np.float32(255) for split in (dataset.test, dataset.train))
    accuracy = float((classify(test)[0] == dataset.test.arrays["labels"]).mean())
    return Judge(classify, accuracy, classify(train_)[1])


def samples(learnt: Learned, count: int = 1000) -> tuple[np.ndarray, np.ndarray | None]:
    """Return samples in [0, 1] and the labels that were asked for, in turn; None for unconditional generators."""
    sampler = learnt.run.sampler
    labels = np.arange(count) % sampler.classes if sampler.classes else None
    images = sampler.generate(learnt.state, sampler.prior(jax.random.key(7), count), labels)
    return (images - sampler.low) / (sampler.high - sampler.low), labels
