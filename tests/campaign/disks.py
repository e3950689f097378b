"""Disks that are full, that are read-only, whose files must be small, and that lose the run's folder while it trains.

The run ends in a sentence and with status 2, leaves nothing half-written, and goes on when the disk is mended, to the
same end. Small disks are made in memory, which only the administrator may do; elsewhere they are left out.
"""

import random
import shutil
import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from genjax.files import UNFINISHED
from tests.campaign.kills import Recipe, over, until
from tests.campaign.tally import Tally
from tests.campaign.tiny import STEPS

RECIPES = ("vae", "gan", "classifier")
"""What trains: the disk is the same for all."""


@contextmanager
def small_disk(place: Path, kilobytes: int) -> Iterator[bool]:
    """Make a disk of so many kilobytes at `place`; yield whether that was allowed."""
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={kilobytes}k", "tmpfs", str(place)]
    allowed = shutil.which("mount") is not None and subprocess.run(mount, capture_output=True).returncode == 0
    try:
        yield allowed
    finally:
        if allowed:
            subprocess.run(["umount", "--lazy", str(place)], check=True)


def remount(place: Path, how: str) -> None:
    """Change a small disk."""
    subprocess.run(["mount", "-o", f"remount,{how}", str(place)], check=True)


def refused(recipe: Recipe, status: int | None, said: str, out: Path, room: int | None = None) -> str | None:
    """Return what is wrong about how a run ended on a disk that does not take it, if anything.

    room: bytes that the log takes, which may be too few for the sentence.
    """
    last = (said.strip().splitlines() or [""])[-1]
    silent = not last.startswith("error: ") and (room is None or len(said.encode()) < room)
    if "Traceback" in said or status not in (0, 2) or (status == 2 and silent):
        return f"{recipe.name}: status {status}: {said[-1500:]}"
    left = [str(path) for path in out.glob(f"{UNFINISHED}*")]
    return f"{recipe.name}: it left {left}" if left else None


def full(recipe: Recipe, place: Path, draw: random.Random) -> tuple[str, str | None]:
    """Train on a disk that is too small, then make it larger and go on."""
    with small_disk(place, draw.choice((4, 16, 40, draw.randint(8, 300), draw.randint(8, 300)))) as allowed:
        if not allowed:
            return "left out", None
        out = place / "run"
        status, said = recipe.ended(recipe.start(out))
        wrong = refused(recipe, status, said, out)
        remount(place, "size=64m")
        wrong = wrong or recipe.finished(out) or recipe.different([out])[0]
    return "full" if status else "large enough", wrong


def read_only(recipe: Recipe, place: Path, draw: random.Random) -> tuple[str, str | None]:
    """Train on a disk that cannot be written, from the start or from the middle on, then mend it and go on."""
    with small_disk(place, 2**16) as allowed:
        if not allowed:
            return "left out", None
        out = place / "run"
        if draw.random() < 0.5:
            process = recipe.start(out)
            until(out, STEPS // 2, process)
            process.kill()
            recipe.ended(process)
        remount(place, "ro")
        status, said = recipe.ended(recipe.start(out))
        wrong = refused(recipe, status, said, out)
        if status == 0:
            wrong = f"{recipe.name}: it trained on a disk that cannot be written"
        remount(place, "rw")
        wrong = wrong or recipe.finished(out) or recipe.different([out])[0]
    return "read-only", wrong


def small_files(recipe: Recipe, place: Path, draw: random.Random) -> tuple[str, str | None]:
    """Train where files may not be longer than so many bytes, then without that limit."""
    longest = draw.choice((0, 100, draw.randint(0, 5000)))
    status, said = recipe.ended(recipe.start(place, longest=longest))
    wrong = refused(recipe, status, said, place, longest) or recipe.finished(place) or recipe.different([place])[0]
    return "files too long" if status else "files short enough", wrong


def removed(recipe: Recipe, place: Path, draw: random.Random) -> tuple[str, str | None]:
    """Remove the folder of a run while it trains, then train again."""
    process = recipe.start(place)
    until(place, 2 * draw.randint(1, STEPS // 2 - 1), process)
    place.rename(f"{place}-gone")
    status, said = recipe.ended(process)
    wrong = refused(recipe, status, said, Path(f"{place}-gone"))
    shutil.rmtree(place, ignore_errors=True)
    wrong = wrong or recipe.finished(place) or recipe.different([place])[0]
    return "removed" if status else "removed too late", wrong


KINDS: tuple[Callable, ...] = (full, read_only, small_files, removed)


def campaign(count: int, folder: Path, seed: int = 0, recipes: Sequence[str] = ()) -> Tally:
    """Train on bad disks `count` times in all."""

    def attempt(recipe: Recipe, draw: random.Random, each: int, note: Callable) -> None:
        for number in range(each):
            note(*KINDS[number % len(KINDS)](recipe, recipe.folder / f"disk-{number}", draw))

    return over("bad disks", attempt, count, folder, seed, recipes or RECIPES)
