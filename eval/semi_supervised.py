"""How many labels does M2 need? Test accuracy at several label counts, over seeds, against a classifier without M2.

    python -m eval.semi_supervised [--data digits] [--labels 50 100 300] [--seeds 3] [--steps 3000] [--out DIR]

The comparison is the same network q(y|x) trained on the labelled images alone, by the same optimizer for as many steps,
so that what the unlabelled images add can be read off. Kingma et al. 2014 (arXiv 1406.5298, table 1) print for MNIST
with 100, 1000 and 3000 labels 11.97 +- 1.71, 3.60 +- 0.56 and 3.92 +- 0.63 % errors for M2 on pixels.
"""

import dataclasses
import json
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, cast

import optax

from genjax import data
from genjax.autoencoders import m2
from genjax.classifiers import classify
from genjax.data import Arrays, Dataset
from genjax.engine import Game, Player
from genjax.engine.network import aux, with_networks
from genjax.environment import environment
from genjax.files import write_text
from genjax.run import program
from genjax.run.fit import fit
from genjax.run.options import at_least
from genjax.run.run import recipe as find_recipe
from genjax.tasks.label_prediction import LabelPrediction


@dataclass(frozen=True)
class Options:
    """Options of this program."""

    data: str = "digits"
    """digits, PATH.npz, idx:DIR or tfds:NAME, labelled."""
    labels: Annotated[tuple[int, ...], at_least(1)] = (50, 100, 300)
    """Label counts to try, multiples of the number of classes."""
    seeds: Annotated[int, at_least(1)] = 3
    """Training seeds for each count; a seed also decides which labels are kept."""
    steps: Annotated[int, at_least(1)] = 3000
    """Training steps of each model."""
    preset: str = "small"
    """Preset of train.m2 that decides the networks."""
    out: Path = Path("runs/semi-supervised")
    """Where table.md and scores.json are written."""


def _classifier_game(model: Any, rate: float) -> Game:
    """Return the game of M2's q(y|x) alone: cross-entropy on images that have a label."""

    def loss(nets, state, batch, key):
        log_q = nets.m2.output(batch["images"], method="classify")
        return classify.cross_entropy(log_q, batch["labels"]), aux()

    game, owns = m2.game(model, optax.adam(rate)), ("m2",)
    bound = with_networks(loss, {"m2": model}, owns)
    return game._replace(players=(Player("m2", bound, optax.adam(rate), owns),))


def scores(options: Options, dataset: Dataset) -> list[dict[str, Any]]:
    """Return a row for every label count and seed: accuracy of M2 and of the classifier alone, on the test split."""
    rows, recipe = [], find_recipe("m2")
    for count in options.labels:
        for seed in range(options.seeds):
            preset = recipe.presets[options.preset]
            hyper = dataclasses.replace(
                preset, data=options.data, steps=options.steps, epochs=None, seed=seed, labels=count
            )
            run = recipe.build(hyper, dataset)
            (phase,), task = run.phases, cast(LabelPrediction, run.task)
            few = phase.feed.split
            kept = few.arrays["labels"] >= 0
            labelled = Arrays({name: x[kept] for name, x in few.arrays.items()})
            alone = _classifier_game(task.model, hyper.learning_rate)
            row: dict[str, Any] = {"labels": count, "seed": seed}
            for name, game, split in (("m2", phase.game, few), ("classifier", alone, labelled)):
                result = fit(
                    game, split, steps=hyper.steps, batch_size=hyper.batch_size, seed=seed,
                    prepare=phase.feed.prepare, progress=False,
                )  # fmt: skip
                row[name] = task.scores(result.state)["accuracy"]
            rows.append(row)
            print(row, flush=True)
    return rows


def table(rows: list[dict[str, Any]]) -> str:
    """Return mean and standard deviation over seeds as a Markdown table."""

    def cell(values):
        return f"{statistics.mean(values):.1%} ± {statistics.stdev(values) if len(values) > 1 else 0:.1%}"

    lines = ["| labels | M2 | classifier on the labels alone | seeds |", "| --- | --- | --- | --- |"]
    for count in dict.fromkeys(row["labels"] for row in rows):
        here = [row for row in rows if row["labels"] == count]
        pair = (cell([row[name] for row in here]) for name in ("m2", "classifier"))
        lines.append(f"| {count} | {' | '.join(pair)} | {len(here)} |")
    return "\n".join(lines)


def run(options: Options) -> None:
    """Train, print and write the table."""
    rows = scores(options, data.load(options.data))
    asked = {name: value for name, value in dataclasses.asdict(options).items() if name != "out"}
    result = {"options": asked, "environment": environment(), "rows": rows}
    write_text(options.out / "scores.json", json.dumps(result, default=str, indent=2) + "\n")
    write_text(options.out / "table.md", table(rows) + "\n")
    print(table(rows))


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the program from the command line."""
    return program.main("eval.semi_supervised", __doc__ or "", Options(), run, arguments)


if __name__ == "__main__":
    raise SystemExit(main())
