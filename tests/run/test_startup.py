"""What a command does not use it does not import: that, not a clock, guards the time to an answer."""

import json
import subprocess
import sys

import numpy as np
import pytest

from genjax.data import DataError
from genjax.data.drawn import shipped
from tests.conftest import REPOSITORY

HEAVY = ("matplotlib", "sklearn", "scipy.stats", "tensorflow_datasets", "grain", "orbax", "tensorboardX", "tqdm")
"""Packages that take long to import and that neither --help nor --describe uses."""


def imported(*arguments):
    """Return which heavy packages a command has imported when it ends well."""
    code = (
        "import json, sys\n"
        "from genjax.run.command import main\n"
        "try:\n"
        "    status = main(sys.argv[1:])\n"
        "except SystemExit as end:  # as --help ends\n"
        "    status = end.code\n"
        f"print(json.dumps([status, [name for name in {HEAVY} if name in sys.modules]]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, cwd=REPOSITORY, check=False
    )
    assert done.returncode == 0, done.stderr
    status, found = json.loads(done.stdout.splitlines()[-1])
    assert status == 0
    return found


def test_the_list_of_recipes_needs_no_networks_and_no_parser():
    code = "import sys; from genjax.run import command; print([m for m in ('flax', 'tyro') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=REPOSITORY, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(
    "arguments", [("train", "vae", "--help"), ("train", "dcgan", "--describe", "--no-cache")], ids=" ".join
)
def test_an_answer_imports_nothing_that_it_does_not_use(arguments):
    assert imported(*arguments) == []


def test_what_scikit_learn_ships_is_what_its_own_functions_give():
    from sklearn.datasets import load_digits, load_sample_images

    images, labels = shipped.digits()
    bunch = load_digits()
    np.testing.assert_array_equal(images, bunch.images)
    np.testing.assert_array_equal(labels, bunch.target)
    for own, theirs in zip(shipped.photographs(), load_sample_images().images, strict=True):
        np.testing.assert_array_equal(own, theirs)


def test_a_file_that_is_not_there_is_named(monkeypatch):
    monkeypatch.setattr(shipped.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(DataError, match=r"scikit-learn/datasets/data/digits.csv.gz is not there"):
        shipped.digits()
