"""A run's folder: one writer at a time, what a run that is continued must keep, and disks that cannot be written."""

import json
import os
import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from genjax.engine.log import metrics_writer, read_rows
from genjax.run import folder
from genjax.run.cli import main
from genjax.run.run import recipe

TINY = ["--hidden", "16", "--importance-samples", "0", "--no-cache", "--devices", "1", "--fuse", "10"]
CONFIG = {"recipe": "vae", "preset": "small", "hyper": {}, "data": {"fingerprint": ""}, "environment": {}}


def options(**changes):
    from dataclasses import replace

    return replace(recipe("vae").presets["small"], **changes)


def opened(**changes):
    return folder.opened("vae", options(**changes), CONFIG, steps=10, command=["train", "vae"])


def test_runs_that_start_at_once_get_folders_of_their_own(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def start(number):
        run = opened()
        path = run.__enter__()
        assert json.loads((path / "config.json").read_text())["starts"][0]["process"] == os.getpid()
        return run, path

    with ThreadPoolExecutor(8) as pool:
        runs = list(pool.map(start, range(24)))
    assert len({path for _, path in runs}) == 24
    for run, _ in runs:
        run.__exit__(None, None, None)


def test_a_folder_has_one_writer_whose_lock_ends_with_it(tmp_path, capsys):
    out = tmp_path / "run"
    with opened(out=out):
        for again in ({"out": out}, {"out": out, "resume": True}):
            with pytest.raises(ValueError, match=f"is being written by process {os.getpid()} on "), opened(**again):
                pass
        assert main("vae", [*TINY, "--steps", "10", "--out", str(out)]) == 2
        assert "is being written by" in capsys.readouterr().err
    with opened(out=out, resume=True) as path:
        starts = json.loads((path / "config.json").read_text())["starts"]
    assert [start["from_step"] for start in starts] == [0, 0]  # those that were refused are not told


def test_what_a_killed_writer_left_half_written_is_removed(tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / ".unfinished-samples-abc.png").write_bytes(b"half")
    (tmp_path / "run" / "notes.txt").write_text("mine")
    with opened(out=tmp_path / "run") as path:
        assert sorted(x.name for x in path.iterdir()) == ["config.json", "notes.txt"]


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda text: "{", "damaged or not of a run (JSONDecodeError"),
        (lambda text: "[]", "damaged or not of a run (TypeError"),
        (lambda text: "[" * 100_000, "damaged or not of a run (RecursionError"),
        (lambda text: text.replace('"starts"', '"stars"'), "damaged or not of a run (KeyError: 'starts')"),
        (lambda text: text.replace('"hyper": {', '"hyper": [], "old": {'), "(hyper is [])"),
        (lambda text: text.replace('"latent": 6', '"latent": "6"'), "not one of today's vae: latent is '6'"),
        (lambda text: text.replace('"latent": 6', '"latent": -6'), "--latent -6: give a number at least 1"),
    ],
)
def test_a_damaged_configuration_is_one_sentence(finished, tmp_path, damage, words, capsys):
    copy = tmp_path / "run"
    shutil.copytree(finished, copy)
    path = copy / "config.json"
    text = path.read_text()
    path.write_text(damage(text))
    assert path.read_text() != text
    assert main("vae", [*TINY, "--resume", "--out", str(copy)]) == 2
    error = capsys.readouterr().err
    assert words in error
    assert "Traceback" not in error


def test_a_configuration_that_was_edited_is_noticed(finished, tmp_path, capsys):
    copy = tmp_path / "run"
    shutil.copytree(finished, copy)
    path = copy / "config.json"
    path.write_text(path.read_text().replace('"beta": 0.7', '"beta": 1.5'))
    assert folder.read_config(copy)["hyper"]["beta"] == 1.5
    assert "is not as it was written: it was edited, or is damaged" in capsys.readouterr().err


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    path = tmp_path_factory.mktemp("finished") / "run"
    assert main("vae", [*TINY, "--steps", "10", "--out", str(path)]) == 0
    return path


@pytest.mark.parametrize("place", ["/proc/run", "/dev/null/run", "/dev/null"])
def test_a_place_where_nothing_can_be_written_is_one_sentence(place, capsys):
    assert main("vae", [*TINY, "--steps", "10", "--out", place]) == 2
    error = capsys.readouterr().err
    assert error.splitlines()[-1].startswith(f"error: {Path(place).parent if place.endswith('run') else place}")
    assert "Traceback" not in error


def test_a_run_whose_folder_is_removed_says_so(tmp_path):
    with metrics_writer(tmp_path / "run") as (write, _):
        write(1, {"loss": 1.0})
        shutil.rmtree(tmp_path / "run")
        with pytest.raises(OSError, match=r"metrics.jsonl has been removed while the run wrote to it"):
            write(2, {"loss": 1.0})


@pytest.mark.slow
@pytest.mark.parametrize("kilobytes", [16, 60, 110, 200])
def test_a_disk_that_fills_ends_the_run_in_a_sentence_and_it_goes_on_when_there_is_room(kilobytes, tmp_path, capfd):
    small, whole = tmp_path / "small", tmp_path / "whole"
    small.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={kilobytes}k", "tmpfs", str(small)]
    if shutil.which("mount") is None or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("a small disk can only be made by the administrator")
    often = [*TINY, "--steps", "100", "--checkpoint-every", "20", "--evaluate-every", "40"]
    try:
        assert main("vae", [*often, "--out", str(small / "run")]) == 2
        error = capfd.readouterr().err
        assert "No space left on device" in error.splitlines()[-1]
        assert "Traceback" not in error
        assert not list((small / "run").glob(".unfinished-*"))
        subprocess.run(["mount", "-o", "remount,size=16m", str(small)], check=True)
        assert main("vae", [*often, "--out", str(small / "run"), "--resume"]) == 0
        assert main("vae", [*often, "--out", str(whole)]) == 0
        rows = [
            [{k: v for k, v in row.items() if k != "seconds"} for row in read_rows(path)]
            for path in (small / "run" / "metrics.jsonl", whole / "metrics.jsonl")
        ]
        assert rows[0] == rows[1]
    finally:
        subprocess.run(["umount", str(small)])
