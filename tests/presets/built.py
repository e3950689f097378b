"""The recipes' presets, built without their data."""

from functools import cache

from genjax import data
from genjax.data.known import KNOWN
from genjax.run.cli import parse_recipe
from genjax.run.run import names, recipe

OWN = {"small", "short", "stacked", "ring", "gelu", "vit"}
"""Presets without a source."""
PUBLISHED = [(name, preset) for name in names() for preset in recipe(name).presets if preset not in OWN]


def hyper_of(name, preset, *arguments):
    return parse_recipe(recipe(name), (preset, *arguments))[1]


@cache
def dataset_of(spec, image_size, channels=None):
    if spec in KNOWN:
        return data.placeholder(data.known(spec, image_size=image_size, channels=channels))
    return data.load(spec, image_size=image_size, channels=channels)


@cache
def run_of(name, preset, *arguments):
    hyper = hyper_of(name, preset, *arguments)
    return recipe(name).build(hyper, dataset_of(hyper.data, hyper.image_size, hyper.channels))


def steps_of(name, preset, *arguments):
    return sum(phase.steps for phase in run_of(name, preset, *arguments).phases)
