"""The ways to compute Grad-CAM++ that `eval.stability` compares, and what it found, in Markdown."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from genjax.saliency import (
    EXP,
    SIGMOID,
    SOFTMAX,
    Explanation,
    Score,
    auto,
    class_log_probability,
    exact_alpha,
    exp_trick,
    grad_cam,
    grad_cam_plus,
    official_alpha,
)

from ._saliency import STABLE


class Way(NamedTuple):
    """How Grad-CAM++ is computed: the options of `grad_cam_pp`."""

    score: Score
    method: Callable[..., Any] = auto
    alpha: Callable[..., Any] = exact_alpha
    guard: float = 1e-6


FIRST_ORDER: dict[str, Callable[..., Explanation]] = {"Grad-CAM": grad_cam, "Grad-CAM+": grad_cam_plus}
PLUS_PLUS = {
    "exp": Way(EXP),
    "exp, normalised alpha": Way(EXP, alpha=official_alpha),
    "exp, exp-trick": Way(EXP, exp_trick),
    "sigmoid": Way(SIGMOID),
    "sigmoid, normalised alpha": Way(SIGMOID, alpha=official_alpha),
    "log-probability": Way(Score(class_log_probability)),
    "softmax": Way(SOFTMAX),
    "softmax, guard 0.01": Way(SOFTMAX, guard=1e-2),
    "softmax, guard 0.1": Way(SOFTMAX, guard=1e-1),
    "softmax, guard 0.5": Way(SOFTMAX, guard=0.5),
    "softmax, normalised alpha": Way(SOFTMAX, alpha=official_alpha),
    "softmax, exp-trick": Way(SOFTMAX, exp_trick),
}
WAYS = (*FIRST_ORDER, *PLUS_PLUS)
EXACT = tuple(name for name, way in PLUS_PLUS.items() if way.method is auto)
TOLERATED = 0.1
RULE = (
    f"For each kind of head: among the ways with true derivatives of which at most {TOLERATED:.0%} of the maps fall "
    f"below a correlation of {STABLE} on every network of this kind, the one with the largest insertion AUC less "
    "deletion AUC, mean over the networks"
)


class Studied(NamedTuple):
    """What was found for one network. ways: `{way: {quantity: a value of each image}}`."""

    piecewise_linear: bool
    ways: dict[str, dict[str, list[float]]]

    def gains(self, way: str) -> np.ndarray:
        """Return insertion less deletion AUC, float[images]."""
        return np.subtract(self.ways[way]["insertion"], self.ways[way]["deletion"])


def table(name: str, found: Studied) -> str:
    """Return one network's table in Markdown."""
    header = ("way", "correlation: median", "lowest", "below 0.9", "largest alpha", "guarded", "insertion AUC",
              "deletion AUC", "their difference", "probability kept by masking")  # fmt: skip

    def row(way: str, of: dict[str, list[float]]) -> tuple[str, ...]:
        mean = {quantity: float(np.mean(values)) for quantity, values in of.items()}
        stable, gains = np.array(of["stability"]), found.gains(way)
        return (
            way, f"{np.median(stable):.3f}", f"{stable.min():.3f}", f"{np.mean(stable < STABLE):.0%}",
            f"{max(of['alpha']):.3g}", f"{mean['guarded']:.0%}", f"{mean['insertion']:.3f}", f"{mean['deletion']:.3f}",
            f"{gains.mean():.3f} ± {_error(gains):.3f}", f"{mean['masked']:.0%}",
        )  # fmt: skip

    lines = [header, ["---"] * len(header), *(row(*item) for item in found.ways.items())]
    kind = "piecewise linear" if found.piecewise_linear else "smooth"
    return "\n".join([f"**{name}** ({kind} head)", "", *("| " + " | ".join(line) + " |" for line in lines)])


def _error(values: np.ndarray) -> float:
    """Return the standard error of a mean."""
    return float(np.std(values, ddof=1) / len(values) ** 0.5)


def recommended(networks: Sequence[Studied]) -> tuple[str, list[str]] | None:
    """Return the way that `RULE` picks for networks of one kind, and the stable ways that are not told apart from it.

    Not told apart: the difference, image by image, is below two standard errors. None where no way is stable.
    """

    def swings(way: str) -> float:
        return max(float(np.mean(np.array(of.ways[way]["stability"]) < STABLE)) for of in networks)

    stable = [way for way in (*FIRST_ORDER, *EXACT) if swings(way) <= TOLERATED]
    if not stable:
        return None
    best = max(stable, key=lambda way: np.mean([of.gains(way).mean() for of in networks]))

    def close(way: str) -> bool:
        differences = [of.gains(best) - of.gains(way) for of in networks]
        errors = np.array([_error(d) for d in differences])
        return float(np.mean([d.mean() for d in differences])) < 2 * np.sqrt(np.sum(errors**2)) / len(networks)

    return best, [way for way in stable if way != best and close(way)]


def read(measured: dict[str, Any]) -> dict[str, Studied]:
    """Return what a study's file holds of each network."""
    return {name: Studied(**found) for name, found in measured["results"].items()}


def advice(measured: dict[str, Any]) -> str:
    """Return what a study's file recommends, and on what it was measured."""
    parts = []
    for linear, kind in ((True, "piecewise linear (ReLU)"), (False, "smooth (GELU)")):
        networks = [found for found in read(measured).values() if found.piecewise_linear is linear]
        chosen = recommended(networks) if networks else None
        if chosen is not None:
            others = f" (not told apart: {', '.join(f'`{way}`' for way in chosen[1])})" if chosen[1] else ""
            parts.append(f"**`{chosen[0]}` where the head is {kind}**{others}")
        elif networks:
            parts.append(f"**no way where the head is {kind}**")
    where, options = measured["environment"], measured["options"]
    return (
        f"Recommended: {', '.join(parts)}. {len(measured['results'])} networks, {options['images']} images of each; "
        f"{where['device']}, {where['processor']}, {where['date']}."
    )


def section(measured: dict[str, Any]) -> str:
    """Return what a study's file says, in Markdown: the tables, the rule and the recommendation."""
    options = measured["options"]
    steps = "as in their presets" if options["steps"] is None else f"for {options['steps']} steps"
    text = f"Networks for digits trained {steps}, seed {options['seed']}."
    return "\n\n".join([text, *(table(*item) for item in read(measured).items()), f"{RULE}.", advice(measured)])
