"""Runs of every recipe, killed at random moments and resumed: they end with the bits of one that was never killed.

Half of the kills come before a file operation of the run, any of them, the others while a checkpoint is written. A run
is killed up to four times before it ends. Signals that a run can catch come at random moments too.
"""

import json
import os
import random
import shutil
import signal
import time
from collections.abc import Callable, Sequence
from multiprocessing import context
from pathlib import Path

from genjax.engine.log import read_rows
from tests.campaign import starts
from tests.campaign.tally import Tally
from tests.campaign.tiny import OPTIONS, STEPS

IN_A_ROW = 4
LONGEST = 600
STATUS = {signal.SIGTERM: 0, signal.SIGINT: 130, signal.SIGHUP: 129}
"""What a run ends with after a signal."""


class Recipe:
    """The tiny runs of one recipe in a folder of their own, of which the first is never killed."""

    def __init__(self, name: str, folder: Path, server: context.ForkServerContext):
        self.name, self.folder, self.server, self.started = name, folder, server, 0
        folder.mkdir()
        self.whole, self.events = folder / "whole", 0
        status, said = self.ended(self.start(self.whole, count=True))
        self.wrong = None if status == 0 else f"{name}: status {status}: {said[-300:]}"
        if not self.wrong:
            self.events = int(Path(f"{self.said}.events").read_text())

    @property
    def said(self) -> Path:
        """The file with what the last start said."""
        return self.folder / f"said-{self.started}"

    def start(self, out: Path, **told: int) -> context.ForkServerProcess:
        """Start a run, or resume it where there is one."""
        self.started += 1
        given = ["--resume"] if (out / "config.json").exists() else []
        process = self.server.Process(target=starts.train, args=(self.name, out, self.said, given), kwargs=told)
        process.start()
        return process

    def ended(self, process: context.ForkServerProcess) -> tuple[int | None, str]:
        """Return the status of a start when it has ended, None where it hangs, and what it said."""
        process.join(LONGEST)
        status = process.exitcode
        process.kill()
        return status, self.said.read_text(errors="replace") if self.said.exists() else ""

    def finished(self, out: Path) -> str | None:
        """Bring a run to its end; return what is wrong, if anything."""
        status, said = self.ended(self.start(out))
        return None if status == 0 and "Traceback" not in said else f"{self.name}: status {status}: {said[-300:]}"

    def different(self, runs: Sequence[Path], steps: bool = True) -> list[str | None]:
        """Return what each of some runs has that the one without a kill has not, or the other way round.

        steps: whether they are to have checkpoints of the same steps.
        """
        told = self.folder / "sums.json"
        self.started += 1
        process = self.server.Process(target=starts.sums, args=([self.whole, *runs], self.said, told))
        process.start()
        status, said = self.ended(process)
        if status != 0:
            return [f"{self.name}: its checkpoints cannot be read: {said[-300:]}"] * len(runs)
        whole, *sums = json.loads(told.read_text())
        return [
            f"{self.name}: another state, {found} and not {whole}" if found != whole else self.compared(run, steps)
            for run, found in zip(runs, sums, strict=True)
        ]

    def compared(self, run: Path, steps: bool) -> str | None:
        """Return how rows, files or pictures of a run differ from those of the one without a kill."""
        ours, theirs = ([clockless(row) for row in read_rows(x / "metrics.jsonl")] for x in (self.whole, run))
        if ours != theirs:
            return f"{self.name}: rows {[row['step'] for row in theirs]} instead of {[row['step'] for row in ours]}"
        names = [sorted(str(x.relative_to(place)) for x in listed(place, steps)) for place in (self.whole, run)]
        if names[0] != names[1]:
            return f"{self.name}: the files {sorted(set(names[0]) ^ set(names[1]))} are in one of two runs"
        pictures = [name for name in names[0] if name.endswith(".png") and name != "curves.png"]
        wrong = [name for name in pictures if (self.whole / name).read_bytes() != (run / name).read_bytes()]
        return f"{self.name}: {wrong} are other pictures" if wrong else None


def listed(run: Path, steps: bool) -> list[Path]:
    """Return what lies in a run's folder, and with `steps` in that of its checkpoints."""
    return [*run.iterdir(), *((run / "checkpoints").iterdir() if steps else ())]


