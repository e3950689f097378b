"""Exact and approximate Grad-CAM++ of the same images at the same layer, and how they differ."""

import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from genjax.saliency import (
    EXP,
    LOGIT,
    SOFTMAX,
    Explanation,
    Score,
    Split,
    auto,
    diagonal_derivatives,
    exact_alpha,
    exp_trick,
    explain,
    forward_mode,
    grad_cam,
    grad_cam_pp,
    per_position,
    piecewise_linear,
    pooled,
    resize_map,
    reverse_mode,
    taylor_mode,
)
from genjax.saliency import faithfulness as faith
from genjax.saliency.overlay import Row, comparison_sheet, correlation

from .comparison.report import Table

SCORES = {"exp": EXP, "softmax": SOFTMAX, "logit": LOGIT}
METHODS: dict[str, Callable[..., Any]] = {
    "auto": auto,
    "forward": forward_mode,
    "reverse": reverse_mode,
    "taylor": taylor_mode,
    "piecewise-linear": piecewise_linear,
    "pooled": pooled,
    "per-position": per_position,
}
MAPS = ("Grad-CAM", "exact", "exp-trick")


class Settings(NamedTuple):
    """method: how the exact derivatives are computed.  guard: of `grad_cam_pp`.  chunk: directions at a time."""

    method: Callable[..., Any] = auto
    guard: float = 1e-6
    chunk: int = 64


class Comparison(NamedTuple):
    """Explanations of N images by Grad-CAM, exact and approximate Grad-CAM++; seconds per image of each.

    sign_changes: float[N], share of the positions with Y1 > 0 at which the two alphas differ in sign.
    """

    grad_cam: Explanation
    exact: Explanation
    approximate: Explanation
    sign_changes: np.ndarray
    seconds: dict[str, float]

    def maps(self) -> dict[str, np.ndarray]:
        """Return the scaled maps, `{name: float[N, h, w]}`."""
        return {name: np.asarray(found.map) for name, found in zip(MAPS, self[:3], strict=True)}


def _timed(function: Callable, *arguments: Any) -> tuple[Any, float]:
    """Return the result, and the seconds without compiling: the shortest of up to three runs that are short."""
    compiled = jax.jit(function).lower(*arguments).compile()
    seconds: list[float] = []
    while len(seconds) < 3 and sum(seconds) < 1:
        start = time.perf_counter()
        result = jax.block_until_ready(compiled(*arguments))
        seconds.append(time.perf_counter() - start)
    return result, min(seconds)


def _with_alpha(score: Score, method: Callable[..., Any], settings: Settings, head, activations, class_index):
    """Return Grad-CAM++'s explanation, its alpha and its Y1, from one computation of the derivatives."""
    found = diagonal_derivatives(head, activations, score, class_index, method=method, chunk=settings.chunk)
    result = grad_cam_pp(
        head, activations, class_index, score=score, method=lambda *_, chunk: found, guard=settings.guard
    )
    total = jnp.sum(activations, (0, 1), keepdims=True)
    assert found.second is not None and found.third is not None
    alpha, _ = exact_alpha(found.first, found.second, found.third, total, settings.guard)
    return result, alpha, found.first


def compare(
    layer: Split, images: jax.Array, classes: jax.Array, scores: Sequence[Score], settings: Settings
) -> list[Comparison]:
    """Explain float[N, H, W, C], already preprocessed, for int[N] classes, by each score.

    Raises what `grad_cam_pp` raises.
    """
    features, head = layer

    def all_of(score, method):
        def one(image, class_index):
            return _with_alpha(score, method, settings, lambda a: head(a, image), features(image), class_index)

        return _timed(jax.vmap(one), images, classes)

    pairs = [(all_of(score, settings.method), all_of(score, exp_trick)) for score in scores]
    simple, simple_seconds = _timed(partial(explain, grad_cam, layer), images, classes)
    found = []
    for ((exact, alpha, first), exact_seconds), ((trick, alpha_trick, _), trick_seconds) in pairs:
        counted = first > 0
        differ = counted & (jnp.sign(alpha) != jnp.sign(alpha_trick))
        share = jnp.sum(differ, (1, 2, 3)) / jnp.maximum(jnp.sum(counted, (1, 2, 3)), 1)
        seconds = zip(MAPS, (simple_seconds, exact_seconds, trick_seconds), strict=True)
        found.append(Comparison(simple, exact, trick, np.asarray(share), {k: v / len(images) for k, v in seconds}))
    return found


