"""The optimizer of a player as the command line asks for it: the recipe's own or another, scaled and warmed up."""

from collections.abc import Callable
from typing import Any

import optax

from genjax import optim
from train._cli import Common, finish_optimizer

SCALINGS: dict[str, optim.Scaling] = {"none": optim.unscaled, "linear": optim.linear, "sqrt": optim.square_root}
WITH_MOMENTUM: dict[str, Callable[..., Any]] = {"sgd": optim.sgd, "lars": optim.lars}
WITH_MOMENTS: dict[str, Callable[..., Any]] = {
    "adam": optim.adamw,
    "adamw": optim.adamw,
    "lamb": optim.lamb,
    "nvlamb": optim.nvlamb,
}


def peak(hyper: Common, rate: float) -> float:
    """Return the learning rate for the run's batch: `rate`, scaled as --scaling asks."""
    if hyper.scaling != "none" and hyper.base_batch is None:
        raise ValueError(
            f"--scaling {hyper.scaling} needs --base-batch, the batch that the learning rate was chosen for"
        )
    return SCALINGS[hyper.scaling](rate, hyper.batch_size, hyper.base_batch or hyper.batch_size)


def rate_schedule(hyper: Common, rate: float, steps: int, decay: optim.Decay = optim.constant) -> optim.Rate:
    """Return the learning rate over a player's `steps` moves: scaled, warmed up, then decayed."""
    if not 0 <= hyper.rate_warm_up < 1:
        raise ValueError(f"--rate-warm-up {hyper.rate_warm_up:g}: a share of the steps, from 0 to below 1")
    warm_up = round(hyper.rate_warm_up * steps)
    if not warm_up and decay is optim.constant:
        return peak(hyper, rate)
    return optim.schedule(peak(hyper, rate), steps, min(warm_up, steps - 1), decay)


def optimizer(
    hyper: Common,
    rate: float,
    steps: int,
    own: Callable[[optim.Rate], optax.GradientTransformation],
    decay: optim.Decay = optim.constant,
    b1: float = 0.9,
    b2: float = 0.999,
) -> optax.GradientTransformation:
    """Return a player's optimizer: `own` at the rate of `rate_schedule`, or the one that --optimizer names.

    rate: of this player, so that two time scales stay two.  steps: its moves in the whole run.  b1, b2: of the
    optimizers with moments, if not `own`.  ValueError for options that do not go together.
    """
    if hyper.weight_decay and hyper.optimizer in ("own", "adam"):
        raise ValueError("--weight-decay works with --optimizer sgd, adamw, lars, lamb or nvlamb; add one of them")
    chosen = rate_schedule(hyper, rate, steps, decay)
    if hyper.optimizer == "own":
        tx = own(chosen)
    elif hyper.optimizer in WITH_MOMENTUM:
        tx = WITH_MOMENTUM[hyper.optimizer](chosen, hyper.weight_decay)
    else:
        tx = WITH_MOMENTS[hyper.optimizer](chosen, hyper.weight_decay, b1, b2)
    return finish_optimizer(tx, hyper)


def text(hyper: Common, rate: float, own: str, moments: str = "") -> str:
    """Return how `optimizer` reads in a description.

    own: the recipe's optimizer, with "{rate}" where its rate goes.  moments: what follows the rate of others that
    have moments.
    """
    value = f"{peak(hyper, rate):g}"
    parts = [own.replace("{rate}", value)]
    if hyper.optimizer != "own":
        parts = [f"{hyper.optimizer}({value}{moments if hyper.optimizer in WITH_MOMENTS else ''})"]
    if hyper.weight_decay:
        parts.append(f"weight decay {hyper.weight_decay:g}")
    if hyper.scaling != "none":
        parts.append(f"{hyper.scaling} scaling from batch {hyper.base_batch}")
    if hyper.rate_warm_up:
        parts.append(f"rising over {hyper.rate_warm_up:.3g} of the steps")
    return ", ".join(parts)
