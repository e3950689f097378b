"""Try what breaks runs, by the hundred, and write what came of it to results.json and the table of the README here.

    python -m tests.campaign --kills 200 --recipes vae gan [--seed 0]

Each option is a part of the campaign and takes the number of attempts; parts that are not named are not run. A part
that was run before with the same seed and recipes replaces what was found then.
"""

import argparse
import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from genjax.environment import environment
from genjax.files import render, write_text
from tests.campaign import command_lines, corruptions, disks, files, kills
from tests.campaign.tally import Tally

FOLDER = Path(__file__).parent
RESULTS, README = FOLDER / "results.json", FOLDER / "README.md"
PARTS: dict[str, Callable[..., Tally]] = {
    "kills": kills.campaign,
    "signals": kills.signals,
    "disks": disks.campaign,
    "corruptions": corruptions.campaign,
    "command-lines": command_lines.campaign,
    "pictures": files.pictures_campaign,
    "archives": files.archives_campaign,
    "idx": files.idx_campaign,
    "weights": files.weights_campaign,
    "hostile": files.hostile_campaign,
}
WITH_RECIPES = ("kills", "signals", "disks")


def table(found: list[dict[str, Any]]) -> str:
    """Return the table of what was found: a row for each part, whose pieces are added up."""
    lines = ["| campaign | tried | right | wrong | seeds, date, device |", "|---|---|---|---|---|"]
    for part in PARTS:
        pieces = [piece for piece in found if piece["part"] == part]
        if not pieces:
            continue
        right: dict[str, int] = {}
        for piece in pieces:
            for how, count in piece["right"].items():
                right[how] = right.get(how, 0) + count
        told = ", ".join(f"{count} {how}" for how, count in sorted(right.items()))
        where = [", ".join(sorted({str(piece[name]) for piece in pieces})) for name in ("seed", "date", "device")]
        tried, wrong = sum(piece["tried"] for piece in pieces), sum(len(piece["wrong"]) for piece in pieces)
        row = (pieces[0]["title"], f"{tried:,}", f"{sum(right.values()):,}: {told}", wrong, "; ".join(where))
        lines.append(f"| {' | '.join(map(str, row))} |")
    return "\n".join(lines)


def keep(part: str, seed: int, recipes: list[str], tally: Tally) -> None:
    """Write what a part found, in the place of what the same part found before, and the README's table."""
    found = json.loads(RESULTS.read_text()) if RESULTS.exists() else []
    same = {"part": part, "seed": seed, "recipes": recipes}
    where = environment()
    now = {
        **same, "title": tally.name, "tried": tally.tried, "right": tally.right, "wrong": tally.wrong,
        "date": where["date"], "device": where["device"],
    }  # fmt: skip
    found = [piece for piece in found if any(piece[name] != value for name, value in same.items())]
    found = sorted([*found, now], key=lambda piece: (list(PARTS).index(piece["part"]), piece["seed"], piece["recipes"]))
    write_text(RESULTS, json.dumps(found, indent=1) + "\n")
    write_text(README, render(README.read_text(), {"results": lambda: table(found)}, "tests/campaign/README.md"))


def main() -> int:
    """Run the parts that are asked for; the status is 1 where anything was wrong."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.campaign", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    for part in PARTS:
        parser.add_argument(f"--{part}", type=int, default=0, metavar="COUNT")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--recipes", nargs="*", default=[], help=f"of {', '.join(WITH_RECIPES)}; all if not given")
    options = parser.parse_args()
    wrong = 0
    for part, run in PARTS.items():
        count = getattr(options, part.replace("-", "_"))
        if not count:
            continue
        with tempfile.TemporaryDirectory() as folder:
            recipes = options.recipes if part in WITH_RECIPES else []
            begun = time.monotonic()
            tally = run(count, Path(folder), options.seed, *([recipes] if recipes else []))
        print(tally.row(), *tally.wrong, f"{time.monotonic() - begun:.0f} s", sep="\n", flush=True)
        keep(part, options.seed, recipes, tally)
        wrong += len(tally.wrong)
    return 1 if wrong else 0


if __name__ == "__main__":
    raise SystemExit(main())
