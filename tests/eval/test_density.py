"""The density of a trained PresGAN: its files, and its numbers against closed forms."""

import json

import numpy as np
import pytest
from PIL import Image
from scipy import stats

from eval import density
from genjax.data.drawn.mixtures import MIXTURES, draw
from genjax.run.cli import main as train_main

pytestmark = pytest.mark.usefixtures("unreported")
QUICK = ["--count", "12", "--temperatures", "20", "--chains", "4"]


def trained(recipe, folder, *options):
    assert train_main(recipe, ["--out", str(folder), "--no-cache", "--devices", "1", *options]) == 0
    return str(folder)


def check_files(folder, capsys):
    assert density.main([folder, *QUICK]) == 0
    with open(f"{folder}/density.json", encoding="utf-8") as file:
        result = json.load(file)
    for name in ("samples-with-noise", "sigma"):
        with Image.open(f"{folder}/{name}.png") as picture:
            assert np.asarray(picture).std() > 5
    assert "| test images |" in capsys.readouterr().out
    assert 0.01 <= result["sigma"]["min"] <= result["sigma"]["mean"] <= result["sigma"]["max"] <= 0.3001
    return result


def test_of_images_pictures_and_numbers_are_written(tmp_path, capsys):
    size = ["--image-size", "8", "--networks", "convolutional", "--width", "4", "--units", "None", "--latent", "4"]
    folder = trained("presgan", tmp_path / "run", "--data", "digits", *size, "--steps", "2", "--ema", "0.9")
    result = check_files(folder, capsys)
    found = result["log_density"]
    assert set(found) == {"test images", "training images", "test images, a Gaussian"}
    value = found["test images"]
    assert value["bits_a_dimension"] == pytest.approx(-value["nats"] / 64 / np.log(2))
    assert found["test images, a Gaussian"]["nats"] > value["nats"]  # nothing is learnt in two steps


def test_of_points_the_mixtures_own_density_is_told_too(tmp_path, capsys):
    result = check_files(trained("presgan", tmp_path / "run", "--steps", "2"), capsys)
    assert result["log_density"]["test images, the mixture itself"]["nats"] == pytest.approx(2.9, abs=0.8)


def test_other_runs_are_refused(tmp_path, capsys):
    folder = trained("gan", tmp_path / "run", "--steps", "1")
    assert density.main([folder]) == 2
    assert "train.presgan alone" in capsys.readouterr().err


def test_what_the_estimate_is_compared_with():
    random = np.random.default_rng(0)
    train = random.normal(size=(50, 2, 1, 1)) * np.array([1.0, 0.0]).reshape(2, 1, 1)
    known = train.reshape(50, 2)
    expected = stats.multivariate_normal(known.mean(0), np.cov(known.T) + 1e-4 * np.eye(2)).logpdf(known[:7])
    np.testing.assert_allclose(density.gaussian(train, train[:7]), expected)
    ring = MIXTURES["ring"]
    points = draw(ring, 20_000, 0)[0]
    # Far apart modes: log 8 less than one of them, whose mean log density is -(1 + log(2 pi deviation^2)).
    expected = -1 - np.log(2 * np.pi * ring.deviation**2) - np.log(8)
    assert density.mixture_density(ring, points).mean() == pytest.approx(expected, abs=0.03)
