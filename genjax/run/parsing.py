"""Command lines out of options: grouped help, the model's own options first, and every number checked."""

import ast
import dataclasses
import functools
import inspect
import re
import sys
import textwrap
import typing
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from typing import Annotated, Any, TypeVar

from genjax.run.familiar import check_familiar
from genjax.run.options import COMMON, RunOptions, check, check_alone, check_partners, limits, notes

T = TypeVar("T")


@functools.cache
def texts(group: type) -> Mapping[str, str]:
    """Return the text below each field of a class, which Python itself does not keep."""
    tree = ast.parse(textwrap.dedent(inspect.getsource(group))).body[0]
    assert isinstance(tree, ast.ClassDef)
    pairs = zip(tree.body, tree.body[1:], strict=False)
    return {
        field.target.id: " ".join(text.value.value.split())
        for field, text in pairs
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name)
        and isinstance(text, ast.Expr) and isinstance(text.value, ast.Constant) and isinstance(text.value.value, str)
    }  # fmt: skip


def _groups(options: type) -> dict[str, tuple[type, ...]]:
    """Return title -> classes that declare its options: what is the model's own, then the common groups."""
    declared = [c for c in options.__mro__ if dataclasses.is_dataclass(c) and "__annotations__" in vars(c)]
    own: tuple[type, ...] = tuple(c for c in declared if c not in COMMON)
    titles: dict[str, tuple[type, ...]] = {
        "model": own,
        "optimizer": COMMON[:1],
        "data": COMMON[1:2],
        "run": COMMON[2:3],
        "machine": COMMON[3:],
    }
    return {title: classes for title, classes in titles.items() if any(c in declared for c in classes)}


def _notes(options: type) -> dict[str, str]:
    """Return what follows the help of a field: its limits, and any text in its annotation."""
    return {name: f"({allowed})" for name, allowed in limits(options).items()} | notes(options, str)


def _grouped(default: Any, said: Mapping[str, str]) -> Any:
    """Return `default` as a record with one nested record a group, for tyro to parse; field names stay unique.

    said: what follows the text of some fields in the help.
    """
    import tyro

    options = type(default)
    hints = typing.get_type_hints(options)
    said = {**_notes(options), **said}
    groups = {}
    for title, classes in _groups(options).items():
        fields: list[tuple[str, Any, Any]] = []
        for group in classes:
            helps = texts(group)
            for name in vars(group)["__annotations__"]:
                if name in (known for known, *_ in fields):
                    continue
                argument = tyro.conf.arg(help=f"{helps.get(name, '')} {said.get(name, '')}")
                value: Any = dataclasses.field(default=getattr(default, name))
                fields.append((name, Annotated[hints[name], argument], value))
        text = COMMON_TEXT.get(title, "What is this model's own.")
        record = dataclasses.make_dataclass(title, fields, frozen=True, namespace={"__doc__": text})
        # The text once more: tyro would look for it in the source of `dataclasses`, longer than all else takes.
        groups[title] = Annotated[record, tyro.conf.OmitArgPrefixes, tyro.conf.arg(help=text)], record()
    fields = [(title, kind, dataclasses.field(default=value)) for title, (kind, value) in groups.items()]
    return dataclasses.make_dataclass("Grouped", fields, frozen=True)()


COMMON_TEXT = dict(
    zip(("optimizer", "data", "run", "machine"), ((group.__doc__ or "") for group in COMMON), strict=True)
)


def parse(default: T, arguments: Sequence[str], *, program: str, description: str) -> T:
    """Return the options that the command line gives, like `default` in what it does not give.

    Of --steps and --epochs the one that is given replaces the default's. Ends the program with status 2, and says why,
    for options that are unknown or of a wrong type; raises ValueError for numbers out of their limits, for both
    --steps and --epochs, and for options that other programs have and that are called something else here.
    """
    import tyro

    check_familiar(type(default), arguments)
    whole: Any = default  # a dataclass, which no bound of T can say
    asked, said = whole, {}
    timed = isinstance(default, RunOptions)
    if timed:
        asked = dataclasses.replace(whole, steps=None, epochs=None)
        said = {
            name: f"({limits(type(default))[name]}; of this preset: {value:g})"
            for name in ("steps", "epochs")
            if (value := getattr(default, name)) is not None
        }
    start = _grouped(asked, said)
    told = _apart(description)
    grouped = tyro.cli(type(start), default=start, args=list(arguments), prog=program, description=told)
    values = {
        field.name: getattr(group, field.name)
        for group in (getattr(grouped, title.name) for title in dataclasses.fields(grouped))
        for field in dataclasses.fields(group)
    }
    if timed and values["steps"] is None and values["epochs"] is None:
        values |= {"steps": whole.steps, "epochs": whole.epochs}
    elif timed and None not in (values["steps"], values["epochs"]):
        raise ValueError("--steps and --epochs both say how long the run is; give one of them")
    options = dataclasses.replace(whole, **values)
    check(options)
    check_partners(options)
    if timed:
        check_alone(options)
    return options


def parse_plainly(default: T, arguments: Sequence[str] | None, *, program: str, description: str) -> T:
    """Return the options that the command line gives, as `parse`, for programs: one group, in the order declared."""
    import tyro

    options: Any = type(default)
    check_familiar(options, sys.argv[1:] if arguments is None else arguments)
    hints, ranges = typing.get_type_hints(options, include_extras=True), limits(options)
    helps = {name: text for group in reversed(options.__mro__[:-1]) for name, text in texts(group).items()}
    fields: list[tuple[str, Any, Any]] = []
    for known in dataclasses.fields(options):
        note = f" ({ranges[known.name]})" if known.name in ranges else ""
        argument = tyro.conf.arg(help=f"{helps.get(known.name, '')}{note}")
        value: Any = dataclasses.field(default=getattr(default, known.name))
        fields.append((known.name, Annotated[hints[known.name], argument], value))
    record: Any = dataclasses.make_dataclass("Options", fields, frozen=True, namespace={"__doc__": description})
    parsed = tyro.cli(record, default=record(), args=arguments, prog=program, description=description)
    given = options(**{name: getattr(parsed, name) for name, *_ in fields})
    check(given)
    return given


def _apart(text: str) -> str:
    """Return a docstring with a blank line after each indented part: tyro would join the next sentence to it."""
    return re.sub(r"(\n    [^\n]*)\n(?=\S)", r"\1\n\n", text)


def suggestion(word: str, known: Sequence[str]) -> str:
    """Return " (did you mean x?)" where a known word is close, else an empty text."""
    close = get_close_matches(word, known, 1)
    return f" (did you mean {close[0]}?)" if close else ""
