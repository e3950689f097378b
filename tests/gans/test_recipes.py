"""The recipes: sizes of the published configurations, refusals, and that every small preset learns."""

import dataclasses
import importlib
import json

import jax
import numpy as np
import pytest

from genjax import data, parallel, rng
from genjax.engine import init_state
from genjax.engine.loop import Settings, train
from train._cli import main

PAPER = {
    "gan": {"generator": 2_503_984, "discriminator": 1_231_441},
    "dcgan": {"generator": 18_885_760, "discriminator": 17_232_768},
    "cgan": {"generator": 2_413_984, "discriminator": 1_224_351},
    "wgan": {"generator": 3_576_704, "critic": 2_765_568},
    "wgan_gp": {"generator": 1_204_483, "critic": 1_053_825},
    "sngan": {"generator": 4_276_739, "discriminator": 1_053_824},
    "unrolled": {"generator": 49_666, "discriminator": 513},
}


def run(name, *options):
    recipe = importlib.import_module(f"train.{name}")
    return main(name, recipe.PRESETS, recipe.build, options)


@pytest.mark.parametrize("name", PAPER)
def test_the_paper_preset_describes_itself_without_its_data(name, capsys):
    assert run(name, "paper", "--describe") == 0
    described = json.loads(capsys.readouterr().out)
    assert described["phases"][-1]["parameters"] == PAPER[name]
    assert set(described["optimizers"]) == set(PAPER[name])


def test_the_critic_warms_up_in_a_phase_of_its_own(capsys):
    assert run("wgan", "--describe") == 0
    first, second = json.loads(capsys.readouterr().out)["phases"]
    assert (first["steps"], second["steps"]) == (25, 2975)
    assert first["batch"]["images"][0] == 100
    assert second["batch"]["images"][0] == 5


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("dcgan", "--image-size", "20"), "give --image-size 32"),
        (("dcgan", "--data", "mixture:ring"), "leave out image_size"),
        (("sngan", "--labels"), "--networks residual"),
        (("wgan_gp", "paper", "--data", "digits", "--image-size", "12"), "doublings do not reach 12 pixels"),
        (("unrolled", "--look-ahead", "-1"), "0 for none"),
        (("sngan", "--devices", "3"), "cannot be split evenly"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_what_cannot_work_is_one_clear_sentence(arguments, sentence, capsys, tmp_path):
    assert run(*arguments, "--out", str(tmp_path / "run")) == 2
    said = capsys.readouterr().err
    assert sentence in said
    assert "Traceback" not in said
    assert not (tmp_path / "run").exists()


def test_images_without_labels_are_refused_by_the_conditional_models():
    images = data.Arrays({"images": np.zeros((4, 8, 8, 1), np.uint8)})
    missing = data.Arrays({**images.arrays, "labels": np.array([0, 1, -1, 1])})
    for name, changes in (("cgan", {}), ("sngan", {"networks": "residual", "labels": True})):
        recipe = importlib.import_module(f"train.{name}")
        hyper = dataclasses.replace(recipe.PRESETS["small"], **changes)
        with pytest.raises(ValueError, match="needs labels"):
            recipe.build(hyper, data.Dataset("plain", images, images))
        with pytest.raises(ValueError, match="without one"):
            recipe.build(hyper, data.Dataset("partly", missing, missing, ("0", "1")))


def learned(name, folder, **changes):
    """Train the small preset and return its scores before and after."""
    recipe = importlib.import_module(f"train.{name}")
    hyper = dataclasses.replace(recipe.PRESETS["small"], **changes)
    built = recipe.build(hyper, data.load(hyper.data, image_size=hyper.image_size))
    start = jax.jit(lambda key: init_state(built.phases[0].game, key))(rng.named(jax.random.key(hyper.seed), "init"))
    plan = parallel.jit_plan(jax.devices()[:1])
    settings = Settings(checkpoint_every=10**9, evaluate_every=10**9)
    result = train(built.phases, plan, seed=hyper.seed, folder=folder, settings=settings)
    return built.evaluate(start), built.evaluate(result.state)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["wgan", "wgan_gp", "sngan", "unrolled"])
def test_the_small_preset_covers_the_ring(name, tmp_path):
    before, after = learned(name, tmp_path)
    assert before["near"] < 0.2
    assert after["modes"] == 8
    assert after["near"] > 0.5


@pytest.mark.slow
def test_without_look_ahead_most_runs_miss_half_of_the_ring(tmp_path):
    modes = [learned("unrolled", tmp_path / f"{s}", look_ahead=0, seed=s)[1]["modes"] for s in range(3)]
    assert sorted(modes)[1] <= 4, modes


@pytest.mark.slow
@pytest.mark.parametrize(("name", "share"), [("gan", 0.3), ("cgan", 0.3), ("dcgan", 0.4)])
def test_samples_come_closer_to_the_digits(name, share, tmp_path):
    """The excess over the distance between real images falls below `share` of what it was."""
    before, after = learned(name, tmp_path)
    floor = after["real_against_real"]
    assert after["sliced_wasserstein"] - floor < share * (before["sliced_wasserstein"] - floor)
    if name == "cgan":
        assert before["label_kept"] < 0.3
        assert after["label_kept"] > 0.9
