"""What SinGAN learned from one image, put to use: samples, edits that fit in, enlargements and animations.

    python -m eval.single runs/singan-photo-pagoda random --size 48 96 --start 1
    python -m eval.single RUN paint --input daubed.png --start 1
    python -m eval.single RUN edit --input cut-and-pasted.png --mask where.png
    python -m eval.single RUN harmonise --input pasted.png --mask where.png
    python -m eval.single RUN superresolve --factor 4
    python -m eval.single RUN animate --start 1 --beta 0.9

random        samples of any height and width, in one grid and, with --apart, as files of their own. Chance begins at
              scale --start, 0 the coarsest: the finer, the nearer to the image
paint         a daubed picture takes the place of what the scale below --start draws. (The paper may also train that
              scale again, on few colours; not here)
edit          the same with a picture whose parts were moved: what is drawn shows where --mask is white, grown by a disk
              and blurred, and the picture itself elsewhere
harmonise     the same with something foreign pasted in; the mask grows by less, and later scales keep more of it
superresolve  the training image, or --input, --factor times as large, by the finest generator again and again. The
              paper trains for this with factor 2^(-1/3), from 18 pixels, reconstruction 100; any run will do
              here, with enlargements as near to its own factor as their number is whole
animate       the image in motion, as a GIF. The paper trains for this with noise where images are framed too (train
              with --noise-border); without it the border stays still

Pictures may have any aspect ratio; their longer side is brought to that of the run. Files that were given are never
written over. One run serves all; `python -m train.singan --help` tells the options that the paper trains with.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import jax
import numpy as np
import tyro

from genjax.data.ranges import TANH
from genjax.data.readers.image import fit, read
from genjax.files import atomic
from genjax.run import program
from genjax.run.load import Trained, load
from genjax.run.options import PART, SEED, SHARE, above, at_least
from genjax.tasks.single import SingleImage, softened
from genjax.viz.grid import save_gif, save_grid

LONGEST = 250
"""Longer side of the authors' images, for which radii and blurs are given."""
RADII = {"edit": 20.0, "harmonise": 7.0}
BLUR = 5.0
START = {"random": 0, "animate": 0}


@dataclass(frozen=True)
class Options:
    """What to draw, by which run."""

    run: Annotated[Path, tyro.conf.Positional] = Path()
    """Folder of a run of train.singan."""
    action: Annotated[
        Literal["random", "superresolve", "paint", "edit", "harmonise", "animate"], tyro.conf.Positional
    ] = "random"
    """What to do."""
    input: Path | None = None
    """Picture to begin with."""
    mask: Path | None = None
    """Picture that is white where another one is to be drawn anew, of its size."""
    start: Annotated[int | None, at_least(0)] = None
    """Scale that chance begins at, 0 the coarsest; if not given 0, and the last but one where --input is given."""
    size: Annotated[tuple[int, int] | None, at_least(1)] = None
    """Height and width of random samples; the image's if not given."""
    count: Annotated[int | None, at_least(1)] = None
    """Random samples; 8 if not given."""
    apart: bool = False
    """Write random samples as files of their own too."""
    factor: Annotated[float | None, above(1)] = None
    """How many times as high and wide the image becomes; 4 if not given."""
    radius: Annotated[float | None, at_least(0)] = None
    """Pixels by which a mask grows, of an image whose longer side is 250; if not given 20 to edit, 7 to harmonise."""
    blur: Annotated[float | None, at_least(0)] = None
    """Deviation of the Gaussian filter on a mask in such pixels; 5 if not given."""
    frames: Annotated[int | None, at_least(2)] = None
    """Frames of an animation, ten a second; 100 if not given."""
    alpha: Annotated[float | None, SHARE] = None
    """How strongly an animation is pulled back to the image; 0.1 if not given."""
    beta: Annotated[float | None, PART] = None
    """How far an animation's motion goes on, smoother when higher; 0.9 if not given."""
    seed: Annotated[int, SEED] = 0
    """Seed of the noise."""
    out: Path | None = None
    """File to write, .png or .gif; ACTION.png or .gif in the run's folder if not given."""


USES = {
    "random": ("start", "size", "count", "apart"),
    "superresolve": ("input", "factor"),
    "paint": ("input", "start"),
    "edit": ("input", "mask", "start", "radius", "blur"),
    "harmonise": ("input", "mask", "start", "radius", "blur"),
    "animate": ("start", "frames", "alpha", "beta"),
}


def check_options(options: Options) -> None:
    """Raise ValueError for an option that the action does not use, or lacks."""
    for name in dict.fromkeys(name for names in USES.values() for name in names):
        value, where = getattr(options, name), [action for action, names in USES.items() if name in names]
        if name not in USES[options.action] and value is not None and value is not False:
            raise ValueError(f"--{name} does nothing with {options.action}, only with {', '.join(where)}; leave it out")
    for name in ("input", "mask"):
        if name in USES[options.action] and getattr(options, name) is None and options.action != "superresolve":
            raise ValueError(f"{options.action} needs --{name} PICTURE; give it")


