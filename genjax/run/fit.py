"""Train a game from Python in one call, on arrays in memory or on a data set."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import jax
import numpy as np

from genjax import parallel
from genjax.data import Arrays, Dataset, Files, Unpaired
from genjax.data.ranges import Range
from genjax.engine.game import Game
from genjax.engine.loop import Result, Settings, train
from genjax.engine.phases import Feed, Phase
from genjax.engine.state import State


def fit(
    game: Game,
    images: np.ndarray | Arrays | Files | Unpaired | Dataset,
    *,
    steps: int,
    batch_size: int,
    pixels: Range | None = None,
    prepare: Callable[[Any, jax.Array], Any] | None = None,
    labels: np.ndarray | None = None,
    seed: int = 0,
    folder: Path | str | None = None,
    evaluate: Callable[[State], Mapping[str, float]] | None = None,
    settings: Settings | None = None,
    progress: bool = True,
) -> Result:
    """Train `game` for `steps` steps on images and return its last state and its metrics.

    images: uint8[count, height, width, channels], float32 of the same shape in [0, 1], or a data set (its training
    split).  labels: int[count], for conditional games on an array.
    pixels: the range in which the game's networks take images: `genjax.data.ranges.TANH` for generators that end in
    tanh, `UNIT` for autoencoders.  prepare: (batch, key) -> batch instead, where more than scaling is needed.
    folder: where metrics and checkpoints are written; nothing is written without one.
    evaluate: state -> scores, logged as "test/<name>".  settings: see `genjax.engine.loop.Settings`.
    Raises ValueError for images, labels or sizes that do not fit, DivergedError where a loss is not finite.

    >>> import optax
    >>> from genjax.autoencoders import vae
    >>> from genjax.data.ranges import UNIT
    >>> from genjax.nn.coders import DenseDecoder, DenseEncoder
    >>> model = vae.VAE(DenseEncoder((8,)), DenseDecoder((8,)), latent=2, image_shape=(4, 4, 1))
    >>> images = np.zeros((32, 4, 4, 1), np.uint8)
    >>> game = vae.game(model, optax.adam(1e-3))
    >>> result = fit(game, images, pixels=UNIT, steps=10, batch_size=8, progress=False)
    >>> int(result.state.step), sorted(result.rows[-1])[:2]
    (10, ['seconds', 'step'])
    """
    if steps < 1:
        raise ValueError(f"{steps} steps: train for at least one")
    if (pixels is None) == (prepare is None):
        raise ValueError(
            "say how images reach the networks, once: pixels=genjax.data.ranges.TANH for generators that end in tanh, "
            "pixels=UNIT for autoencoders, or prepare=(batch, key) -> batch"
        )
    split = _split(images, labels)
    feed = Feed(split, batch_size, prepare if pixels is None else pixels.prepare)
    return train(
        (Phase(game, steps, feed),),
        parallel.jit_plan(jax.local_devices()[:1]),
        seed=seed,
        folder=None if folder is None else Path(folder),
        settings=Settings(evaluate_every=steps, checkpoint_every=steps) if settings is None else settings,
        evaluate=evaluate,
        progress=progress,
    )


def _split(images: Any, labels: np.ndarray | None) -> Arrays | Files | Unpaired:
    if isinstance(images, (Arrays, Files, Unpaired, Dataset)):
        if labels is not None:
            raise ValueError("labels belong to an array of images; a data set has its own")
        return images.train if isinstance(images, Dataset) else images
    images = np.asarray(images)
    arrays = {"images": images.astype(np.float32) if images.dtype == np.float64 else images}
    return Arrays(arrays if labels is None else {**arrays, "labels": np.asarray(labels)})
