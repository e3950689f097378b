"""The command line of programs that answer one question: typed options, one sentence for what cannot be used."""

from collections.abc import Callable, Sequence
from typing import TypeVar

import jax

from genjax.files import say, sentence
from genjax.run.devices import configure, exhausted
from genjax.run.parsing import parse_plainly

T = TypeVar("T")


def main(
    name: str, description: str, default: T, run: Callable[[T], object], arguments: Sequence[str] | None = None
) -> int:
    """Parse options like `default`, call `run` with them, and return the status.

    0; 2 where the input cannot be used, or the disk not written; 130 after an interrupt.
    """
    try:
        options = parse_plainly(default, arguments, program=f"python -m {name}", description=description)
        configure()
        run(options)
    except ValueError as error:
        say(f"error: {error}")
        return 2
    except OSError as error:
        say(f"error: {sentence(error)}")
        return 2
    except (MemoryError, jax.errors.JaxRuntimeError) as error:
        say(f"error: {exhausted(error)}")
        return 2
    except KeyboardInterrupt:
        say("interrupted")
        return 130
    return 0
