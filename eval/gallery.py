"""A page of runs: for each its samples, curves and card, a table that sorts, and curves over each other.

    python -m eval.gallery [runs]                      # writes runs/index.html
    python -m eval.gallery runs --out docs/gallery     # a gallery of models: one run each, and its controls

A run is a folder with config.json below `runs`. The page links the pictures of the runs where they lie, and loads
nothing from elsewhere. With `--out` pictures are copied, small ones, the run nearest to its recipe's first preset
stands for its model, and runs of the same recipe with other options stand beside it as controls. `--redraw` draws
pictures anew from the newest checkpoints.
"""

import math
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import numpy as np
import tyro

from genjax.engine.log import METRICS, read_rows
from genjax.files import atomic, write_text
from genjax.metrics.words import word
from genjax.run import program
from genjax.run.folder import CONFIG, read_config
from genjax.run.load import load
from genjax.run.options import LENGTH, OPERATIONAL
from genjax.run.run import Recipe, names, recipe
from genjax.viz.curves import LOSSES, panels_of, save_curves, save_panels

from ._models import MODELS
from ._page import Entry, Picture, page

WIDTH, THUMB = 500, 96
"""Pixels of copied pictures and of thumbnails."""
COLOURS, GREYS = 256, 20
"""Of copied pictures: a palette keeps files small."""
SHOWN = {
    "samples": "samples",
    "reconstruction": "test images, decoded",
    "codes": "one code changes along a row",
    "turntable": "the same latents, turned",
    "wide": "samples of twice the width",
    "nearest": "samples beside the nearest training images",
    "confusion": "labels and what is predicted",
}
"""What a run's pictures show, in the order in which they are shown."""


@dataclass(frozen=True)
class Options:
    """Which runs, and where the page goes."""

    runs: Annotated[Path, tyro.conf.Positional] = Path("runs")
    """Folder below which runs lie."""
    out: Path | None = None
    """Folder of a gallery of models, with copied pictures; the page is runs/index.html if not given."""
    redraw: bool = False
    """Draw the pictures of every run anew, from its newest checkpoint."""


class Found(NamedTuple):
    """A run: folder, configuration, recipe, rows of metrics, and what differs from its preset, {option: value}."""

    folder: Path
    config: dict[str, Any]
    recipe: Recipe
    rows: list[dict[str, Any]]
    changed: Mapping[str, Any]

    @property
    def title(self) -> str:
        """What the run is called: its folder."""
        return self.folder.name

    def last(self, score: str) -> float | None:
        """Return the last value of a score."""
        return next((row[f"test/{score}"] for row in reversed(self.rows) if row.get(f"test/{score}") is not None), None)


