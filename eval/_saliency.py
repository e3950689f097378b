"""Exact and approximate Grad-CAM++ of the same images at the same layer, and how they differ."""

import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from genjax.cpu import compiler_options
from genjax.saliency import (
    EXP,
    LOGIT,
    SIGMOID,
    SOFTMAX,
    Explanation,
    Score,
    Split,
    auto,
    compiled,
    diagonal_derivatives,
    exact_alpha,
    exp_trick,
    explain,
    forward_mode,
    grad_cam,
    grad_cam_pp,
    hoisted,
    official_alpha,
    per_position,
    piecewise_linear,
    pooled,
    remarks,
    resize_map,
    reverse_mode,
    series_mode,
    taylor_mode,
)
from genjax.saliency import faithfulness as faith
from genjax.saliency.calculus import directions
from genjax.saliency.overlay import Row, comparison_sheet, correlation

from .comparison.report import Table

SCORES = {"exp": EXP, "softmax": SOFTMAX, "sigmoid": SIGMOID, "logit": LOGIT}
ALPHAS: dict[str, Callable[..., Any]] = {"exact": exact_alpha, "normalised": official_alpha}
METHODS: dict[str, Callable[..., Any]] = {
    "auto": auto,
    "series": series_mode,
    "forward": forward_mode,
    "reverse": reverse_mode,
    "taylor": taylor_mode,
    "piecewise-linear": piecewise_linear,
    "pooled": pooled,
    "per-position": per_position,
}
MAPS = ("Grad-CAM", "exact", "exp-trick")
STABLE = 0.9  # correlation under one grey level, below which a map is called unstable
STEEP = 10  # |alpha| from which a pole is near


class Settings(NamedTuple):
    """method: of the exact derivatives.  guard, alpha: of `grad_cam_pp`.  chunk: directions at a time (None: auto)."""

    method: Callable[..., Any] = auto
    guard: float = 1e-6
    chunk: int | None = None
    alpha: Callable[..., Any] = exact_alpha


class Comparison(NamedTuple):
    """Explanations of N images by Grad-CAM, exact and approximate Grad-CAM++; seconds per image of each.

    sign_changes: float[N], share of the positions with Y1 > 0 at which the two alphas differ in sign.  stability:
    float[N] of each map, its correlation with that of the image plus one grey level; empty where that was not given.
    """

    grad_cam: Explanation
    exact: Explanation
    approximate: Explanation
    sign_changes: np.ndarray
    seconds: dict[str, float]
    stability: dict[str, np.ndarray]

    def maps(self) -> dict[str, np.ndarray]:
        """Return the scaled maps, `{name: float[N, h, w]}`."""
        return {name: np.asarray(found.map) for name, found in zip(MAPS, self[:3], strict=True)}


def _timed(function: Callable, *arguments: Any) -> tuple[Any, float]:
    """Return the result, and the seconds without compiling: the shortest of up to three runs that are short."""
    pure, arrays = hoisted(function, *arguments)
    options = compiler_options(jax.default_backend())
    program = jax.jit(pure, compiler_options=options).lower(arrays, *arguments).compile()
    seconds: list[float] = []
    while len(seconds) < 3 and sum(seconds) < 1:
        start = time.perf_counter()
        result = jax.block_until_ready(program(arrays, *arguments))
        seconds.append(time.perf_counter() - start)
    return result, min(seconds)


def _with_alpha(score: Score, method: Callable[..., Any], settings: Settings, head, activations, class_index):
    """Return Grad-CAM++'s explanation, its alpha and its Y1, from one computation of the derivatives."""
    found = diagonal_derivatives(
        head, activations, score, class_index, method=method, chunk=settings.chunk, for_map=True
    )
    result = grad_cam_pp(
        head,
        activations,
        class_index,
        score=score,
        method=lambda *_: found,
        guard=settings.guard,
        alpha=settings.alpha,
    )
    total = jnp.sum(activations, (0, 1), keepdims=True)
    assert found.second is not None and found.third is not None
    alpha, _ = settings.alpha(found.first, found.second, found.third, total, settings.guard)
    return result, alpha, found.first


