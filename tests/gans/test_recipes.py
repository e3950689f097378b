"""The recipes: sizes of the published configurations, and refusals."""

import dataclasses
import importlib
import json

import numpy as np
import pytest

from genjax import data
from train._cli import main

PAPER = {
    "gan": {"generator": 2_503_984, "discriminator": 1_231_441},
    "dcgan": {"generator": 18_885_760, "discriminator": 17_232_768},
    "cgan": {"generator": 2_413_984, "discriminator": 1_224_351},
    "wgan": {"generator": 3_576_704, "critic": 2_765_568},
    "wgan_gp": {"generator": 1_204_483, "critic": 1_053_825},
    "sngan": {"generator": 4_276_739, "discriminator": 1_053_824},
    "cyclegan": {
        "forward": 11_378_179,
        "backward": 11_378_179,
        "discriminator_a": 2_764_737,
        "discriminator_b": 2_764_737,
    },
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
