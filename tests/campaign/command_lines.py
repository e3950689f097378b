"""Random command lines for all recipes and programs, in one process: each ends with status 0 or 2 and a sentence.

What is accepted is checked and prepared as far as training, which is not begun.
"""

import contextlib
import dataclasses
import functools
import importlib
import io
import os
import random
import signal
import traceback
import types
import typing
from collections.abc import Iterator
from pathlib import Path
from unittest import mock

from PIL import Image

from genjax.engine import loop
from genjax.run import cli, training
from genjax.run.command import PROGRAMS, programs
from genjax.run.command import main as command
from genjax.run.options import flag
from genjax.run.run import names, package, recipe
from tests.campaign.tally import Tally

VALUES = (
    "", "0", "1", "-1", "3", "7", "1000", "0.5", "-0.5", "1e-3", "1e300", "nan", "inf", "-inf", "none", "None", "true",
    "x", "digits", "scenes", "photos", "mixture:ring", "domains:digits", "pairs:scenes", "folder:nowhere", "/dev/null",
    "tfds:mnist", "nowhere.npz", "sgd", "adam", "lamb", "fp16", "bf16", "linear", "é", "\0", "a b", "--", "99999999999",
    "-99999999999", "1" * 30, "9" * 400, "1" * 5000, "\ud800", "w", "z", "inception", "resnet18", "sagan-128", "test",
)  # fmt: skip
PLACES = (
    "{finished}", "{finished}", "{empty}", "{file}", "{image}", "{pipe}", "nowhere", "/dev/null", "/proc/x", "",
    "{finished}/checkpoints",
)  # fmt: skip
LONGEST = 120
"""Seconds after which a command line hangs."""


class Accepted(BaseException):
    """A command line is good: it would begin to train now."""


def begin(*_: object, **__: object) -> typing.NoReturn:
    """Begin no training."""
    raise Accepted


def program(name: str) -> types.ModuleType:
    """Return the module of a program."""
    return importlib.import_module(f"{package(PROGRAMS)}.{name}")


@functools.cache
def flags(verb: str, name: str) -> list[str]:
    """Return the options of a recipe or a program as they are written."""
    if verb == "train":
        options = recipe(name).options
    else:
        options = getattr(program(name), "Options", None) or program("comparison.training").Options
    return [flag(field.name) for field in dataclasses.fields(options)]


def value(draw: random.Random, places: dict[str, str]) -> str:
    """Return a random word."""
    return draw.choice(PLACES).format(**places) if draw.random() < 0.3 else draw.choice(VALUES)


def drawn(draw: random.Random, places: dict[str, str]) -> list[str]:
    """Return a random command line: of options that are there, and values of which half are wrong."""
    verb = draw.choice(("train", "train", "eval"))
    name = draw.choice(names() if verb == "train" else programs())
    words, known = [verb, name], flags(verb, name)
    if verb == "train" and draw.random() < 0.5:
        words.append(draw.choice(list(recipe(name).presets)))
    if verb == "eval" and draw.random() < 0.6:
        words.append(value(draw, places))
    for _ in range(draw.randrange(4)):
        words.append(draw.choice(known) if draw.random() < 0.95 else "--" + value(draw, places))
        words += [value(draw, places) for _ in range(draw.choice((0, 1, 1, 1, 1, 1, 2)))]
    return words


@contextlib.contextmanager
def limited(seconds: int) -> Iterator[None]:
    """Raise TimeoutError in a block that takes longer."""

    def late(*_: object) -> typing.NoReturn:
        raise TimeoutError(f"it took more than {seconds} s")

    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def outcome(words: list[str]) -> tuple[str, str | None]:
    """Return how a command line ended, and what was wrong about it, if anything."""
    said = io.StringIO()
    try:
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(said), limited(LONGEST):
            status = command(words)
    except Accepted:
        status = 0
    except SystemExit as stop:
        status = stop.code if isinstance(stop.code, int) else 1
    except BaseException as error:
        last = traceback.extract_tb(error.__traceback__)[-1]
        return (
            "traceback",
            f"{short(words)}: {type(error).__name__}: {str(error)[:300]} ({last.filename}:{last.lineno})",
        )
    if status not in (0, 2):
        return "status", f"{short(words)}: status {status}"
    if status == 2 and not said.getvalue().strip():
        return "silent", f"{short(words)}: status 2 without a word"
    if "Traceback" in said.getvalue():
        return "traceback", f"{short(words)}: {said.getvalue()[-300:]}"
    return "accepted" if status == 0 else "refused", None


def short(words: list[str]) -> str:
    """Return a command line for a report."""
    return " ".join(ascii(word) if len(word) < 80 else f"{len(word)} letters" for word in words)


@contextlib.contextmanager
def idle(folder: Path) -> Iterator[None]:
    """Keep commands from training, from starting other processes, from drawing a data set twice, and from a README."""
    with contextlib.ExitStack() as stack:
        for place, name, new in (
            (training, "train_in", lambda *_: 0),
            (cli.processes, "lead", lambda *_: 0),
            (cli, "load_data", functools.cache(cli.load_data)),
            (loop, "check_batch", begin),
            (program("collapse"), "train", begin),
            (program("comparison.training"), "_train", begin),
            (program("perceptual"), "drawn", begin),
            (program("density"), "measure", begin),
            (program("readme"), "ROOT", folder),
        ):
            stack.enter_context(mock.patch.object(place, name, new))
        stack.enter_context(contextlib.chdir(folder))
        yield


def campaign(count: int, folder: Path, seed: int = 0) -> Tally:
    """Try `count` random command lines beside a finished run, an empty folder, a text, a picture and a pipe."""
    tally, draw = Tally("command lines"), random.Random(seed)
    places = {name: str(folder / name) for name in ("finished", "empty", "file", "image", "pipe")}
    (folder / "empty").mkdir(parents=True)
    (folder / "file").write_text("hello")
    Image.new("RGB", (9, 7)).save(folder / "image", "png")
    os.mkfifo(folder / "pipe")
    tiny = ["--steps", "2", "--hidden", "8", "--importance-samples", "0", "--no-cache", "--devices", "1"]
    assert cli.main("vae", [*tiny, "--out", places["finished"]]) == 0
    with idle(folder):
        for _ in range(count):
            tally.note(*outcome(drawn(draw, places)))
    return tally
