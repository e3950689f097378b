"""What the codes of an InfoGAN mean: pictures in which one code alone changes, and measures of what it changes.

    python -m eval.codes runs/infogan-digits [options]

Writes a page for each code beside the run, codes-c1.png and so on: a row for each of several latents, along which the
code takes all its classes, or values from -reach to reach, while noise and other codes stay; and codes.json. Beyond
reach 1 the generator was never trained; the paper draws up to 2. With --gif continuous codes are walked there and back
too. Measured over samples, for every continuous code: the share of the variance of ink, place, width, height and slant,
and of all pixels together, that it explains within a class of the first code (R^2 of a straight line, see
`genjax.metrics.factors`), beside what the numbers of noise explain on average. With --labels the data set is read, and
how well its classes follow from c1 is measured too. Of points in the plane, codes.png shows c1 by colour.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import jax
import numpy as np
import tyro

from genjax.codes import Codes
from genjax.files import write_text
from genjax.metrics.factors import explained, properties
from genjax.run import program
from genjax.run.load import Trained, load
from genjax.run.options import SEED, above, at_least
from genjax.tasks.coded import CodedImages, CodedPlane
from genjax.viz.figure import page
from genjax.viz.grid import save_gif, save_page
from genjax.viz.table import image_table

MEASURED = 2000
"""Samples in a measure."""
POINTS = 2500
"""Points in the plane's picture."""


@dataclass(frozen=True)
class Options:
    """Which run, and how its codes are shown."""

    run: Annotated[Path, tyro.conf.Positional] = Path()
    """Folder of a run of train.infogan."""
    rows: Annotated[int, at_least(1)] = 5
    """Latents in a picture, each in a row of its own."""
    steps: Annotated[int, at_least(2)] = 10
    """Values of a continuous code."""
    reach: Annotated[float, above(0)] = 1.0
    """Largest value of a continuous code; it was trained up to 1."""
    gif: bool = False
    """Walk continuous codes there and back in a GIF each."""
    labels: bool = False
    """Read the data set, and measure how well its classes follow from c1."""
    seed: Annotated[int, SEED] = 0
    """Seed of the latents."""
    out: Path | None = None
    """Folder for what is written; the run's if not given."""


def rows_of(codes: Codes, latents: np.ndarray, name: str, values: np.ndarray) -> np.ndarray:
    """Return latents float[rows, values, size]: each of `latents` with the code at each of the values."""
    return np.stack([codes.placed(np.repeat(row[None], len(values), 0), {name: values}) for row in latents])


def draw(model: Trained, latents: np.ndarray) -> np.ndarray:
    """Return images uint8[rows, values, height, width, channels] of latents float[rows, values, size]."""
    images = model.from_latents(latents.reshape(-1, latents.shape[-1]))
    return images.reshape(*latents.shape[:2], *images.shape[1:])


def heads_of(codes: Codes, name: str, values: np.ndarray) -> list[str]:
    """Return how the values of a code are written above their columns."""
    return [f"{value}" if name in codes.classes else f"{value:+.1f}" for value in values]


def pages(model: Trained, options: Options, folder: Path) -> list[Path]:
    """Write the pictures of every code, and return their paths."""
    codes, written = model.task.codes, []
    latents = np.asarray(model.task.latents(jax.random.key(options.seed), options.rows))
    for name in codes.names:
        values = codes.sweep(name, options.steps, options.reach)
        images = draw(model, rows_of(codes, latents, name, values))
        rows = [f"latent {row}" for row in range(options.rows)]
        table = image_table(images, rows, heads_of(codes, name, values), title=f"{name} alone changes along a row")
        written.append(folder / f"codes-{name}.png")
        save_page(written[-1], table)
        if options.gif and name not in codes.classes:
            values = codes.sweep(name, 21, options.reach)
            frames = draw(model, rows_of(codes, latents, name, values)).swapaxes(0, 1)
            written.append(folder / f"codes-{name}.gif")
            save_gif(written[-1], [*frames, *frames[-2:0:-1]], 10, columns=options.rows)
    return written