def clockless(row: dict) -> dict:
    """Return a row without its time."""
    return {name: value for name, value in row.items() if name != "seconds"}


def until(out: Path, step: int, process: context.ForkServerProcess) -> None:
    """Wait until a run has begun to write the checkpoint of a step, or has ended."""
    while process.exitcode is None and not list((out / "checkpoints").glob(f"{step}*")):
        time.sleep(0.01)


def killed(recipe: Recipe, out: Path, draw: random.Random) -> tuple[str, int | None, str]:
    """Start a run and kill it; return how, its status, and what it said."""
    if draw.random() < 0.5:
        return "before a file operation", *recipe.ended(recipe.start(out, kill_at=draw.randint(1, recipe.events)))
    process = recipe.start(out)
    until(out, 2 * draw.randint(1, STEPS // 2), process)
    process.join(draw.uniform(0, 0.4))
    process.kill()
    return "while a checkpoint is written", *recipe.ended(process)


def campaign(count: int, folder: Path, seed: int = 0, recipes: Sequence[str] = ()) -> Tally:
    """Kill runs `count` times in all, as many of every recipe."""

    def kill(recipe: Recipe, draw: random.Random, each: int, note: Callable) -> None:
        runs: list[tuple[Path, list[str]]] = []
        wrong: dict[Path, str | None] = {}
        while sum(len(kinds) for _, kinds in runs) < each and len(runs) < 3 * each:
            out, kinds = recipe.folder / f"run-{len(runs)}", []
            runs.append((out, kinds))
            status: int | None = -signal.SIGKILL
            while status == -signal.SIGKILL and len(kinds) < min(IN_A_ROW, each):
                how, status, said = killed(recipe, out, draw)
                if status == -signal.SIGKILL:
                    kinds.append(how)
                elif status != 0 or "Traceback" in said:
                    wrong[out] = f"{recipe.name}: status {status}: {said[-300:]}"
            wrong[out] = wrong.get(out) or (recipe.finished(out) if status != 0 else None)
        ended = [out for out, _ in runs if not wrong[out]]
        wrong |= dict(zip(ended, recipe.different(ended), strict=True)) if ended else {}
        for out, kinds in runs:
            for how in kinds:
                note(how, wrong[out])

    return over("kills", kill, count, folder, seed, recipes)


def signals(count: int, folder: Path, seed: int = 0, recipes: Sequence[str] = ()) -> Tally:
    """Send runs `count` signals in all; each ends in good order, or at once where it has not begun, and is resumed."""

    def send(recipe: Recipe, draw: random.Random, each: int, note: Callable) -> None:
        for number in range(each):
            out, which = recipe.folder / f"run-{number}", list(STATUS)[number % len(STATUS)]
            process = recipe.start(out)
            until(out, 2 * draw.randint(1, STEPS // 2 - 1), process)
            process.join(draw.uniform(0, 0.1))
            if process.pid is not None and process.exitcode is None:
                os.kill(process.pid, which)
            status, said = recipe.ended(process)
            over_already = status == 0 and "stopped at step" not in said
            wrong = None
            if "Traceback" in said or (status != STATUS[which] and not over_already):
                wrong = f"{recipe.name}: status {status} after {which.name}: {said[-300:]}"
            wrong = wrong or recipe.finished(out) or recipe.different([out], steps=False)[0]
            note("came too late" if over_already else which.name, wrong)

    return over("signals", send, count, folder, seed, recipes)


def over(title: str, attempt: Callable, count: int, folder: Path, seed: int, recipes: Sequence[str]) -> Tally:
    """Make `count` attempts, as many with every recipe, and return what came of them."""
    tally, chosen = Tally(title), list(recipes or OPTIONS)
    server = starts.server(tuple(chosen))
    for number, name in enumerate(chosen):
        each = count // len(chosen) + (number < count % len(chosen))
        if not each:
            continue
        recipe, begun = Recipe(name, folder / name, server), time.monotonic()
        if recipe.wrong:
            tally.note("", recipe.wrong)
        else:
            attempt(recipe, random.Random(f"{seed} {name}"), each, tally.note)
        print(f"{title}: {name}, {time.monotonic() - begun:.0f} s, {len(tally.wrong)} wrong so far", flush=True)
        shutil.rmtree(recipe.folder)
    return tally
