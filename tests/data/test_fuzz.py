"""Strange names of data sets: they are read or refused in a sentence. Damaged files: see tests/campaign."""

import time
import warnings

import numpy as np
import pytest

from genjax.data import DataError, Dataset, load

LONGEST = 10.0


def outcome(function, *arguments):
    """Return what a call gives, or the sentence of its DataError; fail where it takes long or raises another."""
    start = time.monotonic()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # as outside of tests, where warnings do not end a call
            result = function(*arguments)
    except DataError as error:
        result = str(error)
        asked = "".join(argument for argument in arguments if isinstance(argument, str))
        assert result.count("\n") <= 2 * asked.count("\n") and len(result) < 1000 + 2 * len(asked)
    assert time.monotonic() - start < LONGEST
    return result


def test_strange_specifications(tmp_path):
    random = np.random.Generator(np.random.Philox(0))
    parts = [
        "digits", "folder:", "idx:", "npz", ".npz", "mixture:", "domains:", ":", "/", "..", "~nobody", "~", "\0", "\n",
        " ", "x" * 300, "é", "\udcff", str(tmp_path), "-", "*", "{}", "%s", "ring", "stacked", "PATH.npz", "DIR",
    ]  # fmt: skip
    for _ in range(500):
        spec = "".join(random.choice(parts, random.integers(1, 4)))
        found = outcome(load, spec)
        assert isinstance(found, Dataset | str)


@pytest.mark.parametrize(
    "spec", ["", ":", "a:b:c:d", "../x", "mnist/", "mnist:", "/", "\0", "mnist/x:1.0.0", "~nobody", "é", "*"]
)
def test_strange_names_of_prepared_sets(spec):
    assert isinstance(outcome(load, f"tfds:{spec}"), str)
