"""Which modes of a ring a generator finds over training, with and without look-ahead (the Unrolled GAN's experiment).

    python -m eval.modes [options]

Trains `train.unrolled` once for each number of look-ahead steps and seed, and writes modes.png, a row for each number
and a column for each moment of training (seed 0), as figure 2 of Metz et al. 2017, arXiv 1611.02163; and modes.json,
the covered modes of every seed at every moment.

A mode counts when it holds a quarter of its equal share within 3 deviations. Found with seeds 0 and 1 (two CPU cores,
2026-11-26): after 3000 steps, 10 steps of look-ahead cover 7 and 4 modes and put 0.36 and 0.32 of the samples within 3
deviations of one; without look-ahead, 0 and 0 modes, with 0.015 and 0.005 of the samples.
"""

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import jax
import numpy as np

from genjax import data, parallel, rng
from genjax.data import Mixture
from genjax.data.drawn.mixtures import MIXTURES, draw
from genjax.engine import init_state
from genjax.engine.loop import DivergedError, Settings, train
from genjax.environment import environment
from genjax.files import atomic, write_text
from genjax.metrics.modes import coverage
from genjax.run import program
from genjax.run.options import at_least
from genjax.run.run import recipe as find_recipe

POINTS = 2500


@dataclass(frozen=True)
class Options:
    """How long, how often looked at, and how far ahead."""

    steps: Annotated[int, at_least(1)] = 3000
    """Training steps of each run."""
    columns: Annotated[int, at_least(2)] = 6
    """Moments of training in the picture, the start and the end among them."""
    look_aheads: Annotated[tuple[int, ...], at_least(0)] = (0, 10)
    """Steps of the discriminator that the generator foresees, a row each."""
    seeds: Annotated[int, at_least(1)] = 3
    """Runs of each row; the picture shows the first."""
    mixture: str = "ring"
    """ring or grid."""
    out: Path = Path("runs/modes")
    """Folder of the picture and the numbers."""


def observe(look_ahead: int, seed: int, options: Options) -> list[tuple[int, np.ndarray]]:
    """Return (step, points float[count, 2]) at each moment of one run, from before its first step to after its last.

    Raises ValueError where training diverges, and SystemExit after a signal, for half a run says nothing of its end.
    """
    recipe = find_recipe("unrolled")
    hyper = replace(
        recipe.presets["small"], data=f"mixture:{options.mixture}", look_ahead=look_ahead, seed=seed,
        steps=options.steps,
    )  # fmt: skip
    run = recipe.build(hyper, data.load(hyper.data))
    task: Any = run.task
    seen: list[tuple[int, np.ndarray]] = []

    def look(state: Any) -> None:
        seen.append((int(state.step), task.sample(state, jax.random.key(1), POINTS)))

    every = options.steps // (options.columns - 1)
    settings = Settings(fuse=min(50, every), evaluate_every=every, checkpoint_every=options.steps)
    plan = parallel.jit_plan(jax.devices()[:1])
    look(jax.jit(partial(init_state, run.phases[0].game))(rng.named(jax.random.key(seed), "init")))
    try:
        result = train(run.phases, plan, seed=seed, settings=settings, report=lambda result: look(result.state))
    except DivergedError as error:
        raise ValueError(f"{look_ahead} steps ahead, seed {seed}: training diverged, nothing is drawn") from error
    if result.signal is not None:
        raise SystemExit(128 + result.signal)
    return seen


def save_picture(path: Path, rows: dict[int, list[tuple[int, np.ndarray]]], mixture: Mixture) -> None:
    """Write the samples of each row's moments as clouds, the covered modes above each, the mixture on the right."""
    from matplotlib.figure import Figure

    columns = len(next(iter(rows.values()))) + 1
    figure = Figure(figsize=(1.7 * columns, 1.9 * len(rows)), dpi=110, layout="constrained")
    axes = figure.subplots(len(rows), columns, squeeze=False)
    limit = 1.4 * float(np.abs(mixture.centres).max())
    target = draw(mixture, POINTS, 0)[0]
    for line, (look_ahead, seen) in zip(axes, rows.items(), strict=True):
        line[0].set_ylabel(f"K = {look_ahead}")
        for axis, (step, points) in zip(line, [*seen, (None, target)], strict=True):
            axis.scatter(
                points[:, 0],
                points[:, 1],
                s=2,
                alpha=0.3,
                linewidths=0,
                color="tab:blue" if step is not None else "tab:orange",
            )
            axis.set(xlim=(-limit, limit), ylim=(-limit, limit), aspect="equal", xticks=[], yticks=[])
            found = coverage(points, mixture.centres, mixture.deviation).modes
            axis.set_title(
                "the data" if step is None else f"step {step}: {found} of {len(mixture.centres)}", fontsize=8
            )
    with atomic(path) as temporary:
        figure.savefig(temporary, format="png")


def run(options: Options) -> None:
    """Train, count, draw and write."""
    if options.steps < options.columns - 1:
        raise ValueError(f"--columns {options.columns}: give at most one more than --steps {options.steps}")
    if not options.look_aheads:
        raise ValueError("nothing is asked for: give some --look-aheads")
    if options.mixture not in MIXTURES:
        raise ValueError(f"--mixture {options.mixture}: choose one of {', '.join(MIXTURES)}")
    mixture = MIXTURES[options.mixture]
    rows: dict[int, list[tuple[int, np.ndarray]]] = {}
    numbers = []
    for look_ahead in options.look_aheads:
        for seed in range(options.seeds):
            seen = observe(look_ahead, seed, options)
            rows.setdefault(look_ahead, seen)
            found = [coverage(points, mixture.centres, mixture.deviation) for _, points in seen]
            numbers.append(
                {
                    "look_ahead": look_ahead,
                    "seed": seed,
                    "steps": [step for step, _ in seen],
                    "modes": [each.modes for each in found],
                    "near": [round(each.near, 4) for each in found],
                }
            )
            print(f"{look_ahead} steps ahead, seed {seed}: {found[-1].modes} modes at the end", file=sys.stderr)
    save_picture(options.out / "modes.png", rows, mixture)
    protocol = (
        f"small preset of train.unrolled on mixture:{options.mixture}; a mode is covered when a quarter of its "
        f"equal share of {POINTS} samples lies within 3 deviations of its centre"
    )
    result = {"protocol": protocol, "runs": numbers, "environment": environment()}
    write_text(options.out / "modes.json", json.dumps(result, indent=2) + "\n")
    print(options.out / "modes.png")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the program from the command line."""
    return program.main(
        "eval.modes", "Covered modes over training, with and without look-ahead.", Options(), run, arguments
    )


if __name__ == "__main__":
    raise SystemExit(main())
