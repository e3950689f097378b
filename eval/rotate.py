"""Turntables of a HoloGAN: the same latents seen from all azimuths and elevations, as strips and GIFs.

    python -m eval.rotate runs/hologan-orbit-scenes [options]

Writes azimuth.png and elevation.png, a row for each latent, and the same as GIFs, beside the run. The data set need not
be there. Without --azimuth and --elevation each angle runs over what the model was trained on; the other stays in its
middle. Where azimuths went all around, it also says whether the azimuth turns what is drawn (see
`genjax.tasks.posed.turning`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import jax
import numpy as np
import tyro

from genjax.run import program
from genjax.run.load import load
from genjax.run.options import SEED, Limits, at_least
from genjax.tasks.posed import PosedGeneration, around
from genjax.viz.grid import save_gif, save_grid
from genjax.viz.table import image_table


@dataclass(frozen=True)
class Options:
    """What to turn, and from where to where."""

    run: Annotated[Path, tyro.conf.Positional] = Path()
    """Folder of a run of train.hologan."""
    count: Annotated[int, at_least(1)] = 4
    """Number of latents, a row each."""
    views: Annotated[int, at_least(2)] = 12
    """Columns of a strip; a GIF has twice as many frames."""
    azimuth: Annotated[tuple[float, float] | None, Limits(least=-720, most=720)] = None
    """First and last azimuth in degrees, instead of those of the training."""
    elevation: Annotated[tuple[float, float] | None, Limits(least=-720, most=720)] = None
    """First and last elevation in degrees, counted from the upright axis."""
    seed: Annotated[int, SEED] = 0
    """Seed of the latents: other numbers turn other samples."""
    out: Path | None = None
    """Folder for the pictures; the run's if not given."""


def angles(low: float, high: float, count: int) -> np.ndarray:
    """Return `count` angles from low to high, both included, but of a whole turn only one end."""
    return low + around(count) if high - low == 360 else np.linspace(low, high, count)


def run(options: Options) -> None:
    """Draw the turntables that `options` ask for and write them."""
    model = load(options.run)
    task = model.task
    if not isinstance(task, PosedGeneration):
        raise ValueError(f"{options.run} is a run of {model.recipe.name}, which draws nothing in poses; give a HoloGAN")
    latents = np.asarray(task.latents(jax.random.key(options.seed), options.count))
    folder = options.out or options.run
    spans = {"azimuth": options.azimuth or task.views.azimuth, "elevation": options.elevation or task.views.elevation}
    for name, (low, high) in spans.items():
        if low == high:
            print(f"{name}: only {low:g} degrees in training; give --{name} to see others")
            continue
        shown, closed = angles(low, high, options.views), high - low == 360
        table = task.turntable(model.state, latents, **{name: list(shown)})
        rows, heads = [f"latent {number}" for number in range(len(latents))], [f"{angle:.0f}°" for angle in shown]
        page = image_table(table, rows, heads, title=f"{name.capitalize()} of the camera, degrees")
        path = folder / f"{name}.png"
        save_grid(path, page[None], 1, zoom=1)
        print(path)
        frames = task.turntable(model.state, latents, **{name: list(angles(low, high, 2 * options.views))})
        film = list(frames.swapaxes(0, 1))
        path = folder / f"{name}.gif"
        save_gif(path, film if closed else [*film, *film[-2:0:-1]], 12, columns=len(latents))
        print(path)
    if task.all_around:
        told = task.turning(model.state)
        print(
            f"a sinusoid of the azimuth explains {told.azimuth_fit:.0%} of where the objects are (amplitude "
            f"{told.amplitude:.1f} pixels); over latents at one azimuth they spread by {told.latent_spread:.1f}; "
            f"{told.identity_kept:.0%} of the variance of their colours is the latent's"
        )


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the program from the command line."""
    return program.main("eval.rotate", __doc__ or "", Options(), run, arguments)


if __name__ == "__main__":
    raise SystemExit(main())
