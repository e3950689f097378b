"""How close a generator's samples are to real images, by every usual score, each beside what real images get.

    python -m eval.scores runs/dcgan-digits [--features runs/classifier-digits | --features inception:FILE] [options]

Features come from a classifier: one that `train.classifier` trained (by default the small one on the run's own data,
trained now if need be), or InceptionV3 with your own weights. n samples are compared with n real images; the floor is
the same score of n other real images, for every score here depends on n. Writes scores.json into the run's folder.

A Frechet distance is called FID only where the features are those of the published Inception file (by its hash, which
a converted file carries) and n is at least 10,000: below, its bias is larger than most differences. With the default
`--resizing clean` it is named "FID (clean resizing)"; `--resizing published` gives the "FID" of most papers.
"""

import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import jax
import numpy as np
import tyro

from genjax.data import Unpaired
from genjax.environment import environment
from genjax.files import write_text
from genjax.metrics.features import real_floor
from genjax.metrics.frechet import frechet_distance
from genjax.metrics.inception_score import class_score
from genjax.metrics.kernel import kernel_distance
from genjax.metrics.modes import class_coverage
from genjax.metrics.precision_recall import precision_recall
from genjax.metrics.sliced import sliced_wasserstein
from genjax.run import extractors, program
from genjax.run.extractors import Extractor
from genjax.run.folder import named
from genjax.run.load import Trained, load
from genjax.run.options import SEED, at_least
from genjax.tasks.plane import plane_scores
from genjax.tasks.reconstruction import unit

ENOUGH = 10_000
PIXELS = 2_000
"""Images in a distance of pixels, which costs memory for each of them."""
TRUSTED = 0.5
"""Share of real images that a classifier must get right to be asked for classes: one of other data sees none."""
Row = tuple[str, float, float | None]


@dataclass(frozen=True)
class Options:
    """What to score, seen by what."""

    run: Annotated[Path, tyro.conf.Positional] = Path()
    """Folder of a run of a recipe that draws images."""
    features: str | None = None
    """Folder of a run of train.classifier, or inception:FILE; a small classifier of the run's data if not given."""
    resizing: Literal["clean", "published"] | None = None
    """How images reach InceptionV3's size: clean (antialiased, the default) or published (as TensorFlow 1 did)."""
    count: Annotated[int, at_least(2)] = 10_000
    """Samples, at most half as many as there are real images."""
    seed: Annotated[int, SEED] = 0
    """Of the samples and of the halves of the real images."""
    split: str = "train"
    """train or test: the real images."""


def extractor_of(options: Options, model: Trained) -> Extractor:
    """Return the extractor that the options name."""
    kind, colon, rest = (options.features or "").partition(":")
    if colon and kind == "inception":
        return extractors.of_inception(Path(rest).expanduser(), options.resizing or "clean")
    if options.resizing is not None:
        raise ValueError(
            f"--resizing {options.resizing} is for InceptionV3; leave it out, or give --features inception:FILE"
        )
    if options.features is not None:
        return extractors.of_classifier(Path(options.features))
    dataset, source = model.dataset, model.options.data
    if dataset.channels_of is not None:  # a stack is read channel by channel
        source = dataset.channels_of
    elif not dataset.num_classes:
        raise ValueError(f"{dataset.name} has no labels to train a classifier with; give --features inception:FILE")
    side = dataset.shape[0]
    folder = named("classifier", source)
    return extractors.trained_on(source, side, folder.with_name(f"{folder.name}-{side}"))


def draw(model: Trained, count: int, seed: int) -> np.ndarray:
    """Return `count` samples as the task gives them, bytes or points, every class in turn where there are classes."""
    task, parts = model.task, []
    classes = getattr(task, "classes", 0)
    for number, start in enumerate(range(0, count, 500)):
        size = min(500, count - start)
        labels = np.arange(start, start + size) % classes if classes else None
        parts.append(task.sample(model.state, jax.random.fold_in(jax.random.key(seed), number), size, labels=labels))
    return np.concatenate(parts)


def drawn_rows(split: Any, count: int, seed: int) -> np.ndarray:
    """Return the numbers of `count` different images of a split, drawn at random, in order."""
    return np.sort(np.random.Generator(np.random.Philox(seed)).permutation(len(split))[:count])


def real_images(task: Any, split: Any, count: int, seed: int) -> tuple[np.ndarray, np.ndarray | None]:
    """Return `count` different real images, bytes, drawn at random, as the model imitates them, and any labels."""
    batch = split.take(drawn_rows(split, count, seed))
    return task.real(batch[getattr(task, "imitates", "images")]), batch.get("labels")


def stacked_labels(extractor: Extractor, images: np.ndarray) -> np.ndarray:
    """Return the numbers 0 .. 999 that the three channels of images read; ValueError unless it tells ten classes."""
    digits = []
    for channel in range(3):
        probabilities = extractor.of(images[..., channel : channel + 1])[1]
        if probabilities.shape[1] != 10:
            raise ValueError(
                f"stacked digits are read by a classifier of ten digits, and {extractor.name} knows "
                f"{probabilities.shape[1]} classes; leave out --features, or give a run of train.classifier on digits"
            )
        digits.append(probabilities.argmax(-1))
    return 100 * digits[0] + 10 * digits[1] + digits[2]


