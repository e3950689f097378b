"""Samples of a trained model: a grid, a row for each class where there are classes, and the arrays if asked.

    python -m eval.sample runs/dcgan-digits [options]

Writes samples.png beside the run. The data set need not be there. `--truncation` draws every component of a normal
latent again until it lies within: less variety for more fidelity (Brock et al. 2019, arXiv 1809.11096, section 3.1). A
generator that was not trained for it may draw paler pictures instead. Of a generator with styles it is psi, by which
their first layers' distance from the mean style is multiplied (Karras et al. 2019, arXiv 1812.04948, appendix B).
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import jax
import numpy as np
import tyro

from genjax.files import atomic
from genjax.run import program
from genjax.run.load import Trained, load
from genjax.run.options import at_least
from genjax.viz.grid import save_grid


@dataclass(frozen=True)
class Options:
    """Which samples of which run."""

    run: Annotated[Path, tyro.conf.Positional] = Path()
    """Folder of a run of a recipe with a generator or a prior."""
    count: Annotated[int, at_least(1)] = 100
    """Number of samples; of each class it is divided by the classes, rounded up."""
    labels: tuple[int, ...] = field(default=())
    """Classes to draw, a row for each; all if not given. Of conditional models only."""
    truncation: Annotated[float | None, at_least(0)] = None
    """Largest absolute value of a normal latent's components, or of a generator with styles psi."""
    seed: int = 0
    """Seed of the latents: other numbers give other samples."""
    out: Path | None = None
    """Path of the picture; samples.png in the run's folder if not given."""
    npz: Path | None = None
    """File to which images (uint8), latents and labels are written too."""


def choose_labels(model: Trained, asked: Sequence[int]) -> list[int]:
    """Return the classes to draw: those asked for, else all; none of a model without classes."""
    classes = getattr(model.task, "classes", 0)
    if asked and not classes:
        raise ValueError(f"--labels: {model.recipe.name} draws without labels in this run; leave them out")
    wrong = [label for label in asked if not 0 <= label < classes]
    if wrong:
        raise ValueError(f"--labels {wrong[0]}: this run's classes are 0 to {classes - 1}")
    return list(asked) or list(range(classes))


def run(options: Options) -> None:
    """Draw the samples that `options` ask for and write them."""
    model = load(options.run)
    if model.dataset.mixture is not None:
        raise ValueError(f"{options.run} draws points, not images; its pictures are samples-*.png in that folder")
    if not hasattr(model.task, "from_latents"):
        raise ValueError(f"{options.run} is a run of {model.recipe.name}, which draws nothing from a latent")
    rows = choose_labels(model, options.labels)
    columns = -(-options.count // len(rows)) if rows else None
    count = options.count if columns is None else columns * len(rows)
    labels = np.repeat(np.array(rows, np.int32), columns) if columns is not None else None
    latents = np.asarray(model.task.latents(jax.random.key(options.seed), count, options.truncation))
    images = model.sample(count, seed=options.seed, labels=labels, truncation=options.truncation)
    names = model.dataset.class_names
    path = options.out or options.run / "samples.png"
    save_grid(path, images, columns, row_labels=[names[row] for row in rows])
    print(path)
    if options.npz is not None:
        arrays: dict[str, Any] = {"images": images, "latents": latents}
        arrays |= {} if labels is None else {"labels": labels}
        with atomic(options.npz) as temporary, temporary.open("wb") as file:
            np.savez_compressed(file, **arrays)
        print(options.npz)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the program from the command line."""
    return program.main("eval.sample", __doc__ or "", Options(), run, arguments)


if __name__ == "__main__":
    raise SystemExit(main())
