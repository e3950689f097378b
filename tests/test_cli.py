"""The command line of the recipes: what a run leaves, what is refused and in which words."""

import io
import json
import re
import shutil
import sys

import jax
import numpy as np
import pytest
from PIL import Image

from genjax.engine.log import read_rows
from genjax.run.cli import main
from genjax.viz.curves import save_curves

TINY = ["--steps", "20", "--fuse", "10", "--hidden", "16", "--importance-samples", "20", "--no-cache", "--devices", "1"]


def run(*arguments):
    return main("vae", [*TINY, *map(str, arguments)])


def described(capsys, *arguments):
    assert main(arguments[0], [*arguments[1:], "--describe", "--no-cache"]) == 0
    return json.loads(capsys.readouterr().out)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "vae"
    with pytest.MonkeyPatch.context() as patch:  # elsewhere their numbers stand for them
        patch.setattr("genjax.run.training.save_curves", save_curves)
        assert run("--out", folder) == 0
    return folder


def test_a_run_leaves_everything_that_a_reader_needs(finished):
    names = {path.name for path in finished.iterdir()}
    assert names >= {"card.md", "checkpoints", "config.json", "curves.png", "metrics.jsonl"}
    assert names >= {"reconstruction-000020.png", "samples-000020.png"}
    assert not [name for name in names if name.startswith(".")], "a temporary file was left"
    for path in finished.glob("*.png"):
        assert np.asarray(Image.open(path)).std() > 10
    rows = read_rows(finished / "metrics.jsonl")
    assert [row["step"] for row in rows] == [10, 20, 20]
    assert {"test/neg_elbo", "test/neg_log_p_iwae", "test/active_units"} <= set(rows[-1])
    assert rows[-1]["test/neg_log_p_iwae"] < rows[-1]["test/neg_elbo_iwae_images"]
    card = (finished / "card.md").read_text()
    for text in ("1438 training and 359 test images", "| vae |", "neg_elbo", "adam(0.001", "steps: 20", "jax 0."):
        assert text in card
    assert json.loads((finished / "config.json").read_text())["hyper"]["hidden"] == [16]


def test_a_finished_run_is_not_overwritten(finished, capsys):
    assert run("--out", finished) == 2
    assert "holds a run already; add --resume" in capsys.readouterr().err


def test_resuming_takes_what_is_not_given_from_the_run_and_refuses_other_values_unless_forced(finished, capsys):
    bare = ["--no-cache", "--devices", "1", "--out", str(finished), "--resume"]
    assert main("vae", [*bare, "--learning-rate", "0.01"]) == 2
    error = capsys.readouterr().err
    assert "learning_rate: 0.001 -> 0.01" in error
    assert "hidden" not in error
    assert "--force" in error
    assert main("vae", [*bare, "--steps", "10"]) == 2
    assert "has done 20 steps, more than the 10" in capsys.readouterr().err
    assert main("vae", ["paper", *bare]) == 2
    assert "a run of preset small, not paper" in capsys.readouterr().err
    assert main("cvae", bare) == 2
    assert "a run of recipe vae, not cvae" in capsys.readouterr().err
    assert main("vae", [*bare, "--steps", "30"]) == 0
    assert [row["step"] for row in read_rows(finished / "metrics.jsonl")] == [10, 20, 20, 30, 30]
    assert main("vae", [*bare, "--learning-rate", "0.01", "--steps", "40", "--force"]) == 0
    assert "learning_rate: 0.001 -> 0.01" in capsys.readouterr().err
    starts = json.loads((finished / "config.json").read_text())["starts"]
    assert [start["from_step"] for start in starts] == [0, 20, 30]
    card = (finished / "card.md").read_text()
    assert card.count("`train vae ") == 3
    assert "peak memory: " in card


