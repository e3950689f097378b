"""Write the tables of the README and of docs/: models, parameters, measured scores, data sources, benchmarks.

    python -m eval.readme             render what has been measured
    python -m eval.readme --measure   train every recipe's `small` preset first (three seeds each; ten of points in the
                                      plane, which take seconds and vary most) and keep the scores

A recipe names its score as `SCORE = (metric, text)`, and as `CONTROLS = {text: options}` what the score is compared
with: the same preset and seeds with a mechanism taken out by command-line options.

Between `<!-- begin NAME -->` and `<!-- end NAME -->` README.md and the pages of docs/ belong to this program.
Parameters come from `--describe` of the `paper` presets, scores from eval/results/scores.json, benchmarks from
benchmarks/results/*.json, and what a model is for from eval/_models.py.
"""

import dataclasses
import json
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from genjax.data import SOURCES
from genjax.engine.log import read_rows
from genjax.files import render, write_text
from genjax.run import program
from genjax.run.cli import prepare
from genjax.run.describe import parameters
from genjax.run.run import Recipe, names, recipe

from ._models import MODELS

ROOT = Path(__file__).resolve().parents[1]
SCORES = ROOT / "eval" / "results" / "scores.json"
SEEDS, SEEDS_IN_THE_PLANE = 3, 10
DIVERGED = 3
"""The status with which a recipe ends when a loss is not finite."""


@dataclass(frozen=True)
class Options:
    """Options of this program."""

    measure: bool = False
    """Train every recipe's small preset first."""
    only: tuple[str, ...] = ()
    """Measure only these recipes."""
    check: bool = False
    """Change nothing; end with status 2 if a file is not what would be written."""


def recipes() -> dict[str, Recipe]:
    """Return the recipes by name, in alphabetical order."""
    return {name: recipe(name) for name in names()}


def package_of(name: str) -> str | None:
    """Return the package of genjax that holds the model of a recipe, or None where the recipe chooses networks."""
    return next((p for p in ("autoencoders", "gans") if (ROOT / "genjax" / p / f"{name}.py").exists()), None)


def train_small(name: str, score: str, seeds: Iterable[int], options: Sequence[str] = ()) -> dict:
    """Train a recipe's small preset once for each seed, in processes of their own, and return its scores.

    A run that diverges has no score: None in its place.
    """
    values, seconds = [], []
    with tempfile.TemporaryDirectory() as folder:
        for seed in seeds:
            out = Path(folder) / str(seed)
            command = [sys.executable, "-m", f"train.{name}", "--seed", str(seed), "--out", str(out), *options]
            status = subprocess.run(command, cwd=ROOT).returncode
            if status not in (0, DIVERGED):
                raise ValueError(f"`{' '.join(command[1:])}` ended with status {status}; see its message above")
            rows = read_rows(out / "metrics.jsonl")
            last = next((row[f"test/{score}"] for row in reversed(rows) if f"test/{score}" in row), None)
            values.append(None if status == DIVERGED else last)
            seconds.append(max(row.get("seconds", 0.0) for row in rows))
    return {"values": values, "seconds": seconds}


def measure(only: tuple[str, ...]) -> None:
    """Train the small presets and write eval/results/scores.json."""
    from genjax.environment import environment

    known = json.loads(SCORES.read_text(encoding="utf-8")) if SCORES.exists() else {}
    for name, found in recipes().items():
        if found.score and (not only or name in only):
            seeds = range(SEEDS_IN_THE_PLANE if found.presets["small"].data.startswith("mixture:") else SEEDS)
            result = train_small(name, found.score[0], seeds)
            result["controls"] = {
                text: train_small(name, found.score[0], seeds, options) for text, options in found.controls.items()
            }
            known[name] = {**result, "environment": environment()}
            write_text(SCORES, json.dumps(known, indent=2) + "\n")


def _parameters(found: Recipe) -> str:
    """Return the parameters of the `paper` preset's networks, as `--describe` prints them."""
    hyper = dataclasses.replace(found.presets["paper"], describe=True)
    sizes = parameters(prepare(found, "paper", hyper).run.phases[-1].game)
    return ", ".join(f"{net} {count:,}" for net, count in sizes.items())


def _spread(values: Sequence[float | None]) -> str:
    """Return mean and deviation over seeds, the range where they are many, and how many of them diverged."""
    known = [value for value in values if value is not None]
    if not known:
        return "diverged"
    text = f"{statistics.mean(known):.3g}"
    if len(known) > 1:
        text += f" ± {statistics.stdev(known):.2g}"
    if len(known) > SEEDS:
        text += f" [{min(known):.3g} to {max(known):.3g}, {len(values)} seeds]"
    return text + (f", {len(values) - len(known)} of {len(values)} diverged" if len(known) < len(values) else "")


def models_table() -> str:
    """Return what each model is for, with a picture where the gallery has one, in groups."""
    parts = []
    for kind in dict.fromkeys(model.kind for model in MODELS.values()):
        lines = [f"**{kind}**", "", "| | model | use it when | start |", "|---|---|---|---|"]
        for name, model in MODELS.items():
            picture = f"docs/gallery/{name}-thumb.png"
            shown = f"![]({picture})" if (ROOT / picture).exists() else ""
            link = f"[{model.title}](genjax/{package_of(name)}/{name}.py)"
            lines += [f"| {shown} | {link} | {model.use} | `python -m train.{name}` |"] if model.kind == kind else []
        parts.append("\n".join(lines))
    return "\n\n".join(parts)


