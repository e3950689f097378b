"""The list of breakages keeps up with the code: every one applies, and its tests exist. (Applying them takes hours.)"""

import ast
import functools

import pytest

from tests.breakages import __main__ as program
from tests.breakages.__main__ import main
from tests.breakages.breakage import Breakage
from tests.breakages.lists import AREAS
from tests.conftest import REPOSITORY

EVERY = [breakage for breakages in AREAS.values() for breakage in breakages]


@functools.cache
def functions(file):
    """Return the names of a file's functions that the default run does not leave out as slow."""
    found = (node for node in ast.parse((REPOSITORY / file).read_text()).body if isinstance(node, ast.FunctionDef))
    return {each.name for each in found if "pytest.mark.slow" not in map(ast.unparse, each.decorator_list)}


def test_every_breakage_applies_and_leaves_python():
    assert not [breakage.what for breakage in EVERY if not breakage.applies(REPOSITORY)]
    for breakage in EVERY:
        ast.parse((REPOSITORY / breakage.file).read_text().replace(breakage.old, breakage.new), breakage.what)


def test_every_test_exists_and_every_hole_has_its_reason():
    for breakage in EVERY:
        assert bool(breakage.tests) != bool(breakage.survives), breakage.what
        for test in breakage.tests:
            file, _, function = test.partition("::")
            assert (REPOSITORY / file).is_file(), test
            assert not function or function.partition("[")[0] in functions(file), test


def test_every_breakage_is_described_once():
    described = [breakage.what for breakage in EVERY]
    assert len(set(described)) == len(described) >= 80


def test_a_breakage_that_no_longer_applies_is_seen(tmp_path):
    (tmp_path / "once.py").write_text("x = 1\n")
    (tmp_path / "twice.py").write_text("x = 1\ny = 1\n")
    found = [
        Breakage("", file, old, new).applies(tmp_path)
        for file, old, new in (
            ("once.py", "= 1", "= 2"), ("twice.py", "= 1", "= 2"), ("once.py", "= 3", "= 2"), ("once.py", "= 1", "= 1"),
            ("none.py", "= 1", "= 2"),
        )
    ]  # fmt: skip
    assert found == [True, False, False, False, False]


def test_they_can_be_listed(capsys):
    assert main(["--list", "--only", "kernel"]) == 0
    assert "the kernel is a square" in capsys.readouterr().out
    assert main(["--only", "no such word"]) == 2
    assert "see --list" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main(["--nothing"])


def test_a_run_goes_on_with_the_breakages_that_have_no_verdict(tmp_path, monkeypatch, capsys):
    chosen = [breakage.what for _, breakage in program.chosen("kernel")]
    outcomes = iter(["caught"] * (len(chosen) - 1) + ["SURVIVED"])
    monkeypatch.setattr(program, "run", lambda copy, tests, workers=0: ("passed", ""))
    monkeypatch.setattr(program, "judge", lambda copy, breakage: next(outcomes))
    arguments = ["--only", "kernel", "--jobs", "2", "--verdicts", str(tmp_path / "verdicts.jsonl")]
    assert main(arguments) == 1
    assert capsys.readouterr().out.count("\n") == len(chosen) + 1
    assert main(arguments) == 1  # by the file alone: there are no more outcomes
    assert capsys.readouterr().out == f"{len(chosen) - 1} caught, 1 SURVIVED\n"
    changed = program.AREAS | {"layers": [breakage._replace(tests=("other",)) for breakage in program.AREAS["layers"]]}
    monkeypatch.setattr(program, "AREAS", changed)
    assert set(program.known(tmp_path / "verdicts.jsonl")) < set(chosen)
