"""Predicting labels from a few labelled images, beside reconstruction: the task of semi-supervised autoencoders."""

from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from genjax.engine.state import State
from genjax.tasks.reconstruction import Reconstruction, unit


@dataclass(frozen=True, kw_only=True)
class LabelPrediction(Reconstruction):
    """Predict labels with a model that has the method predict; fields as in `Reconstruction`."""

    def predict(self, state: State, images: np.ndarray) -> np.ndarray:
        """Return class probabilities float32[count, classes] of images, bytes or in [0, 1]."""
        return np.asarray(_predict(self.model, state.variables_of(self.net), unit(images)))

    def scores(self, state: State) -> dict[str, float]:
        """Return the share of test images whose label is predicted rightly."""
        variables, right = state.variables_of(self.net), 0
        for batch in self.test_batches():
            found = jnp.argmax(_predict(self.model, variables, batch["images"]), -1)
            right += int(jnp.sum(found == batch["labels"]))
        return {"accuracy": right / len(self.dataset.test)}


@partial(jax.jit, static_argnums=0)
def _predict(model: Any, variables: Any, images: Any) -> jax.Array:
    return model.apply(variables, images, method="predict")
