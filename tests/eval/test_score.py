"""Two folders of images are compared, and what was seen of them is kept."""

import numpy as np
import pytest
from PIL import Image

from eval import score
from genjax.run import extractors


@pytest.fixture
def folders(tmp_path, monkeypatch):
    """Return three folders of 24 images: dark ones, others like them, and bright ones."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    draw, made = np.random.default_rng(0), []
    for name, level in (("dark", 60), ("dim", 62), ("bright", 200)):
        (tmp_path / name).mkdir()
        for number in range(24):
            pixels = np.clip(draw.normal(level, 20, (16, 16, 3)), 0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(tmp_path / name / f"{number}.png")
        made.append(tmp_path / name)
    return made


def frechet(capsys, first, second):
    assert score.main([str(first), str(second)]) == 0
    out = capsys.readouterr().out
    assert "a VGG of 3 stages trained on drawn scenes" in out and "FID" not in out
    row = next(line for line in out.splitlines() if line.startswith("| Frechet distance of features"))
    return float(row.split("|")[2]), float(row.split("|")[3]), out


def test_like_images_are_nearer_than_others_and_features_are_kept(folders, capsys, monkeypatch):
    dark, dim, bright = folders
    near, floor, first = frechet(capsys, dim, dark)
    far, _, _ = frechet(capsys, bright, dark)
    assert far > 5 * near and floor > 0 and "(seen before)" not in first

    def refuse(*_):
        raise AssertionError("the network saw images once more")

    monkeypatch.setattr(extractors.Extractor, "of", refuse)
    again, _, text = frechet(capsys, dim, dark)
    assert again == near and "(seen before)" in text


def test_what_cannot_be_compared_is_one_sentence(folders, tmp_path, capsys):
    dark = folders[0]
    large = tmp_path / "large"
    large.mkdir()
    for number in range(20):
        Image.new("RGB", (32, 32)).save(large / f"{number}.png")
    few = tmp_path / "few"
    few.mkdir()
    for number in range(5):
        Image.new("RGB", (16, 16)).save(few / f"{number}.png")
    for first, message in ((large, "--image-size to bring both"), (few, "holds 5 images; scores need 20")):
        assert score.main([str(first), str(dark)]) == 2
        assert message in capsys.readouterr().err