def test_a_run_of_any_length_without_a_folder_is_numbered_and_the_newest_is_resumed(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert run("--resume") == 2
    assert "--resume found no run in runs/vae-digits" in capsys.readouterr().err
    for _ in range(2):
        assert run() == 0
    assert run("--resume") == 0
    assert sorted(path.name for path in (tmp_path / "runs").iterdir()) == ["vae-digits", "vae-digits-2"]


def test_weights_of_another_run_are_the_start_where_they_fit_and_what_does_not_is_named(tmp_path, capsys):
    first = tmp_path / "first"
    assert run("--out", first) == 0
    assert run("--out", tmp_path / "same", "--init-from", first, "--learning-rate", 1e-9) == 0
    assert f"arrays are those of {first}\n" in capsys.readouterr().err
    losses = [read_rows(folder / "metrics.jsonl") for folder in (first, tmp_path / "same")]
    assert losses[1][0]["vae/loss"] < losses[0][0]["vae/loss"]
    assert losses[1][0]["vae/loss"] == pytest.approx(losses[1][1]["vae/loss"], rel=0.1)  # (other noise, other images)
    assert run("--out", tmp_path / "other", "--init-from", first, "--latent", 3) == 0
    assert "; not params/vae/" in capsys.readouterr().err
    shutil.rmtree(first)  # a run that has begun needs it no more
    assert run("--out", tmp_path / "other", "--resume", "--steps", 25) == 0


def test_epochs_beyond_what_steps_are_counted_in_are_refused(tmp_path, capsys):
    assert main("vae", ["--epochs", "2e9", "--out", str(tmp_path / "run")]) == 2
    assert "steps, and a run has 2,147,483,647 at most" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_where_a_sentence_cannot_be_written_the_status_stays(monkeypatch):
    class Full(io.StringIO):
        """A log on a full disk."""

        def write(self, text):
            raise OSError(28, "No space left on device")

    monkeypatch.setattr("sys.stderr", Full())
    assert run("--latent", 0) == 2
    sys.stderr.close()  # what takes its place


def test_without_a_terminal_lines_tell_device_compilation_speed_and_scores(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("genjax.engine.progress.EVERY", 0.0)
    monkeypatch.setattr("genjax.engine.progress.GRACE", 600.0)
    assert run("--out", tmp_path / "run", "--evaluate-every", 10) == 0
    error = capsys.readouterr().err
    assert re.search(r"1 x \w+, [\d.]+ GiB of memory\n", error)
    assert re.search(r"compiling \.\.\.\ncompiled in [\d.]+ s\n", error)
    assert re.search(r"step 20 of 20; [\d.e+]+ steps and [\d.e+]+ images a second; 0 s left; vae/loss [\d.]+\n", error)
    assert re.search(r"step 10 of 20; .*neg_elbo [\d.]+", error)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--data", "nowhere.npz"], ["nowhere.npz"]),
        (["--data", "tfds:mnist"], ["tfds", "mnist"]),
        (["--data", "marbles"], ["marbles", "digits", "photos", "folder:"]),
        (["--batch-size", "5000"], ["5000", "1438"]),
        (["--devices", "3"], ["batch of 100", "3 device(s)", "multiple of 3, such as 99"]),
        (["--train-images", "2000"], ["--train-images 2000", "1438"]),
        (["--train-images", "0"], ["--train-images 0", "at least 1"]),
        (["--devices", "0"], ["--devices 0", "at least 1"]),
        (["--devices", "99999999"], ["--devices 99999999", "offers"]),
        (["--processes", "100000"], ["--processes 100000", "at most 64"]),
        (["--hidden", "99999999999"], ["would take", "GiB of a device's"]),
        (["--hidden", "9" * 400], ["--hidden is a number beyond 9,223,372,036,854,775,807"]),
        (["--seed", "9223372036854775807"], ["--seed", "at most 4294967295"]),
        (["--steps", "2147483648"], ["--steps", "at most 2147483647"]),
        (["--init-from", "nowhere"], ["nowhere holds no run"]),
        (["--epochs", "2"], ["--steps and --epochs", "one of them"]),
    ],
)
def test_input_that_cannot_be_used_is_one_sentence_and_leaves_no_folder(arguments, words, tmp_path, capsys):
    assert run("--out", tmp_path / "run", *arguments) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert "Traceback" not in error
    for word in words:
        assert word in error
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("error", "status", "words"),
    [
        (KeyboardInterrupt(), 130, "interrupted"),
        (MemoryError(), 2, "not enough memory (MemoryError); give a smaller --batch-size"),
        (jax.errors.JaxRuntimeError("RESOURCE_EXHAUSTED: Out of memory\n of it"), 2, "Out of memory of it); give a"),
    ],
)
def test_what_ends_a_run_before_it_has_begun_is_one_sentence(error, status, words, monkeypatch, capsys):
    def prepare(*_):
        raise error

    monkeypatch.setattr("genjax.run.cli.prepare", prepare)
    assert run() == status
    assert words in capsys.readouterr().err


def test_other_errors_are_not_hidden(monkeypatch):
    def prepare(*_):
        raise jax.errors.JaxRuntimeError("INTERNAL: a mistake")

    monkeypatch.setattr("genjax.run.cli.prepare", prepare)
    with pytest.raises(jax.errors.JaxRuntimeError, match="a mistake"):
        run()


def test_an_unknown_preset_names_the_known_ones(capsys):
    assert main("vae", ["big"]) == 2
    assert "'big' is no preset of vae; choose one of: small, article, pytorch, flax, paper" in capsys.readouterr().err


def test_an_unknown_recipe_names_the_known_ones_and_a_close_one(capsys):
    assert main("wgan_pg", []) == 2
    error = capsys.readouterr().err
    assert "there is no recipe 'wgan_pg' (did you mean wgan_gp?)" in error
    assert "cyclegan, dcgan" in error


