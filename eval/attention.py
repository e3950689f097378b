"""Where a SAGAN looks: for a few pixels of samples, the weight that its attention gives to every other pixel.

    python -m eval.attention runs/sagan-digits [options]

Row by row a sample and a map for each query, the pixel that is framed in the same colour on the sample: bright where
its features come from, as in figure 5 of Zhang et al. 2019, arXiv 1805.08318. Below, the same for real images, as the
discriminator sees them. All maps of a network have one scale, whose end is their largest weight. Keys are the largest
of 2x2 pixels, so that a map has half the sides of the features.

Writes attention.png beside the run, and attention.json with gamma of both networks, by which all that is seen is
multiplied before it is added, and over all queries the largest weight and the entropy, 1 for maps without preference.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import tyro

from genjax.files import write_text
from genjax.gans import sagan
from genjax.run import program
from genjax.run.load import Trained, load
from genjax.run.options import SEED, at_least
from genjax.saliency.overlay import heat_map
from genjax.tasks.generation import spread_rows
from genjax.viz.grid import save_grid

COLOURS = ((230, 25, 75), (255, 200, 0), (0, 130, 200), (245, 130, 48))
"""Of the frames around queries."""
PLACES = ((0.5, 0.5), (0.3, 0.5), (0.75, 0.5), (0.1, 0.1))
"""Queries as shares of height and width: on the object, above and below its middle, and in a corner."""


@dataclass(frozen=True)
class Options:
    """Which samples of which run."""

    run: Annotated[Path, tyro.conf.Positional] = Path()
    """Folder of a run of train.sagan with attention."""
    count: Annotated[int, at_least(1)] = 5
    """Samples and real images to draw."""
    seed: Annotated[int, SEED] = 0
    """Seed of the latents, as in eval.sample."""
    real: bool = True
    """Draw the discriminator's maps of real images too, for which the data set must be there."""
    out: Path | None = None
    """Path of the picture; attention.png in the run's folder if not given."""


class Seen(NamedTuple):
    """images: uint8[count, size, size, channels].  maps: float32[count, height, width, height', width'], see `maps_of`.

    gamma: of the network.
    """

    images: np.ndarray
    maps: np.ndarray
    gamma: float


def maps_of(network: Any, variables: Any, *inputs: Any) -> np.ndarray:
    """Return float32[count, height, width, height', width']: for each query pixel, its weights over the keys' pixels.

    network: a `sagan.Generator` or `sagan.Discriminator` that attends.
    """
    side = network.attention
    keys = side if network.full else side // 2
    _, kept = jax.jit(lambda *x: network.apply(variables, *x, mutable=["intermediates"]))(*inputs)
    (weights,) = kept["intermediates"]["attention"]["attention"]
    return np.asarray(weights).reshape(-1, side, side, keys, keys)


def framed(image: np.ndarray, places: Sequence[tuple[int, int]], side: int) -> np.ndarray:
    """Return an image in colour, enlarged, with a frame of its own colour around each place of a side x side map."""
    zoom = max(1, 96 // len(image))
    drawn = np.broadcast_to(image, (*image.shape[:2], 3)).repeat(zoom, 0).repeat(zoom, 1)
    step = len(drawn) // side
    for (row, column), colour in zip(places, COLOURS, strict=True):
        block = slice(row * step, (row + 1) * step), slice(column * step, (column + 1) * step)
        drawn[block] = bordered(drawn[block], colour)
    return drawn


def bordered(picture: np.ndarray, colour: tuple[int, int, int]) -> np.ndarray:
    """Return a picture uint8[height, width, 3] with a border of two pixels."""
    found = np.empty_like(picture)
    found[:] = colour
    found[2:-2, 2:-2] = picture[2:-2, 2:-2]
    return found


def entropy(weights: np.ndarray) -> np.ndarray:
    """Return -sum w log w / log n over the last axis of n weights: 1 for a map without preference, 0 for one key."""
    return -(weights * np.log(np.maximum(weights, 1e-12))).sum(-1) / np.log(weights.shape[-1])


def of_generator(model: Trained, options: Options) -> Seen:
    """Return samples and where the generator that drew them looks; every class in turn."""
    latents = model.task.latents(jax.random.key(options.seed), options.count)
    labels = np.arange(options.count) % model.task.classes
    variables = model.state.variables_of("generator", ema=model.options.ema is not None)
    maps = maps_of(model.task.modules["generator"], variables, latents, jnp.asarray(labels))
    return Seen(model.from_latents(latents, labels), maps, float(variables["params"]["attention"]["gamma"]))


def of_discriminator(model: Trained, options: Options) -> Seen:
    """Return real images and where the discriminator looks."""
    split = model.dataset.test
    batch = split.take(spread_rows(len(split), options.count))
    variables = model.state.variables_of("discriminator")
    pixels = jnp.asarray(model.task.pixels.from_bytes(batch["images"]))
    maps = maps_of(model.task.modules["discriminator"], variables, pixels, jnp.asarray(batch["labels"]))
    return Seen(batch["images"], maps, float(variables["params"]["attention"]["gamma"]))


def cells(seen: Seen) -> list[np.ndarray]:
    """Return pictures uint8[height, width, 3] of one size: an image with frames, its maps, the next image and so on."""
    side = seen.maps.shape[1]
    places = [(int(row * side), int(column * side)) for row, column in PLACES]
    top = max(float(seen.maps[:, row, column].max()) for row, column in places)
    found = []
    for image, maps in zip(seen.images, seen.maps, strict=True):
        drawn = framed(image, places, side)
        found.append(drawn)
        for (row, column), colour in zip(places, COLOURS, strict=True):
            found.append(bordered(heat_map(maps[row, column] / top, drawn.shape[:2]), colour))
    return found


def facts(seen: Seen) -> dict[str, float]:
    """Return gamma, the largest weight of a map and its entropy, both as means over queries and images."""
    weights = seen.maps.reshape(-1, seen.maps.shape[-2] * seen.maps.shape[-1])
    return {
        "gamma": seen.gamma,
        "largest_weight": float(weights.max(-1).mean()),
        "entropy": float(entropy(weights).mean()),
    }


def run(options: Options) -> None:
    """Draw and write."""
    model = load(options.run, with_data=options.real)
    modules = getattr(model.task, "modules", {})
    if not isinstance(modules.get("generator"), sagan.Generator):
        raise ValueError(f"{options.run} is a run of {model.recipe.name}, which has no attention; give one of sagan")
    looking = {"generator": of_generator} | ({"discriminator": of_discriminator} if options.real else {})
    looking = {net: look for net, look in looking.items() if modules[net].attention is not None}
    if not looking:
        raise ValueError(f"{options.run} was trained without attention, or with none in what is to be drawn")
    seen = {net: look(model, options) for net, look in looking.items()}
    pictures = [cell for found in seen.values() for cell in cells(found)]
    path = options.out or options.run / "attention.png"
    labels = [net if row == 0 else "" for net, found in seen.items() for row in range(len(found.images))]
    save_grid(path, np.stack(pictures), 1 + len(PLACES), zoom=1, row_labels=labels)
    told = {net: facts(found) for net, found in seen.items()}
    write_text(path.with_suffix(".json"), json.dumps(told, indent=2) + "\n")
    for net, values in told.items():
        print(f"{net}: " + ", ".join(f"{name.replace('_', ' ')} {value:.3g}" for name, value in values.items()))
    print(path)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the program from the command line."""
    return program.main("eval.attention", __doc__ or "", Options(), run, arguments)


if __name__ == "__main__":
    raise SystemExit(main())