def feature_rows(extractor: Extractor, fake: Any, real: Any, seed: int) -> list[Row]:
    """Return the scores of n samples against n of 2n real images, with those of the two real halves.

    fake, real: (features, probabilities) of each, as `extractor` gave them.
    """
    (seen, probabilities), (known, known_probabilities) = fake, real
    n = len(seen)
    half, other = known[:n], known[n:]
    official = extractor.published and n >= ENOUGH
    distance = extractor.distance if official else "Frechet distance of features"
    metrics: list[tuple[str, Callable[[np.ndarray, np.ndarray], float]]] = [
        (distance, lambda a, b: frechet_distance(a, b).distance),
        ("kernel distance", lambda a, b: kernel_distance(a, b, seed=seed).mean),
    ]
    rows: list[Row] = [
        (name, metric(half, seen), real_floor(metric, known, seed=seed).mean) for name, metric in metrics
    ]
    both = precision_recall(half, seen), precision_recall(half, other)
    rows += [
        (name, getattr(both[0], name), getattr(both[1], name))
        for name in ("precision", "recall", "density", "coverage")
    ]
    name = "inception score" if official else "class score (as the inception score, of this classifier)"
    rows.append((name, class_score(probabilities).mean, class_score(known_probabilities[:n]).mean))
    return rows


def plane_rows(model: Trained, split: Any, count: int, seed: int) -> list[Row]:
    """Return what covers a mixture, of samples and of its own points."""
    task = model.task
    found, known = (
        plane_scores(task.mixture, points)
        for points in (draw(model, count, seed), task.real(split, drawn_rows(split, count, seed)))
    )
    return [(name, found[name], known[name]) for name in found]


def class_rows(
    classes: int, seen: np.ndarray, known: np.ndarray, *, asked: int = 0, name: str = "classes"
) -> list[Row]:
    """Return how many classes are covered and how evenly.

    asked: classes that were asked for in turn; then also how often a sample has the class that was asked for.
    """
    found, real = (class_coverage(labels, classes) for labels in (seen, known))
    rows: list[Row] = [
        (f"{name} of {classes}", found.modes, real.modes),
        ("KL to equal shares", found.divergence, real.divergence),
    ]
    if asked:
        rows.append(("samples of the asked class", float(np.mean(seen == np.arange(len(seen)) % asked)), None))
    return rows


def score(options: Options, model: Trained) -> tuple[list[Row], dict[str, Any]]:
    """Return rows (name, score, score of real images) and what was compared."""
    if options.split not in ("train", "test"):
        raise ValueError(f"--split {options.split}: train or test")
    split = getattr(model.dataset, options.split)
    if isinstance(split, Unpaired):  # what is drawn are images of domain B
        split = split.second
    count = min(options.count, len(split) // 2)
    if count < 100:
        raise ValueError(f"{count} samples are too few to score; give --count 100 or more, of a larger split")
    about: dict[str, Any] = {"samples": count, "real": count}
    if model.dataset.mixture is not None:
        return plane_rows(model, split, count, options.seed), about
    extractor = extractor_of(options, model)
    about |= {"extractor": extractor.name, "extractor_hash": extractor.hash}
    fake = draw(model, count, options.seed)
    real, labels = real_images(model.task, split, 2 * count, options.seed)
    asked = getattr(model.task, "classes", 0)
    if model.dataset.channels_of is not None:
        seen, known = stacked_labels(extractor, fake), stacked_labels(extractor, real[:count])
        rows = class_rows(1000, seen, known, asked=asked, name="modes")
    else:
        fakes, reals = extractor.of(fake), extractor.of(real)
        rows = feature_rows(extractor, fakes, reals, options.seed)
        classes = model.dataset.num_classes
        if labels is not None and fakes[1].shape[1] == classes:  # InceptionV3 knows others
            seen, known = fakes[1].argmax(-1), reals[1].argmax(-1)
            right = about["real_images_classified_right"] = float(np.mean((known == labels)[labels >= 0]))
            if right >= TRUSTED:
                rows += class_rows(classes, seen, known[:count], asked=asked)
    few = min(count, PIXELS)
    fake, half, other = (unit(images[:few]) for images in (fake, real, real[count:]))
    rows.append(
        ("sliced Wasserstein distance of pixels", sliced_wasserstein(fake, half), sliced_wasserstein(other, half))
    )
    return rows, about


def run(options: Options) -> None:
    """Score and write."""
    model = load(options.run, with_data=True)
    if not hasattr(model.task, "sample"):
        raise ValueError(f"{options.run} is a run of {model.recipe.name}, which draws nothing that could be scored")
    rows, about = score(options, model)
    result = {
        **about,
        "split": options.split,
        "step": int(model.state.step),
        "scores": {name: {"samples": value, "real": floor} for name, value, floor in rows},
        "environment": environment(),
    }
    write_text(options.run / "scores.json", json.dumps(result, indent=2) + "\n")
    if "extractor" in about:
        print(f"features: {about['extractor']}, weights {about['extractor_hash']}")
    if "real_images_classified_right" in about:
        right = about["real_images_classified_right"]
        advice = "" if right >= TRUSTED else ", so classes are left out; its features may still tell images apart"
        print(f"it classifies {right:.1%} of these real images right{advice}")
    print(f"{about['samples']} samples and {about['real']} real images ({options.split}), step {result['step']}\n")
    print("| score | samples | real against real |\n|---|---|---|")
    for name, value, floor in rows:
        print(f"| {name} | {value:.4g} | {'' if floor is None else f'{floor:.4g}'} |")
    print(options.run / "scores.json", file=sys.stderr)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the program from the command line."""
    return program.main(
        "eval.scores", "Scores of a generator's samples beside those of real images.", Options(), run, arguments
    )


if __name__ == "__main__":
    raise SystemExit(main())