def scores_table() -> str:
    """Return the table of what was measured of each model."""
    scores = json.loads(SCORES.read_text(encoding="utf-8")) if SCORES.exists() else {}
    lines = [
        "| model and paper | file | recipe | parameters (`paper`) | score of `small` |",
        "|---|---|---|---|---|",
    ]
    for name, found in recipes().items():
        package = package_of(name)
        if package is None:
            continue
        title = found.doc.splitlines()[0].rstrip(".")
        score = "not measured yet"
        if name in scores and found.score:
            seconds, where = scores[name]["seconds"], scores[name]["environment"]
            score = f"{_spread(scores[name]['values'])} ({found.score[1]}), "
            # Seconds of runs that shared a device tell nothing, and are not kept.
            score += f"{statistics.mean(seconds):.0f} s on " if seconds else ""
            score += f"{where['device']}, {where['date']}"
            controls = scores[name].get("controls", {})
            score += "".join(f"; {text}: {_spread(control['values'])}" for text, control in controls.items())
        lines.append(
            f"| {title} | [{name}.py](../genjax/{package}/{name}.py) | `python -m train.{name}` "
            f"| {_parameters(found)} | {score} |"
        )
    return "\n".join(lines)


def benchmarks_section() -> str:
    """Return a line for every committed benchmark; benchmarks/README.md has the tables."""
    from benchmarks.report import results

    lines = [
        f"- [{result['title']}](../benchmarks/README.md#{result['name']}) (`python -m benchmarks.{result['name']}`, "
        f"{result['environment']['device']}, {result['environment']['date']})"
        for result in results()
    ]
    return "\n".join(lines) or "None is committed yet."


def semi_supervised_section() -> str:
    """Return the tables of M2 at several label counts."""
    from .semi_supervised import table

    parts = []
    for path in sorted(SCORES.parent.glob("semi_supervised-*.json")):
        result = json.loads(path.read_text(encoding="utf-8"))
        options = result["options"]
        where = result["environment"]
        parts.append(
            f"{options['data']}, preset `{options['preset']}`, {options['steps']} steps ({where['device']}, "
            f"{where['date']}):\n\n{table(result['rows'])}"
        )
    return "\n\n".join(parts)


def sources_table() -> str:
    """Return what `--data` takes: the table on which loading dispatches."""
    lines = ["| `--data` | what it is |", "|---|---|"]
    return "\n".join([*lines, *(f"| `{source.form}` | {source.about} |" for source in SOURCES)])


def claims_section() -> str:
    """Return the claims of the comparison article with their verdicts, as `eval.article` judged them."""
    found = json.loads((SCORES.parent / "article.json").read_text(encoding="utf-8"))
    lines = ["| experiment | claim | verdict |", "|---|---|---|"]
    lines += [f"| {row['experiment']} | {row['claim']} | **{row['verdict']}** |" for row in found["claims"]]
    return "\n".join([*lines, "", f"Measured by `python -m eval.article`: {found['told']} In all {found['where']}"])


def _stability() -> dict:
    """Return what `eval.stability` measured."""
    return json.loads((SCORES.parent / "stability.json").read_text(encoding="utf-8"))


def stability_section() -> str:
    """Return how stable and how faithful the ways to compute Grad-CAM++ are."""
    from ._stability import section

    return section(_stability())


def again_section() -> str:
    """Return how the scores of further runs compare with the table's."""
    from . import again

    return again.table(json.loads(again.AGAIN.read_text(encoding="utf-8")))


def map_advice() -> str:
    """Return which way to compute a saliency map is recommended."""
    from ._stability import advice

    return advice(_stability())


FILES: dict[str, dict[str, Callable[[], str]]] = {
    "README.md": {"models": models_table},
    "docs/results.md": {
        "scores": scores_table,
        "again": again_section,
        "semi-supervised": semi_supervised_section,
        "stability": stability_section,
        "benchmarks": benchmarks_section,
    },
    "docs/use.md": {"saliency-advice": map_advice},
    "docs/data.md": {"sources": sources_table},
    "docs/articles.md": {"claims": claims_section},
}
"""{file: {name of a section: what writes it}}."""


def run(options: Options) -> None:
    """Measure if asked, then write the files."""
    if not (ROOT / "README.md").exists():
        raise ValueError(f"there is no README.md in {ROOT}: run this program in a checkout")
    if options.measure:
        measure(options.only)
    for name, sections in FILES.items():
        old = (ROOT / name).read_text(encoding="utf-8")
        new = render(old, sections, name)
        if options.check and new != old:
            raise ValueError(f"{name} is not what the programs measured; run: python -m eval.readme")
        if new != old:
            write_text(ROOT / name, new)
        print(f"{name} is up to date" if new == old else f"{name} written")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the program from the command line."""
    return program.main("eval.readme", __doc__ or "", Options(), run, arguments)


if __name__ == "__main__":
    raise SystemExit(main())
