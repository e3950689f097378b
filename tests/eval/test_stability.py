"""The study of stable and faithful maps: its images, its rule, and the program itself."""

import json

import numpy as np
import pytest

from eval import stability


def of(**ways):
    return {way: {"lowest": low, "insertion": gain, "deletion": 0.0} for way, (low, gain) in ways.items()}


def every(**changed):
    return of(**{way: changed.get(way, (1.0, 0.1)) for way in stability.WAYS})


def test_the_rule_takes_the_most_faithful_of_the_exact_ways_that_are_stable_everywhere():
    best = {"softmax": (1.0, 0.9), "exp": (1.0, 0.5)}
    assert stability.recommended({"a": every(**best), "b": every(**best)}) == "softmax"
    swings = every(**{**best, "softmax": (0.89, 0.9)})
    assert stability.recommended({"a": every(**best), "b": swings}) == "exp"
    assert (
        stability.recommended({"a": every(**{"Grad-CAM": (1.0, 2.0)}, exp=(1.0, 0.2))}) == "exp"
    )  # not of second order
    assert stability.recommended({"a": of(**dict.fromkeys(stability.WAYS, (0.5, 1.0)))}) is None


def test_crops_are_squares_of_two_photographs_and_follow_the_seed():
    found = stability.crops(4, seed=3, side=32)
    assert found.shape == (4, 32, 32, 3) and found.dtype == np.uint8
    np.testing.assert_array_equal(found, stability.crops(4, seed=3, side=32))
    assert np.any(found != stability.crops(4, seed=4, side=32))
    assert len({x.tobytes() for x in found}) == 4


@pytest.mark.slow
def test_the_study_runs_and_recommends(tmp_path, capsys):
    assert stability.main(["--out", str(tmp_path), "--images", "4", "--steps", "2"]) == 0
    numbers = json.loads((tmp_path / "stability.json").read_text())
    assert list(numbers) == ["ReLU network, digits", "GELU network, digits"]
    assert all(list(found) == list(stability.WAYS) for found in numbers.values())
    assert numbers["ReLU network, digits"]["exp"]["lowest"] > 0.99
    assert "Recommended is" in (tmp_path / "stability.md").read_text() and "Recommended is" in capsys.readouterr().out
