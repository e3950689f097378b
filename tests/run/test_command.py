"""The console command."""

import json

import pytest

from genjax.run import command
from genjax.run.run import names


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
        (["trian", "vae"], "'trian' is neither train nor eval (did you mean train?)"),
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
    with pytest.raises(SystemExit, match="2"):
        command.main(["train", "ae", "--stpes", "3"])
    assert "--steps" in capsys.readouterr().err
