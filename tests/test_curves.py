"""Curves: which panels there are, what is drawn beside what, and which direction is good."""

import json

import numpy as np
import pytest
from PIL import Image

from genjax.viz.curves import panels_of, save_curves

ROWS = [
    {
        "step": 1,
        "seconds": 0.1,
        "generator/loss": 2.0,
        "critic/loss": 1.0,
        "critic/real": 0.1,
        "critic/fake": 0.2,
        "vae/nll": 9.0,
    },
    {
        "step": 2,
        "seconds": 0.2,
        "generator/loss": 1.0,
        "critic/loss": 3.0,
        "critic/real": 0.3,
        "critic/fake": 0.4,
        "vae/nll": 8.0,
    },
    {"step": 2, "test/sliced_wasserstein": 0.5, "test/real_against_real": 0.1, "test/nll": 9.5, "test/modes": None},
    {"step": 3, "test/sliced_wasserstein": 0.4, "test/real_against_real": 0.1, "test/nll": 9.4, "test/odd_one": 1.0},
    {"step": 4, "test/odd_one": 1.0},
]


def test_a_score_stands_beside_its_floor_and_its_training_value_and_constants_are_left_out():
    panels = {panel.title: panel for panel in panels_of(ROWS)}
    score = panels["distance to test images (sliced Wasserstein)"]
    assert score.better == "lower" and score.beside == ["training images instead of samples"]
    assert score.lines == {"this run": [(2, 0.5), (3, 0.4)], "training images instead of samples": [(2, 0.1), (3, 0.1)]}
    nll = panels["reconstruction, negative log-likelihood (nats per image)"]
    assert set(nll.lines) == {"this run", "while training"} and nll.lines["while training"] == [(1, 9.0), (2, 8.0)]
    assert panels["training: loss of each player"].lines.keys() == {"generator", "critic"}
    assert panels["training: answer of the critic"].lines.keys() == {"real images", "generated images"}
    assert len(panels) == 4, "constants have no panel, and what belongs beside a score none of its own"


def test_scores_with_a_direction_come_first():
    assert [panel.better for panel in panels_of(ROWS)] == ["lower", "lower", None, None]


def test_the_picture_is_drawn(tmp_path):
    (tmp_path / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    save_curves(tmp_path / "metrics.jsonl", tmp_path / "curves.png")
    with Image.open(tmp_path / "curves.png") as picture:
        pixels = np.asarray(picture.convert("RGB")).reshape(-1, 3)
    for colour in ((0x00, 0x72, 0xB2), (0xD5, 0x5E, 0x00)):  # the generator's and the critic's, in every run
        assert (np.abs(pixels.astype(int) - colour).max(1) < 4).sum() > 20
    (tmp_path / "constant.jsonl").write_text('{"step": 1, "a": 1}\n{"step": 2, "a": 1}\n')
    save_curves(tmp_path / "constant.jsonl", tmp_path / "constant.png")
    with pytest.raises(ValueError, match="holds no metrics"):
        save_curves(tmp_path / "none.jsonl", tmp_path / "none.png")
