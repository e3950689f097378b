"""Fidelity against variety: a generator's scores over truncations of its latent, with standing and running statistics.

    python -m eval.truncation runs/biggan-digits [options]

At every threshold the latents are drawn again beyond it (`--scaled`: multiplied), and the samples are compared with as
many training images: precision and density say how many look real, recall and coverage how much of the real images they
reach, each by nearest neighbours of features (`genjax.metrics.precision_recall`); the Frechet distance weighs both.
Features are those of a small classifier of the run's own data, not Inception's, unless --features names another one,
so the figures are not those of papers. Of conditional generators that classifier also says how often it sees the class
that was asked for.

Standing statistics are batch norm's means and variances of batches at the same truncation; running ones are those that
training kept, averaged where the weights are. Source: Brock et al. 2019, arXiv 1809.11096, section 3.1 and figure 16.
Of `train.biggan small` (seeds 0 to 2, 1000 samples each, 2026-11-26, 1 x cpu) with running statistics, free, cut at 1
and cut at 0.6: class accuracy 0.968, 1, 1; precision 0.78, 0.87, 0.86; recall 0.78, 0.28, 0.04; Frechet distance 0.64,
1.5, 2.3, all means of the three. Standing statistics were worse in each seed, free by 0.01 to 0.14 of Frechet distance
(0.474, 0.910 and 0.759 against 0.460, 0.770 and 0.682), and the more the harder the truncation.
Writes truncation.json and truncation.png into the run's folder.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import jax
import numpy as np
import tyro

from eval import scores
from genjax import rng
from genjax.environment import environment
from genjax.files import atomic, write_text
from genjax.metrics.frechet import frechet_distance
from genjax.metrics.precision_recall import precision_recall
from genjax.run import program
from genjax.run.extractors import Extractor
from genjax.run.load import Trained, load
from genjax.run.options import SEED, above, at_least
from genjax.tasks.generation import AT_ONCE

COLUMNS = ("precision", "recall", "density", "coverage", "Frechet distance", "class accuracy", "spread")


@dataclass(frozen=True)
class Options:
    """What to sample, at which truncations, seen by what."""

    run: Annotated[Path, tyro.conf.Positional] = Path()
    """Folder of a run of a recipe whose generator has batch norm and a normal latent."""
    truncations: Annotated[tuple[float, ...], above(0)] = (0.1, 0.2, 0.4, 0.6, 0.8, 1.0, 1.5)
    """Thresholds, or with --scaled factors from 0 to 1; the free latent is added."""
    scaled: bool = False
    """Truncate by multiplying components within 2, instead of drawing some again."""
    count: Annotated[int, at_least(100)] = 1000
    """Samples and real images at each truncation."""
    standing: Annotated[int, at_least(1)] = 16
    """Batches for the standing statistics."""
    features: str | None = None
    """Folder of a run of train.classifier, or inception:FILE; a small classifier of the run's data if not given."""
    seed: Annotated[int, SEED] = 0
    """Seed of the latents and of the choice of real images."""


def measure(options: Options, model: Trained, extractor: Extractor) -> list[dict[str, Any]]:
    """Return a row for every truncation and kind of statistics: what was drawn, and its scores."""
    task, key = model.task, jax.random.key(options.seed)
    count = min(options.count, len(model.dataset.train))
    real, _ = scores.real_images(task, model.dataset.train, count, options.seed)
    known, _ = extractor.of(real)
    labels = np.arange(count) % task.classes if task.classes else None
    rows = []
    for truncation in (*options.truncations, None):
        told: dict[str, Any] = {"truncation": truncation, "scaled": options.scaled and truncation is not None}
        latents = task.latents(key, count, **told)
        batches = {"count": min(count, AT_ONCE), "passes": options.standing}
        settled = task.settled(model.state, rng.named(key, "standing"), **batches, **told)
        for statistics, state in (("standing", settled), ("running", model.state)):
            images = task.from_latents(state, latents, labels)
            seen, probabilities = extractor.of(images)
            found = precision_recall(known, seen)
            row = {"truncation": truncation, "statistics": statistics}
            row |= {name: getattr(found, name) for name in ("precision", "recall", "density", "coverage")}
            row["Frechet distance"] = frechet_distance(known, seen).distance
            if labels is not None:
                row["class accuracy"] = float((probabilities.argmax(-1) == labels).mean())
            row["spread"] = spread(images, labels)
            rows.append(row)
    return rows


