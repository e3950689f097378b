"""What the styles of a trained generator decide: mixing, noise and truncation, in pictures and in numbers.

    python -m eval.styles runs/stylegan-scenes [options]

Writes into the run's folder
    styles-mixing.png      every column's image redrawn with the coarse, the middle or the fine styles of a row's image
    styles-noise.png       the same styles under two noises, without noise, and where noise changes pixels
    styles-truncation.png  styles moved towards their mean: psi from 1 to 0 and beyond, in the layers it acts on
    styles.json            how much place and extent, and colours, follow the coarse style at every crossover; how far
                           samples spread over psi; how much noise changes
Coarse, middle and fine are the layers up to 8 pixels, up to 32, and above (Karras et al. 2019, arXiv 1812.04948, figure
3); of networks with fewer than ten layers a third each. "Follows" is 1 where an attribute of the mixed image equals
that of the image which gave the coarse styles, 0 where it equals the other's, 1/2 where it is as far from both: place,
extent and colour of the object and the colour of the ground, as `genjax.metrics.appearance` reads them off pixels,
which it can where a picture shows one object on a plain ground.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import jax
import jax.numpy as jnp
import numpy as np
import tyro

from genjax.environment import environment
from genjax.files import write_text
from genjax.gans.stylegan import truncated
from genjax.run import program
from genjax.run.load import Trained, load
from genjax.run.options import SEED, at_least
from genjax.tasks.styles import Styles
from genjax.viz.grid import save_page
from genjax.viz.table import image_table

PSIS = (1.0, 0.7, 0.5, 0.3, 0.0, -0.5)
NOISES = 16
"""Noises between which a pixel's deviation is taken."""


@dataclass(frozen=True)
class Options:
    """Which styles of which run."""

    run: Annotated[Path, tyro.conf.Positional] = Path()
    """Folder of a run of a recipe whose generator has styles."""
    columns: Annotated[int, at_least(1)] = 6
    """Images that are redrawn."""
    rows: Annotated[int, at_least(1)] = 2
    """Images that give coarse, middle and fine styles, each its own rows."""
    count: Annotated[int, at_least(2)] = 500
    """Samples in each number."""
    seed: Annotated[int, SEED] = 0
    """Of the latents."""


