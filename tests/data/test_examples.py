"""The examples in the docstrings of the entries of data."""

import doctest
import importlib

import pytest


@pytest.mark.parametrize("name", ["genjax.data", "genjax.data.known", "genjax.data.ranges"])
def test_examples_give_what_they_say(name):
    result = doctest.testmod(importlib.import_module(name))
    assert result.attempted > 0 and result.failed == 0
