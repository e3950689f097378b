"""Runs of every recipe, killed at random moments and resumed: they end with the bits of one that was never killed."""

import random
import signal
import subprocess
import sys
import time
from pathlib import Path

from genjax.engine.log import read_rows
from genjax.run.load import load
from genjax.run.run import names
from tests.campaign.corruptions import same
from tests.campaign.tally import Tally
from tests.conftest import REPOSITORY

STEPS = "12"
OFTEN = ["--steps", STEPS, "--checkpoint-every", "2", "--evaluate-every", "4", "--devices", "1", "--fuse", "1"]
LONGEST = 900


def start(name: str, out: Path, *options: str) -> subprocess.Popen:
    """Start a run of a recipe's small preset in a process of its own."""
    command = [sys.executable, "-m", "genjax", "train", name, *OFTEN, "--out", str(out), *options]
    return subprocess.Popen(
        command, cwd=REPOSITORY, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, errors="replace"
    )


def finish(name: str, out: Path) -> str | None:
    """Start or resume a run until its end; return what was wrong, if anything."""
    again = ["--resume"] if (out / "config.json").exists() else []
    process = start(name, out, *again)
    _, error = process.communicate(timeout=LONGEST)
    if process.returncode == 0 and "Traceback" not in error:
        return None
    return f"{name}: status {process.returncode}: {error.strip().splitlines()[-1:]}"


def compared(name: str, whole: Path, killed: Path) -> str | None:
    """Return how a killed run differs from one that was not, if it does."""
    if not same(load(whole).state, load(killed).state):
        return f"{name}: another state"
    rows = [
        [{k: v for k, v in row.items() if k != "seconds"} for row in read_rows(folder / "metrics.jsonl")]
        for folder in (whole, killed)
    ]
    if rows[0] != rows[1]:
        return f"{name}: rows {[row['step'] for row in rows[1]]} instead of {[row['step'] for row in rows[0]]}"
    files = [sorted(x.name for x in folder.iterdir()) for folder in (whole, killed)]
    return None if files[0] == files[1] else f"{name}: files {set(files[0]) ^ set(files[1])}"


def campaign(count: int, folder: Path, seed: int = 0) -> Tally:
    """Kill runs `count` times in all, as many of every recipe, each killed run several times before it ends."""
    tally, draw = Tally("kills"), random.Random(seed)
    each = max(1, count // len(names()))
    for name in names():
        whole, killed = folder / f"{name}-whole", folder / f"{name}-killed"
        wrong = finish(name, whole)
        seconds = 0.0
        for number in range(each):
            process = start(name, killed, *(["--resume"] if (killed / "config.json").exists() else []))
            begun = time.monotonic()
            limit = draw.uniform(2, 2 + (seconds or 15))
            while process.poll() is None and time.monotonic() - begun < limit:
                time.sleep(0.05)
            if process.poll() is None:
                process.send_signal(draw.choice((signal.SIGKILL, signal.SIGKILL, signal.SIGTERM)))
            _, error = process.communicate(timeout=LONGEST)
            seconds = max(seconds, time.monotonic() - begun)
            if process.returncode not in (0, -signal.SIGKILL, -signal.SIGTERM) or "Traceback" in error:
                wrong = wrong or f"{name}, kill {number}: status {process.returncode}: {error.strip()[-300:]}"
        wrong = wrong or finish(name, killed) or compared(name, whole, killed)
        for _ in range(each):
            tally.note("resumed to the same bits", wrong)
    return tally
