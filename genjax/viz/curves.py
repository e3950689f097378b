"""Training curves from a run's `metrics.jsonl`."""

from pathlib import Path

from genjax.engine.log import read_rows
from genjax.files import atomic


def save_curves(metrics: Path | str, path: Path | str) -> None:
    """Draw every metric over the steps, training and test values of one name in one panel, and save it as PNG.

    Raises ValueError where `metrics` holds no rows.
    """
    rows = read_rows(metrics)
    if not rows:
        raise ValueError(f"{metrics} holds no metrics; train for at least one step before drawing curves")
    panels: dict[str, dict[str, list[tuple[int, float]]]] = {}
    for row in rows:
        for name, value in row.items():
            if name not in ("step", "seconds") and value is not None:
                panels.setdefault(name.rsplit("/", 1)[-1], {}).setdefault(name, []).append((row["step"], value))
    from matplotlib.figure import Figure

    columns = min(3, len(panels))
    lines = -(-len(panels) // columns)
    figure = Figure(figsize=(4.2 * columns, 2.8 * lines), layout="constrained")
    for place, (title, curves) in enumerate(panels.items(), 1):
        axes = figure.add_subplot(lines, columns, place)
        for name, points in sorted(curves.items()):
            marker = "o" if len(points) < 30 else None
            axes.plot(
                *zip(*points, strict=True), label=name.rsplit("/", 1)[0], linewidth=1.2, marker=marker, markersize=3
            )
        axes.set(title=title.replace("_", " "), xlabel="step")
        axes.grid(alpha=0.3)
        axes.legend(fontsize=7)
    with atomic(path) as temporary:
        figure.savefig(temporary, format="png", dpi=110)
