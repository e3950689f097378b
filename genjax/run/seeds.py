"""Several seeds by one command: a folder for each, as a run of its own leaves it, and a summary of their scores."""

import json
import math
import statistics
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from genjax import files
from genjax.engine.loop import DivergedError
from genjax.engine.records import Result
from genjax.engine.seeds import Member, train_seeds
from genjax.environment import memory_text
from genjax.metrics.words import word
from genjax.run.folder import CONFIG, named, opened
from genjax.run.options import Options
from genjax.run.run import Prepared, Recipe
from genjax.run.training import reporting, settings_of, stopped, tell, write_card


def _root(recipe: str, options: Options) -> Path:
    """Return the folder of the seeds' folders: --out, or the first of its name that is free, which is made."""
    if options.out is not None:
        if (options.out / CONFIG).exists():
            raise ValueError(f"{options.out} holds a run of one seed; choose another --out")
        return options.out
    base = named(recipe, options.data)
    base = base.with_name(f"{base.name}-seeds")
    number = 1
    while True:
        folder = base if number == 1 else base.with_name(f"{base.name}-{number}")
        number += 1
        try:
            folder.mkdir(parents=True)
        except FileExistsError:
            continue
        return folder


@contextmanager
def opened_seeds(
    recipe: str, options: Options, config: Mapping[str, Any], *, steps: int, command: Sequence[str]
) -> Iterator[tuple[Path, dict[int, Path]]]:
    """Yield the folder of all and, by seed, the folder of each, as `opened` gives it to a run of its own."""
    root, folders = _root(recipe, options), {}
    with ExitStack() as stack:
        for seed in range(options.seed, options.seed + options.seeds):
            out = root / f"seed-{seed}"
            own = replace(options, seed=seed, seeds=1, out=out)
            hyper = {**config["hyper"], "seed": seed, "seeds": 1, "out": str(out)}
            begun = opened(recipe, own, {**config, "hyper": hyper}, steps=steps, command=command)
            folders[seed] = stack.enter_context(begun)
        yield root, folders


def train_all(
    root: Path, folders: Mapping[int, Path], *, recipe: Recipe, preset: str, hyper: Any, prepared: Prepared
) -> int:
    """Train the seeds in their folders and write the summary; return the exit status, 3 where one has diverged."""
    run, devices = prepared.run, prepared.devices
    settings = settings_of(hyper, run)
    tell(
        f"{recipe.name} ({preset}) on {hyper.data}: {len(folders)} seeds at once on {len(devices)} x "
        f"{devices[0].device_kind}, writing to {root}, {settings.fuse} step(s) a call; {memory_text()}"
    )
    for note in prepared.notes:
        tell(note)
    results = train_seeds(
        run.phases,
        devices,
        [Member(seed, folder, reporting(recipe, preset, hyper, run, folder)) for seed, folder in folders.items()],
        settings=settings,
        meta={"recipe": recipe.name, "preset": preset},
        begin=prepared.begin,
        evaluate=run.task.scores,
    )
    by_seed = dict(zip(folders, results, strict=True))
    for seed, result in by_seed.items():
        if isinstance(result, DivergedError):
            tell(f"error: seed {seed}: {result}")
        elif result.signal is None:
            write_card(run, result, folders[seed])  # once more, with the time of the last step
    finished = [result for result in results if isinstance(result, Result)]
    early = next((result for result in finished if result.signal is not None), None)
    if early is not None:
        return stopped(early, f"each seed's folder, such as --resume --out {next(iter(folders.values()))}")
    summary = summarised(by_seed)
    files.write_text(root / "summary.json", json.dumps(summary, indent=2) + "\n")
    files.write_text(root / "summary.md", table(recipe.name, preset, summary))
    print(table(recipe.name, preset, summary))
    print(f"see {root}")
    return 3 if len(finished) < len(results) else 0


def summarised(results: Mapping[int, Result | DivergedError]) -> dict[str, Any]:
    """Return the scores over seeds: values by seed, mean, standard deviation, lowest, highest, and the best seed.

    A score that does not exist for a seed (a divergence of modes, where no sample is near one) is left out of it.
    diverged: `{seed: why}` of those that have no scores.  deviation: of a sample, None for one value.
    """
    scored = {seed: result.scores for seed, result in results.items() if isinstance(result, Result)}
    scores: dict[str, Any] = {}
    for name in next(iter(scored.values()), {}):
        values = {seed: own[name] for seed, own in scored.items() if math.isfinite(own[name])}
        if not values:
            continue
        lowest, highest = (pick(values, key=lambda seed: values[seed]) for pick in (min, max))
        best = {"higher": highest, "lower": lowest, None: None}[word(name).better]
        scores[name] = {
            "values": values,
            "mean": statistics.fmean(values.values()),
            "deviation": statistics.stdev(values.values()) if len(values) > 1 else None,
            "lowest": values[lowest],
            "highest": values[highest],
            "best": best,
        }
    diverged = {seed: str(result) for seed, result in results.items() if isinstance(result, DivergedError)}
    return {"seeds": list(results), "diverged": diverged, "scores": scores}


def table(recipe: str, preset: str, summary: Mapping[str, Any]) -> str:
    """Return the summary as a page of Markdown."""
    seeds, diverged = summary["seeds"], summary["diverged"]
    lines = [
        f"# {recipe}, preset {preset}, {len(seeds)} seeds",
        "",
        "| score on test images | mean | standard deviation | lowest | highest | best |",
        "|---|---|---|---|---|---|",
    ]
    for name, of in summary["scores"].items():
        deviation = "" if of["deviation"] is None else f"{of['deviation']:.2g}"
        best = "" if of["best"] is None else f"seed {of['best']}"
        lines.append(f"| {name} | {of['mean']:.4f} | {deviation} | {of['lowest']:.4f} | {of['highest']:.4f} | {best} |")
    lines += ["", *(f"Seed {seed} has no scores: {why}" for seed, why in diverged.items())]
    return "\n".join([*lines, f"Seeds {seeds[0]} to {seeds[-1]}, each in its folder `seed-N`, a run of its own.", ""])
