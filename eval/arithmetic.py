"""Arithmetic with latents: the mean latent of some samples minus that of others plus that of a third kind.

    python -m eval.arithmetic runs/dcgan-digits --labels 3 1 7
    python -m eval.arithmetic runs/dcgan-digits --indices 4 17 23 --minus 0 8 31 --plus 2 5 11

Radford et al. 2016, arXiv 1511.06434, section 6.3.2: single samples are too unstable, so three of each kind are
averaged, and uniform noise of 0.25 around the result shows what lies near it. A person picks the samples by their
numbers (row by row in the picture of `eval.sample --seed 0`); with --labels the first ones are taken whose nearest
training image has the label, which is not for generators that are told a label: these draw all as class 0. Writes
arithmetic.png beside the run: each line's samples, then what their mean draws; below, the result in the middle of eight
neighbours.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import tyro

from eval import _cli
from eval._runs import Generator, load_generator
from eval.sample import latents
from genjax.viz.grid import save_grid
from train._gan import nearest_labels

POOL, EACH, NOISE = 1000, 3, 0.25
LABELS = (3, 1, 7)


@dataclass(frozen=True)
class Options:
    """Which run, and which samples of it."""

    run: Annotated[Path, tyro.conf.Positional] = Path()
    """Folder of a run of a GAN's recipe."""
    labels: tuple[int, int, int] | None = None
    """Classes of the three lines, first - second + third; 3 1 7 if no numbers are given either."""
    indices: tuple[int, ...] = ()
    """Numbers of the samples of the first line."""
    minus: tuple[int, ...] = ()
    """Of the second line, which is taken away."""
    plus: tuple[int, ...] = ()
    """Of the third line, which is added."""
    seed: int = 0
    """Of the latents, as in eval.sample."""
    out: Path | None = None
    """The picture; arithmetic.png in the run's folder if not given."""


def by_label(generator: Generator, images: np.ndarray, labels: Sequence[int]) -> list[np.ndarray]:
    """Return the numbers of the first three samples of each label; ValueError where there are fewer, or none can be."""
    if generator.sampler.classes:
        raise ValueError(
            f"--labels: train.{generator.recipe} draws whichever class it is told; "
            "pick samples by --indices, --minus and --plus"
        )
    split, low, high = generator.dataset.train, generator.sampler.low, generator.sampler.high
    known = split.take(np.linspace(0, len(split) - 1, min(4000, len(split))).astype(int))
    if "labels" not in known:
        raise ValueError(f"{generator.dataset.name} has no labels; pick samples by --indices, --minus and --plus")
    scaled = low + (high - low) * known["images"].astype(np.float32) / 255
    found = nearest_labels(images, scaled, known["labels"])
    lines = [np.flatnonzero(found == label)[:EACH] for label in labels]
    for label, line in zip(labels, lines, strict=True):
        if len(line) < EACH:
            raise ValueError(f"--labels: {len(line)} of {POOL} samples look like class {label}, {EACH} are needed")
    return lines


def run(options: Options) -> None:
    """Compute, draw and write."""
    generator = load_generator(options.run)
    sampler = generator.sampler
    pool = latents(generator, POOL, options.seed)
    if pool.ndim != 2 or generator.dataset.shape == (1, 1, 2):
        raise ValueError(f"{options.run}: latent arithmetic needs a generator that draws images from a latent")
    picked = [options.indices, options.minus, options.plus]
    if any(picked) and not all(picked):
        raise ValueError("give samples to all of --indices, --minus and --plus, or use --labels")

    # A conditional generator draws everything as one class, so that only the latent makes the difference.
    def draw(latent: np.ndarray) -> np.ndarray:
        labels = np.zeros(len(latent), np.int32) if sampler.classes else None
        return sampler.generate(generator.state, latent.astype(np.float32), labels)

    if all(picked):
        lines = [np.array(line) for line in picked]
        wrong = [int(i) for line in lines for i in line if not 0 <= i < POOL]
        if wrong:
            raise ValueError(f"sample {wrong[0]}: they are numbered 0 to {POOL - 1}")
    else:
        lines = by_label(generator, draw(pool), options.labels or LABELS)
    means = np.stack([pool[line].mean(0) for line in lines])
    result = means[0] - means[1] + means[2]
    noise = np.random.Generator(np.random.Philox(options.seed)).uniform(-NOISE, NOISE, (9, len(result)))
    noise[4] = 0.0  # the result itself, in the middle
    columns = max(len(line) for line in lines) + 2
    blank = np.full((1, *generator.dataset.shape), sampler.high, np.float32)
    page = []
    for line, mean in zip(lines, means, strict=True):
        gap = [blank] * (columns - 1 - len(line))
        page += [draw(pool[line]), *gap, draw(mean[None])]
    near = draw(result + noise)
    for row in range(3):
        page += [near[3 * row : 3 * row + 3], *[blank] * (columns - 3)]
    path = options.out or options.run / "arithmetic.png"
    names = ["", "minus", "plus", "gives", "", ""]
    save_grid(path, np.concatenate(page), columns, low=sampler.low, high=sampler.high, row_labels=names)
    print(path)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the program from the command line."""
    return _cli.main("eval.arithmetic", "Arithmetic with the latents of a generator.", Options(), run, arguments)


if __name__ == "__main__":
    raise SystemExit(main())
