"""A small classifier of a data set, which says how often samples show the class that was asked for."""

from collections.abc import Callable
from functools import cache
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from genjax import rng
from genjax.classifiers import classify, convnet
from genjax.data import Dataset
from genjax.engine.state import init_state
from genjax.engine.step import make_step

STEPS, BATCH, TESTED = 300, 64, 1000
RATE = 3e-3


class Judge(NamedTuple):
    """classes: images uint8[count, height, width, channels] -> int[count].  accuracy: on test images."""

    classes: Callable[[np.ndarray], np.ndarray]
    accuracy: float


def judge_of(dataset: Dataset, steps: int = STEPS) -> Callable[[], Judge]:
    """Return a function that trains the judge when it is called first, and returns it.

    A `ConvNet` of `train.classifier`'s preset `small`, for `steps` steps of AdamW at 3e-3, falling along a cosine: some
    seconds at 16 pixels. Always the same, whatever the seed of the run that asks.
    """

    @cache
    def trained() -> Judge:
        network, key = convnet.ConvNet(classes=dataset.num_classes), rng.named(jax.random.key(0), "judge")
        tx = optax.adamw(optax.cosine_decay_schedule(RATE, steps))
        game = classify.game(network, tx, image_shape=dataset.shape)
        state, step = init_state(game, key), jax.jit(make_step(game))
        draw = np.random.default_rng(0)
        for _ in range(steps):
            rows = dataset.train.take(np.sort(draw.integers(0, len(dataset.train), BATCH)))
            batch = {"images": rows["images"][None] / np.float32(255), "labels": rows["labels"][None]}
            state, _ = step(state, batch, key)
        predict = jax.jit(classify.predictor(network, state.variables_of("classifier")))

        def classes(images: np.ndarray) -> np.ndarray:
            parts = [predict(jnp.asarray(images[at : at + 250]) / 255.0) for at in range(0, len(images), 250)]
            return np.concatenate([np.asarray(part) for part in parts]).argmax(-1)

        tested = dataset.test.take(np.linspace(0, len(dataset.test) - 1, min(TESTED, len(dataset.test))).astype(int))
        return Judge(classes, float((classes(tested["images"]) == tested["labels"]).mean()))

    return trained
