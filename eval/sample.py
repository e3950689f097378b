"""Samples of a trained model: a grid, a row for each class where there are classes, and the arrays if asked.

    python -m eval.sample runs/dcgan-digits [options]
    python -m eval.sample --weights netG.pth --network sagan-128 --labels 207,250

Writes samples.png beside the run, or the weights' name with .png. The data set need not be there. `--weights` reads a
generator that others have published, `--network` says which (`genjax.gans.published`).

`--truncation` draws every component of a normal latent again until it lies within: less variety for more fidelity
(Brock et al. 2019, arXiv 1809.11096, section 3.1). A generator that was not trained for it may draw paler pictures
instead. With `--scaled` it is the factor on a normal within 2. `--standing` takes batch norm's statistics from batches
of such latents instead of those of training (appendix C.1). Of a generator with styles `--truncation` is psi, by which
their first layers' distance from the mean style is multiplied (Karras et al. 2019, arXiv 1812.04948, appendix B).
"""

import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import jax
import numpy as np
import tyro

from genjax import rng
from genjax.data.ranges import TANH
from genjax.files import atomic
from genjax.gans import published
from genjax.run import program
from genjax.run.load import load
from genjax.run.options import SEED, at_least
from genjax.run.parsing import suggestion
from genjax.tasks.generation import AT_ONCE
from genjax.tasks.styles import Styles
from genjax.viz.grid import save_grid, save_page

MANY, FEW = 100, 10
"""Classes of which not all are drawn unasked, and how many then."""


@dataclass(frozen=True)
class Options:
    """Which samples of which run."""

    run: Annotated[Path, tyro.conf.Positional] = Path()
    """Folder of a run of a recipe with a generator or a prior."""
    weights: Path | None = None
    """File of a published generator, .pth, .bin, .npz or .safetensors, instead of a run; needs --network."""
    network: Annotated[
        str | None, tyro.conf.arg(help=f"Which network the weights are of: {', '.join(published.NETWORKS)}.")
    ] = None
    count: Annotated[int, at_least(1)] = 100
    """Number of samples; of each class it is divided by the classes, rounded up."""
    labels: tuple[str, ...] = field(default=())
    """Classes to draw, by number or name, a row for each; all, or ten of more than a hundred, if not given. Of
    conditional models only."""
    truncation: Annotated[float | None, at_least(0)] = None
    """Largest absolute value of a normal latent's components, or of a generator with styles psi."""
    scaled: bool = False
    """Truncate by multiplying components within 2 by --truncation, from 0 to 1, instead of drawing some again."""
    standing: Annotated[int, at_least(0)] = 0
    """Batches, of as many samples as are drawn, from which batch norm's statistics are taken; 0: those of training."""
    seed: Annotated[int, SEED] = 0
    """Seed of the latents: other numbers give other samples."""
    out: Path | None = None
    """Path of the picture; samples.png in the run's folder, or beside the weights, if not given."""
    npz: Path | None = None
    """File to which images (uint8), latents and labels are written too."""
    folder: Path | None = None
    """Folder to which every sample is written too, as a PNG of its own; in a sub-folder for each class if there are
    classes."""


class Drawn(NamedTuple):
    """images: uint8[count, height, width, channels].  labels: int[count], None without classes.  names: of the rows."""

    images: np.ndarray
    latents: np.ndarray
    labels: np.ndarray | None
    names: list[str]