def agreement(comparison: Comparison) -> dict[str, Any]:
    """Return, over images, how the exact and approximate maps differ; `undefined` counts images with no exact map."""
    exact, trick = np.asarray(comparison.exact.map), np.asarray(comparison.approximate.map)
    related = np.array([correlation(a, b) for a, b in zip(exact, trick, strict=True)])
    known = related[np.isfinite(related)]
    largest = np.abs(exact - trick).max((1, 2))
    return {
        "correlation, median": float(np.median(known)) if len(known) else float("nan"),
        "correlation, lowest": float(known.min()) if len(known) else float("nan"),
        "largest difference, median": float(np.median(largest)),
        "largest difference, largest": float(largest.max()),
        "sign changes of alpha": float(comparison.sign_changes.mean()),
        "guarded denominators per image": float(np.mean(comparison.exact.guarded)),
        "undefined": int(np.sum(exact.max((1, 2)) == 0)),
    }


def faithfulness(predict: faith.Predict, steps: int) -> Callable[..., dict[str, jax.Array]]:
    """Return the measures of maps: (images, maps float[N, h, w], classes) -> one value per image; all on black (0).

    predict: preprocessed images float[N, H, W, C] -> probabilities.  steps: of each curve.
    """

    @jax.jit
    def measure(images, maps, classes):
        size = images.shape[1:3]
        counts = faith.pixel_counts(size[0] * size[1], steps)
        maps = jax.vmap(lambda m: resize_map(m, size))(maps)
        curves = {
            "deletion": faith.deletion_curve(predict, images, maps, classes, counts),
            "insertion": faith.insertion_curve(predict, images, maps, classes, counts),
        }
        return {
            "full": faith.probability_of(predict, images, classes),
            "masked": faith.masked_probability(predict, images, maps, classes),
            "complexity": faith.complexity(maps),
            **{f"{name} AUC": faith.area_under_curve(curve) for name, curve in curves.items()},
        }

    return measure


def agreement_table(caption: str, rows: Sequence[tuple[str, str, Comparison]]) -> Table:
    """Return how exact and approximate maps differ: a row for each (network, score, comparison)."""

    def cells(network: str, score: str, comparison: Comparison) -> tuple[str, ...]:
        found = agreement(comparison)
        return (
            network,
            score,
            f"{found['correlation, median']:.3f} ({found['correlation, lowest']:.3f})",
            f"{found['largest difference, median']:.2g} ({found['largest difference, largest']:.2g})",
            f"{found['sign changes of alpha']:.1%}",
            f"{found['guarded denominators per image']:.1f} of {comparison.exact.weights.shape[-1]} channels x "
            f"{'x'.join(map(str, comparison.exact.map.shape[1:]))}",
            str(found["undefined"]),
        )

    header = (
        "network", "score", "correlation: median (lowest)", "largest difference: median (largest)",
        "sign changes of alpha", "guarded per image", "all-zero exact maps",
    )  # fmt: skip
    return Table(caption, header, [cells(*row) for row in rows])


def route_table(rows: Sequence[tuple[str, str, Comparison]]) -> Table:
    """Return how the derivatives were computed, why, and the seconds for an image."""
    return Table(
        "How the exact derivatives were computed, and milliseconds per image (all images in one call, compiling apart)",
        ("network", "score", "route", "why", "Grad-CAM", "exact", "exp-trick"),
        [
            (network, score, c.exact.route.name, c.exact.route.reason, *(f"{1e3 * c.seconds[m]:.1f}" for m in MAPS))
            for network, score, c in rows
        ],
    )


def faithfulness_table(caption: str, rows: Sequence[tuple[str, str, dict[str, dict[str, jax.Array]]]]) -> Table:
    """Return the means over images: a row for each (network, score) and kind of map."""

    def cells(network, score, found):
        for name, m in found.items():
            win = "" if name == "Grad-CAM" else f"{faith.win_rate(m['masked'], found['Grad-CAM']['masked']):.0f}"
            yield (
                network, score, name,
                f"{faith.average_drop(m['full'], m['masked']):.1f}",
                f"{faith.increase_in_confidence(m['full'], m['masked']):.1f}",
                win,
                *(f"{m[name].mean():.3f}" for name in ("deletion AUC", "insertion AUC", "complexity")),
            )  # fmt: skip

    header = (
        "network", "score", "map", "average drop, % (lower)", "increase, % (higher)", "wins over Grad-CAM, %",
        "deletion AUC (lower)", "insertion AUC (higher)", "mean of the map",
    )  # fmt: skip
    return Table(caption, header, [line for row in rows for line in cells(*row)])


def sheet(path: Path, pictures: Any, labels: Sequence[str], comparisons: Sequence[tuple[Comparison, int]]) -> None:
    """Write the comparison sheet: row i shows pictures[i] with image `comparisons[i][1]` of its comparison."""
    rows = []
    for picture, label, (comparison, index) in zip(pictures, labels, comparisons, strict=True):
        maps = comparison.maps()
        rows.append(Row(label, picture, *(maps[name][index] for name in MAPS)))
    comparison_sheet(path, rows)
