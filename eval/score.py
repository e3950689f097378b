"""How far apart two folders of images are: generated ones from real ones, or any two.

    python -m eval.score generated/ real/ [--features inception:FILE | --features RUN_OF_A_CLASSIFIER]

Images are seen by the network that comes with the library, which was trained on drawn scenes: good enough to tell which
of two folders is nearer, and no FID. That needs `--features inception:FILE` and 10,000 images in each folder. Beside
each score stands what two halves of the second folder get: nobody can be expected to do better. What the network saw of
a folder is kept in the user's cache, so that the next comparison with it is a matter of seconds.
"""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import tyro

from genjax import data
from genjax.data import Arrays, Dataset, Files
from genjax.data.readers.cache import cache_folder
from genjax.files import atomic
from genjax.metrics.features import real_floor
from genjax.metrics.frechet import frechet_distance
from genjax.metrics.kernel import kernel_distance
from genjax.metrics.precision_recall import precision_recall
from genjax.run import extractors, program
from genjax.run.extractors import Extractor
from genjax.run.options import at_least

from .scores import ENOUGH, Row, drawn_rows

LEAST = 20
"""Images that a folder must have."""


@dataclass(frozen=True)
class Options:
    """Which folders, seen by what."""

    first: Annotated[Path, tyro.conf.Positional]
    """Folder of the images to judge."""
    second: Annotated[Path, tyro.conf.Positional]
    """Folder of the images to compare with, such as real ones."""
    features: str = "scenes"
    """scenes (the network that comes with the library), inception:FILE, or the folder of a run of train.classifier."""
    resizing: Literal["clean", "published"] = "clean"
    """How images reach InceptionV3's size: antialiased, or as TensorFlow 1 did."""
    image_size: Annotated[int | None, at_least(8)] = None
    """Side to which the images of both folders are brought; needed where sizes differ."""
    count: Annotated[int, at_least(LEAST)] = 10_000
    """Images of each folder, drawn at random where there are more."""
    seed: Annotated[int, at_least(0)] = 0
    """Of which images are drawn, and how they are halved."""


def extractor_of(options: Options) -> Extractor:
    """Return the extractor that the options name."""
    kind, colon, rest = options.features.partition(":")
    if options.features == "scenes":
        return extractors.of_scenes()
    if colon and kind == "inception":
        return extractors.of_inception(Path(rest).expanduser(), options.resizing)
    return extractors.of_classifier(Path(options.features))


def opened(folder: Path, options: Options) -> Dataset:
    """Return a folder's images; ValueError for two domains, or fewer images than `LEAST`."""
    found = data.load(f"folder:{folder.expanduser()}", image_size=options.image_size)
    if not isinstance(found.train, (Arrays, Files)) or not isinstance(found.test, (Arrays, Files)):
        raise ValueError(f"{folder} holds two domains; give one of its folders, such as {folder / 'trainA'}")
    total = len(found.train) + len(found.test)
    if total < LEAST:
        raise ValueError(f"{folder} holds {total} images; scores need {LEAST} or more")
    return found


def features_of(found: Any, extractor: Extractor, options: Options) -> tuple[np.ndarray, bool]:
    """Return what the extractor sees of a data set, float[count, features], and whether that was kept before."""
    total = len(found.train) + len(found.test)
    said = (found.fingerprint, extractor.hash, options.image_size, options.count, options.seed, options.resizing)
    path = cache_folder(None) / f"{hashlib.sha256(repr(said).encode()).hexdigest()[:32]}.features.npy"
    if path.exists():
        return np.load(path), True
    rows = drawn_rows(range(total), min(total, options.count), options.seed)
    first, second = rows[rows < len(found.train)], rows[rows >= len(found.train)] - len(found.train)
    images = np.concatenate([found.train.take(first)["images"], found.test.take(second)["images"]])
    features = extractor.of(images)[0]
    with atomic(path) as temporary, temporary.open("wb") as file:
        np.save(file, features)
    return features, False


def compare(first: np.ndarray, second: np.ndarray, extractor: Extractor, seed: int) -> list[Row]:
    """Return rows (name, score, that of two halves of the second) of two sets of features."""
    official = extractor.published and min(len(first), len(second)) >= ENOUGH
    distance = extractor.distance if official else "Frechet distance of features"
    metrics: list[tuple[str, Callable[[np.ndarray, np.ndarray], float]]] = [
        (distance, lambda a, b: frechet_distance(a, b).distance),
        ("kernel distance", lambda a, b: kernel_distance(a, b, seed=seed).mean),
    ]
    rows: list[Row] = [
        (name, metric(second, first), real_floor(metric, second, seed=seed).mean) for name, metric in metrics
    ]
    order = np.random.Generator(np.random.Philox(seed)).permutation(len(second))
    half = len(second) // 2
    parts = precision_recall(second, first), precision_recall(second[order[:half]], second[order[half : 2 * half]])
    names = ("precision", "recall", "density", "coverage")
    return [*rows, *((name, getattr(parts[0], name), getattr(parts[1], name)) for name in names)]


def run(options: Options) -> None:
    """Compare and print."""
    extractor = extractor_of(options)
    sets = [opened(folder, options) for folder in (options.first, options.second)]
    sides = ["x".join(map(str, found.shape[:2])) for found in sets]
    if sides[0] != sides[1]:
        raise ValueError(
            f"the images of {options.first} have {sides[0]} pixels, those of {options.second} {sides[1]}; give "
            "--image-size to bring both to one size, for sharpness alone would tell them apart"
        )
    (first, _), (second, kept) = (features_of(found, extractor, options) for found in sets)
    print(f"features: {extractor.name}, weights {extractor.hash}")
    print(
        f"{len(first)} images of {options.first}, {len(second)} of {options.second}{' (seen before)' if kept else ''}\n"
    )
    print(f"| score | {options.first} | two halves of {options.second} |\n|---|---|---|")
    for name, value, floor in compare(first, second, extractor, options.seed):
        print(f"| {name} | {value:.4g} | {floor:.4g} |")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the program from the command line."""
    return program.main("eval.score", __doc__ or "", Options(Path(), Path()), run, arguments)


if __name__ == "__main__":
    raise SystemExit(main())
