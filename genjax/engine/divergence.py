"""Losses that are not finite: how they are noticed, and what the run says of them."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from genjax.engine.game import Game


class DivergedError(RuntimeError):
    """A loss was not finite; the text names the step, the player and the last good checkpoint."""


def check_finite(metrics: Mapping[str, np.ndarray], start: int, game: Game) -> None:
    """Raise DivergedError where a loss of a call was not finite.

    metrics: {"<player>/loss": float[steps], ...}.  start: the step before the call.
    """
    for player in game.players:
        losses = metrics[f"{player.name}/loss"]
        bad = ~np.isfinite(losses)
        # Under loss scaling a step now and then overflows and is skipped; a whole call of them is divergence.
        if bad.all() if player.scale_loss else bad.any():
            first = int(np.argmax(bad))
            raise DivergedError(f"the loss of player '{player.name}' was {losses[first]} at step {start + first + 1}")


def advice(folder: Path | None, latest: int | None) -> str:
    """Return what to do about a loss that is not finite."""
    where = "none was saved yet" if folder is None or latest is None else f"{folder}/checkpoints/{latest}"
    return (
        f"last good checkpoint: {where}; lower the learning rate or clip gradients and --resume, or add --on-nonfinite "
        "rollback"
    )