def changes(found: Recipe, config: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a run was told differently from its preset, without what says only where and how long it ran."""
    preset = found.presets.get(config["preset"])
    if preset is None:
        return {}
    own = {name: list(x) if isinstance(x, tuple) else x for name, x in vars(preset).items()}
    left_out = OPERATIONAL | LENGTH | {"seed", "base_batch"}
    return {
        name: value
        for name, value in config["hyper"].items()
        if name in own and name not in left_out and value != own[name]
    }


def find(folder: Path) -> list[Found]:
    """Return the runs below a folder, by name; what is damaged is named on stderr. ValueError where there is none."""
    known, found = set(names()), []
    for path in sorted(folder.rglob(CONFIG)):
        if path.parent.name == "best" or not (path.parent / METRICS).exists():
            continue
        try:
            config = read_config(path.parent)
            if config["recipe"] not in known:
                raise ValueError(f"{path.parent} is a run of {config['recipe']}, which is no recipe here")
            made = recipe(config["recipe"])
            rows = read_rows(path.parent / METRICS)
            found.append(Found(path.parent, config, made, rows, changes(made, config)))
        except ValueError as error:
            print(f"left out: {error}", file=sys.stderr)
    if not found:
        raise ValueError(f"there is no run below {folder}; train one first: python -m train.vae")
    return found


def newest(folder: Path) -> dict[str, Path]:
    """Return the last of each kind of picture in a run's folder, in the order of `SHOWN`."""
    pictures: dict[str, Path] = {}
    for path in sorted(folder.glob("*-[0-9]*.png")):
        kind = re.sub(r"-\d+$", "", path.stem)
        pictures[kind] = path
    order = list(SHOWN)
    return dict(sorted(pictures.items(), key=lambda item: order.index(item[0]) if item[0] in order else len(order)))


def redraw(run: Found) -> None:
    """Draw a run's pictures and curves anew."""
    from genjax.run.training import caption_for, write_pictures

    if run.rows:
        save_curves(run.folder / METRICS, run.folder / "curves.png")
    try:
        model = load(run.folder, with_data=True)
        score = run.recipe.score[0] if run.recipe.score else ""
        value = run.last(score)
        known = {} if value is None else {score: value}
        caption = caption_for(
            run.recipe, run.config["preset"], run.config["hyper"]["data"], int(model.state.step), known
        )
        write_pictures(model.task, model.state, run.folder, caption)
    except (ValueError, OSError) as error:
        print(f"not redrawn: {error}", file=sys.stderr)


def facts(run: Found) -> dict[str, str]:
    """Return what is told of a run, as texts by name."""
    score = run.recipe.score[0] if run.recipe.score else ""
    value = run.last(score)
    step, preset = max((row["step"] for row in run.rows), default=0), run.recipe.presets.get(run.config["preset"])
    usual = preset.steps if preset else None
    told = {
        "recipe": run.config["recipe"], "preset": run.config["preset"], "data": str(run.config["hyper"]["data"]),
        "step": f"{step:,}" if usual in (None, step) else f"{step:,} (the preset makes {usual:,})",
        "seconds": f"{max((row.get('seconds') or 0 for row in run.rows), default=0):.0f}",
        "seed": str(run.config["hyper"].get("seed", "")), "device": str(run.config["environment"].get("device", "")),
        "date": str(run.config["environment"].get("date", "")),
    }  # fmt: skip
    if value is not None:
        told |= {"score": f"{value:.4g}", "of": word(score).words}
    if run.changed:
        told["changed"] = ", ".join(f"{name} {value}" for name, value in run.changed.items())
    return told


def entry(run: Found, pictures: Sequence[Picture]) -> Entry:
    """Return a run as it stands on the page."""
    curves: dict[str, list[tuple[int, float]]] = {}
    for row in run.rows:
        for name, value in row.items():
            if (name.startswith("test/") or name.endswith("/loss")) and value is not None and math.isfinite(value):
                curves.setdefault(name.removeprefix("test/"), []).append((row["step"], value))
    known = MODELS.get(run.config["recipe"])
    scores = {word(name).words: points[-1][1] for name, points in curves.items() if not name.endswith("/loss")}
    command = next((start["command"] for start in run.config["starts"]), f"train {run.config['recipe']}")
    command = re.sub(r" --(out|devices) ('[^']*'|\S+)", "", command)  # where it ran is no matter of a reader's
    line = f"{known.title}: take it when {known.use}." if known else run.recipe.doc.splitlines()[0]
    thin = {name: points[:: -max(1, len(points) // 100)][::-1] for name, points in curves.items()}  # with the last one
    return Entry(
        run.title, known.kind if known else "Others", line, f"genjax {command}", facts(run), scores, pictures, thin
    )


def in_place(runs: Sequence[Found], folder: Path) -> str:
    """Return the page of all runs, whose pictures stay where they are."""
    entries = []
    for run in runs:
        shown = {**newest(run.folder), "curves": run.folder / "curves.png"}
        pictures = [
            Picture(path.relative_to(folder).as_posix(), SHOWN.get(kind, kind))
            for kind, path in shown.items() if path.exists()
        ]  # fmt: skip
        entries.append(entry(run, pictures))
    text = f"<p>{len(runs)} runs in {folder.name}. Click a heading to sort, a box to draw a run's curve or not.</p>"
    return page("Runs", text, entries, compare=True)


def copied(source: Path, target: Path, width: int = WIDTH) -> None:
    """Write a picture smaller and with a palette."""
    from PIL import Image

    with Image.open(source) as picture:
        small = picture.convert("RGB")
    if small.width > width:
        small = small.resize((width, round(small.height * width / small.width)), Image.Resampling.LANCZOS)
    save_small(target, small)


def save_small(target: Path, picture: Any) -> None:
    """Write a picture with a palette, of few colours where it has greys alone."""
    from PIL import Image

    grey = int(np.ptp(np.asarray(picture), axis=-1).max()) < 16
    with atomic(target) as temporary:
        # Median cut, the default, gives small things in a colour of their own that of their neighbours.
        few = picture.quantize(GREYS if grey else COLOURS, method=Image.Quantize.MAXCOVERAGE, kmeans=1)
        few.save(temporary, format="PNG", optimize=True)


def short_curves(run: Found, target: Path) -> bool:
    """Draw the recipe's score beside its floor, and the losses, for the width of a card; return whether there are."""
    name = word(run.recipe.score[0]).words if run.recipe.score else ""
    panels = [p for p in panels_of(run.rows) if p.title in (name, LOSSES)]
    if not panels:
        return False
    full = target.with_name(f".{target.name}")
    save_panels(panels, full)
    copied(full, target)
    full.unlink()
    return True


def thumbnail(run: Found, target: Path) -> bool:
    """Write four samples of a run as one small square; return whether it has any."""
    from PIL import Image

    try:
        model = load(run.folder)
        images = np.asarray(model.sample(4, seed=1)) if model.dataset.mixture is None else None
    except (ValueError, TypeError, AttributeError):
        images = None
    drawn = newest(run.folder)
    source = drawn.get("samples") or next(iter(drawn.values()), None)
    if images is not None and images.ndim == 4:
        half = THUMB // 2
        page_ = Image.new("RGB", (2 * half, 2 * half))
        for number, image in enumerate(images):
            shown = Image.fromarray(np.ascontiguousarray(np.broadcast_to(image, (*image.shape[:2], 3))))
            page_.paste(shown.resize((half, half), Image.Resampling.BICUBIC), (number % 2 * half, number // 2 * half))
    elif source is not None:
        with Image.open(source) as picture:
            side = min(picture.size)
            page_ = picture.convert("RGB").crop((0, 0, side, side)).resize((THUMB, THUMB), Image.Resampling.LANCZOS)
    else:
        return False
    save_small(target, page_)
    return True


def of_models(runs: Sequence[Found], out: Path) -> str:
    """Copy the pictures of one run of every model and of its controls to `out`; return the page."""
    entries = []
    for name in [*MODELS, *(name for name in names() if name not in MODELS)]:
        mine = sorted((run for run in runs if run.config["recipe"] == name), key=lambda run: len(run.changed))
        if not mine:
            continue
        first, pictures = mine[0], []
        for kind, source in newest(first.folder).items():
            file = f"{name}.png" if kind == "samples" else f"{name}-{kind}.png"
            copied(source, out / file)
            pictures.append(Picture(file, SHOWN.get(kind, kind)))
        if short_curves(first, out / f"{name}-curves.png"):
            pictures.append(Picture(f"{name}-curves.png", "score and losses"))
        told = {tuple(sorted(map(str, first.changed.items())))}
        for run in mine[1:]:
            changed = tuple(sorted(map(str, run.changed.items())))
            sampled = newest(run.folder).get("samples")
            if changed in told or sampled is None:  # another seed of the same
                continue
            told.add(changed)
            text = ", ".join(f"{option} {value}" for option, value in run.changed.items())
            copied(sampled, out / f"{name}-control-{len(told) - 1}.png")
            pictures.append(Picture(f"{name}-control-{len(told) - 1}.png", f"control: {text}"))
        thumbnail(first, out / f"{name}-thumb.png")
        entries.append(entry(first, pictures)._replace(title=MODELS[name].title if name in MODELS else name))
    text = (
        "<p>One run of every model with its small preset; a card says where a run is shorter or longer than that. "
        "From <code>python -m eval.gallery</code>: samples "
        "above real images, samples beside the training images nearest to them, scores beside their floor.</p>"
    )
    return page("Gallery", text, entries, compare=False)


def run(options: Options) -> None:
    """Write the page."""
    if not options.runs.is_dir():
        raise ValueError(f"there is no folder {options.runs}; give the one in which runs lie, or train one first")
    runs = find(options.runs)
    if options.redraw:
        for each in runs:
            redraw(each)
    if options.out is None:
        path, text = options.runs / "index.html", in_place(runs, options.runs)
    else:
        options.out.mkdir(parents=True, exist_ok=True)
        path, text = options.out / "index.html", of_models(runs, options.out)
    write_text(path, text)
    print(path)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the program from the command line."""
    return program.main("eval.gallery", __doc__ or "", Options(), run, arguments)


if __name__ == "__main__":
    raise SystemExit(main())
