"""The command line that the programs here share: typed options, one sentence for what cannot be used."""

import sys
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from train._cli import configure

T = TypeVar("T")


def main(
    name: str, description: str, default: T, run: Callable[[T], Any], arguments: Sequence[str] | None = None
) -> int:
    """Parse options like `default`, call `run` with them, and return the exit status: 0, or 2 for unusable input."""
    import tyro

    options = tyro.cli(
        type(default), default=default, args=arguments, prog=f"python -m {name}", description=description
    )
    configure()
    try:
        run(options)
    except ValueError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0
