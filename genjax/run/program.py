"""The command line of programs that answer one question: typed options, one sentence for what cannot be used."""

import sys
from collections.abc import Callable, Sequence
from typing import TypeVar

import jax

from genjax.files import sentence
from genjax.run.devices import configure, exhausted
from genjax.run.options import check

T = TypeVar("T")


def main(
    name: str, description: str, default: T, run: Callable[[T], object], arguments: Sequence[str] | None = None
) -> int:
    """Parse options like `default`, call `run` with them, and return the status.

    0; 2 where the input cannot be used, or the disk not written; 130 after an interrupt.
    """
    import tyro

    options = tyro.cli(
        type(default), default=default, args=arguments, prog=f"python -m {name}", description=description
    )
    configure()
    try:
        check(options)
        run(options)
    except ValueError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except OSError as error:
        print(f"error: {sentence(error)}", file=sys.stderr)
        return 2
    except (MemoryError, jax.errors.JaxRuntimeError) as error:
        print(f"error: {exhausted(error)}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
    return 0
