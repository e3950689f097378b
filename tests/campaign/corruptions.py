"""Damaged files of a run: what is loaded is what was saved, or a sentence says why not."""

import contextlib
import io
import random
import shutil
from pathlib import Path

import jax
import numpy as np

from genjax.engine.log import read_rows
from genjax.run import cli
from genjax.run.load import load
from tests.campaign.tally import Tally
from tests.damage import damage

TINY = ["--hidden", "8", "--importance-samples", "0", "--no-cache", "--devices", "1", "--checkpoint-every", "2"]


def same(a: object, b: object) -> bool:
    """Return whether two states have the same bits."""
    return all(
        np.asarray(x).tobytes() == np.asarray(y).tobytes()
        for x, y in zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True)
    )


def attempt(folder: Path, states: dict[int, object], rows: list[dict]) -> tuple[str, str | None]:
    """Return how a damaged run is read, and what is wrong about that, if anything."""
    said = io.StringIO()
    try:
        with contextlib.redirect_stderr(said):
            trained = load(folder)
            found = read_rows(folder / "metrics.jsonl")
    except ValueError as error:
        return ("refused", None) if str(error).strip() else ("silent", "refused without a word")
    except BaseException as error:
        return "traceback", f"{type(error).__name__}: {error}"
    step = int(trained.state.step)
    if step not in states or not same(trained.state, states[step]):
        return "state", f"another state was loaded, of step {step}"
    if step != max(states) and "going back" not in said.getvalue():
        return "silent", f"step {step} was loaded without a word"
    if found != rows and "damaged" not in said.getvalue() and found != rows[: len(found)]:
        return "rows", "other metrics were read without a word"
    return ("told" if said.getvalue() else "unharmed"), None


def campaign(count: int, folder: Path, seed: int = 0) -> Tally:
    """Damage one file of a run at a time, `count` times."""
    tally, draw, whole = Tally("damaged files of a run"), random.Random(seed), folder / "whole"
    assert cli.main("vae", [*TINY, "--steps", "4", "--out", str(whole)]) == 0
    states = {4: load(whole).state}
    older = folder / "older"
    shutil.copytree(whole, older)
    shutil.rmtree(older / "checkpoints" / "4")
    states[2] = load(older).state
    rows = read_rows(whole / "metrics.jsonl")
    text = [path for path in whole.iterdir() if path.suffix in (".json", ".jsonl", ".md", ".png")]
    saved = [path for path in (whole / "checkpoints" / "4").rglob("*") if path.is_file()]
    for number in range(count):
        path = draw.choice(text if number % 3 == 0 else saved)
        copy = folder / "copy"
        shutil.copytree(whole, copy)
        damage(copy / path.relative_to(whole), draw)
        how, wrong = attempt(copy, states, rows)
        tally.note(how, wrong and f"{path.relative_to(whole)}, attempt {number}: {wrong}")
        shutil.rmtree(copy)
    return tally
