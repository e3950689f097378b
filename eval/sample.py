"""Samples of a trained generator: a grid, a row for each class where there are classes, and the arrays if asked.

    python -m eval.sample runs/dcgan-digits [options]

Writes samples.png beside the run. `--truncation` draws every component of a normal latent again until it lies within:
less variety for more fidelity (Brock et al. 2019, arXiv 1809.11096, section 3.1). A generator that was not trained for
it may draw paler pictures instead.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import jax
import numpy as np
import tyro

from eval import _cli
from eval._runs import Generator, load_generator
from genjax.files import atomic
from genjax.viz.grid import save_grid
from train._cli import Sampler

ATTEMPTS, LOOKED_AT = 1000, 1000


@dataclass(frozen=True)
class Options:
    """Which samples of which run."""

    run: Annotated[Path, tyro.conf.Positional] = Path()
    """Folder of a run of a GAN's recipe."""
    count: int = 100
    """Samples; of each class `count` divided by the classes, rounded up."""
    labels: tuple[int, ...] = field(default=())
    """Classes to draw, a row for each; all if not given. Of conditional generators only."""
    truncation: float | None = None
    """Largest absolute value of a normal latent's components."""
    seed: int = 0
    """Other numbers give other samples."""
    out: Path | None = None
    """The picture; samples.png in the run's folder if not given."""
    npz: Path | None = None
    """Write images (uint8), latents and labels here too."""


def is_uniform(sampler: Sampler) -> bool:
    """Return whether latents are drawn from U(-1, 1) or U(0, 1): told from many, for normal ones are not all within."""
    return bool(np.abs(np.asarray(sampler.prior(jax.random.key(0), LOOKED_AT))).max() <= 1)


def latents(generator: Generator, count: int, seed: int, truncation: float | None = None) -> np.ndarray:
    """Return `count` latents of the generator's prior, their components within `truncation` if given.

    Raises ValueError for a truncation that is not positive or leaves hardly anything, and for any of a uniform prior
    or of a translator, which starts from images.
    """
    key = jax.random.key(seed)
    drawn = np.array(generator.sampler.prior(key, count))
    if truncation is None:
        return drawn
    if drawn.ndim != 2:
        raise ValueError(f"--truncation is for latents, and train.{generator.recipe} starts from images; leave it out")
    if truncation <= 0:
        raise ValueError(f"--truncation {truncation:g} must be positive; 0.5 to 1 is usual for normal latents")
    if is_uniform(generator.sampler):
        raise ValueError("--truncation is for normal latents, and those of this run are uniform; leave it out")
    for attempt in range(ATTEMPTS):
        outside = np.abs(drawn) > truncation
        if not outside.any():
            return drawn
        again = np.array(generator.sampler.prior(jax.random.fold_in(key, attempt), count))
        drawn = np.where(outside, again, drawn)
    raise ValueError(f"--truncation {truncation:g} leaves hardly anything of the latent; give a larger one")


def choose_labels(generator: Generator, asked: Sequence[int]) -> list[int]:
    """Return the classes to draw: those asked for, else all; none of a generator without classes."""
    classes = generator.sampler.classes
    if asked and not classes:
        raise ValueError(f"--labels: train.{generator.recipe} draws without labels in this run; leave them out")
    wrong = [label for label in asked if not 0 <= label < classes]
    if wrong:
        raise ValueError(f"--labels {wrong[0]}: this run's classes are 0 to {classes - 1}")
    return list(asked) or list(range(classes))


def run(options: Options) -> None:
    """Draw the samples that `options` ask for and write them."""
    if options.count < 1:
        raise ValueError(f"--count {options.count}: draw at least one sample")
    generator = load_generator(options.run)
    low, high = generator.sampler.low, generator.sampler.high
    rows = choose_labels(generator, options.labels)
    columns = -(-options.count // len(rows)) if rows else None
    count = options.count if columns is None else columns * len(rows)
    labels = np.repeat(np.array(rows, np.int32), columns) if columns is not None else None
    latent = latents(generator, count, options.seed, options.truncation)
    images = generator.sampler.generate(generator.state, latent, labels)
    path = options.out or options.run / "samples.png"
    if images.shape[1:] == (1, 1, 2):
        raise ValueError(f"{options.run} draws points, not images; train.* writes them as samples-*.png")
    names = generator.dataset.class_names
    save_grid(path, images, columns, low=low, high=high, row_labels=[names[row] for row in rows])
    print(path)
    if options.npz is not None:
        pixels = np.round(255 * (np.clip(images, low, high) - low) / (high - low)).astype(np.uint8)
        arrays = {"images": pixels, "latents": latent, **({} if labels is None else {"labels": labels})}
        with atomic(options.npz) as temporary, temporary.open("wb") as file:
            np.savez_compressed(file, **arrays)
        print(options.npz)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the program from the command line."""
    return _cli.main("eval.sample", "Samples of a trained generator.", Options(), run, arguments)


if __name__ == "__main__":
    raise SystemExit(main())
