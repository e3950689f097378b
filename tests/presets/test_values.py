"""The published presets are written out, and hold their sources' values."""

import ast
import dataclasses
import inspect

import pytest

from genjax.run.options import COMMON
from genjax.run.run import names, recipe
from tests.presets.built import OWN, PUBLISHED, run_of, steps_of
from tests.presets.values import VALUES


def assigned(tree):
    return {
        node.targets[0].id: node.value
        for node in tree.body
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)
    }


def origin(node, known):
    """Return the call of Hyper that a preset derives from, and the keywords stated on the way."""
    if isinstance(node, ast.Name):
        return origin(known[node.id], known)
    assert isinstance(node, ast.Call), ast.dump(node)
    stated = {keyword.arg for keyword in node.keywords}
    if node.func.id == "Hyper":
        return node, stated
    assert node.func.id == "replace", f"a preset is Hyper(...) or replace(...), not {node.func.id}"
    base, before = origin(node.args[0], known)
    return base, before | stated


@pytest.mark.parametrize("name", names())
def test_published_presets_are_written_out_and_derive_from_no_toy(name):
    known = assigned(ast.parse(inspect.getsource(inspect.getmodule(recipe(name).options))))
    table = known["PRESETS"]
    presets = {key.value: origin(value, known) for key, value in zip(table.keys, table.values, strict=True)}
    toys = {id(base) for preset, (base, _) in presets.items() if preset in OWN}
    for preset, (base, stated) in presets.items():
        if preset not in OWN:
            assert id(base) not in toys, f"{preset} derives from a toy"
            assert {"data", "batch_size"} <= stated, preset
            values = recipe(name).presets[preset]
            lengths = {"steps", "epochs", "scale_steps"}  # the last one: of each of as many scales as an image has
            assert stated & lengths, preset
            assert sum(getattr(values, length, None) is not None for length in lengths) == 1, preset


@pytest.mark.parametrize("name", names())
def test_an_option_of_a_model_has_no_default_but_that_of_not_being_used(name):
    common = {field.name for group in COMMON for field in dataclasses.fields(group)}
    defaults = {
        field.name: field.default
        for field in dataclasses.fields(recipe(name).options)
        if field.name not in common and field.default is not dataclasses.MISSING
    }
    assert not {field: value for field, value in defaults.items() if value is not None and value is not False}


def test_every_published_preset_is_in_the_table():
    assert set(VALUES) == set(PUBLISHED)


@pytest.mark.parametrize(("name", "preset"), PUBLISHED, ids=" ".join)
def test_a_published_preset_has_its_sources_values(name, preset):
    hyper, expected = recipe(name).presets[preset], VALUES[name, preset]
    assert {field: getattr(hyper, field) for field in expected} == expected
    ours = {"seed": 0, "clip": None, "accumulate": 1, "scaling": "none", "base_batch": None, "precision": "fp32"}
    assert {field: getattr(hyper, field) for field in ours} == ours


@pytest.mark.parametrize(("name", "preset"), PUBLISHED, ids=" ".join)
def test_a_published_preset_says_its_source_in_the_recipe(name, preset):
    assert f"\n    {preset}" in recipe(name).doc or f", {preset}" in recipe(name).doc


LENGTHS = {
    ("gan", "paper"): 125_000,
    ("gan", "cifar10"): 100_000,
    ("m2", "paper"): 300_000,
    ("vae", "flax"): 3900,
    ("dcgan", "lsun"): 5 * 23_695,
    ("pggan", "lsun"): 1_250_000,
    ("biggan", "cifar10"): 125_000,
    ("classifier", "vgg16"): 74 * 5004,
}


@pytest.mark.parametrize("which", LENGTHS, ids=" ".join)
def test_lengths_count_the_images_that_are_used(which):
    assert steps_of(*which) == LENGTHS[which]


def test_epochs_count_every_image_that_a_step_reads():
    assert steps_of("wgan_gp", "small", "--epochs", "10") == round(10 * (100_000 // 128) / 5)
    assert steps_of("sngan", "small", "--epochs", "10") == round(10 * (100_000 // 128) / 5)
    # 25 steps read 100 batches each; then each of the others 5, but for every 500th.
    left = 4 * (100_000 // 128) - 2500
    assert steps_of("wgan", "small", "--epochs", "4") == 25 + left // 5 + (left % 5 > 0)
    bursts = run_of("wgan", "small", "--epochs", "4", "--burst-every", "50")
    read = sum(phase.steps * phase.game.batches_per_step for phase in bursts.phases)
    assert abs(read - 4 * (100_000 // 128)) <= 100
    grown = run_of("pggan", "small", "--epochs", "20")
    shown = sum(phase.steps * phase.feed.batch_size for phase in grown.phases)
    assert abs(shown - 20 * len(grown.phases[0].feed.split)) <= 32


def test_the_number_of_training_images_shortens_the_split():
    run = run_of("vae", "small", "--train-images", "200", "--epochs", "3")
    assert (len(run.phases[0].feed.split), run.phases[0].steps) == (200, 6)
    domains = run_of("cyclegan", "small", "--train-images", "40").phases[0].feed.split
    assert (len(domains.first), len(domains.second)) == (40, 40)
