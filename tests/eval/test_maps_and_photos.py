"""SRGAN and SPADE from the command line: both phases, photographs enlarged, maps drawn in a photograph's style."""

import json
from functools import partial

import numpy as np
import pytest
from PIL import Image

from eval import translate
from genjax.classifiers import segmenter
from genjax.run.cli import main
from genjax.run.load import load
from genjax.viz.palette import NONE, painted

COMMON = ["--width", "2", "--discriminator-width", "2", "--no-cache", "--devices", "1", "--image-size", "16",
          "--batch-size", "4"]  # fmt: skip


@pytest.fixture(scope="module")
def enlarging(tmp_path_factory):
    """Return a run of SRGAN through both its phases."""
    folder = tmp_path_factory.mktemp("srgan") / "run"
    options = ["--out", str(folder), "--data", "maps:scenes", "--blocks", "1", "--pretraining", "2", *COMMON]
    assert main("srgan", [*options, "--evaluate-every", "4", "--steps", "4"]) == 0
    return folder


@pytest.fixture(scope="module")
def drawing(tmp_path_factory):
    """Return a run of SPADE with a style encoder."""
    folder = tmp_path_factory.mktemp("spade") / "run"
    options = ["--out", str(folder), "--doublings", "1", "--hidden", "2", "--style", "--encoder-size", "8", "--steps",
               "2", "--discriminator-layers", "2", "--evaluate-every", "100", "--edges", *COMMON]  # fmt: skip
    with pytest.MonkeyPatch.context() as patch:  # scores of nothing learned need no good segmenter
        patch.setattr(segmenter, "trained", partial(segmenter.trained, steps=2))
        assert main("spade", options) == 0
    return folder


def test_a_run_goes_through_both_phases_and_names_what_it_compares_by(enlarging):
    rows = [json.loads(line) for line in (enlarging / "metrics.jsonl").read_text().splitlines()]
    told = {row["step"]: set(row) for row in rows if "generator/loss" in row}
    assert "discriminator/loss" not in told[2] and "discriminator/loss" in told[4]
    card = (enlarging / "card.md").read_text()
    assert "content: relu1_2, relu2_2 of a VGG of 3 stages trained on drawn scenes (" in card
    assert "| psnr_y_bicubic |" in card and "| discriminator |" in card


def test_a_photograph_is_enlarged_without_seams(enlarging, tmp_path, monkeypatch):
    pixels = np.random.default_rng(0).integers(0, 256, (33, 51, 3), np.uint8)
    Image.fromarray(pixels).save(tmp_path / "small.png")
    written = []
    for name, tile in (("whole", 96), ("tiles", 8)):
        monkeypatch.setattr("genjax.tasks.super_resolution.TILE", tile)
        out = tmp_path / f"{name}.png"
        assert translate.main([str(enlarging), "--input", str(tmp_path / "small.png"), "--out", str(out)]) == 0
        written.append(np.asarray(Image.open(out)).astype(int))
    assert written[0].shape == (4 * 33, 4 * 51, 3)
    assert np.abs(written[0] - written[1]).max() <= 1


def test_a_label_map_is_drawn_in_the_style_of_a_photograph(drawing, tmp_path, capsys):
    labels = np.zeros((16, 16), np.uint8)
    labels[4:12, 4:12] = 2
    Image.fromarray(labels).save(tmp_path / "map.png")
    for number in range(2):
        pixels = np.random.default_rng(number).integers(0, 256, (20, 30, 3), np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"style{number}.png")
    drawn = {}
    given = {str(number): ["--style", str(tmp_path / f"style{number}.png")] for number in range(2)}
    for name, options in {**given, "random": [], "other": ["--seed", "3"]}.items():
        out = tmp_path / f"drawn{name}.png"
        command = [str(drawing), "--input", str(tmp_path / "map.png"), "--out", str(out), *options]
        assert translate.main([*command, "--sheets"]) == 0
        drawn[name] = np.asarray(Image.open(out))
    assert (tmp_path / "sheets").is_dir()
    assert all(image.shape == (16, 16, 3) for image in drawn.values())
    assert len({image.tobytes() for image in drawn.values()}) == 4
    Image.fromarray(np.zeros((20, 16), np.uint8)).save(tmp_path / "tall.png")
    assert translate.main([str(drawing), "--input", str(tmp_path / "tall.png"), "--out", str(tmp_path / "out")]) == 2
    assert "draws 16 x 16 pixels" in capsys.readouterr().err


def test_loaded_without_data_it_still_draws(drawing):
    model = load(drawing)
    maps = np.full((1, 16, 16, 1), 255, np.uint8)
    assert model.translate(maps).shape == (1, 16, 16, 3)
    instances = np.zeros_like(maps)
    assert model.translate(maps, instances=instances).shape == (1, 16, 16, 3)
    assert "perceptual" not in model.state.memory


def test_label_maps_are_painted_in_colours_far_apart():
    colours = painted(np.arange(256, dtype=np.uint8)[:, None, None]).reshape(256, 3).astype(int)
    assert tuple(colours[255]) == NONE
    assert min(np.abs(colours[i] - colours[i + 1]).sum() for i in range(20)) > 100
    assert len({tuple(colour) for colour in colours}) > 200
