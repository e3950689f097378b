"""The program for codes, and samples under chosen codes, on runs of a few steps."""

import json

import jax
import numpy as np
import pytest
from PIL import Image, ImageSequence

from eval import codes, interpolate, sample
from genjax.run.cli import main as train_main
from genjax.run.export import sampler
from genjax.run.load import load

pytestmark = pytest.mark.usefixtures("unreported")


# A rate at which two steps of the generator can be seen.
TINY = ("small", "--width", "2", "--batch-size", "16", "--generator-rate", "0.1", "--ema", "None")


def trained(folder, *options):
    common = ["--out", str(folder), "--no-cache", "--devices", "1", "--steps", "2"]
    assert train_main("infogan", [*options, *common]) == 0
    return folder


@pytest.fixture(scope="module")
def digits_run(tmp_path_factory):
    return trained(tmp_path_factory.mktemp("codes") / "digits", *TINY)


@pytest.fixture(scope="module")
def ring_run(tmp_path_factory):
    return trained(tmp_path_factory.mktemp("codes") / "ring", "ring")


def test_a_page_for_each_code_in_which_it_alone_changes(digits_run, tmp_path, capsys):
    arguments = [str(digits_run), "--rows", "2", "--steps", "3", "--gif", "--labels", "--out", str(tmp_path)]
    assert codes.main(arguments) == 0
    assert {path.name for path in tmp_path.iterdir()} == {"codes-c1.png", "codes-c2.png", "codes-c2.gif", "codes.json"}
    found = json.loads((tmp_path / "codes.json").read_text())
    measured = {"ink", "across", "down", "width", "height", "slant", "pixels"}
    assert set(found["c2"]) == set(found["noise, on average"]) == measured
    assert set(found["c1"]) == {"code_accuracy", "code_purity", "read_accuracy"}
    assert all(0 <= value <= 1 for values in found.values() for value in values.values())
    with Image.open(tmp_path / "codes-c2.gif") as gif:
        assert sum(frame.info["duration"] for frame in ImageSequence.Iterator(gif)) == 40 * 100
    task = load(digits_run).task
    latents = np.asarray(task.latents(jax.random.key(0), 2))
    table = codes.rows_of(task.codes, latents, "c1", task.codes.sweep("c1", 3))
    assert table.shape == (2, 10, 32)
    changed = np.flatnonzero((table != table[:, :1]).any((0, 1)))
    assert changed.tolist() == list(range(*task.codes.slices["c1"].indices(32)))


def test_samples_have_the_codes_that_are_asked_for(digits_run, ring_run):
    for run in (digits_run, ring_run):
        model = load(run)
        plain, chosen = model.sample(8, seed=1), model.sample(8, seed=1, codes={"c1": [0, 1, 2, 3] * 2})
        latents = np.asarray(model.task.latents(jax.random.key(1), 8))
        expected = model.task.codes.placed(latents, {"c1": [0, 1, 2, 3] * 2})
        drawn = model.task.draw(model.state, expected, None)
        drawn = np.asarray(drawn).reshape(8, 2) if run is ring_run else model.task.pixels.to_bytes(drawn)
        np.testing.assert_array_equal(chosen, drawn)
        assert np.any(plain != chosen)
        with pytest.raises(ValueError, match="its classes are 0 to"):
            model.sample(8, codes={"c1": 12})
        with pytest.raises(ValueError, match="takes no labels; its conditions are: codes"):
            model.sample(8, codes={"c1": 2}, labels=[1] * 8)
        with pytest.raises(ValueError, match="takes no truncation; its conditions are: codes"):
            model.sample(8, codes={"c1": 2}, truncation=0.5)


def test_the_recognition_network_reads_images(digits_run):
    model = load(digits_run)
    read = model.task.recognise(model.state, model.sample(12))
    assert {name: x.shape for name, x in read.items()} == {"c1": (12,), "c2": (12,)}
    assert set(read["c1"]) <= set(range(10))


def test_the_ring_is_drawn_by_codes(ring_run, tmp_path, capsys):
    assert codes.main([str(ring_run), "--out", str(tmp_path)]) == 0
    assert {path.name for path in tmp_path.iterdir()} == {"codes.png", "codes.json"}
    assert "code_purity" in capsys.readouterr().out


def test_other_programs_take_a_run_with_codes(digits_run, tmp_path):
    assert sample.main([str(digits_run), "--count", "4", "--out", str(tmp_path / "a.png")]) == 0
    assert interpolate.main(["--run", str(digits_run), "--steps", "3", "--out", str(tmp_path)]) == 0
    assert (tmp_path / "interpolate-linear.png").exists()
    assert load(digits_run).interpolate(0, 1, 4).shape == (4, 8, 8, 1)
    assert sampler(load(digits_run), 4).out_avals[0].shape == (4, 8, 8, 1)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["{nothing}"], "holds no run"),
        (["{digits}", "--steps", "1"], "at least 2"),
        (["{digits}", "--reach", "0"], "above 0"),
        (["{gan}"], "whose latents hold no codes; give one of infogan"),
    ],
)
def test_what_cannot_work_is_one_clear_sentence(arguments, sentence, digits_run, tmp_path, capsys):
    if "{gan}" in arguments:
        assert train_main("gan", ["--steps", "1", "--out", str(tmp_path / "gan"), "--devices", "1"]) == 0
    places = {"digits": digits_run, "nothing": tmp_path, "gan": tmp_path / "gan"}
    assert codes.main([argument.format(**places) for argument in arguments]) == 2
    said = capsys.readouterr().err
    assert sentence in said and "Traceback" not in said
