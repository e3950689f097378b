"""The program for sentences, and samples of sentences, on a run of a few steps."""

import numpy as np
import pytest
from PIL import Image

from eval import caption, interpolate, sample
from genjax.run.cli import main as train_main
from genjax.run.load import load

SENTENCE = "a large red cube left of a small blue ball"
TINY = ("--image-size", "16", "--text-size", "6", "--word-size", "4", "--width", "2", "--discriminator-width", "2",
        "--condition", "3", "--batch-size", "4", "--text-batch", "4", "--refine-batch", "4", "--no-cache", "--devices",
        "1", "--text-steps", "1", "--sketch-steps", "1", "--generator-rate", "0.3")  # fmt: skip


def trained(folder, steps):
    assert train_main("stackgan", ["small", *TINY, "--steps", str(steps), "--out", str(folder)]) == 0
    return folder


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run through all three phases; the classifier that scores it is trained for one step."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("genjax.tasks.solids_judge.STEPS", 1)
        return trained(tmp_path_factory.mktemp("caption") / "run", 3)


@pytest.fixture(scope="module")
def reading(tmp_path_factory):
    """A run that is still in its first phase."""
    return trained(tmp_path_factory.mktemp("caption") / "reading", 1)


def test_a_sentence_is_drawn_beside_its_nearest_training_images(run, tmp_path, capsys):
    assert caption.main([str(run), SENTENCE, "--count", "3", "--out", str(tmp_path / "a.png")]) == 0
    with Image.open(tmp_path / "a.png") as page:
        height = page.height
    assert str(tmp_path / "a.png") in capsys.readouterr().out
    assert caption.main([str(run), SENTENCE, "--count", "3", "--no-nearest", "--out", str(tmp_path / "b.png")]) == 0
    with Image.open(tmp_path / "b.png") as page:
        assert height - page.height == 64 + 2, "a row less"


def test_the_nearest_image_is_the_nearest():
    images = np.arange(4, dtype=np.uint8).reshape(4, 1, 1, 1) * 50
    found = caption.nearest(np.array([[[[60]]], [[[149]]]], np.uint8), images)
    assert found.ravel().tolist() == [50, 150]


def test_samples_are_of_the_sentences_that_are_given(run):
    model = load(run)
    other = "a small pink cone right of a small blue ball"
    one, each = model.sample(2, captions=SENTENCE, seed=4), model.sample(2, captions=[SENTENCE, other], seed=4)
    assert one.shape == (2, 16, 16, 3) and one.dtype == np.uint8
    np.testing.assert_array_equal(one[0], each[0])
    assert np.any(one[1] != each[1]) and np.any(model.sample(2, captions=SENTENCE, seed=5) != one)
    with pytest.raises(ValueError, match="1 captions for 2 samples"):
        model.sample(2, captions=[SENTENCE])
    with pytest.raises(ValueError, match="takes no labels; its conditions are: captions"):
        model.sample(2, captions=SENTENCE, labels=[1, 2])
    with pytest.raises(ValueError, match="was not loaded with this model: give captions"):
        model.sample(2)
    assert load(run, with_data=True).sample(2).shape == (2, 16, 16, 3)


def test_scores_say_what_a_classifier_sees(run):
    rows = (run / "metrics.jsonl").read_text().splitlines()
    assert (
        '"test/place_shuffled"' in rows[-1] and '"test/sketch_colour"' in rows[-1] and '"test/match_real"' in rows[-1]
    )


@pytest.mark.slow
def test_a_run_that_still_reads_finds_images(reading):
    rows = (reading / "metrics.jsonl").read_text().splitlines()
    assert '"test/found_first"' in rows[-1] and '"test/found_in_five"' in rows[-1]
    assert (reading / "samples-000001.png").exists() or list(reading.glob("samples-*.png"))


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["{nothing}", SENTENCE], "holds no run"),
        (["{run}"], "what is to be drawn? Give a sentence"),
        (
            ["{run}", "a large reed cube"],
            "'reed' is in no training caption (did you mean red?); the words are a, ball,",
        ),
        (["{run}", f"{SENTENCE} left of a small blue ball"], "has 16 words; give 1 to 10"),
        pytest.param(["{reading}", SENTENCE, "--no-nearest"], "still trains its text encoder", marks=pytest.mark.slow),
        (["{gan}", SENTENCE], "a run of gan, which draws no sentences"),
    ],
)
def test_what_cannot_work_is_one_clear_sentence(arguments, sentence, run, request, tmp_path, capsys):
    if "{gan}" in arguments:
        assert train_main("gan", ["--steps", "1", "--out", str(tmp_path / "gan"), "--devices", "1"]) == 0
    reading = request.getfixturevalue("reading") if "{reading}" in arguments else None
    places = {"run": run, "reading": reading, "nothing": tmp_path, "gan": tmp_path / "gan"}
    assert caption.main([argument.format(**places) for argument in arguments]) == 2
    said = capsys.readouterr().err
    assert sentence in said and "Traceback" not in said


def test_other_programs_say_that_there_is_no_latent_alone(run, capsys):
    assert sample.main([str(run)]) == 2
    assert "draws nothing from a latent" in capsys.readouterr().err
    assert interpolate.main(["--run", str(run)]) == 2
    assert "Traceback" not in capsys.readouterr().err
