"""Dress a person in other garments by a trained CAGAN: a photograph, what is worn there, and what is wanted.

    python -m eval.try_on runs/cagan-shop --person me.jpg --worn shirt.jpg --wanted catalogue/ --out dressed/
    python -m eval.try_on runs/cagan-garments

Writes a PNG for each wanted garment, of the garment's name, and sheet.png: the person, the garments, the person in each
of them, and where the network painted (white). Garments are brought to the person's size. Without --person the test
persons of the run's data set are dressed in the test garments, a person a row. The originals are never written over.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import tyro

from genjax.data.readers.folder import list_images, printable
from genjax.data.readers.image import fit, read
from genjax.run import program
from genjax.run.load import Trained, load
from genjax.run.options import at_least
from genjax.viz.grid import grid, save_page, sheet

from .translate import save


@dataclass(frozen=True)
class Options:
    """Whom to dress in what, by which run."""

    run: Annotated[Path, tyro.conf.Positional] = Path()
    """Folder of a run of train.cagan."""
    person: Path | None = None
    """Picture of a person; test persons of the data set if not given."""
    worn: Path | None = None
    """Picture of the garment that the person wears."""
    wanted: Path | None = None
    """Picture of another garment, or a folder of them."""
    out: Path | None = None
    """Folder of the pictures; "dressed" in the run's folder if not given."""
    count: Annotated[int, at_least(1)] = 6
    """Persons, and garments, of the data set where --person is not given."""


def dressed(model: Trained, person: np.ndarray, worn: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Return uint8[count, height, width, 3], the person in each of the wanted garments.

    person, worn: uint8[height, width, 3].  wanted: uint8[count, height, width, 3].
    """
    persons, articles = (np.broadcast_to(x, wanted.shape) for x in (person, worn))
    return model.sample(len(wanted), images=persons, articles=articles, others=wanted)


def painted(person: np.ndarray, outputs: np.ndarray) -> np.ndarray:
    """Return where outputs differ from the person, uint8[count, height, width, 1]: the largest change is white."""
    change = np.abs(outputs.astype(np.float32) - person).max(-1, keepdims=True)
    return np.round(255 * change / max(float(change.max()), 1.0)).astype(np.uint8)


def garments(path: Path) -> list[Path]:
    """Return the pictures of a folder in the order of their names, or the one picture."""
    if path.is_dir():
        found = [Path(name) for name in list_images(path).paths]
        if not found:
            raise ValueError(f"--wanted {path} holds no images; give a picture of a garment, or a folder of them")
        return found
    return [path]


def opened(path: Path, size: tuple[int, int] | None = None) -> np.ndarray:
    """Return a picture, uint8[height, width, 3], brought to (height, width) where that is given."""
    from PIL import Image as pillow

    picture = read(path)
    if size is not None:
        picture = picture.convert("RGB").resize(size[::-1], pillow.Resampling.BICUBIC)
    return fit(picture, None, 3)


def of_pictures(model: Trained, options: Options, out: Path) -> np.ndarray:
    """Write the person of --person in every wanted garment, and return the sheet."""
    given = {"--worn": options.worn, "--wanted": options.wanted}
    if options.person is None or options.worn is None or options.wanted is None:
        lacking = ", ".join(name for name, path in {"--person": options.person, **given}.items() if path is None)
        raise ValueError(f"--person, --worn and --wanted belong together; give {lacking} too")
    person, paths = opened(options.person), garments(options.wanted)
    worn = opened(options.worn, person.shape[:2])
    wanted = np.stack([opened(path, person.shape[:2]) for path in paths])
    outputs = dressed(model, person, worn, wanted)
    originals = {path.resolve() for path in (options.person, options.worn, *paths)}
    written = [out / f"{path.stem}.png" for path in paths]
    for path in (*written, out / "sheet.png"):
        if path.resolve() in originals:
            raise ValueError(f"{printable(path)} is an original and would be written over; choose another --out")
    for path, image in zip(written, outputs, strict=True):
        save(image, path, None)
        print(path)
    persons = np.broadcast_to(person, outputs.shape)
    return sheet({"person": persons, "wanted": wanted, "dressed": outputs, "painted": painted(person, outputs)})


def of_data(model: Trained, count: int) -> np.ndarray:
    """Return a table of the data set's test persons in its test garments: a person a row, what is wanted on top."""
    rows, _ = model.task.split(model.dataset.test.take(np.arange(min(count, len(model.dataset.test)))))
    persons, worn, wanted = (rows[name] for name in ("images", "articles", "others"))
    blank = np.full_like(persons[:1], 255)
    lines = [np.concatenate([blank, wanted])]
    for person, article in zip(persons, worn, strict=True):
        lines.append(np.concatenate([person[None], dressed(model, person, article, wanted)]))
    return grid(np.concatenate(lines), len(wanted) + 1)


def run(options: Options) -> None:
    """Dress the persons that `options` name and write the pictures."""
    alone = options.person is None and options.worn is None and options.wanted is None
    model = load(options.run, with_data=alone)
    if "others" not in getattr(model.task, "conditions", {}):
        raise ValueError(f"{options.run} is a run of {model.recipe.name}, which swaps no garments; give one of cagan")
    out = options.out or options.run / "dressed"
    page = of_data(model, options.count) if alone else of_pictures(model, options, out)
    save_page(out / "sheet.png", page)
    print(out / "sheet.png")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the program from the command line."""
    return program.main("eval.try_on", __doc__ or "", Options(), run, arguments)


if __name__ == "__main__":
    raise SystemExit(main())
