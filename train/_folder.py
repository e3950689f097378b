"""The folder of a run: its name, and whether a run that is continued is the one that was started."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from genjax import files

if TYPE_CHECKING:
    from train._cli import Common

# Options that change where and how a run happens, not what it computes.
OPERATIONAL = {
    *("out", "resume", "force", "parallel", "devices", "processes", "shard", "remat", "fuse", "checkpoint_every"),
    *("evaluate_every", "keep", "on_nonfinite", "stream", "tensorboard", "cache", "describe"),
}


def _folder(recipe: str, hyper: Common) -> Path:
    if hyper.out is not None:
        taken = (hyper.out / "config.json").exists()
        if taken and not hyper.resume:
            raise ValueError(f"{hyper.out} holds a run already; add --resume to continue it, or choose another --out")
        return hyper.out
    stem = Path(hyper.data.rstrip("/")).stem if hyper.data.endswith(".npz") else hyper.data.split("/")[-1]
    base = Path("runs") / f"{recipe}-{stem.replace(':', '-')}"
    numbered = [base, *(base.with_name(f"{base.name}-{n}") for n in range(2, 10_000))]
    free = next(index for index, folder in enumerate(numbered) if not (folder / "config.json").exists())
    if hyper.resume and free == 0:
        raise ValueError(f"--resume found no run in {base}; start one without it, or name its folder with --out")
    return numbered[free - 1] if hyper.resume else numbered[free]


def _check_config(folder: Path, config: Mapping[str, Any], force: bool) -> None:
    """Refuse to continue a run whose hyperparameters or data are not the ones given, and say what differs."""
    saved = json.loads((folder / "config.json").read_text(encoding="utf-8"))

    def relevant(c):
        flat = {name: value for name, value in c["hyper"].items() if name not in OPERATIONAL}
        return {**flat, "recipe": c["recipe"], "images": c["images"]}

    old, new = relevant(saved), relevant(config)
    lines = [f"  {k}: {old.get(k)!r} -> {new.get(k)!r}" for k in sorted(old | new) if old.get(k) != new.get(k)]
    if lines and not force:
        raise ValueError(
            "this is not the run that was started; it differs in (saved -> given)\n"
            + "\n".join(lines)
            + f"\ngive the values of {folder / 'config.json'}, or add --force to continue all the same"
        )
    if lines:
        print("continuing with other values, as forced:\n" + "\n".join(lines), file=sys.stderr)


def open_folder(recipe: str, hyper: Common, config: Mapping[str, Any]) -> str:
    """Return the run's folder with its configuration written."""
    folder = _folder(recipe, hyper)
    if hyper.resume and (folder / "config.json").exists():
        _check_config(folder, config, hyper.force)
    files.write_text(folder / "config.json", json.dumps(config, indent=2) + "\n")
    return str(folder)
