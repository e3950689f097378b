"""The examples in the docstrings of public entries run and give what they say."""

import doctest
import importlib

import pytest


@pytest.mark.parametrize(
    "name", ["genjax.run.fit", "genjax.gans.dcgan", "genjax.gans.infogan", "genjax.saliency.explanation"]
)
def test_examples_give_what_they_say(name):
    result = doctest.testmod(importlib.import_module(name))
    assert result.attempted > 0 and result.failed == 0
