"""The folder of a run: its name, its configuration, and whether a run that is continued is the one that was started."""

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from genjax import files
from genjax.run.options import OPERATIONAL, Options

CONFIG = "config.json"


def named(program: str, data: str) -> Path:
    """Return runs/PROGRAM-DATA for a data source."""
    stem = Path(data.rstrip("/")).stem if data.endswith(".npz") else data.rstrip("/").split("/")[-1]
    return Path("runs") / f"{program}-{stem.replace(':', '-')}"


def read_config(folder: Path) -> dict[str, Any]:
    """Return the configuration of a run; ValueError where the folder holds no run, or the file cannot be read."""
    path = folder / CONFIG
    if not path.exists():
        raise ValueError(f"{folder} holds no run: there is no {CONFIG}; give a folder that a recipe wrote")
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
        known = {name: config[name] for name in ("recipe", "preset", "hyper", "data", "environment")}
    except (json.JSONDecodeError, UnicodeDecodeError, KeyError, TypeError, RecursionError) as error:
        raise ValueError(f"{path} is damaged or not of a run ({type(error).__name__}: {error})") from None
    return known


def _chosen(recipe: str, options: Options) -> Path:
    if options.out is not None:
        taken = (options.out / CONFIG).exists()
        if taken and not options.resume:
            raise ValueError(f"{options.out} holds a run already; add --resume to continue it, or choose another --out")
        return options.out
    base = named(recipe, options.data)
    numbered = [base, *(base.with_name(f"{base.name}-{n}") for n in range(2, 10_000))]
    free = next(index for index, folder in enumerate(numbered) if not (folder / CONFIG).exists())
    if options.resume and free == 0:
        raise ValueError(f"--resume found no run in {base}; start one without it, or name its folder with --out")
    return numbered[free - 1] if options.resume else numbered[free]


def _check(folder: Path, config: Mapping[str, Any], force: bool) -> None:
    """Refuse to continue a run whose hyperparameters or data are not the ones given, and say what differs."""
    saved = read_config(folder)

    def relevant(c: Mapping[str, Any]) -> dict[str, Any]:
        flat = {name: value for name, value in c["hyper"].items() if name not in OPERATIONAL}
        return {**flat, "recipe": c["recipe"], "data": c["data"]}

    old, new = relevant(saved), relevant(config)
    lines = [f"  {k}: {old.get(k)!r} -> {new.get(k)!r}" for k in sorted(old | new) if old.get(k) != new.get(k)]
    if lines and not force:
        raise ValueError(
            "this is not the run that was started; it differs in (saved -> given)\n"
            + "\n".join(lines)
            + f"\ngive the values of {folder / CONFIG}, or add --force to continue all the same"
        )
    if lines:
        print("continuing with other values, as forced:\n" + "\n".join(lines), file=sys.stderr)


def open_folder(recipe: str, options: Options, config: Mapping[str, Any]) -> str:
    """Return the run's folder with its configuration written."""
    folder = _chosen(recipe, options)
    if options.resume and (folder / CONFIG).exists():
        _check(folder, config, options.force)
    files.write_text(folder / CONFIG, json.dumps(config, indent=2) + "\n")
    return str(folder)