def choose_labels(asked: Sequence[str], names: Sequence[str], what: str) -> list[int]:
    """Return the classes to draw: those asked for, else all, or ten of more than a hundred; none without classes.

    asked: names or numbers; a name that looks like a number is a name. Raises ValueError for what is neither.
    """
    if asked and not names:
        raise ValueError(f"--labels: {what} draws without labels; leave them out")
    numbers = {str(number): number for number in range(len(names))}
    known = {**{name.lower(): number for number, name in enumerate(names)}, **numbers}
    known |= {name: number for number, name in enumerate(names)}
    wrong = [label for label in asked if label not in known and label.lower() not in known]
    if wrong:
        first = ", ".join(names[:10]) + (", ..." if len(names) > 10 else "")
        spoken = f"0 to {len(names) - 1}" + ("" if list(names) == list(numbers) else f", or {first}")
        raise ValueError(
            f"--labels {wrong[0]}{suggestion(wrong[0].lower(), sorted(known))}: the classes of {what} are {spoken}"
        )
    every = range(len(names)) if len(names) <= MANY else range(0, len(names), -(-len(names) // FEW))
    return [known.get(label, known.get(label.lower(), 0)) for label in asked] or list(every)


def rows_of(rows: Sequence[int], count: int) -> np.ndarray | None:
    """Return the labels of `count` samples or a few more, as many of each class in `rows`; None without classes."""
    return np.repeat(np.array(rows, np.int32), -(-count // len(rows))) if rows else None


def of_run(options: Options) -> Drawn:
    """Draw samples of a run's model."""
    model = load(options.run)
    if model.dataset.mixture is not None:
        raise ValueError(f"{options.run} draws points, not images; its pictures are samples-*.png in that folder")
    if not hasattr(model.task, "from_latents"):
        raise ValueError(f"{options.run} is a run of {model.recipe.name}, which draws nothing from a latent")
    classes = getattr(model.task, "classes", 0)
    names = model.dataset.class_names[:classes] or tuple(map(str, range(classes)))
    rows = choose_labels(options.labels, names, f"this run of {model.recipe.name}")
    labels = rows_of(rows, options.count)
    count = options.count if labels is None else len(labels)
    task, key = model.task, jax.random.key(options.seed)
    latents = np.asarray(task.latents(key, count, options.truncation, options.scaled))
    if options.standing:
        if not hasattr(task, "settled"):
            raise ValueError(f"--standing: {model.recipe.name} draws without statistics of batches; leave it out")
        told: dict[str, Any] = {"truncation": options.truncation, "scaled": options.scaled}
        count, key = min(count, AT_ONCE), rng.named(key, "standing")
        model = model._replace(state=task.settled(model.state, key, count, passes=options.standing, **told))
    if isinstance(task, Styles):  # which psi acts on, and not latents
        images = model.sample(count, seed=options.seed, truncation=options.truncation)
    else:
        images = model.from_latents(latents, labels)
    return Drawn(images, latents, labels, [names[row] for row in rows])


def of_weights(weights: Path, options: Options) -> Drawn:
    """Draw samples of a published generator."""
    found = published.load(weights, options.network or "", options.truncation)
    found = found._replace(scaled=found.scaled or options.scaled)
    names = [str(number) for number in range(found.classes)]
    rows = choose_labels(options.labels, names, f"{options.network} in {weights}")
    labels = rows_of(rows, options.count)
    count = options.count if labels is None else len(labels)
    key = jax.random.key(options.seed)
    latents = found.latents(key, count, options.truncation)
    if options.standing:
        found = found.settled(rng.named(key, "standing"), count, options.standing, options.truncation)
    return Drawn(TANH.to_bytes(found.draw(latents, labels)), latents, labels, [str(row) for row in rows])


def run(options: Options) -> None:
    """Draw the samples that `options` ask for and write them."""
    if options.scaled and options.truncation is None:
        raise ValueError("--scaled says how --truncation truncates; give both")
    if (options.weights is None) != (options.network is None):
        raise ValueError("--weights and --network go together; give both, or a run's folder alone")
    if options.weights is None:
        drawn, path = of_run(options), options.out or options.run / "samples.png"
    elif options.run != Path():
        raise ValueError(f"{options.run} is a run, and --weights {options.weights} another model; give one of them")
    else:
        drawn, path = of_weights(options.weights, options), options.out or options.weights.with_suffix(".png")
    columns = len(drawn.images) // len(drawn.names) if drawn.names else None
    save_grid(path, drawn.images, columns, row_labels=drawn.names)
    print(path)
    if options.npz is not None:
        arrays: dict[str, Any] = {"images": drawn.images, "latents": drawn.latents}
        arrays |= {} if drawn.labels is None else {"labels": drawn.labels}
        with atomic(options.npz) as temporary, temporary.open("wb") as file:
            np.savez_compressed(file, **arrays)
        print(options.npz)
    if options.folder is not None:
        write_folder(options.folder, drawn)
        print(options.folder)


def write_folder(folder: Path, drawn: Drawn) -> None:
    """Write every sample as a PNG; where there are classes into a folder for each, as `--data folder:DIR` reads them.

    Raises ValueError where the folder holds images already: their counts would mix.
    """
    if folder.exists() and any(folder.rglob("*.png")):
        raise ValueError(f"--folder {folder} holds images already; name another one, or empty it")
    rows = [""] * len(drawn.images)
    if drawn.labels is not None:
        first = list(dict.fromkeys(drawn.labels.tolist()))
        rows = [drawn.names[first.index(label)].replace("/", "-") for label in drawn.labels.tolist()]
    for number, (image, name) in enumerate(zip(drawn.images, rows, strict=True)):
        save_page(folder / name / f"{number:06d}.png", np.broadcast_to(image, (*image.shape[:2], 3)))


def with_commas(arguments: Sequence[str]) -> list[str]:
    """Return the arguments with the classes of `--labels 207,250` apart."""
    found: list[str] = []
    option = ""
    for argument in arguments:
        option = argument if argument.startswith("--") else option
        found += argument.split(",") if option == "--labels" else [argument]
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the program from the command line."""
    given = with_commas(sys.argv[1:] if arguments is None else arguments)
    return program.main("eval.sample", __doc__ or "", Options(), run, given)


if __name__ == "__main__":
    raise SystemExit(main())
