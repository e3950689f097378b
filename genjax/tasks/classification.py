"""Telling classes apart: logits, accuracy and the confusion matrix of a classifier."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn

from genjax.classifiers import classify
from genjax.cpu import program
from genjax.data import Dataset
from genjax.data.transforms import centre_crop
from genjax.engine.state import State
from genjax.tasks.task import Page
from genjax.viz.figure import page

BATCH = 256
MOST_CLASSES = 30
"""Classes of which a confusion matrix can be read."""


@dataclass(frozen=True, kw_only=True)
class Classification:
    """Classify images with `network`.

    name: of the network, for titles.  preprocess: uint8 images -> the network's input.  size: side of the window in the
    middle of each image that is classified, None for all of it.  averaged: whether averaged parameters are used.
    """

    dataset: Dataset
    network: nn.Module
    name: str
    preprocess: Callable[[jax.Array], jax.Array]
    prepare: Callable[[Any, jax.Array], Any]
    size: int | None = None
    averaged: bool = False

    @cached_property
    def _apply(self) -> Callable[[Any, Any], jax.Array]:
        return program(lambda variables, images: self.network.apply(variables, self.preprocess(images), train=False))

    def variables(self, state: State) -> Any:
        """Return the network's variables: its averaged parameters where there are some."""
        return state.variables_of("classifier", ema=self.averaged)

    def logits(self, state: State, images: np.ndarray) -> np.ndarray:
        """Return logits float32[count, classes] of images uint8[count, height, width, channels]."""
        variables = self.variables(state)
        images = images if self.size is None else np.asarray(centre_crop(images, self.size))
        parts = [np.asarray(self._apply(variables, images[at : at + BATCH])) for at in range(0, len(images), BATCH)]
        return np.concatenate(parts)

    def predict(self, state: State, images: np.ndarray) -> np.ndarray:
        """Return class probabilities float32[count, classes] of images uint8[count, height, width, channels]."""
        return np.asarray(jax.nn.softmax(self.logits(state, images)))

    def test_logits(self, state: State) -> tuple[np.ndarray, np.ndarray]:
        """Return logits float[count, classes] and labels int[count] of all labelled test images, in order."""
        test, logits, labels = self.dataset.test, [], []
        for at in range(0, len(test), BATCH):
            batch = test.take(np.arange(at, min(at + BATCH, len(test))))
            logits.append(self.logits(state, batch["images"]))
            labels.append(batch["labels"])
        known = np.concatenate(labels) >= 0
        return np.concatenate(logits)[known], np.concatenate(labels)[known]

    def scores(self, state: State) -> dict[str, float]:
        """Return accuracy and cross entropy on the labelled test images."""
        logits, labels = self.test_logits(state)
        return {
            "accuracy": float((logits.argmax(-1) == labels).mean()),
            "cross_entropy": float(classify.cross_entropy(jnp.asarray(logits), jnp.asarray(labels))),
        }

    def pictures(self, state: State) -> dict[str, Page]:
        """Return the confusion matrix of the test images, for up to 30 classes."""
        if self.dataset.num_classes > MOST_CLASSES:
            return {}
        return {"confusion": confusion(*self.test_logits(state), self.dataset.class_names, f"{self.name}, test images")}


def confusion(logits: np.ndarray, labels: np.ndarray, names: tuple[str, ...], title: str) -> Page:
    """Return a picture of how often each label is taken for each class, coloured by the share of its row."""
    from matplotlib.figure import Figure

    counts = np.zeros((len(names),) * 2, int)
    np.add.at(counts, (labels, logits.argmax(-1)), 1)
    shares = counts / np.maximum(counts.sum(1, keepdims=True), 1)
    side = 1.5 + 0.45 * len(names)
    figure = Figure(figsize=(side, side), dpi=100, layout="constrained")
    axes = figure.subplots()
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    for i, j in zip(*np.nonzero(counts), strict=True):
        axes.text(j, i, counts[i, j], ha="center", va="center", color="white" if shares[i, j] > 0.5 else "black")
    ticks = np.arange(len(names))
    axes.set_xticks(ticks, names, rotation=90 if max(map(len, names)) > 2 else 0)
    axes.set_yticks(ticks, names)
    axes.set(xlabel="predicted class", ylabel="label", title=title)
    return page(figure)
