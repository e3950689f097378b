"""Experiment 2: the walk between two images in latent space, linear and spherical.

    python -m eval.interpolate [options]
    python -m eval.interpolate --run runs/vae-digits [options]
    python -m eval.interpolate --run runs/dcgan-digits [options]
    python -m eval.interpolate --run runs/stylegan-scenes --space w [options]

Of a GAN's run the walk is between two latents of its prior, a row for each class where there are classes; the GIF's is
spherical where the prior is normal, and straight, the only one drawn, where it is uniform. Without --run, trains the
comparison's models if they are not in the out folder yet. Writes strips as PNG, a walk as animated GIF, and how evenly
the picture changes along the way. Walks run between posterior means, and both ends are reached: the first and the last
frame are the two images' own reconstructions.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import jax
import numpy as np

from genjax.latent import linear, spherical
from genjax.run import program
from genjax.run.load import Trained, load
from genjax.run.options import SEED, at_least
from genjax.tasks.generation import Generation
from genjax.tasks.reconstruction import Reconstruction
from genjax.tasks.styles import Styles
from genjax.viz.grid import save_gif, save_grid
from genjax.viz.table import image_table

from .comparison import probing, training
from .comparison.probing import AE, CVAE_NONE, VAE
from .comparison.report import Numbers, Section, Table, save_numbers, show, spread
from .comparison.training import Family, Member

SHOWN = (AE, VAE, CVAE_NONE)
PAIRS = 50


@dataclass(frozen=True)
class Options(training.Options):
    """Options of the comparison, and what to walk between."""

    run: Path | None = None
    """Folder of a run of train.ae, train.vae, train.cvae or a GAN to take the model from, not the comparison's."""
    first: Annotated[int | None, SEED] = None
    """Test image to start from; the first of class 7 if not given. Of a GAN's run the seed of a latent, 0."""
    second: Annotated[int | None, SEED] = None
    """Test image to end at; the first of class 4 if not given. Of a GAN's run the seed of a latent, 1."""
    steps: Annotated[int, at_least(2)] = 10
    """Frames of a strip, both ends among them."""
    walk: Literal["both", "linear", "spherical"] = "both"
    """Straight, along the arc between the two directions, or both; of a uniform prior and in w both is straight
    alone."""
    space: Literal["z", "w"] = "z"
    """Where a GAN's walk goes: between latents, or between their styles, of a generator that has styles."""


WALKS: dict[str, Callable[[np.ndarray, np.ndarray, int], np.ndarray]] = {"linear": linear, "spherical": spherical}


Frames = Callable[[Callable, int], np.ndarray]
"""(walk, steps) -> images float[steps, height, width, channels] in [0, 1]."""


def frames_of(member: Member, pair: np.ndarray) -> Frames:
    """Return the walk between two images through a member's latent space, without labels."""

    def frames(walk: Callable, steps: int) -> np.ndarray:
        first, second = probing.encode(member, pair, np.full(2, -1, np.int32))
        return probing.decode(member, walk(first, second, steps), np.full(steps, -1, np.int32))

    return frames


def unevenness(member: Member, images: np.ndarray, pairs: np.ndarray, steps: int = 10) -> float:
    """Return the mean over pairs of the largest change from frame to frame over the mean change: 1 is even, more jumpy.

    A change is the root mean square difference of pixels; frames lie on the straight line between posterior means.
    """
    none = np.full(len(images), -1, np.int32)
    means = probing.encode(member, images, none)
    latent = np.stack([linear(means[a], means[b], steps) for a, b in pairs])
    decoded = probing.decode(member, latent, np.full(latent.shape[:2], -1, np.int32))
    changes = np.sqrt(np.mean(np.diff(decoded, axis=1) ** 2, axis=(2, 3, 4)))
    return float(np.mean(changes.max(1) / np.maximum(changes.mean(1), 1e-12)))


def _pairs(labels: np.ndarray) -> np.ndarray:
    """Return index pairs of different classes, always the same ones for the same labels."""
    draw = np.random.Generator(np.random.Philox(1)).integers(0, len(labels), (20 * PAIRS, 2))
    return draw[labels[draw[:, 0]] != labels[draw[:, 1]]][:PAIRS]


