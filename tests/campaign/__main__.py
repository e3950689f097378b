"""Try what breaks runs, by the hundred, and print a table of tried, right and wrong.

    python -m tests.campaign [--kills 200] [--corruptions 300] [--command-lines 2000] [--seed 0]

Damaged images, archives and idx files are tried by `pytest -m slow tests/data/test_fuzz.py`.
"""

import argparse
import tempfile
from pathlib import Path

from tests.campaign import command_lines, corruptions, kills


def main() -> int:
    """Run the campaign; the status is 1 where anything was wrong."""
    parser = argparse.ArgumentParser(prog="python -m tests.campaign", description=__doc__)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--corruptions", type=int, default=300)
    parser.add_argument("--command-lines", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    tallies = []
    with tempfile.TemporaryDirectory() as name:
        for part, count in (
            (command_lines, options.command_lines),
            (corruptions, options.corruptions),
            (kills, options.kills),
        ):
            if count:
                folder = Path(name) / part.__name__.rsplit(".", 1)[-1]
                folder.mkdir()
                tallies.append(part.campaign(count, folder, options.seed))
                print(tallies[-1].row(), *tallies[-1].wrong, sep="\n", flush=True)
    print("\n| campaign | tried | right | wrong |\n|---|---|---|---|", *(tally.row() for tally in tallies), sep="\n")
    return 1 if any(tally.wrong for tally in tallies) else 0


if __name__ == "__main__":
    raise SystemExit(main())
