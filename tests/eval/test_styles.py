"""Programs for generators with styles: mixing, walks in w, path length, truncated samples."""

import json

import jax
import numpy as np
import pytest
from PIL import Image

from eval import interpolate, path_length, sample, styles
from genjax.run import extractors
from genjax.run.cli import main as train_main
from genjax.run.load import load

pytestmark = pytest.mark.usefixtures("unreported")


@pytest.fixture(scope="module")
def styled_run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("styles") / "stylegan"
    options = ["--data", "digits", "--image-size", "8", "--steps", "2", "--latent", "6", "--limit", "6", "--base", "16"]
    options += ["--depth", "2", "--batch-size", "8", "--out", str(folder), "--no-cache", "--devices", "1"]
    assert train_main("stylegan", options) == 0
    return folder


@pytest.fixture(scope="module")
def plain_run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("styles") / "cgan"
    assert train_main("cgan", ["--steps", "2", "--out", str(folder), "--no-cache", "--devices", "1"]) == 0
    return folder


def pixels(path):
    with Image.open(path) as picture:
        return np.asarray(picture.convert("RGB"), float)


def test_mixing_noise_and_truncation_are_drawn_and_measured(styled_run, capsys):
    assert styles.main([str(styled_run), "--columns", "3", "--rows", "1", "--count", "20"]) == 0
    for name in ("mixing", "noise", "truncation"):
        assert pixels(styled_run / f"styles-{name}.png").std() > 5
    found = json.loads((styled_run / "styles.json").read_text())
    assert list(found["follows_coarse"]) == ["1", "2", "3"]
    assert set(found["follows_coarse"]["1"]) == {"place", "extent", "colour", "ground"}
    assert found["spread_over_psi"]["1"] > found["spread_over_psi"]["0.3"]
    assert found["spread_over_psi_of_all_layers"] == found["spread_over_psi"]  # four layers, and a cutoff of four
    assert found["deviation_over_noises"] > 0
    assert "| coarse styles before layer | place |" in capsys.readouterr().out


def test_layers_fall_into_coarse_middle_and_fine():
    assert styles.groups(18) == {"coarse": slice(0, 4), "middle": slice(4, 8), "fine": slice(8, 18)}
    assert styles.groups(6) == {"coarse": slice(0, 2), "middle": slice(2, 4), "fine": slice(4, 6)}


def test_a_mixed_image_has_the_styles_of_both(styled_run, monkeypatch):
    model, shown = load(styled_run), {}

    def keep(images, rows, columns, **options):
        shown.update(zip(rows, images, strict=True))
        return images

    monkeypatch.setattr(styles, "image_table", keep)
    page = styles.mixing_page(model, styles.Options(columns=2, rows=1))
    assert page.shape == (4, 3, 8, 8, 1)
    columns, row = styles.styles_of(model, 0, 2), styles.styles_of(model, 1, 1)
    mixed = np.array(columns)
    mixed[:, 2:4] = np.asarray(row)[:, 2:4]
    np.testing.assert_allclose(shown["fine of"][1:], styles.drawn(model, mixed), atol=1e-6)
    np.testing.assert_allclose(shown["fine of"][0], styles.drawn(model, row)[0], atol=1e-6)


def test_the_walk_in_w_is_straight_between_styles(styled_run, tmp_path):
    arguments = ["--run", str(styled_run), "--space", "w", "--steps", "3", "--out", str(tmp_path)]
    assert interpolate.main(arguments) == 0
    assert {path.name for path in tmp_path.iterdir()} == {"interpolate-w.png", "interpolate-w.gif"}
    model = load(styled_run)
    first, second = (np.asarray(model.task.latents(jax.random.key(seed), 1))[0] for seed in (0, 1))
    walk = interpolate.path_of_styles(model, first, second, 3)
    ends = model.task.generate(model.state, np.stack([first, second]))
    np.testing.assert_allclose(walk[[0, 2]], ends, atol=1e-5)
    assert np.abs(walk[1] - walk[0]).max() > 1e-3


def test_path_lengths_are_named_by_their_features_and_told_in_both_spaces(styled_run, plain_run, monkeypatch):
    def smooth(images):
        return images.reshape(len(images), -1) - 0.5

    extractor = extractors.Extractor("a network", "0123", smooth, smooth=smooth)
    monkeypatch.setattr(path_length.scores, "extractor_of", lambda *_: extractor)
    assert path_length.main([str(styled_run), "--pairs", "60", "--epsilon", "0.01"]) == 0
    found = json.loads((styled_run / "path_length.json").read_text())
    assert found["extractor"] == "a network"
    assert set(found["path_length"]) == {"z", "w"}
    assert all(length["mean"] > 0 for length in found["path_length"].values())
    assert path_length.main([str(plain_run), "--pairs", "60", "--epsilon", "0.01"]) == 0
    assert set(json.loads((plain_run / "path_length.json").read_text())["path_length"]) == {"z"}


def test_truncation_is_psi(styled_run, tmp_path):
    npz, model = tmp_path / "arrays.npz", load(styled_run)
    arguments = [str(styled_run), "--count", "9", "--truncation", "0", "--npz", str(npz), "--seed", "2"]
    assert sample.main([*arguments, "--out", str(tmp_path / "grid.png")]) == 0
    with np.load(npz) as arrays:
        assert np.array_equal(arrays["images"], model.sample(9, seed=2, truncation=0.0))
        assert not np.array_equal(arrays["images"], model.sample(9, seed=2))


@pytest.mark.parametrize(
    ("program", "arguments", "sentence"),
    [
        (styles, ["{plain}"], "has no styles to mix; give one of stylegan"),
        (interpolate, ["--run", "{plain}", "--space", "w"], "has no styles; walk in z"),
        (interpolate, ["--run", "{styled}", "--space", "w", "--walk", "spherical"], "are straight; leave it out"),
        (path_length, ["{plain}", "--space", "w"], "has no styles; give z"),
        (path_length, ["{styled}", "--space", "u"], "z, w or all"),
    ],
)
def test_what_a_model_lacks_is_one_clear_sentence(program, arguments, sentence, styled_run, plain_run, capsys):
    assert program.main([argument.format(styled=styled_run, plain=plain_run) for argument in arguments]) == 2
    said = capsys.readouterr().err
    assert sentence in said
    assert "Traceback" not in said
