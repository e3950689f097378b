"""The best state of a run so far, kept in a folder that is a run itself: RUN/best."""

import json
import math
from pathlib import Path

from genjax import files
from genjax.engine import checkpoint
from genjax.engine.loop import Result
from genjax.metrics.words import WORDS, Word
from genjax.run.describe import card
from genjax.run.folder import read_config, write_config
from genjax.run.run import Recipe, Run

NOTE = "best.json"


def check_best(recipe: Recipe) -> None:
    """Raise ValueError where a recipe names no score, or one of which no direction is known to be good."""
    if recipe.score is None or WORDS.get(recipe.score[0], Word("")).better is None:
        raise ValueError(f"--keep-best: {recipe.name} has no score of which it is said whether more or less is better")


def keep_best(folder: Path, run: Run, result: Result, score: tuple[str, str] | None) -> None:
    """Keep the state in folder/best, with configuration, checkpoint and card, if its score is the best so far.

    score: (name, text) of the recipe. A score that is missing or not finite is never the best.
    """
    name = score[0] if score else ""
    value = result.scores.get(name, math.nan)
    best, note = folder / "best", folder / "best" / NOTE
    known = json.loads(note.read_text(encoding="utf-8"))["value"] if note.exists() else None
    more = WORDS[name].better == "higher"
    if not math.isfinite(value) or (known is not None and (value <= known if more else value >= known)):
        return
    step = int(result.state.step)
    write_config(best, read_config(folder))
    with checkpoint.open_checkpoints(best / "checkpoints", keep=1) as manager:
        checkpoint.save(manager, result.state, {"phase": _phase(run, step), "retry": 0})
    files.write_text(best / "card.md", card(read_config(folder), run, result))
    files.write_text(note, json.dumps({"score": name, "value": value, "step": step}) + "\n")


def _phase(run: Run, step: int) -> int:
    """Return the phase in which the step before `step` lies, as the loop names it in checkpoints."""
    ends = [sum(phase.steps for phase in run.phases[: number + 1]) for number in range(len(run.phases))]
    return next((number for number, end in enumerate(ends) if step <= end), len(ends) - 1)