@pytest.mark.parametrize("arguments", [["--lattent", "3"], ["--latent", "three"], ["--precision", "fp8"]])
def test_an_unknown_option_or_a_wrong_type_is_refused(arguments, capsys):
    with pytest.raises(SystemExit) as stop:
        run(*arguments)
    assert stop.value.code == 2
    assert arguments[0] in capsys.readouterr().err


def test_half_precision_trains_through_the_command_line(tmp_path):
    for precision in ("bf16", "fp16"):
        folder = tmp_path / precision
        assert run("--out", folder, "--precision", precision, "--steps", 100) == 0
        losses = [row["vae/loss"] for row in read_rows(folder / "metrics.jsonl") if "vae/loss" in row]
        assert losses[-1] < losses[0]
    assert read_rows(folder / "metrics.jsonl")[0]["vae/loss_scale"] >= 1


@pytest.mark.parametrize(
    ("recipe", "options", "players"),
    [
        ("wgan", ["--warm-up", "0", "--critic-steps", "2"], ["generator", "critic"]),
        ("gan", ["--simultaneous"], ["both"]),
    ],
)
def test_every_players_loss_is_scaled_in_float16(recipe, options, players, tmp_path):
    out = ["--out", str(tmp_path / "run"), "--no-cache", "--devices", "1"]
    assert main(recipe, ["--precision", "fp16", "--steps", "4", "--fuse", "2", *options, *out]) == 0
    rows = [row for row in read_rows(tmp_path / "run" / "metrics.jsonl") if f"{players[0]}/loss" in row]
    assert [row["step"] for row in rows] == [2, 4]
    for row in rows:
        for player in players:
            assert 1 < row[f"{player}/loss_scale"] <= 2**15


def test_eight_devices_by_jit_and_by_pmap_run_through_the_command_line(tmp_path):
    for mode in ("jit", "pmap"):
        options = ("--parallel", mode, "--devices", 8, "--batch-size", 96, "--clip", 1, "--accumulate", 2)
        assert run("--out", tmp_path / mode, *options) == 0


def test_steps_in_a_call_are_as_many_as_asked_even_for_convolutions_on_a_cpu(tmp_path, capsys):
    tiny = ["--image-size", "8", "--width", "4", "--latent", "4", "--batch-size", "8", "--steps", "8"]
    here = ["--no-cache", "--devices", "1"]
    for fuse, steps in ((["--fuse", "4"], [4, 8]), ([], list(range(1, 9)))):
        folder = tmp_path / str(len(steps))
        assert main("dcgan", [*tiny, *here, *fuse, "--out", str(folder)]) == 0
        assert f"{8 // len(steps)} step(s) a call" in capsys.readouterr().err
        rows = read_rows(folder / "metrics.jsonl")
        assert [row["step"] for row in rows if "generator/loss" in row] == steps


def test_description_needs_no_data_and_prints_json(capsys):
    told = described(capsys, "vae", "paper")
    assert told["optimizers"] == {"vae": "adagrad(0.01), 1.66667e-05 times the parameters added to gradients"}
    assert told["phases"][0]["batch"]["images"] == [1, 100, 28, 28, 1]
    assert told["phases"][0]["steps"] == 60_000


def test_operations_are_counted_only_where_they_are_asked_for(capsys):
    (told,) = described(capsys, "vae", "--hidden", "16")["phases"]
    assert "flops_per_step" not in told
    (told,) = described(capsys, "vae", "--hidden", "16", "--flops")["phases"]
    parameters, batch = told["parameters"]["vae"], told["batch"]["images"][1]
    # Forwards and backwards, every weight is in some three products and sums an image.
    assert 4 * parameters * batch < told["flops_per_step"] < 20 * parameters * batch


@pytest.mark.parametrize(
    ("arguments", "steps"),
    [
        (("ae", "paper"), 50 * 600),
        (("ae", "paper", "--steps", "10"), 10),
        (("ae", "paper", "--epochs", "3"), 3 * 600),
        (("ae", "paper", "--epochs", "0.5"), 300),
        (("ae", "small"), 2000),
        (("ae", "small", "--epochs", "2"), 2 * 14),
    ],
)
def test_the_length_that_is_given_replaces_the_presets(arguments, steps, capsys):
    assert described(capsys, *arguments)["phases"][0]["steps"] == steps


def test_two_lengths_are_refused(capsys):
    for preset in ("small", "paper"):
        assert main("ae", [preset, "--steps", "10", "--epochs", "1", "--describe"]) == 2
        assert "error: --steps and --epochs both say how long the run is; give one of them" in capsys.readouterr().err
