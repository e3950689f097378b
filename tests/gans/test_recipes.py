"""The recipes: sizes of the published configurations, and refusals."""

import dataclasses
import json

import jax
import numpy as np
import pytest

from genjax import data, parallel
from genjax.engine.loop import Settings, train
from genjax.run.cli import main
from genjax.run.run import recipe
from train import cgan, wgan

OTHERS = {
    ("gan", "cifar10"): {"generator": 89_395_072, "discriminator": 37_393_601},
    ("dcgan", "torch"): {"generator": 3_576_704, "discriminator": 2_765_568},
    ("dcgan", "cifar10"): {"generator": 1_068_928, "discriminator": 663_296},
    ("wgan_gp", "lsun"): {"generator": 8_540_483, "critic": 7_491_841},
    ("wgan_gp", "lsun_strided"): {"generator": 5_364_739, "critic": 4_316_545},
    ("wgan_gp", "cifar10_strided"): {"generator": 5_179_907, "critic": 4_114_689},
    ("wgan_gp", "mnist"): {"generator": 1_554_177, "critic": 1_030_145},
    ("wgan_gp", "plane"): {"generator": 527_874, "critic": 527_361},
    ("sngan", "plain"): {"generator": 3_828_739, "discriminator": 5_860_865},
    ("sngan", "projection"): {"generator": 4_304_387, "discriminator": 1_055_104},
    ("sngan", "stl10"): {"generator": 4_878_083, "discriminator": 10_141_441},
    ("sngan", "imagenet"): {"generator": 32_150_787, "discriminator": 29_017_857},
    ("sngan", "imagenet_projection"): {"generator": 41_996_931, "discriminator": 30_041_857},
    # The unconditional networks, and a scale and a bias for each further class in 2,880 channels; a row for each class.
    ("sngan", "imagenet64_projection"): {
        "generator": 12_220_675 + 2 * 999 * 2_880, "discriminator": 10_141_441 + 1000 * 1024,
    },
    ("presgan", "celeba"): {"generator": 3_576_704, "discriminator": 2_765_568, "noise": 4096},
    ("unrolled", "notebook"): {"generator": 49_666, "discriminator": 17_025},
}  # fmt: skip
PAPER = {  # of all models tests/test_contracts.py counts
    "gan": {"generator": 2_503_984, "discriminator": 1_231_441},
    "presgan": {"generator": 3_576_704, "discriminator": 2_765_568, "noise": 4096},
}


def run(name, *options):
    return main(name, options)


@pytest.mark.parametrize("name", PAPER)
def test_the_paper_preset_describes_itself_without_its_data(name, capsys):
    assert run(name, "paper", "--describe") == 0
    described = json.loads(capsys.readouterr().out)
    assert described["phases"][-1]["parameters"] == PAPER[name]
    assert set(described["optimizers"]) == set(PAPER[name])


@pytest.mark.parametrize(("name", "preset"), OTHERS)
def test_every_published_preset_describes_itself(name, preset, capsys):
    assert run(name, preset, "--describe") == 0
    assert json.loads(capsys.readouterr().out)["phases"][-1]["parameters"] == OTHERS[name, preset]


def test_the_critic_moves_often_at_first_and_in_every_500th_step():
    often = [many for many, count in wgan.schedule(1501, 25, 500) for _ in range(count)]
    assert often == [step < 25 or step % 500 == 0 for step in range(1501)]
    assert wgan.schedule(10, 25, None) == [(True, 10)]
    assert wgan.schedule(30, 0, 10) == [(False, 10), (True, 1), (False, 9), (True, 1), (False, 9)]


def test_the_critic_warms_up_in_a_phase_of_its_own(capsys):
    assert run("wgan", "--describe") == 0
    first, second = json.loads(capsys.readouterr().out)["phases"]
    assert (first["steps"], second["steps"]) == (25, 2975)
    assert first["batch"]["images"][0] == 100
    assert second["batch"]["images"][0] == 5


def test_bursts_of_the_critic_share_two_programs_and_one_data_set_on_the_device():
    hyper = dataclasses.replace(wgan.PRESETS["small"], steps=12, warm_up=2, burst_every=4, batch_size=8)
    run = wgan.build(hyper, data.load(hyper.data))
    assert [phase.steps for phase in run.phases] == [2, 2, 1, 3, 1, 3]
    plan, put, compiled = parallel.jit_plan(jax.devices()[:1]), [], []

    def put_source(arrays):
        put.append(arrays)
        return plan.put_source(arrays)

    def compile(steps):
        compiled.append(plan.compile(steps))
        return compiled[-1]

    watched = plan._replace(put_source=put_source, compile=compile)
    result = train(run.phases, watched, seed=0, settings=Settings(fuse=1))
    assert int(result.state.step) == 12
    assert len(put) == 1
    assert [program._cache_size() for program in compiled] == [1, 1]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("dcgan", "--image-size", "20"), "give --image-size 32"),
        (("dcgan", "--data", "mixture:ring"), "leave out image_size"),
        (("sngan", "--labels"), "--networks residual"),
        (("wgan_gp", "paper", "--data", "digits", "--image-size", "12"), "doublings do not reach 12 pixels"),
        (("unrolled", "--look-ahead", "-1"), "--look-ahead -1: give a number at least 0"),
        (("sngan", "--devices", "3"), "cannot be split evenly"),
        (("cgan", "--label-noise", "2"), "--label-noise 2: give a number at least 0 and at most 1"),
        (("unrolled", "--layers", "0"), "--layers 0: give a number at least 1"),
        (("wgan", "--limit", "0"), "--limit 0: give a number above 0"),
        (("wgan_gp", "lsun_strided", "--data", "digits", "--image-size", "18"), "not 18; give --image-size 32"),
        (("wgan_gp", "lsun", "--data", "digits", "--image-size", "20"), "5 x 5 pixels cannot be halved"),
        (("sngan", "plain", "--data", "digits", "--image-size", "20"), "doublings do not reach 20 pixels"),
        (("sngan", "plain", "--data", "digits", "--image-size", "32", "--discriminator-widths", "64"), "seven"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_what_cannot_work_is_one_clear_sentence(arguments, sentence, capsys, tmp_path):
    assert run(*arguments, "--out", str(tmp_path / "run")) == 2
    said = capsys.readouterr().err
    assert said.startswith("error: ")
    assert sentence in said
    assert "Traceback" not in said
    assert not (tmp_path / "run").exists()


def test_images_without_labels_are_refused_by_the_conditional_models():
    images = data.Arrays({"images": np.zeros((4, 8, 8, 1), np.uint8)})
    missing = data.Arrays({**images.arrays, "labels": np.array([0, 1, -1, 1])})
    for name, changes in (("cgan", {}), ("sngan", {"networks": "residual", "labels": True})):
        found = recipe(name)
        hyper = dataclasses.replace(found.presets["small"], **changes)
        with pytest.raises(ValueError, match="needs labels"):
            found.build(hyper, data.Dataset("plain", images, images))
        with pytest.raises(ValueError, match="without one"):
            found.build(hyper, data.Dataset("partly", missing, missing, ("0", "1")))


def test_label_noise_draws_that_share_anew():
    batch = {"labels": np.zeros(20_000, np.int32)}
    changed = cgan.mislabel(0.5, 10, batch, jax.random.key(0))["labels"]
    assert abs(float((changed != 0).mean()) - 0.45) < 0.02
    assert cgan.mislabel(0.0, 10, batch, jax.random.key(0)) is batch
