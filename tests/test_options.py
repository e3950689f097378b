"""The options of every recipe: which numbers are refused, and what --help says of them in which order."""

import dataclasses
import importlib
import math
import typing

import pytest

from genjax.run.cli import main
from genjax.run.options import COMMON, Options, check, flag, limits
from genjax.run.parsing import texts
from genjax.run.run import names, recipe
from tests.conftest import REPOSITORY

TITLES = ("model", "optimizer", "data", "run", "machine")
NUMBERS = (int, float)


def own(found):
    """Return the fields of a recipe that not every recipe has."""
    common = {field.name for field in dataclasses.fields(Options)}
    return [field.name for field in dataclasses.fields(found.options) if field.name not in common]


def numeric(options):
    """Return the type of a number, int or float, and how many there are, None for one, of every numeric field."""
    fields = {}
    for name, hint in typing.get_type_hints(options).items():
        parts = [part for part in typing.get_args(hint) or (hint,) if part is not type(None)]
        if parts[0] in NUMBERS:
            several = typing.get_origin(hint) is tuple
            fields[name] = parts[0], (len([part for part in parts if part in NUMBERS and several]) or None)
    return fields


def outside(allowed, kind):
    """Return numbers just outside the ends of an interval, and those that are no numbers."""
    near = 1 if kind is int else 0.5
    wrong = [allowed.least - near, allowed.above, allowed.most + near, allowed.below]
    wrong = [kind(number) for number in wrong if math.isfinite(number)]
    if kind is float:
        wrong += [math.nan, -math.inf, *([] if allowed.infinite else [math.inf])]
    return wrong


def refusal(field, number, allowed):
    return f"{flag(field)} {number:g}: give a number {allowed}"


def check_refusals(name, fields, folder, capsys):
    """Give each of the fields every wrong number: the first on the recipe's command line."""
    options = recipe(name).options
    declared, numbers = limits(options), numeric(options)
    for field in fields:
        if field not in numbers:
            continue
        kind, count = numbers[field]
        allowed = declared[field]
        wrong = outside(allowed, kind)
        assert [x for x in wrong if math.isfinite(x)], f"{field} has no ends"
        low = allowed.least if math.isfinite(allowed.least) else allowed.above + 1
        right = [int(low)] * (max(count, 2) - 1) if count else []
        first, *others = wrong
        assert main(name, [flag(field), *map(str, (*right, first)), "--out", str(folder / "run")]) == 2
        said = capsys.readouterr()
        assert said.err == f"error: {refusal(field, first, allowed)}\n"
        assert not said.out
        assert not (folder / "run").exists()
        preset = next(iter(recipe(name).presets.values()))
        for number in others:
            with pytest.raises(ValueError) as refused:
                check(dataclasses.replace(preset, **{field: (*right, number) if count else number}))
            assert str(refused.value) == refusal(field, number, allowed)


@pytest.mark.parametrize("name", names())
def test_a_number_out_of_its_range_is_one_sentence_and_leaves_no_folder(name, tmp_path, capsys):
    check_refusals(name, own(recipe(name)), tmp_path, capsys)


def test_numbers_that_every_recipe_takes_are_checked_too(tmp_path, capsys):
    fields = [field.name for field in dataclasses.fields(Options)]
    assert {"steps", "epochs", "clip", "seed", "fuse", "devices", "image_size"} <= set(fields) & set(numeric(Options))
    check_refusals("ae", fields, tmp_path, capsys)


def test_the_numbers_of_every_preset_lie_in_their_ranges():
    for name in names():
        for preset in recipe(name).presets.values():
            check(preset)


@pytest.mark.parametrize("name", names())
def test_help_shows_the_models_own_options_first_and_then_the_common_groups(name, capsys):
    with pytest.raises(SystemExit) as stop:
        main(name, ["--help"])
    assert stop.value.code == 0
    said = capsys.readouterr().out
    places = [said.find(f" {title} options ") for title in TITLES if title != "model" or own(recipe(name))]
    assert -1 not in places
    assert places == sorted(places)
    model, rest = said[: said.find(" optimizer options ")], said[said.find(" optimizer options ") :]
    for field in own(recipe(name)):
        assert f"{flag(field)}" in model
    for field in dataclasses.fields(Options):
        assert f"{flag(field.name)}" in rest


@pytest.mark.parametrize("name", names())
def test_every_options_help_stands_alone(name):
    fields = {field.name for field in dataclasses.fields(recipe(name).options)}
    told = {}
    for group in reversed(recipe(name).options.__mro__):
        if dataclasses.is_dataclass(group):
            told |= texts(group)
    assert set(told) == fields, "a field without a text"
    for field, text in told.items():
        assert text.endswith("."), (field, text)
        assert text[0].isupper(), (field, text)
        assert len(text.split()) > 1, (field, text)
    assert set().union(*(texts(group) for group in COMMON)) == {field.name for field in dataclasses.fields(Options)}


def programs():
    """Return the modules of `eval` that have options of their own, by name."""
    found = {path.stem: importlib.import_module(f"eval.{path.stem}") for path in REPOSITORY.glob("eval/[a-z]*.py")}
    return {name: module for name, module in found.items() if hasattr(module, "Options") and hasattr(module, "main")}


def test_numbers_of_programs_are_refused_out_of_their_ranges_too(capsys):
    assert len(programs()) >= 24
    for name, module in programs().items():
        declared = limits(module.Options)
        for field, (kind, count) in numeric(module.Options).items():
            for number in outside(declared[field], kind):
                low = max(declared[field].least, declared[field].above + 1)
                several = [str(int(low))] * (max(count, 2) - 1) if count else []
                assert module.main([flag(field), *several, str(number)]) == 2, (name, field, number)
                assert capsys.readouterr().err == f"error: {flag(field)} {number:g}: give a number {declared[field]}\n"


def test_help_of_programs_shows_the_ranges(capsys):
    for name, module in programs().items():
        with pytest.raises(SystemExit) as stop:
            module.main(["--help"])
        said = " ".join(capsys.readouterr().out.replace("│", " ").split())
        assert stop.value.code == 0
        for field in numeric(module.Options):
            assert f"({limits(module.Options)[field]})" in said, (name, field)