def measure(family: Family) -> Numbers:
    """Return how uneven walks are, over seeds."""
    images, labels = probing.test_images(family.dataset, 2000)
    pairs = _pairs(labels)
    return {
        "unevenness": {
            (variant, latent): np.array([unevenness(member, images, pairs) for member in members])
            for variant, latent, members in probing.variants(family, *SHOWN)
        }
    }


def ends(options: Options, images: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Return the two images to walk between. Raises ValueError for numbers that are not test images."""
    chosen = []
    for given, label, name in ((options.first, 7, "first"), (options.second, 4, "second")):
        if given is not None and not 0 <= given < len(images):
            raise ValueError(f"--{name} {given}: the test images are numbered 0 to {len(images) - 1}")
        found = np.flatnonzero(labels == label)
        chosen.append(given if given is not None else int(found[0]) if len(found) else (0 if name == "first" else -1))
    return images[chosen]


Grid = dict[str, dict[str, Frames]]
"""`{row: {column: frames}}`."""


def draw(grid: Grid, options: Options, pair: np.ndarray, folder: Path) -> list[tuple[Path, str]]:
    """Write a strip for each walk, a row for each member, and a GIF of the first walk with members as in `grid`."""
    walks = WALKS if options.walk == "both" else {options.walk: WALKS[options.walk]}
    heads = ("first image", *(f"{t:.2f}" for t in np.linspace(0, 1, options.steps)), "second image")
    members = {f"{row} {column}": frames for row, columns in grid.items() for column, frames in columns.items()}
    written = []
    for name, walk in walks.items():
        rows = [[pair[0], *frames(walk, options.steps), pair[1]] for frames in members.values()]
        page = image_table(np.stack(rows), list(members), heads, title=f"{name.capitalize()} walk")
        path = folder / f"interpolate-{name}.png"
        save_grid(path, page[None], 1, zoom=1)
        written.append((path, f"A {name} walk between two test images; column heads: the weight of the second image."))
    name, walk = next(iter(walks.items()))
    there = [[frames(walk, 21) for frames in columns.values()] for columns in grid.values()]
    columns, zoom = list(next(iter(grid.values()))), max(1, 84 // pair.shape[1])
    pages = []
    for step in [*range(21), *range(19, 0, -1)]:
        shown = np.stack([[walked[step] for walked in row] for row in there])
        pages.append(image_table(shown, list(grid), columns, title=f"weight {step / 20:.2f}", zoom=zoom))
    path = folder / "interpolate.gif"
    save_gif(path, pages, 10, columns=1, zoom=1)
    return [*written, (path, f"The {name} walk there and back; above: the weight of the second image.")]


def find(family: Family, folder: Path, options: Options) -> Section:
    """Return and write all that experiment 2 shows."""
    numbers, latents = measure(family), family.options.latents
    table = Table(
        "Unevenness of straight walks: largest change between two of ten frames over the mean change "
        f"(1: even; {PAIRS} pairs of test images of different classes; mean ± spread over seeds)",
        ("latent", *SHOWN),
        [(str(z), *(spread(numbers["unevenness"][variant, z]) for variant in SHOWN)) for z in latents],
    )
    pair = ends(options, *probing.test_images(family.dataset))
    grid = {
        variant.split(",")[0]: {
            f"latent {z}": frames_of(family.of(probing.VARIANTS[variant], z)[0], pair) for z in latents
        }
        for variant in SHOWN
    }
    pictures = draw(grid, options, pair, folder)
    save_numbers(folder / "interpolate.json", numbers)
    text = "The CVAE walks without a label, so that only the latent changes."
    return Section("Experiment 2: walks in latent space", text, (table,), pictures, numbers)


def walk_images(options: Options, model: Trained) -> Section:
    """Return and write the walk between two test images in the latent space of an autoencoder's run."""
    pair = ends(options, *probing.test_images(model.dataset))

    def frames(walk: Callable, steps: int) -> np.ndarray:
        return model.decode(walk(*model.encode(pair), steps))

    grid: Grid = {model.recipe.name.upper(): {f"latent {model.task.latent}": frames}}
    pictures = draw(grid, options, pair, options.out or model.folder)
    return Section("A walk in latent space", f"The model of {model.folder}.", (), pictures, {})


def path_of_styles(model: Trained, first: np.ndarray, second: np.ndarray, steps: int) -> np.ndarray:
    """Return images, in the generator's range, on the straight walk between the styles of two latents."""
    task, state = model.task, model.state
    ends_in_w = np.asarray(task.styles(state, np.stack([first, second])))
    t = np.linspace(0, 1, steps, dtype=np.float32)[:, None, None]
    return task.from_styles(state, (1 - t) * ends_in_w[:1] + t * ends_in_w[1:], task.fixed_noise(state))


def walk_latents(options: Options, model: Trained) -> Section:
    """Return and write the walk between two latents of a generator's run."""
    task, folder = model.task, model.folder
    if model.dataset.mixture is not None:
        raise ValueError(f"{folder} draws points, not images; give a run of images to walk between")
    if not isinstance(task, Generation):
        raise ValueError(f"{folder} is a run of {model.recipe.name}, which draws no images from a latent")
    if options.space == "w" and not isinstance(task, Styles):
        raise ValueError(f"--space w: {folder} is a run of {model.recipe.name}, which has no styles; walk in z")
    if options.space == "w" and options.walk == "spherical":
        raise ValueError("--walk spherical: walks between styles are straight; leave it out")
    seeds = (options.first or 0, 1 if options.second is None else options.second)
    first, second = (np.asarray(task.latents(jax.random.key(seed), 1))[0] for seed in seeds)
    classes = range(task.classes) if task.classes else (None,)
    names = [model.dataset.class_names[label] if label is not None else "" for label in classes]

    def along(walk: Callable, steps: int) -> np.ndarray:
        if options.space == "w":
            path = path_of_styles(model, first, second, steps)
            return model.task.pixels.to_bytes(path)[None] / np.float32(255)
        path = task.prior.nearest(walk(first, second, steps))
        rows = [model.from_latents(path, None if label is None else [label] * steps) for label in classes]
        return np.stack(rows) / np.float32(255)

    out, written = options.out or folder, []
    heads = [f"{t:.2f}" for t in np.linspace(0, 1, options.steps)]
    # The arc between two points of a cube leaves the cube, where the generator was never trained.
    straight = task.prior.bound is not None or options.space == "w"
    asked = "linear" if options.walk == "both" and straight else options.walk
    walks = WALKS if asked == "both" else {asked: WALKS[asked]}
    for name, walk in walks.items():
        path = out / f"interpolate-{name if options.space == 'z' else 'w'}.png"
        page = image_table(along(walk, options.steps), names, heads, title=f"{name.capitalize()} walk")
        save_grid(path, page[None], 1, zoom=1)
        ends_of = "latents" if options.space == "z" else "styles"
        written.append((path, f"A {name} walk between the {ends_of} of seeds {seeds[0]} and {seeds[1]}."))
    there = along(next(reversed(walks.values())), 21).swapaxes(0, 1)
    path = out / ("interpolate.gif" if options.space == "z" else "interpolate-w.gif")
    save_gif(path, [*there, *there[-2:0:-1]], 10)
    written.append((path, "The last of these walks, there and back."))
    return Section("A walk in latent space", f"The generator of {folder}.", (), written, {})


def main(arguments=None) -> int:
    """Run from the command line."""

    def run(options: Options) -> None:
        if options.run is not None:
            model = load(options.run)
            if isinstance(model.task, Reconstruction):  # a walk between test images, which need the data set
                show(walk_images(options, load(options.run, with_data=True)))
            else:
                show(walk_latents(options, model))
        else:
            show(find(training.family(options), training.folder_of(options), options))

    return program.main("eval.interpolate", "Experiment 2: walks in latent space.", Options(), run, arguments)


if __name__ == "__main__":
    raise SystemExit(main())
