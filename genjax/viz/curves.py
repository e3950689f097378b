"""Training curves from a run's `metrics.jsonl`: scores beside what they are to be compared with, and losses."""

import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from genjax.engine.log import read_rows
from genjax.files import atomic
from genjax.metrics.words import WORDS, word
from genjax.viz.palette import BLACK, LINES

Points = list[tuple[int, float]]
TEST = "test/"
FIXED = {"generator": 0, "forward": 0, "discriminator": 1, "critic": 1, "backward": 2, "discriminator_a": 1}
"""Lines that have the same colour in every figure, as numbers of `LINES`."""
LOSSES = "training: loss of each player"
ANSWERS = {"real": "real images", "fake": "generated images"}
"""Metrics of a discriminator or critic that belong into one panel."""


class Panel(NamedTuple):
    """One set of axes: a title, lines by name, which of them are dashed to compare with, and the good direction."""

    title: str
    lines: Mapping[str, Points]
    beside: Sequence[str] = ()
    better: str | None = None


def panels_of(rows: Sequence[Mapping[str, Any]]) -> list[Panel]:
    """Return the panels of a run's rows: each score with what belongs beside it, then what players minimise, then more.

    What never changes is left out, but for what is drawn beside a score.
    """
    series: dict[str, Points] = {}
    for row in rows:
        for name, value in row.items():
            if name not in ("step", "seconds") and value is not None:
                series.setdefault(name, []).append((row["step"], value))
    tests = {name.removeprefix(TEST): points for name, points in series.items() if name.startswith(TEST)}
    taken = {name for score in tests for name in word(score).beside}
    panels = []
    for name in sorted((name for name in tests if name not in taken and _changes(tests[name])), key=_place):
        beside = [other for other in word(name).beside if other in tests]
        lines = {"this run": tests[name], **{word(n).words: tests[n] for n in beside}}
        seen = [points for kind, points in series.items() if kind.endswith(f"/{name}") and not kind.startswith(TEST)]
        if len(seen) == 1:  # the same of training images: where the two part, the model learns them by heart
            lines |= {"while training": seen[0]}
        panels.append(Panel(word(name).words, lines, [word(n).words for n in beside], word(name).better))
    training: dict[str, dict[str, Points]] = {}
    for name, points in series.items():
        player, _, kind = name.rpartition("/")
        if not name.startswith(TEST) and kind not in tests and _changes(points):
            player = player.replace("_", " ")
            if kind in ANSWERS:
                training.setdefault(f"answer of the {player}", {})[ANSWERS[kind]] = points
            else:
                training.setdefault(kind.replace("_", " "), {})[player or kind] = points
    for kind in sorted(training, key=lambda kind: (kind != "loss", kind)):
        panels.append(Panel(LOSSES if kind == "loss" else f"training: {kind}", training[kind]))
    return panels


def _changes(points: Points) -> bool:
    return len(points) == 1 or len({value for _, value in points}) > 1


def _place(name: str) -> tuple[bool, int, str]:
    """Scores with a good direction first, in the order of their table."""
    known = list(WORDS)
    return word(name).better is None, known.index(name) if name in known else len(known), name


def draw_panel(axes: Any, panel: Panel) -> None:
    """Draw one panel into a set of axes."""
    colours = {name: LINES[FIXED.get(name, number) % len(LINES)] for number, name in enumerate(panel.lines)}
    for name, points in panel.lines.items():
        known = name in panel.beside
        marker = "o" if len(points) < 12 else None
        look = {"color": BLACK, "linestyle": "--", "alpha": 0.55} if known else {"color": colours[name]}
        if known and len(panel.beside) > 1:
            look["linestyle"] = ("--", ":", "-.")[panel.beside.index(name) % 3]
        axes.plot(*zip(*points, strict=True), label=name, linewidth=1.5, marker=marker, markersize=3.5, **look)
    title = "\n".join(textwrap.wrap(panel.title, 44))
    axes.set_title(title, fontsize=9, loc="left")
    if panel.better is not None:
        arrow = "\N{UPWARDS ARROW}" if panel.better == "higher" else "\N{DOWNWARDS ARROW}"
        axes.set_ylabel(f"{arrow} {panel.better} is better", fontsize=8)
    axes.set_xlabel("training step", fontsize=8)
    ends = {point for points in panel.lines.values() for point in points}
    if len(ends) and len({step for step, _ in ends}) == 1:  # scored once, at the end: say the numbers
        for step, value in ends:
            axes.annotate(f"{value:.3g}", (step, value), (6, 0), textcoords="offset points", fontsize=8, va="center")
    axes.tick_params(labelsize=7)
    axes.grid(alpha=0.25)
    if len(panel.lines) > 1:
        axes.legend(fontsize=7, framealpha=0.8)


def save_curves(metrics: Path | str, path: Path | str) -> None:
    """Draw scores and losses over the steps and save them as PNG.

    Raises ValueError where `metrics` holds no rows.
    """
    rows = read_rows(metrics)
    if not rows:
        raise ValueError(f"{metrics} holds no metrics; train for at least one step before drawing curves")
    save_panels(panels_of(rows) or [Panel("nothing changes", {})], path)


def save_panels(panels: Sequence[Panel], path: Path | str) -> None:
    """Draw panels, at most three beside each other, and save them as PNG."""
    from matplotlib.figure import Figure

    columns = min(3, len(panels))
    lines = -(-len(panels) // columns)
    figure = Figure(figsize=(4.2 * columns, 2.9 * lines), layout="constrained")
    for place, panel in enumerate(panels, 1):
        draw_panel(figure.add_subplot(lines, columns, place), panel)
    with atomic(path) as temporary:
        figure.savefig(temporary, format="png", dpi=110)
