"""Write the tables of benchmarks/README.md from the committed result files.

    python -m benchmarks.report [--check]

Between `<!-- begin NAME -->` and `<!-- end NAME -->` that file belongs to this program, one section for each benchmark.
"""

import argparse
import json
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks._result import RESULTS, table
from genjax.files import render, write_text

README = Path(__file__).with_name("README.md")


def results() -> list[dict[str, Any]]:
    """Return the committed results, by name and device."""
    return [json.loads(path.read_text(encoding="utf-8")) for path in sorted(RESULTS.glob("*.json"))]


def section(name: str) -> str:
    """Return the tables of one benchmark, one for each kind of device, each with its protocol."""
    parts = []
    for result in results():
        if result["name"] != name:
            continue
        where = result["environment"]
        versions = ", ".join(f"{package} {version}" for package, version in where["versions"].items())
        parts.append(
            f"{table(result['rows'])}\n\n{result['protocol']}. "
            f"{where['device']}, {where['processor']}, {where['date']}; {versions}."
        )
    return "\n\n".join(parts) or "Not measured yet."


def names() -> list[str]:
    """Return the names of the benchmarks: of the programs that measure something of their own."""
    programs = {path.stem for path in Path(__file__).parent.glob("*.py") if not path.stem.startswith("_")}
    return sorted(programs - {"report", "accelerator"})


def written(text: str) -> str:
    """Return the text of README.md with every table written anew. ValueError where a benchmark has no section."""
    return render(text, {name: partial(section, name) for name in names()}, "benchmarks/README.md")


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the tables; with --check change nothing and return 1 where they differ."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="change nothing")
    check = parser.parse_args(arguments).check
    old = README.read_text(encoding="utf-8")
    new = written(old)
    if new != old and not check:
        write_text(README, new)
    print("up to date" if new == old else "not up to date" if check else f"{README.name} written")
    return int(check and new != old)


if __name__ == "__main__":
    raise SystemExit(main())
