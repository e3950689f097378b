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
from typing import Any

import jax
import optax

from genjax import data, parallel, rng
from genjax.classifiers import classify
from genjax.data import Arrays, Dataset, pipeline, transforms
from genjax.engine import Aux, Game, Player, State, init_state, make_run, make_step
from genjax.environment import environment
from genjax.files import write_text
from genjax.run import program
from train import m2 as recipe

FUSE = 20


@dataclass(frozen=True)
class Options:
    """Options of this program."""

    data: str = "digits"
    """digits, PATH.npz, idx:DIR or tfds:NAME, labelled."""
    labels: tuple[int, ...] = (50, 100, 300)
    """Label counts to try, multiples of the number of classes."""
    seeds: int = 3
    """Training seeds for each count; a seed also decides which labels are kept."""
    steps: int = 3000
    """Training steps of each model."""
    preset: str = "small"
    """Preset of train.m2 that decides the networks."""
    out: Path = Path("runs/semi-supervised")
    """Where table.md and scores.json are written."""


def _train(game: Game, split: Arrays, prepare: Any, hyper: recipe.Hyper) -> State:
    plan = parallel.jit_plan(jax.devices()[:1])
    key = jax.random.key(hyper.seed)
    state = plan.put_state(jax.jit(lambda key: init_state(game, key))(rng.named(key, "init")))
    run = plan.compile(make_run(make_step(game), prepare))
    source = plan.put_source(split.arrays)
    for step in range(0, hyper.steps, FUSE):
        order = pipeline.order(len(split), hyper.batch_size, hyper.seed, step, FUSE)
        state, _ = run(state, source, plan.put_batches(order[:, None]), key)
    return state


def _classifier_game(model: Any, hyper: recipe.Hyper) -> Game:
    """Return the game of M2's q(y|x) alone: cross-entropy on images that have a label."""

    def loss(params, state, batch, key):
        log_q = model.apply({"params": params["m2"]}, batch["images"], method="classify")
        return classify.cross_entropy(log_q, batch["labels"]), Aux()

    game = recipe.m2.game(model, optax.adam(hyper.learning_rate))
    return game._replace(players=(Player("m2", loss, optax.adam(hyper.learning_rate), ("m2",)),))


def scores(options: Options, dataset: Dataset) -> list[dict[str, Any]]:
    """Return a row for every label count and seed: accuracy of M2 and of the classifier alone, on the test split."""
    rows = []
    for count in options.labels:
        for seed in range(options.seeds):
            hyper = dataclasses.replace(
                recipe.PRESETS[options.preset], data=options.data, steps=options.steps, seed=seed, labels=count
            )
            (phase,) = recipe.build(hyper, dataset).phases
            few, model = phase.feed.split, recipe.network(hyper, dataset)
            kept = few.arrays["labels"] >= 0
            labelled = Arrays({name: x[kept] for name, x in few.arrays.items()})
            alone = _train(_classifier_game(model, hyper), labelled, transforms.scale, hyper)
            m2 = _train(phase.game, few, phase.feed.prepare, hyper)
            rows.append(
                {
                    "labels": count,
                    "seed": seed,
                    "m2": recipe.evaluate(hyper, model, dataset.test, m2)["accuracy"],
                    "classifier": recipe.evaluate(hyper, model, dataset.test, alone)["accuracy"],
                }
            )
            print(rows[-1], flush=True)
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
    result = {"options": dataclasses.asdict(options), "environment": environment(), "rows": rows}
    write_text(options.out / "scores.json", json.dumps(result, default=str, indent=2) + "\n")
    write_text(options.out / "table.md", table(rows) + "\n")
    print(table(rows))


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the program from the command line."""
    return program.main("eval.semi_supervised", __doc__ or "", Options(), run, arguments)


if __name__ == "__main__":
    raise SystemExit(main())
