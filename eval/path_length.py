"""Perceptual path length of a trained generator: how fast its image changes along a walk, as a classifier sees it.

    python -m eval.path_length runs/stylegan-scenes [--features runs/classifier-scenes] [options]

In z of every generator that draws images from a latent, and in w of those with styles (Karras et al. 2019, arXiv
1812.04948, section 4.1); noise is fixed. The published figures take LPIPS of VGG16: with other features it is a figure
of its own scale, named by them here, which compares generators of the same data and size. Lower is smoother, and a
generator that ignores its latent has 0: read it beside `eval.scores`. Of `train.stylegan small` (seeds 0 to 2, 2000
whole walks, 2026-11-26, 1 x cpu, features of a classifier of scenes): 4.9, 5.6 and 3.9 in z, 1.8, 1.6 and 1.2 in w, so
that w is the smoother space, as in the paper. Writes path_length.json into the run's folder.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import jax
import jax.numpy as jnp
import numpy as np
import tyro

from genjax.environment import environment
from genjax.files import write_text
from genjax.metrics.path_length import PathLength, path_length
from genjax.run import program
from genjax.run.load import Trained, load
from genjax.run.options import SEED, above, at_least
from genjax.tasks.generation import Generation
from genjax.tasks.styles import Styles

from . import scores

BATCH = 50


@dataclass(frozen=True)
class Options:
    """Which walks of which run, seen by what."""

    run: Annotated[Path, tyro.conf.Positional] = Path()
    """Folder of a run of a recipe that draws images from a latent."""
    features: str | None = None
    """Folder of a run of train.classifier, or inception:FILE; a small classifier of the run's data if not given."""
    space: str = "all"
    """z, w or all: where to walk; w of generators with styles alone."""
    pairs: Annotated[int, at_least(2)] = 2000
    """Walks."""
    epsilon: Annotated[float, above(0)] = 1e-4
    """Share of a walk over which the change is measured."""
    endpoints: bool = False
    """Measure at the walks' beginnings alone instead of anywhere on them."""
    seed: Annotated[int, SEED] = 0
    """Of the latents."""


def spaces(model: Trained, asked: str) -> list[str]:
    """Return the spaces to walk in. Raises ValueError for w of a generator without styles, and unknown ones."""
    known = ["z", "w"] if isinstance(model.task, Styles) else ["z"]
    if asked not in ("z", "w", "all"):
        raise ValueError(f"--space {asked}: z, w or all")
    if asked == "w" and "w" not in known:
        raise ValueError(f"--space w: {model.folder} is a run of {model.recipe.name}, which has no styles; give z")
    return known if asked == "all" else [asked]


def measure(options: Options, model: Trained, features: Callable[[jax.Array], Any], space: str) -> PathLength:
    """Return the path length in one space."""
    task, state = model.task, model.state
    low, high = task.pixels.low, task.pixels.high
    labels = np.arange(BATCH) % task.classes if task.classes else None

    def from_latents(latents: jax.Array) -> jax.Array:
        return (task.draw(state, latents, labels) - low) / (high - low)

    def from_styles(styles: jax.Array) -> jax.Array:
        return (jnp.asarray(task.from_styles(state, styles, task.fixed_noise(state))) - low) / (high - low)

    in_w = space == "w"
    return path_length(
        task.latents, from_styles if in_w else from_latents, features, jax.random.key(options.seed),
        mapping=(lambda z: task.styles(state, z)) if in_w else None, endpoints=options.endpoints, pairs=options.pairs,
        batch=BATCH, epsilon=options.epsilon,
    )  # fmt: skip


def run(options: Options) -> None:
    """Measure and write."""
    model = load(options.run, with_data=True)
    if not isinstance(model.task, Generation):
        raise ValueError(f"{options.run} is a run of {model.recipe.name}, which draws no images from a latent")
    asked = spaces(model, options.space)
    extractor = scores.extractor_of(scores.Options(features=options.features), model)
    assert extractor.smooth is not None
    found = {space: measure(options, model, extractor.smooth, space) for space in asked}
    result = {
        "extractor": extractor.name,
        "extractor_hash": extractor.hash,
        "endpoints": options.endpoints,
        "step": int(model.state.step),
        "path_length": {space: length._asdict() for space, length in found.items()},
        "environment": environment(),
    }
    path = options.run / "path_length.json"
    write_text(path, json.dumps(result, indent=2) + "\n")
    where = "at the walks' beginnings" if options.endpoints else "over the whole walk"
    print(f"features: {extractor.name}, weights {extractor.hash}; {options.pairs} walks, {where}\n")
    print("| space | path length | standard error |\n|---|---|---|")
    for space, length in found.items():
        print(f"| {space} | {length.mean:.4g} | {length.error:.2g} |")
    print(path)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the program from the command line."""
    return program.main("eval.path_length", __doc__ or "", Options(), run, arguments)


if __name__ == "__main__":
    raise SystemExit(main())
