"""Weights and samplers for use elsewhere."""

import os
import subprocess
import sys

import jax
import numpy as np
import pytest

import genjax
from genjax.run.export import named_arrays

pytestmark = pytest.mark.usefixtures("unreported")
ELSEWHERE = """
import sys
import jax, numpy as np
from jax import export
sampler = export.deserialize(bytearray(open(sys.argv[1], "rb").read()))
labels = [np.array([int(x) for x in sys.argv[3:]], np.int32)] if len(sys.argv) > 3 else []
np.save(sys.argv[2], np.asarray(sampler.call(np.uint32(7), *labels)))
assert not [name for name in sys.modules if name.split(".")[0] in ("genjax", "flax", "optax")]
"""


def drawn_elsewhere(path, folder, *labels):
    """Return what a process that knows neither genjax nor Flax draws with a saved sampler."""
    out = folder / "drawn.npy"
    quiet = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    command = [sys.executable, "-c", ELSEWHERE, str(path), str(out), *map(str, labels)]
    subprocess.run(command, cwd=folder, env=quiet, check=True, capture_output=True)
    return np.load(out)


@pytest.mark.parametrize(
    ("recipe", "labels"), [pytest.param("dcgan", [], marks=pytest.mark.slow), ("vae", []), ("cgan", [3, 0, 2, 2])]
)
def test_a_sampler_draws_the_same_bytes_where_only_jax_is(gone, tmp_path, recipe, labels):
    model = genjax.load(gone(recipe))
    about = genjax.save_sampler(model, tmp_path / "sampler.stablehlo", count=4)
    assert [x.shape for x in about["outputs"]] == [(4, 16, 16, 1)]
    assert len(about["inputs"]) == 1 + bool(labels)
    drawn = drawn_elsewhere(tmp_path / "sampler.stablehlo", tmp_path, *labels)
    conditions = {"labels": labels} if labels else {}
    assert np.array_equal(drawn, model.sample(4, seed=7, **conditions))
    assert not np.array_equal(drawn, model.sample(4, seed=8, **conditions))


@pytest.mark.parametrize("recipe", ["ae", "classifier"])
def test_what_draws_nothing_has_no_sampler(gone, tmp_path, recipe):
    with pytest.raises(ValueError, match="nothing"):
        genjax.save_sampler(genjax.load(gone(recipe)), tmp_path / "sampler.stablehlo")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("suffix", ["npz", "safetensors"])
def test_weights_have_readable_names_and_are_those_of_the_state(gone, tmp_path, suffix):
    if suffix == "safetensors":
        pytest.importorskip("safetensors")
        from safetensors.numpy import load_file as read
    else:

        def read(path):
            with np.load(path) as file:
                return dict(file)

    model = genjax.load(gone("dcgan"))
    genjax.save_weights(model, tmp_path / f"weights.{suffix}")
    found, state = read(tmp_path / f"weights.{suffix}"), model.state
    assert found.keys() == named_arrays(model).keys()
    assert all(set(name) < set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_/") for name in found)
    assert len(found) == len(jax.tree.leaves((state.params, state.variables, state.ema)))
    for name, array in found.items():
        net, *path = name.split("/")
        if path[0] == "ema":
            tree, path = state.ema[net], path[1:]
            path = path if path[0] in tree else ["params", *path]
        elif path[0] in state.variables[net]:
            tree = state.variables[net]
        else:
            tree = state.params[net]
        for part in path:
            tree = tree[part]
        np.testing.assert_array_equal(array, tree)
        assert array.dtype == tree.dtype


def test_other_files_are_refused(gone, tmp_path):
    with pytest.raises(ValueError, match=r"written as \.npz or \.safetensors, not '\.h5'"):
        genjax.save_weights(genjax.load(gone("ae")), tmp_path / "weights.h5")
