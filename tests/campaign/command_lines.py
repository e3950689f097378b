"""Random command lines for all recipes and programs, in one process: each ends with status 0 or 2 and a sentence."""

import contextlib
import dataclasses
import io
import random
import traceback
from pathlib import Path

from genjax.run import cli, training
from genjax.run.command import main as command
from genjax.run.command import programs
from genjax.run.run import names, recipe
from tests.campaign.tally import Tally

VALUES = (
    "", "0", "1", "-1", "3", "7", "1000", "0.5", "-0.5", "1e-3", "1e300", "nan", "inf", "-inf", "none", "None", "true",
    "x", "digits", "scenes", "photos", "mixture:ring", "domains:digits", "pairs:scenes", "folder:nowhere", "/dev/null",
    "tfds:mnist", "nowhere.npz", "sgd", "adam", "lamb", "fp16", "bf16", "linear", "é", "\0", "a b", "--", "99999999999",
)  # fmt: skip
PLACES = ("{finished}", "{empty}", "{file}", "nowhere", "/dev/null", "", "{finished}/checkpoints")


def flags(name: str) -> list[str]:
    """Return the options of a recipe as they are written."""
    return [f"--{field.name.replace('_', '-')}" for field in dataclasses.fields(recipe(name).options)]


def drawn(draw: random.Random, places: dict[str, str]) -> list[str]:
    """Return a random command line: half of right words, half of wrong ones."""

    def value() -> str:
        return draw.choice(PLACES).format(**places) if draw.random() < 0.3 else draw.choice(VALUES)

    if draw.random() < 0.6:
        name = draw.choice(names())
        words = ["train", name]
        if draw.random() < 0.5:
            words.append(draw.choice(list(recipe(name).presets)))
        known = flags(name)
    else:
        words = ["eval", draw.choice(programs())]
        if draw.random() < 0.7:
            words.append(value())
        known = ["--run", "--out", "--count", "--labels", "--truncation", "--seed", "--npz", "--data", "--steps"]
        known += ["--seeds", "--images", "--image", "--layer", "--network", "--weights", "--classes", "--features"]
    for _ in range(draw.randrange(4)):
        words.append(draw.choice(known))
        if draw.random() < 0.8:
            words.append(value())
    return words


def outcome(words: list[str]) -> tuple[str, str | None]:
    """Return how a command line ended, and what was wrong about it, if anything."""
    said = io.StringIO()
    try:
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(said):
            status = command(words)
    except SystemExit as stop:
        status = stop.code if isinstance(stop.code, int) else 1
    except BaseException:
        last = traceback.format_exc().strip().splitlines()
        return "traceback", f"{words}: {last[-1]} ({last[-3].strip()})"
    if status not in (0, 2):
        return "status", f"{words}: status {status}"
    if status == 2 and not said.getvalue().strip():
        return "silent", f"{words}: status 2 without a word"
    if "Traceback" in said.getvalue():
        return "traceback", f"{words}: {said.getvalue()[-300:]}"
    return "done" if status == 0 else "refused", None


def campaign(count: int, folder: Path, seed: int = 0) -> Tally:
    """Try `count` random command lines; runs that are accepted are not trained."""
    tally, draw = Tally("command lines"), random.Random(seed)
    finished, empty, file = folder / "finished", folder / "empty", folder / "file"
    empty.mkdir(parents=True)
    file.write_text("hello")
    tiny = ["--steps", "2", "--hidden", "8", "--importance-samples", "0", "--no-cache", "--devices", "1"]
    assert cli.main("vae", [*tiny, "--out", str(finished)]) == 0
    places = {"finished": str(finished), "empty": str(empty), "file": str(file)}
    train_in, training.train_in = training.train_in, lambda *_: 0
    try:
        with contextlib.chdir(folder):
            for _ in range(count):
                tally.note(*outcome(drawn(draw, places)))
    finally:
        training.train_in = train_in
    return tally
