"""The study of stable and faithful maps: its images, its rule, and the program itself."""

import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from eval import _stability, stability
from genjax.saliency import Split, grad_cam_pp

KERNEL = np.random.default_rng(0).normal(size=(5, 4)).astype(np.float32)


def studied(**changed):
    """A network on which every way has the given lowest correlation and gain."""
    ways = {}
    for way in _stability.WAYS:
        lowest, gain = changed.get(way, (1.0, 0.1))
        ways[way] = {"stability": [1.0, lowest], "insertion": [gain - 0.01, gain + 0.01], "deletion": [0.0, 0.0]}
    return _stability.Studied(True, ways)


def test_the_rule_takes_the_most_faithful_of_the_ways_with_true_derivatives_that_are_stable_everywhere():
    best = {"softmax": (1.0, 0.9), "exp": (1.0, 0.5)}
    assert _stability.recommended([studied(**best), studied(**best)]) == ("softmax", [])
    assert _stability.recommended([studied(**best), studied(**best | {"softmax": (0.89, 0.9)})]) == ("exp", [])
    approximate = {"exp, exp-trick": (1.0, 2.0), "Grad-CAM": (1.0, 0.3), "exp": (1.0, 0.2)}
    assert _stability.recommended([studied(**approximate)])[0] == "Grad-CAM"
    assert _stability.recommended([studied(**dict.fromkeys(_stability.WAYS, (0.5, 1.0)))]) is None


def test_ways_whose_difference_is_within_its_error_are_not_told_apart():
    found = studied(softmax=(1.0, 0.105))
    found.ways["exp"]["insertion"] = [0.0, 0.2]
    assert _stability.recommended([found]) == ("softmax", ["exp"])


def test_ways_that_share_derivatives_give_what_each_gives_alone():
    def head(a, image):
        return a.mean((0, 1)) @ KERNEL

    layer, image = Split(lambda image: image, head), jnp.asarray(np.random.default_rng(1).normal(size=(3, 4, 5)))
    names = ("softmax, normalised alpha", "softmax, exp-trick", "softmax, guard 0.5")

    @jax.jit
    def both(a):
        alone = [grad_cam_pp(lambda a: head(a, image), a, 2, **_stability.PLUS_PLUS[name]._asdict()) for name in names]
        return stability.every_way(layer, a, 2), alone

    found, alone = both(image)
    assert set(found) == set(_stability.WAYS)
    for name, right in zip(names, alone, strict=True):
        np.testing.assert_allclose(found[name].raw, right.raw, rtol=1e-5, atol=1e-8)
        assert found[name].guarded == right.guarded
    assert not np.allclose(found["softmax, normalised alpha"].raw, found["softmax"].raw)


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
    results = _stability.read(numbers)
    assert list(results) == ["ReLU network, digits", "GELU network, digits"] and numbers["options"]["images"] == 4
    assert [found.piecewise_linear for found in results.values()] == [True, False]
    assert all(list(found.ways) == list(_stability.WAYS) for found in results.values())
    assert min(results["ReLU network, digits"].ways["exp"]["stability"]) > 0.99
    output = capsys.readouterr()
    assert "Recommended: " in output.out and "image 4 of 4" in output.err
    assert _stability.section(numbers).count("| exp |") == 2
