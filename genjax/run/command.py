"""The console command: genjax train RECIPE, genjax PROGRAM, and with nothing the list of both.

    genjax train vae --steps 1000
    genjax sample runs/vae-digits        # or: genjax eval sample runs/vae-digits

`python -m train.vae` and `python -m eval.sample` in a checkout are the same programs; `python -m train` and
`python -m eval` list them.
"""

import importlib
import sys
from collections.abc import Sequence

from genjax.files import say, sentence
from genjax.run.parsing import suggestion
from genjax.run.run import PACKAGES, names, package

PROGRAMS = ("genjax.programs", "eval")
"""Where programs live: in an installed package, and in a checkout."""
HELP = ("", "-h", "--help")
STATUS = (
    "Each tells its options with --help. Exit status: 0 when all is done, or a run was stopped by SIGTERM and can be",
    "resumed; 2 for input that cannot be used and for a disk that cannot be written, after one sentence on stderr;",
    "3 for a loss that was not finite; 130 after an interrupt, 129 after a hang-up; 1 where one of several processes",
    "has died.",
)


def first_line(place: tuple[str, ...], name: str) -> str:
    """Return the first line of a module's docstring, without importing what the module needs."""
    import ast
    import importlib.util

    spec = importlib.util.find_spec(f"{package(place)}.{name}")
    assert spec is not None and spec.origin is not None
    with open(spec.origin, encoding="utf-8") as file:
        text = ast.get_docstring(ast.parse(file.read())) or ""
    return text.splitlines()[0] if text else ""


def programs() -> list[str]:
    """Return the names of the programs of eval, but for what they share."""
    return [name for name in names(PROGRAMS) if name != "comparison"]


def overview() -> str:
    """Return the list of recipes and programs, a line each."""
    lines = ["usage: genjax train RECIPE [PRESET] [OPTIONS]  |  genjax PROGRAM [OPTIONS]", "", "recipes:"]
    lines += [f"  {name:16} {first_line(PACKAGES, name)}" for name in names()]
    lines += ["", "programs:", *(f"  {name:16} {first_line(PROGRAMS, name)}" for name in programs())]
    ends = [
        "",
        "First steps: genjax train vae, then genjax sample runs/vae-digits.",
        *STATUS,
    ]
    return "\n".join([*lines, *ends])


def train(name: str, arguments: Sequence[str]) -> int:
    """Run a recipe."""
    from genjax.run import cli

    return cli.main(name, arguments, f"genjax train {name}")


def evaluate(name: str, arguments: Sequence[str]) -> int:
    """Run a program."""
    if name not in programs():
        raise ValueError(
            f"there is no program '{name}'{suggestion(name, programs())}; the programs are: {', '.join(programs())}"
        )
    return importlib.import_module(f"{package(PROGRAMS)}.{name}").main(arguments)


def unknown(verb: str) -> ValueError:
    """Return what to say to a first word that is neither train nor eval nor a program."""
    if verb in names():
        return ValueError(f"'{verb}' is a recipe; type: genjax train {verb}")
    known = ["train", "eval", *programs()]
    meant = suggestion(verb, known) or suggestion(verb, names()).replace("mean ", "mean train ")
    return ValueError(f"'{verb}' is neither train nor eval nor a program{meant}; genjax alone lists them")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the console command and return the exit status: that of the program, or 2 for what is not known."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    verb, name, rest = (given[0] if given else ""), (given[1] if len(given) > 1 else ""), given[2:]
    try:
        if verb in HELP or (verb in ("train", "eval") and name in HELP):
            print(overview(), flush=True)
            return 0
        if verb == "train":
            return train(name, rest)
        if verb == "eval":
            return evaluate(name, rest)
        if verb in programs():
            return evaluate(verb, given[1:])
        raise unknown(verb)
    except ValueError as error:
        say(f"error: {error}")
        return 2
    except OSError as error:  # where the list cannot be written
        say(f"error: {sentence(error)}")
        return 2
    except KeyboardInterrupt:  # while the program is imported
        say("interrupted")
        return 130


if __name__ == "__main__":
    raise SystemExit(main())