def compare(
    layer: Split,
    images: jax.Array,
    classes: jax.Array,
    scores: Sequence[Score],
    settings: Settings,
    brighter: jax.Array | None = None,
) -> list[Comparison]:
    """Explain float[N, H, W, C], already preprocessed, for int[N] classes, by each score.

    brighter: the same images plus one grey level, to see how stable the maps are. Raises what `grad_cam_pp` raises.
    """
    features, head = layer
    _announce(layer, images, classes, scores, settings)

    def all_of(score, method):
        def one(image, class_index):
            return _with_alpha(score, method, settings, lambda a: head(a, image), features(image), class_index)

        streamed = jax.eval_shape(one, images[0], classes[0])[0].route.name == directions.NAME

        def every(images, classes):
            return jax.lax.map(lambda v: one(*v), (images, classes)) if streamed else jax.vmap(one)(images, classes)

        return _timed(every, images, classes)

    pairs = [(all_of(score, settings.method), all_of(score, exp_trick)) for score in scores]
    simple, simple_seconds = _timed(partial(explain, grad_cam, layer), images, classes)
    found = []
    stable = [{} if brighter is None else _stability(layer, images, brighter, classes, s, settings) for s in scores]
    for (of_exact, of_trick), stability in zip(pairs, stable, strict=True):
        ((exact, alpha, first), exact_seconds), ((trick, alpha_trick, _), trick_seconds) = of_exact, of_trick
        counted = first > 0
        differ = counted & (jnp.sign(alpha) != jnp.sign(alpha_trick))
        share = jnp.sum(differ, (1, 2, 3)) / jnp.maximum(jnp.sum(counted, (1, 2, 3)), 1)
        seconds = zip(MAPS, (simple_seconds, exact_seconds, trick_seconds), strict=True)
        per_image = {k: v / len(images) for k, v in seconds}
        found.append(Comparison(simple, exact, trick, np.asarray(share), per_image, stability))
    return found


def _stability(
    layer: Split, images: jax.Array, brighter: jax.Array, classes: jax.Array, score: Score, settings: Settings
) -> dict[str, np.ndarray]:
    """Return the correlation of each kind of map with that of the brighter image, float[N]; 0 where one is blank."""
    pp = partial(grad_cam_pp, score=score, guard=settings.guard, alpha=settings.alpha)
    methods: list[Callable[..., Explanation]] = [
        grad_cam,
        partial(pp, method=settings.method, chunk=settings.chunk),
        partial(pp, method=exp_trick),
    ]
    result = {}
    for name, method in zip(MAPS, methods, strict=True):
        run = compiled(partial(explain, method, layer))
        pairs = zip(np.asarray(run(images, classes).raw), np.asarray(run(brighter, classes).raw), strict=True)
        related = np.array([correlation(np.maximum(a, 0), np.maximum(b, 0)) for a, b in pairs])
        result[name] = np.nan_to_num(related)
    return result


def _announce(layer: Split, images: jax.Array, classes: jax.Array, scores: Sequence[Score], settings: Settings) -> None:
    """Say on stderr what will be computed and for about how long, before work that takes long begins."""
    for score in scores:
        method = partial(grad_cam_pp, score=score, method=settings.method, chunk=settings.chunk)
        route = jax.eval_shape(partial(explain, method, layer), images, classes).route
        if route.name == directions.NAME:
            seconds = len(images) * forecast(layer, images[0], classes[0], score)
            time_needed = f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} minutes"
            print(
                f"{len(images)} images by {route.name}: {route.reason}; at most {time_needed}, compiling apart",
                file=sys.stderr,
                flush=True,
            )


def forecast(layer: Split, image: jax.Array, class_index: jax.Array, score: Score) -> float:
    """Return the seconds that the Taylor series along all activations of one image will take, from those along few."""
    features, head = layer
    activations = jax.jit(features)(image)
    few = min(16, activations.shape[-1])

    def along_few(activations: jax.Array, image: jax.Array, class_index: jax.Array) -> Any:
        def moved(x: jax.Array) -> jax.Array:
            return head(activations.at[0, 0, :few].add(x), image)

        start = jnp.zeros(few, activations.dtype)
        return diagonal_derivatives(moved, start, score, class_index, method=series_mode).third

    _, seconds = _timed(along_few, activations, image, class_index)
    return seconds * activations.size / few


def cautions(comparison: Comparison, score: str) -> list[str]:
    """Return sentences on exact maps that should not be trusted as they are."""
    found = [f"score {score}, {sentence}" for sentence in remarks(comparison.exact)]
    stability = comparison.stability.get("exact", np.zeros(0))
    weak = stability < STABLE
    if weak.any():
        found.append(
            f"score {score}: {weak.sum()} of {len(stability)} exact maps change with one grey level of the image "
            f"(correlation down to {stability[weak].min():.2f}): they show rounding of the image as much as the "
            f"network; use {'Grad-CAM' if score == 'exp' else '--score exp, or Grad-CAM'}"
        )
    alpha = comparison.exact.alpha
    largest = np.maximum(np.abs(alpha.minimum), np.abs(alpha.maximum))
    if np.any(largest > STEEP):
        found.append(
            f"score {score}: |alpha| reaches {largest.max():.3g} in {np.sum(largest > STEEP)} of {len(largest)} maps: "
            "a denominator is close to zero there, and a single channel can take the map over"
        )
    return found


def stability_table(rows: Sequence[tuple[str, str, Comparison]]) -> Table:
    """Return how much the maps keep of themselves when the image becomes one grey level brighter."""
    return Table(
        "Correlation of each map with that of the image plus one grey level: median (lowest) over images",
        ("network", "score", *MAPS),
        [
            (network, score, *(f"{np.median(c.stability[m]):.3f} ({c.stability[m].min():.3f})" for m in MAPS))
            for network, score, c in rows
            if c.stability
        ],
    )


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
