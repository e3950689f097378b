"""A few attempts of every part of the campaign, and the table of the whole one."""

import json
from unittest import mock

import numpy as np
import pytest

from genjax.run.run import names
from tests.campaign import command_lines, corruptions, disks, files, kills
from tests.campaign.__main__ import PARTS, README, RESULTS, table
from tests.campaign.tiny import OPTIONS


@pytest.mark.parametrize(
    ("part", "count"),
    [
        (command_lines.campaign, 12),
        (corruptions.campaign, 4),
        (files.pictures_campaign, 100),
        (files.archives_campaign, 100),
        (files.idx_campaign, 100),
        (files.weights_campaign, 100),
        (files.hostile_campaign, 1000),
    ],
)
def test_nothing_is_wrong(part, count, tmp_path):
    tally = part(count, tmp_path, seed=1)
    assert not tally.wrong
    assert tally.tried >= min(count, 1000)
    if part is not files.hostile_campaign:
        assert len(tally.right) > 1, "all attempts end in the same way"


# Signals reach a run in tests/engine/test_loop.py, and one of several processes in tests/engine/test_processes.py.
@pytest.mark.parametrize("part", [kills.campaign, pytest.param(kills.signals, marks=pytest.mark.slow), disks.campaign])
def test_runs_survive(part, tmp_path):
    tally = part(1, tmp_path, seed=1, recipes=["gan"])
    assert not tally.wrong
    assert tally.tried >= 1


def test_every_recipe_is_tried_and_is_tiny():
    assert list(OPTIONS) == names()


def test_a_wrong_end_is_seen():
    """The campaign itself can fail."""
    for words, made, wrong in (
        (["train"], ValueError(), None),
        (["train"], KeyError("x"), "KeyError: 'x'"),
        (["train"], SystemExit(1), "status 1"),
        (["train"], SystemExit(2), "without a word"),
    ):
        with mock.patch.object(command_lines, "command", side_effect=made):
            how, said = command_lines.outcome(words)
        assert said is not None if wrong is None else wrong in said, (how, said)
    assert files.outcome(lambda: np.zeros(3)[5])[1].startswith("IndexError")
    assert files.outcome(lambda: 1) == ("read", None)


def test_the_table_is_that_of_the_results():
    found = json.loads(RESULTS.read_text())
    assert table(found) in README.read_text()
    assert not [piece["wrong"] for piece in found if piece["wrong"]]
    killed = [piece for piece in found if piece["part"] == "kills"]
    assert {name for piece in killed for name in piece["recipes"]} == set(names())
    tried = {part: sum(piece["tried"] for piece in found if piece["part"] == part) for part in PARTS}
    assert tried["kills"] >= 200
    assert tried["corruptions"] >= 300
    assert tried["command-lines"] >= 2000
    assert tried["signals"] >= 40
    assert tried["disks"] >= 40
    assert sum(tried[part] for part in ("pictures", "archives", "idx", "weights", "hostile")) >= 10_000