def spread(images: np.ndarray, labels: np.ndarray | None) -> float:
    """Return the pixels' deviation from the mean image of their class, in [0, 1], the root of its mean square."""
    pixels = images.astype(np.float32) / 255
    groups = [pixels] if labels is None else [pixels[labels == label] for label in np.unique(labels)]
    return float(np.sqrt(np.mean([group.var(0).mean() for group in groups])))


def table(rows: Sequence[dict[str, Any]]) -> str:
    """Return the rows as a Markdown table."""
    columns = [name for name in COLUMNS if name in rows[0]]
    lines = [f"| truncation | statistics | {' | '.join(columns)} |", "|---|---|" + "---|" * len(columns)]
    for row in rows:
        cut = "none" if row["truncation"] is None else f"{row['truncation']:g}"
        numbers = " | ".join(f"{row[name]:.3g}" for name in columns)
        lines.append(f"| {cut} | {row['statistics']} | {numbers} |")
    return "\n".join(lines)


def draw(rows: Sequence[dict[str, Any]], title: str, path: Path) -> None:
    """Write the curve of precision against recall, and scores over truncations."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(12, 3.6), layout="constrained")
    curve, *others = figure.subplots(1, 3)
    shown = "class accuracy" if "class accuracy" in rows[0] else "spread"
    for statistics, style in (("standing", "o-"), ("running", "x--")):
        chosen = [row for row in rows if row["statistics"] == statistics]
        recall, precision = ([row[name] for row in chosen] for name in ("recall", "precision"))
        curve.plot(recall, precision, style, label=f"{statistics} statistics")
        if statistics == "standing":
            for row, x, y in zip(chosen, recall, precision, strict=True):
                text = "none" if row["truncation"] is None else f"{row['truncation']:g}"
                curve.annotate(text, (x, y), xytext=(4, 4), textcoords="offset points", fontsize=7)
        # The free latent stands at the right end, as if it were cut at 4.
        cuts = [4.0 if row["truncation"] is None else row["truncation"] for row in chosen]
        for axes, name in zip(others, ("Frechet distance", shown), strict=True):
            axes.plot(cuts, [row[name] for row in chosen], style, label=f"{statistics} statistics")
            axes.set(xlabel="truncation (4: none)", ylabel=name, xscale="log")
    figure.suptitle(title)
    curve.set(xlabel="recall (variety)", ylabel="precision (fidelity)")
    for axes in (curve, *others):
        axes.grid(alpha=0.3)
        axes.legend(fontsize=7)
    with atomic(path) as temporary:
        figure.savefig(temporary, format="png", dpi=110)


def run(options: Options) -> None:
    """Measure and write the table and the picture."""
    model = load(options.run, with_data=True)
    task = model.task
    if model.dataset.mixture is not None or not hasattr(task, "settled"):
        raise ValueError(
            f"{options.run} is a run of {model.recipe.name}, which draws no images by statistics of batches"
        )
    task.settled(model.state, jax.random.key(0), 2, passes=1)  # refuses before a classifier is trained
    extractor = scores.extractor_of(scores.Options(features=options.features), model)
    rows = measure(options, model, extractor)
    about = {
        "step": int(model.state.step),
        "samples": min(options.count, len(model.dataset.train)),
        "truncated by": "scaling" if options.scaled else "resampling",
        "standing": options.standing,
        "extractor": extractor.name,
        "extractor_hash": extractor.hash,
        "environment": environment(),
    }
    write_text(options.run / "truncation.json", json.dumps({**about, "rows": rows}, indent=2) + "\n")
    path = options.run / "truncation.png"
    draw(rows, f"{model.recipe.name} on {model.dataset.name}; features: {extractor.name}", path)
    print(f"{table(rows)}\n\n{path}")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the program from the command line."""
    return program.main("eval.truncation", __doc__ or "", Options(), run, arguments)


if __name__ == "__main__":
    raise SystemExit(main())