def written(options: Options) -> Path:
    """Return the file to write; ValueError for another ending, or where it is one of the given pictures."""
    ending = ".gif" if options.action == "animate" else ".png"
    path = options.out or options.run / f"{options.action}{ending}"
    if path.suffix != ending:
        raise ValueError(f"--out {path}: {options.action} writes a {ending} file; give such a name")
    for given in (options.input, options.mask):
        if given is not None and given.resolve() == path.resolve():
            raise ValueError(f"--out {path} is a picture that was given and would be written over; give another name")
    return path


def picture(path: Path, channels: int, longest: int | None) -> np.ndarray:
    """Return a picture as the run takes it, uint8[height, width, channels], its longer side `longest` pixels."""
    from PIL import Image as pillow

    image = read(path)
    if longest is not None and max(image.size) != longest:
        factor = longest / max(image.size)
        width, height = (max(1, round(side * factor)) for side in image.size)
        image = image.resize((width, height), pillow.Resampling.BICUBIC)
    return fit(image, None, channels)


def chance_from(options: Options, finest: int) -> int:
    """Return the scale that chance begins at; ValueError for one that the run has not."""
    start = START.get(options.action, max(1, finest - 1)) if options.start is None else options.start
    if start > finest:
        raise ValueError(f"--start {start}: the scales of this run are 0, the coarsest, to {finest}, the finest")
    if start < 1 and options.action not in START:
        raise ValueError(f"{options.action} --start {start}: a picture needs a scale below it; give 1 or a finer one")
    return start


def blended(options: Options, base: np.ndarray, drawn: np.ndarray) -> np.ndarray:
    """Return (1 - M) base + M drawn, uint8[height, width, channels], with the mask M grown and blurred."""
    assert options.mask is not None
    given = picture(options.mask, 1, max(base.shape[:2]))[..., 0] >= 128
    if given.shape != base.shape[:2]:
        raise ValueError(
            f"--mask {options.mask} is {given.shape[0]} x {given.shape[1]} where --input is {base.shape[0]} x "
            f"{base.shape[1]}, both brought to the run's size; give a mask of the picture's proportions"
        )
    if not given.any():
        raise ValueError(f"--mask {options.mask} is black everywhere; paint white what is to be drawn anew")
    unit = max(base.shape[:2]) / LONGEST
    radius = RADII[options.action] if options.radius is None else options.radius
    mask = softened(given, radius * unit, (BLUR if options.blur is None else options.blur) * unit)
    return np.round((1 - mask) * base + mask * drawn).astype(np.uint8)


def save(image: np.ndarray, path: Path) -> None:
    """Write uint8[height, width, 1 or 3] as PNG."""
    from PIL import Image as pillow

    with atomic(path) as temporary:
        pillow.fromarray(image[..., 0] if image.shape[-1] == 1 else image).save(temporary, format="PNG")
    print(path)


def sample(options: Options, model: Trained, path: Path, key: jax.Array, start: int) -> None:
    """Write random samples."""
    size: dict[str, Any] = dict(zip(("height", "width"), options.size, strict=True)) if options.size else {}
    images = model.task.sample(model.state, key, options.count or 8, start=start, **size)
    save_grid(path, images)
    print(path)
    for number, image in enumerate(images if options.apart else ()):
        save(image, path.with_name(f"{path.stem}-{number}.png"))


def animate(options: Options, model: Trained, path: Path, key: jax.Array, start: int) -> None:
    """Write an animation."""
    told = {name: value for name in ("alpha", "beta") if (value := getattr(options, name)) is not None}
    frames = model.task.animated(model.state, key, options.frames or 100, start=start, **told)
    save_gif(path, frames, 10)
    print(path)


def enlarge(options: Options, model: Trained, path: Path, key: jax.Array, start: int) -> None:
    """Write an enlargement."""
    task: SingleImage = model.task
    if options.input is None:
        given = TANH.to_bytes(2 * task.images[task.level(model.state)] - 1)
    else:
        given = picture(options.input, task.dataset.shape[-1], None)[None]
    save(task.enlarged(model.state, key, given, options.factor or 4.0)[0], path)


def fit_in(options: Options, model: Trained, path: Path, key: jax.Array, start: int) -> None:
    """Write a picture made to look like the image, all of it or where the mask is white."""
    assert options.input is not None
    longest = max(model.task.sizes(model.state)[-1])
    given = picture(options.input, model.task.dataset.shape[-1], longest)
    drawn = model.task.made_to_fit(model.state, key, given[None], start)[0]
    save(drawn if options.action == "paint" else blended(options, given, drawn), path)


ACTIONS: dict[str, Callable[[Options, Trained, Path, jax.Array, int], None]] = {
    "random": sample, "superresolve": enlarge, "paint": fit_in, "edit": fit_in, "harmonise": fit_in, "animate": animate,
}  # fmt: skip


def run(options: Options) -> None:
    """Draw what `options` ask for and write it."""
    check_options(options)
    path = written(options)
    model = load(options.run, with_data=options.action == "superresolve" and options.input is None)
    if not isinstance(model.task, SingleImage):
        raise ValueError(f"{options.run} is a run of {model.recipe.name}, not of a single image; give a SinGAN")
    start = chance_from(options, model.task.level(model.state))
    ACTIONS[options.action](options, model, path, jax.random.key(options.seed), start)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the program from the command line."""
    return program.main("eval.single", __doc__ or "", Options(), run, arguments)


if __name__ == "__main__":
    raise SystemExit(main())
