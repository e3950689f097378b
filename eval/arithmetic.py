"""Arithmetic with the latents of a generator: means of samples are added and subtracted (DCGAN, section 6.3.2).

    python -m eval.arithmetic runs/dcgan-digits [options]

Radford et al. 2016, arXiv 1511.06434: three samples of each line are averaged in the latent; first - second + third is
drawn, and uniform noise of 0.25 around the result shows what lies near it. A person picks the samples by their numbers
(row by row in the picture of `eval.sample --seed 0`); with --labels the first ones are taken whose nearest training
image has the label, which is not for generators that are told a label: these draw all as class 0. Writes arithmetic.png
beside the run: each line's samples, then what their mean draws; below, the result in the middle of eight neighbours.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import jax
import numpy as np
import tyro

from genjax.run import program
from genjax.run.load import Trained, load
from genjax.run.options import SEED, at_least
from genjax.tasks.generation import Generation, nearest_labels, spread_rows
from genjax.viz.grid import save_page
from genjax.viz.table import image_table

POOL, EACH, NOISE = 1000, 3, 0.25
LABELS = (3, 1, 7)
KNOWN = 4000
"""Training images among which the nearest one is looked up."""


@dataclass(frozen=True)
class Options:
    """Which run, and which samples of it."""

    run: Annotated[Path, tyro.conf.Positional] = Path()
    """Folder of a run of a GAN's recipe."""
    labels: Annotated[tuple[int, int, int] | None, at_least(0)] = None
    """Classes of the three lines, first - second + third; 3 1 7 if no numbers are given either."""
    indices: Annotated[tuple[int, ...], at_least(0)] = ()
    """Numbers of the samples of the first line."""
    minus: Annotated[tuple[int, ...], at_least(0)] = ()
    """Numbers of the samples of the second line, which is taken away."""
    plus: Annotated[tuple[int, ...], at_least(0)] = ()
    """Numbers of the samples of the third line, which is added."""
    seed: Annotated[int, SEED] = 0
    """Seed of the latents, as in eval.sample."""
    out: Path | None = None
    """Path of the picture; arithmetic.png in the run's folder if not given."""


def by_label(model: Trained, images: np.ndarray, labels: Sequence[int]) -> list[np.ndarray]:
    """Return the numbers of the first three samples of each label; ValueError where there are fewer, or none can be."""
    if model.task.classes:
        raise ValueError(
            f"--labels: {model.recipe.name} draws whichever class it is told; pick samples by --indices, --minus and "
            "--plus"
        )
    split = model.dataset.train
    known = split.take(spread_rows(len(split), KNOWN))
    if "labels" not in known:
        raise ValueError(f"{model.dataset.name} has no labels; pick samples by --indices, --minus and --plus")
    real = model.task.real(known["images"]).astype(np.float32)
    found = nearest_labels(images.astype(np.float32), real, known["labels"])
    lines = [np.flatnonzero(found == label)[:EACH] for label in labels]
    for label, line in zip(labels, lines, strict=True):
        if len(line) < EACH:
            raise ValueError(f"--labels: {len(line)} of {POOL} samples look like class {label}, {EACH} are needed")
    return lines


def named(model: Trained, line: np.ndarray, options: Options, number: int) -> str:
    """Return what a group of samples is called: its class, or how many samples."""
    if options.indices:
        return f"{len(line)} samples"
    label = (options.labels or LABELS)[number]
    return f'"{model.dataset.class_names[label]}"'


def run(options: Options) -> None:
    """Compute, draw and write."""
    picked = [options.indices, options.minus, options.plus]
    if any(picked) and not all(picked):
        raise ValueError("give samples to all of --indices, --minus and --plus, or use --labels")
    model = load(options.run, with_data=not any(picked))
    if not isinstance(model.task, Generation):
        raise ValueError(f"{options.run}: latent arithmetic needs a generator that draws images from a latent")
    pool = np.asarray(model.task.latents(jax.random.key(options.seed), POOL))

    # A conditional generator draws everything as one class, so that only the latent makes the difference.
    def draw(latents: np.ndarray) -> np.ndarray:
        latents = model.task.prior.nearest(latents)
        return model.from_latents(latents, np.zeros(len(latents), np.int32) if model.task.classes else None)

    if all(picked):
        lines = [np.array(line) for line in picked]
        wrong = [int(i) for line in lines for i in line if not 0 <= i < POOL]
        if wrong:
            raise ValueError(f"sample {wrong[0]}: they are numbered 0 to {POOL - 1}")
    else:
        lines = by_label(model, draw(pool), options.labels or LABELS)
    means = np.stack([pool[line].mean(0) for line in lines])
    result = means[0] - means[1] + means[2]
    noise = np.random.Generator(np.random.Philox(options.seed)).uniform(-NOISE, NOISE, (9, len(result)))
    noise[4] = 0.0  # the result itself, in the middle
    wide = max(3, *(len(line) for line in lines))
    blank = np.full((1, *model.dataset.shape), 255, np.uint8)
    names = [f"mean of {named(model, line, options, number)}" for number, line in enumerate(lines)]
    page = []
    for line, mean in zip(lines, means, strict=True):
        page.append(np.concatenate([draw(mean[None]), blank, draw(pool[line]), *[blank] * (wide - len(line))]))
    near = draw(result + noise)
    page.append(np.concatenate([near[4:5], blank, near[:3], *[blank] * (wide - 3)]))
    heads = ["the term", "", "mean of", *[""] * (wide - 1)]
    rows = [names[0], f"- {names[1]}", f"+ {names[2]}", "= result, and latents near it"]
    path = options.out or options.run / "arithmetic.png"
    save_page(path, image_table(np.stack(page), rows, heads))
    print(path)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the program from the command line."""
    return program.main("eval.arithmetic", __doc__ or "", Options(), run, arguments)


if __name__ == "__main__":
    raise SystemExit(main())
