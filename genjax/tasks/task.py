"""What a model is for: how its batches are prepared, scored, drawn and sampled from, the same questions for all."""

from collections.abc import Callable, Mapping
from typing import Any, Protocol

import jax
import numpy as np

from genjax.engine.state import State

Page = np.ndarray
"""A finished picture, uint8[height, width, 3]."""


class Task(Protocol):
    """A task of `genjax.tasks`, as training and the programs see it; it needs no data set to sample.

    prepare: (batch, key) -> batch, called inside the compiled step: bytes to the model's range, augmentation, noise.
    """

    @property
    def prepare(self) -> Callable[[Any, jax.Array], Any]:
        """How a batch of the data set becomes what the losses take."""
        ...

    def scores(self, state: State) -> dict[str, float]:
        """Return scores on test data by name."""
        ...

    def pictures(self, state: State) -> Mapping[str, Page]:
        """Return what is to be seen, by name; the run writes it."""
        ...


def check_conditions(given: Mapping[str, Any], known: Mapping[str, str], of: str) -> None:
    """Raise ValueError for the first condition that is given (not None) and unknown; `known` tells what each means."""
    for name, value in given.items():
        if value is not None and name not in known:
            takes = ", ".join(f"{key} ({text})" for key, text in known.items()) or "none"
            raise ValueError(f"{of} takes no {name}; its conditions are: {takes}")
