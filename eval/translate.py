"""Translate your own pictures by a trained model: outlines into scenes, photographs into another domain.

    python -m eval.translate runs/cyclegan-horse2zebra --input photo.jpg --out zebra.png
    python -m eval.translate runs/pix2pix-facades --input labels/ --out facades/ --sheets
    python -m eval.translate runs/spade-scenes --input map.png --style photo.jpg --out drawn.png
    python -m eval.translate runs/srgan-photos --input small.jpg --out large.png
    python -m eval.translate --weights latest_net_G.pth --network pix2pix-256 --input photo.jpg --out map.png

Pictures may have any size: where the networks need another they are continued by their mirror image, and what belongs
to that is cut off again. Translations are PNG files of the originals' names, in the folder --out; the originals are
never written over. A colour profile of a picture stays with its translation where both are in colour or both grey. A
model that draws chance (dropout) draws the same for every picture; --seed draws other. `--weights` reads a translator
that others have published, `--network` says which (`genjax.gans.published.translators`).
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import jax
import numpy as np
import tyro

from genjax.data.readers.folder import list_images, printable
from genjax.data.readers.image import fit, read, read_map
from genjax.files import atomic
from genjax.gans.published import translators
from genjax.run import program
from genjax.run.load import Trained, load
from genjax.run.options import SEED, at_least
from genjax.tasks.sizes import Takes, at_any_size
from genjax.viz.grid import save_page, sheet
from genjax.viz.palette import visible


@dataclass(frozen=True)
class Options:
    """Which pictures, by which run."""

    run: Annotated[Path, tyro.conf.Positional] = Path()
    """Folder of a run of a recipe that translates images."""
    weights: Path | None = None
    """File of a published translator, .pth, .npz or .safetensors, instead of a run; needs --network."""
    network: Annotated[
        str | None, tyro.conf.arg(help=f"Which network the weights are of: {', '.join(translators.NETWORKS)}.")
    ] = None
    input: Path = Path()
    """Picture, or folder of pictures with sub-folders."""
    out: Path | None = None
    """Folder of the translations, or for one picture also a name ending in .png; "translated" in the run's folder, or
    beside the weights, if not given."""
    backward: bool = False
    """Translate from B to A, of a run that learned both ways."""
    style: Path | None = None
    """Picture whose style is drawn onto label maps, of a run of SPADE that was trained with --style."""
    seed: Annotated[int, SEED] = 0
    """Seed of what the networks draw by chance."""
    batch: Annotated[int, at_least(1)] = 8
    """Pictures of one size that are translated together."""
    sheets: bool = False
    """Write sheets of originals above their translations too, of pictures of one size, in the folder "sheets"."""


KINDS = {1: b"GRAY", 3: b"RGB "}
"""What a colour profile says that it describes, by the channels of the picture."""


class Picture(NamedTuple):
    """A picture to translate.  pixels: uint8[height, width, channels].  profile: its colour profile, if it has one."""

    source: Path
    written: Path
    pixels: np.ndarray
    profile: bytes | None


def places(options: Options) -> list[tuple[Path, Path]]:
    """Return every picture with the file of its translation. ValueError where one would be written over a picture."""
    out = options.out or (options.weights.parent if options.weights else options.run) / "translated"
    if options.input.is_dir():
        listing = list_images(options.input)
        if listing.broken:
            raise ValueError(listing.broken[0])
        if not listing.paths:
            raise ValueError(f"--input {options.input} holds no images; give a picture, or a folder of pictures")
        sources = [Path(path) for path in listing.paths]
        if out.suffix == ".png":
            raise ValueError(f"--out {out} is one picture and --input {options.input} a folder; give a folder as --out")
        pairs = [(path, (out / path.relative_to(options.input)).with_suffix(".png")) for path in sources]
    elif options.input.is_file():
        sources = [options.input]
        pairs = [(options.input, out if out.suffix == ".png" else out / f"{options.input.stem}.png")]
    else:
        raise ValueError(f"--input {options.input} is no picture and no folder; give one of them")
    taken: dict[Path, Path] = {}
    originals = {path.resolve() for path in sources}
    for source, written in pairs:
        if written.resolve() in originals:
            raise ValueError(
                f"{printable(written)} is an original and would be written over; choose another folder for --out"
            )
        if written in taken:
            raise ValueError(
                f"{printable(taken[written])} and {printable(source)} would both be written to {printable(written)}; "
                "rename one of the two"
            )
        taken[written] = source
    return pairs


def opened(source: Path, written: Path, takes: Takes) -> Picture:
    """Return a picture as the networks take it: grey, in colour, or numbers of classes."""
    if takes.name == "maps":
        return Picture(source, written, read_map(source), None)
    picture = read(source)
    profile = picture.info.get("icc_profile")
    kept = profile is not None and profile[16:20] == KINDS[takes.channels]
    return Picture(source, written, fit(picture, None, takes.channels), profile if kept else None)


def styles(path: Path, shape: tuple[int, ...]) -> np.ndarray:
    """Return a picture at the size of maps [count, height, width, 1], once for each of them: uint8[..., 3]."""
    from PIL import Image as pillow

    count, height, width, _ = shape
    picture = pillow.fromarray(fit(read(path), None, 3)).resize((width, height), pillow.Resampling.BICUBIC)
    return np.broadcast_to(np.asarray(picture), (count, height, width, 3))


def grouped(pictures: Iterator[Picture], batch: int) -> Iterator[list[Picture]]:
    """Yield pictures that follow each other and have one size together, at most `batch` of them."""
    for _, same in groupby(pictures, key=lambda picture: picture.pixels.shape):
        waiting: list[Picture] = []
        for picture in same:
            waiting.append(picture)
            if len(waiting) == batch:
                yield waiting
                waiting = []
        if waiting:
            yield waiting


def save(image: np.ndarray, path: Path, profile: bytes | None) -> None:
    """Write uint8[height, width, 1 or 3] as PNG, with a colour profile if there is one."""
    from PIL import Image as pillow

    profiled: dict[str, Any] = {} if profile is None else {"icc_profile": profile}
    with atomic(path) as temporary:
        pillow.fromarray(image[..., 0] if image.shape[-1] == 1 else image).save(temporary, format="PNG", **profiled)


class Model(NamedTuple):
    """takes: the pictures that fit.  translate: uint8[count, height, width, channels] of any size -> the same."""

    takes: Takes
    translate: Callable[[np.ndarray], np.ndarray]


def of_run(options: Options) -> Model:
    """Return the translator of a run."""
    model: Trained = load(options.run)
    takes = getattr(model.task, "takes", None)
    if takes is None:
        raise ValueError(f"{options.run} is a run of {model.recipe.name}, which does not translate images")
    conditions: dict[str, Any] = {"backward": True} if options.backward else {}

    def translate(images: np.ndarray) -> np.ndarray:
        style = {} if options.style is None else {"style": styles(options.style, images.shape)}
        return model.translate(images, seed=options.seed, **conditions, **style)

    return Model(takes, translate)


def of_weights(weights: Path, options: Options) -> Model:
    """Return a published translator."""
    if options.backward:
        raise ValueError(f"--weights {weights} translates one way; leave out --backward, and give the other way's file")
    if options.style is not None:
        raise ValueError(f"--weights {weights} has no encoder of styles; leave out --style")
    found, key = translators.load(weights, options.network or ""), jax.random.key(options.seed)
    name, channels = ("images", 3) if found.translator.labels is None else ("maps", 1)
    takes = Takes(name, channels, found.translator.multiple, found.translator.smallest)

    def translate(images: np.ndarray) -> np.ndarray:
        return at_any_size(lambda rows: found.translate(rows[takes.name], key), takes, {takes.name: images})

    return Model(takes, translate)


def run(options: Options) -> None:
    """Translate the pictures that `options` name and write them."""
    if (options.weights is None) != (options.network is None):
        raise ValueError("--weights and --network go together; give both, or a run's folder alone")
    if options.weights is not None and options.run != Path():
        raise ValueError(f"{options.run} is a run, and --weights {options.weights} another model; give one of them")
    model = of_run(options) if options.weights is None else of_weights(options.weights, options)
    pictures = (opened(source, written, model.takes) for source, written in places(options))
    for group in grouped(pictures, options.batch):
        given = np.stack([picture.pixels for picture in group])
        translated = model.translate(given)
        alike = translated.shape[-1] == given.shape[-1]
        for picture, image in zip(group, translated, strict=True):
            save(image, picture.written, picture.profile if alike else None)
            print(picture.written)
        if options.sheets:
            first = group[0].written
            save_page(
                first.parent / "sheets" / first.name, sheet(visible({model.takes.name: given, "output": translated}))
            )


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the program from the command line."""
    return program.main("eval.translate", __doc__ or "", Options(), run, arguments)


if __name__ == "__main__":
    raise SystemExit(main())
