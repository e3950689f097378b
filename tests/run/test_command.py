"""The console command."""

import dataclasses
import json
import re
import runpy
import sys

import pytest

from genjax.run import command
from genjax.run.familiar import FAMILIAR, NEEDLESS
from genjax.run.run import names, recipe


@pytest.mark.parametrize("arguments", [[], ["--help"], ["-h"], ["train"], ["eval", "--help"]])
def test_it_lists_recipes_and_programs(arguments, capsys):
    assert command.main(arguments) == 0
    lines = capsys.readouterr().out.splitlines()
    listed = {line.split()[0] for line in lines if line.startswith("  ")}
    assert listed == {*names(), *command.programs()}
    assert {"vae", "dcgan", "sample", "saliency"} < listed
    assert "comparison" not in listed
    assert all(len(line.split()) > 2 for line in lines if line.startswith("  ")), "each has its first line"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["trian", "vae"], "'trian' is neither train nor eval nor a program (did you mean train?)"),
        (["dcgan"], "'dcgan' is a recipe; type: genjax train dcgan"),
        (["dcgna", "--steps", "3"], "(did you mean train dcgan?)"),
        (["smaple", "runs/x"], "(did you mean sample?)"),
        (["train", "vae", "--lr", "1e-3"], "there is no option --lr; here it is --learning-rate (see --help)"),
        (
            ["train", "dcgan", "--lr=1e-3"],
            "there is no option --lr; here it is --generator-rate and --discriminator-rate",
        ),
        (["train", "dcgan", "--output_dir", "x"], "there is no option --output_dir; here it is --out"),
        (["train", "dcgan", "--num-workers", "4"], "there is no option --num-workers: images are read by as many"),
        (["train", "vae", "--tensorboard"], "there is no option --tensorboard; here it is --log"),
        (["sample", "x", "--num-samples", "4"], "there is no option --num-samples; here it is --count"),
        (["train", "vae", "--data", "celeba"], "did you mean tfds:celeb_a, which is prepared once"),
        (["train", "dcgna"], "there is no recipe 'dcgna' (did you mean dcgan?)"),
        (["eval", "sampel"], "there is no program 'sampel' (did you mean sample?)"),
        (["eval", "comparison"], "there is no program 'comparison'"),
        (["train", "vae", "smal"], "'smal' is no preset of vae"),
        (["train", "vae", "--data", "nothing"], "unknown data 'nothing'"),
        (["eval", "sample", "nowhere"], "nowhere holds no run"),
    ],
)
def test_what_it_does_not_know_is_one_sentence_and_status_2(arguments, message, capsys):
    assert command.main(arguments) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.startswith("error: ") and "Traceback" not in error


def test_the_list_tells_the_exit_statuses(capsys):
    command.main([])
    said = " ".join(capsys.readouterr().out.split())
    assert "2 for input that cannot be used and for a disk that cannot be written" in said


@pytest.mark.parametrize(
    ("error", "status", "words"),
    [(OSError(28, "No space left on device"), 2, "error: No space left"), (KeyboardInterrupt(), 130, "interrupted")],
)
def test_what_ends_the_list_is_one_sentence(error, status, words, monkeypatch, capsys):
    def overview():
        raise error

    monkeypatch.setattr(command, "overview", overview)
    assert command.main([]) == status
    assert capsys.readouterr().err.startswith(words)


def test_it_runs_recipes_and_programs(tmp_path, capsys):
    assert command.main(["train", "ae", "--describe"]) == 0
    assert json.loads(capsys.readouterr().out)["recipe"] == "ae"
    assert command.main(["sample", "nowhere"]) == 2
    with pytest.raises(SystemExit, match="2"):
        command.main(["train", "ae", "--stpes", "3"])
    assert "--steps" in capsys.readouterr().err


def test_help_tells_every_preset_of_every_recipe():
    for name in names():
        found = recipe(name)
        told = found.doc.split("\nPresets")[1]
        heads = ", ".join(re.findall(r"^    ((?:[a-z0-9]\w*, )*[a-z0-9]\w*)", told, re.M)).split(", ")
        assert set(heads) >= set(found.presets), name


def test_a_sentence_below_the_presets_stays_apart_from_them(capsys):
    with pytest.raises(SystemExit, match="0"):
        command.main(["train", "dcgan", "--help"])
    assert "\nAny folder serves" in capsys.readouterr().out


def test_familiar_words_lead_to_options_that_exist():
    known = {field.name for name in names() for field in dataclasses.fields(recipe(name).options)}
    known |= {"run", "weights", "count", "truncation", "labels", "target", "width", "rate", "discriminator_width"}
    assert {field for fields in FAMILIAR.values() for field in fields} <= known
    assert known & {*FAMILIAR, *NEEDLESS} == {"samples"}, "an option that exists is never answered for"


@pytest.mark.parametrize("folder", ["train", "eval"])
def test_the_folders_of_a_checkout_list_their_programs(folder, capsys, monkeypatch):
    monkeypatch.setattr(sys, "argv", [folder])
    with pytest.raises(SystemExit, match="0"):
        runpy.run_module(folder, run_name="__main__")
    assert "  dcgan " in capsys.readouterr().out