def measure(model: Trained, options: Options) -> dict[str, Any]:
    """Return what continuous codes and noise explain, {name: {property: R^2}}, and scores of c1 if labels are read."""
    codes, found = model.task.codes, {}
    latents = np.asarray(model.task.latents(jax.random.key(options.seed), MEASURED))
    parts = codes.split(latents)
    groups = parts["c1"].argmax(-1) if codes.categorical else None
    images = model.from_latents(latents)
    values = {**properties(images), "pixels": images}

    def told(numbers: np.ndarray) -> dict[str, float]:
        return {key: explained(numbers, value, groups) for key, value in values.items()}

    for name in codes.names[len(codes.categorical) :]:
        found[name] = told(parts[name][:, 0])
    if codes.continuous:
        each = [told(latents[:, number]) for number in range(codes.noise)]
        found["noise, on average"] = {key: float(np.mean([one[key] for one in each])) for key in values}
    if options.labels:
        known = ("code_accuracy", "code_purity", "read_accuracy")
        scores = model.task.scores(model.state)
        found["c1"] = {name: scores[name] for name in known if name in scores}
        if not found["c1"]:
            raise ValueError(f"--labels: {model.dataset.name} has no labels, or the run no classes; leave it out")
    return found


def scatter(model: Trained, options: Options, path: Path) -> None:
    """Write the plane's picture: samples as dots, coloured by the class of c1."""
    from matplotlib import colormaps
    from matplotlib.figure import Figure

    task, figure = model.task, Figure(figsize=(4.6, 4), dpi=100, layout="constrained")
    values = np.arange(POINTS) % task.codes.classes["c1"] if task.codes.classes else None
    asked = None if values is None else {"c1": values}
    points = task.sample(model.state, jax.random.key(options.seed), POINTS, codes=asked)
    axes: Any = figure.subplots()
    x, y = task.mixture.centres.T
    axes.scatter(x, y, s=120, facecolors="none", edgecolors="grey")
    for value in range(task.codes.classes["c1"] if values is not None else 1):
        rows = slice(None) if values is None else values == value
        colour = colormaps["tab10" if task.codes.classes.get("c1", 1) <= 10 else "turbo"](value)
        axes.scatter(*points[rows].T, s=3, color=colour, linewidths=0, label=f"c1 = {value}" if asked else None)
    limit = 1.4 * float(np.abs(task.mixture.centres).max())
    axes.set(xlim=(-limit, limit), ylim=(-limit, limit), aspect="equal")
    if asked:
        figure.legend(loc="outside right center", fontsize=8, markerscale=4)
    save_page(path, page(figure))


def table(found: dict[str, Any]) -> str:
    """Return measures as lines of text."""
    return "\n".join(
        f"{name}: " + ", ".join(f"{key} {value:.2f}" for key, value in values.items()) for name, values in found.items()
    )


def run(options: Options) -> None:
    """Draw, measure and write."""
    model = load(options.run, with_data=options.labels)
    task, folder = model.task, options.out or options.run
    if isinstance(task, CodedPlane):
        path = folder / "codes.png"
        scatter(model, options, path)
        found = {"c1": task.scores(model.state)}
        written = [path]
    elif isinstance(task, CodedImages):
        found = measure(model, options)
        written = pages(model, options, folder)
    else:
        raise ValueError(
            f"{options.run} is a run of {model.recipe.name}, whose latents hold no codes; give one of infogan"
        )
    write_text(folder / "codes.json", json.dumps(found, indent=2) + "\n")
    print(table(found))
    for path in [*written, folder / "codes.json"]:
        print(path)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the program from the command line."""
    return program.main("eval.codes", __doc__ or "", Options(), run, arguments)


if __name__ == "__main__":
    raise SystemExit(main())
