"""Train every recipe's small preset once more, with a seed that the table has not seen: does its score fit the table?

    python -m eval.again [--only vae dcgan]

With n values of mean m and deviation s in the table, 95 of 100 further runs are expected within
    m +- t s sqrt(1 + 1 / n),    t: the .975 quantile of Student's distribution with n - 1 degrees of freedom
which is wide where seeds were few: five deviations for three of them. Writes eval/results/again.json, which
`python -m eval.readme` renders, after each run; a run that is begun again goes on with the rest.
"""

import json
import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from genjax.environment import environment
from genjax.files import write_text
from genjax.run import program

from .readme import SCORES, recipes, train_small

AGAIN = SCORES.parent / "again.json"


@dataclass(frozen=True)
class Options:
    """Which recipes to train again."""

    only: tuple[str, ...] = ()
    """Only these recipes, again even where they were; those that are missing if not given."""


def expected(values: Sequence[float]) -> tuple[float, float]:
    """Return the bounds within which 95 of 100 further values fall, if they are normal; values: two or more."""
    from scipy import stats

    count = len(values)
    reach = stats.t.ppf(0.975, count - 1) * statistics.stdev(values) * math.sqrt(1 + 1 / count)
    mean = statistics.mean(values)
    return float(mean - reach), float(mean + reach)


def fits(row: dict[str, Any]) -> bool:
    """Return whether the score of a further run lies within what is expected; that of a diverged one does not."""
    low, high = row["expected"]
    return row["value"] is not None and low <= row["value"] <= high


def table(rows: dict[str, dict[str, Any]]) -> str:
    """Return the table of further runs as Markdown."""
    lines = ["| recipe | seed | score | expected | |", "|---|---|---|---|---|"]
    for name, row in rows.items():
        low, high = row["expected"]
        value = "diverged" if row["value"] is None else f"{row['value']:.3g}"
        verdict = "as expected" if fits(row) else "**not as expected**"
        lines.append(f"| {name} | {row['seed']} | {value} | {low:.3g} to {high:.3g} | {verdict} |")
    where = sorted({f"{row['environment']['processor']}, {row['environment']['date']}" for row in rows.values()})
    count = sum(map(fits, rows.values()))
    return "\n".join([*lines, "", f"{count} of {len(rows)} are as expected ({'; '.join(where)})."])


def run(options: Options) -> None:
    """Train, and write the scores after each run."""
    if not SCORES.exists():
        raise ValueError(f"there is no table of scores at {SCORES}: run this program in a checkout")
    scores = json.loads(SCORES.read_text(encoding="utf-8"))
    if unknown := sorted(set(options.only) - set(scores)):
        raise ValueError(f"--only {' '.join(unknown)}: the table has no such recipe; it has {', '.join(scores)}")
    rows = json.loads(AGAIN.read_text(encoding="utf-8")) if AGAIN.exists() else {}
    for name, found in recipes().items():
        if name not in scores or not found.score or (name not in options.only if options.only else name in rows):
            continue
        values = [value for value in scores[name]["values"] if value is not None]
        seed = len(scores[name]["values"])
        (value,) = train_small(name, found.score[0], [seed])["values"]
        rows[name] = {"seed": seed, "value": value, "expected": expected(values), "environment": environment()}
        write_text(AGAIN, json.dumps(dict(sorted(rows.items())), indent=2) + "\n")
        print(f"{name}: {value}, expected {rows[name]['expected']}", flush=True)
    print(table(rows))


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the program from the command line."""
    return program.main("eval.again", __doc__ or "", Options(), run, arguments)


if __name__ == "__main__":
    raise SystemExit(main())