def groups(layers: int) -> dict[str, slice]:
    """Return the layers of the coarse, the middle and the fine styles."""
    first, second = (4, 8) if layers >= 10 else (layers // 3, 2 * layers // 3)
    return {"coarse": slice(0, first), "middle": slice(first, second), "fine": slice(second, layers)}


def styles_of(model: Trained, seed: int, count: int, psi: float | None = None) -> jax.Array:
    """Return the styles float[count, layers, style] of a seed's latents."""
    return model.task.styles(model.state, model.task.latents(jax.random.key(seed), count), psi)


def drawn(model: Trained, styles: Any, noise: int | None = 0) -> np.ndarray:
    """Return images in [0, 1] under the noise of a seed, or without noise."""
    noises = None if noise is None else model.task.fixed_noise(model.state, noise)
    return model.task.pixels.to_bytes(model.task.from_styles(model.state, styles, noises)) / np.float32(255)


def mixing_page(model: Trained, options: Options) -> np.ndarray:
    """Return the table of images redrawn with some layers' styles of others."""
    columns, rows = styles_of(model, options.seed, options.columns), styles_of(model, options.seed + 1, options.rows)
    tops, sides = drawn(model, columns), drawn(model, rows)
    blank = np.ones_like(tops[:1])
    lines, names = [np.concatenate([blank, tops])], [""]
    for name, taken in groups(columns.shape[1]).items():
        for number, row in enumerate(rows):
            mixed = columns.at[:, taken].set(row[None, taken])
            lines.append(np.concatenate([sides[number : number + 1], drawn(model, mixed)]))
            names.append(f"{name} of")
    heads = ["gives", *(f"image {number + 1}" for number in range(options.columns))]
    return image_table(np.stack(lines), names, heads, title="Some styles of the left image, all others of the top one")


def noise_page(model: Trained, options: Options) -> np.ndarray:
    """Return the same styles under two noises and without, and each pixel's deviation over noises."""
    styles = styles_of(model, options.seed, options.columns)
    deviation = np.std([drawn(model, styles, 2 + number) for number in range(NOISES)], 0)
    brightest = max(float(deviation.max()), 1e-6)
    lines = [drawn(model, styles, 0), drawn(model, styles, 1), drawn(model, styles, None), deviation / brightest]
    names = ["one noise", "another", "none", f"deviation, white: {brightest:.2g}"]
    heads = [f"image {number + 1}" for number in range(options.columns)]
    return image_table(np.stack(lines), names, heads, title="The same styles")


def truncation_page(model: Trained, options: Options) -> np.ndarray:
    """Return images whose first layers' styles lie psi times as far from the mean style."""
    lines = [drawn(model, styles_of(model, options.seed, options.columns, psi)) for psi in PSIS]
    heads = [f"image {number + 1}" for number in range(options.columns)]
    title = f"psi in the first {model.task.stylist.cutoff} layers"
    return image_table(np.stack(lines), [f"psi {psi:g}" for psi in PSIS], heads, title=title)


def numbers(model: Trained, options: Options) -> dict[str, Any]:
    """Return what the pictures show, over many samples."""
    styles = styles_of(model, options.seed, options.count)
    other = jnp.roll(styles, 1, 0)
    crossovers = range(1, styles.shape[1])
    average = model.task.stylist.average(model.state)

    def spread(cutoff: int) -> dict[str, float]:
        return {f"{psi:g}": float(drawn(model, truncated(styles, average, psi, cutoff)).std(0).mean()) for psi in PSIS}

    few = styles[: min(50, options.count)]
    noise = np.std([drawn(model, few, seed) for seed in range(NOISES)], 0).mean()
    return {
        "follows_coarse": {str(at): model.task.inheritance(model.state, styles, other, at) for at in crossovers},
        "spread_over_psi": spread(model.task.stylist.cutoff),
        "spread_over_psi_of_all_layers": spread(styles.shape[1]),
        "deviation_over_noises": float(noise),
    }


def run(options: Options) -> None:
    """Draw, measure and write."""
    model = load(options.run)
    if not isinstance(model.task, Styles):
        raise ValueError(
            f"{options.run} is a run of {model.recipe.name}, whose model has no styles to mix; give one of stylegan"
        )
    for name, page in (("mixing", mixing_page), ("noise", noise_page), ("truncation", truncation_page)):
        path = options.run / f"styles-{name}.png"
        save_page(path, page(model, options))
        print(path)
    found = numbers(model, options)
    attributes = list(next(iter(found["follows_coarse"].values())))
    print("\n| coarse styles before layer |", *(f"{name} |" for name in attributes))
    print("|---|" + "---|" * len(attributes))
    for at, follows in found["follows_coarse"].items():
        print(f"| {at} |", *(f"{follows[name]:.2f} |" for name in attributes))
    for name, which in (("spread_over_psi", "the first layers"), ("spread_over_psi_of_all_layers", "all layers")):
        spread = ", ".join(f"psi {psi} {value:.3f}" for psi, value in found[name].items())
        print(f"\nspread of samples, truncated in {which}: {spread}")
    print(f"deviation over noises: {found['deviation_over_noises']:.4f}")
    path = options.run / "styles.json"
    result = {**found, "samples": options.count, "step": int(model.state.step), "environment": environment()}
    write_text(path, json.dumps(result, indent=2) + "\n")
    print(path)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the program from the command line."""
    return program.main("eval.styles", __doc__ or "", Options(), run, arguments)


if __name__ == "__main__":
    raise SystemExit(main())
