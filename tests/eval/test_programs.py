import json
import re

import numpy as np
import pytest
from PIL import Image

from eval import article, cluster, collapse, interpolate, latent, reconstruct
from eval.comparison.probing import AE, CVAE_NONE, CVAE_TRUE, VAE
from genjax.metrics.clustering import v_measures
from genjax.viz.table import image_table
from tests.conftest import REPOSITORY


def ink(path):
    """Check that a picture can be read and is not of one colour."""
    pixels = np.asarray(Image.open(path).convert("L"))
    assert pixels.std() > 5, path
    return pixels


def test_reconstruct(arguments, options, capsys):
    assert reconstruct.main(arguments) == 0
    text = capsys.readouterr().out
    assert "| latent | AE" in text and "CVAE, wrong label" in text
    numbers = json.loads((options.out / "reconstruct.json").read_text())
    assert len(numbers["nll at the mean"]) == 10
    assert all(len(values) == options.seeds for values in numbers["nll at the mean"].values())
    for z in options.latents:
        ink(options.out / f"reconstruct-{z:02d}.png")


def test_interpolate(arguments, options):
    assert interpolate.main([*arguments, "--steps", "4"]) == 0
    for name in ("linear", "spherical"):
        ink(options.out / f"interpolate-{name}.png")
    with Image.open(options.out / "interpolate.gif") as picture:
        assert picture.n_frames == 40


def test_walks_reach_both_ends():
    a, b = np.array([1.0, 2.0, -1.0]), np.array([0.5, -1.0, 3.0])
    for walk in (interpolate.linear, interpolate.spherical):
        way = walk(a, b, 7)
        assert way.shape == (7, 3)
        np.testing.assert_allclose(way[[0, -1]], [a, b], atol=1e-12)
    unit = interpolate.spherical(np.array([1.0, 0.0]), np.array([0.0, 1.0]), 5)
    np.testing.assert_allclose(np.linalg.norm(unit, axis=1), 1)
    np.testing.assert_allclose(interpolate.spherical(a, 2 * a, 3)[1], 1.5 * a)  # one direction: no arc
    np.testing.assert_allclose(interpolate.spherical(a, -a, 3)[1], 0, atol=1e-12)


def test_interpolate_takes_the_model_of_a_run(tmp_path, capsys):
    from genjax.run.cli import main

    out = tmp_path / "run"
    tiny = [
        "small",
        "--steps",
        "4",
        "--hidden",
        "8",
        "--latent",
        "3",
        "--importance-samples",
        "0",
        "--batch-size",
        "96",
    ]
    assert main("vae", [*tiny, "--out", str(out)]) == 0
    assert interpolate.main(["--run", str(out), "--walk", "linear"]) == 0
    assert (out / "interpolate-linear.png").exists() and (out / "interpolate.gif").exists()
    assert not (out / "interpolate-spherical.png").exists()
    capsys.readouterr()
    assert interpolate.main(["--run", str(tmp_path)]) == 2
    assert "holds no run" in capsys.readouterr().err


def test_latent(arguments, options):
    assert latent.main([*arguments, "--projection", "pca", "--columns", "5"]) == 0
    for name in ("latent", "plane-ae", "plane-vae", "plane-cvae", "cvae-labels"):
        ink(options.out / f"{name}.png")
    offsets = json.loads((options.out / "latent.json").read_text())["offset"]
    assert set(offsets) == {f"{v}, latent {z}" for v in (AE, VAE, CVAE_TRUE, CVAE_NONE) for z in options.latents}


def test_the_plane_has_equal_shares_and_grows_up_and_right(family, monkeypatch):
    seen = []
    monkeypatch.setattr(latent.probing, "decode", lambda member, z, labels: seen.append(z))
    latent.plane(family.of("vae", 2)[0], 3, np.array([10.0, 20.0]), np.array([1.0, 2.0]))
    x, y = seen[0][..., 0], seen[0][..., 1]
    np.testing.assert_allclose(x[0], 10 + np.array([-0.9674, 0, 0.9674]), atol=1e-3)
    np.testing.assert_allclose(y[:, 0], 20 + 2 * np.array([0.9674, 0, -0.9674]), atol=1e-3)


def test_cluster(arguments, options, monkeypatch):
    monkeypatch.setattr(cluster, "RESTARTS", 3)
    assert cluster.main(arguments) == 0
    ink(options.out / "cluster.png")
    numbers = json.loads((options.out / "cluster.json").read_text())
    assert np.shape(numbers["restarts"]["VAE, latent 2"]) == (options.seeds, 3)


def test_article(arguments, options, monkeypatch, capsys):
    monkeypatch.setattr(cluster, "RESTARTS", 3)
    assert article.main(arguments) == 0
    page = (options.out / "report.html").read_text()
    assert page.count("data:image/") == 12 and 'src="http' not in page
    assert "read from disk" in page
    result = json.loads((options.out / "claims.json").read_text())
    shown = json.loads((REPOSITORY / "eval" / "results" / "article.json").read_text())
    assert result.keys() == shown.keys() and result["claims"][0].keys() == shown["claims"][0].keys()
    claims = result["claims"]
    assert {claim["verdict"] for claim in claims} <= {"holds", "does not hold", "within spread"}
    assert len(claims) == 13  # those about latents of 16 and more need such models
    assert len(re.findall(r'<td class="(?:holds|fails|within)">', page)) > len(claims)
    assert "report.html" in capsys.readouterr().out


def test_collapse(tmp_path, capsys):
    arguments = ["--out", str(tmp_path), "--epochs", "25", "--seeds", "1", "--learning-rate", "0.01"]
    assert collapse.main(arguments) == 0
    ink(tmp_path / "collapse.png")
    numbers = json.loads((tmp_path / "collapse.json").read_text())
    kl = {name.split(",")[0]: values[0] for name, values in numbers["kl"].items()}
    assert kl["both summed"] > 0.5 > 10 * kl["mean and sum"]
    assert kl["no KL"] > kl["both summed"]
    assert numbers["collapsed"]["both summed, latent 10"] == [0.0]
    assert numbers["collapsed"]["mean and sum, latent 10"] == [1.0]
    assert "The posterior has collapsed" in capsys.readouterr().out


@pytest.mark.parametrize("program", [article, cluster, collapse, interpolate, latent, reconstruct])
def test_unknown_options_and_bad_data_are_errors(program, tmp_path, capsys):
    with pytest.raises(SystemExit, match="2"):
        program.main(["--epohcs", "3"])
    assert "epochs" in capsys.readouterr().err
    assert program.main(["--data", "nothing", "--out", str(tmp_path)]) == 2
    assert "unknown data 'nothing'" in capsys.readouterr().err


def test_v_measures():
    points = np.repeat(np.eye(4), 20, axis=0) + np.random.default_rng(0).normal(0, 0.01, (80, 4))
    labels = np.repeat(np.arange(4), 20)
    found = v_measures(points, labels, clusters=4, restarts=20)
    assert found.shape == (20,) and found.max() == pytest.approx(1.0)
    np.testing.assert_array_equal(found, v_measures(points, labels, clusters=4, restarts=20))
    assert v_measures(points, np.arange(80) % 4, clusters=4, restarts=5).max() < 0.2
    with pytest.raises(ValueError, match="3 images cannot form 4"):
        v_measures(points[:3], labels[:3], clusters=4)
    points[5, 1] = np.nan
    with pytest.raises(ValueError, match="1 of 80 images are not finite"):
        v_measures(points, labels, clusters=4)


def test_image_table_puts_images_under_their_headings():
    images = np.zeros((2, 3, 8, 8, 3))
    images[1, 2] = (1, 0, 0)
    page = image_table(images, ("a", "b"), ("one", "two", "three"), zoom=6)
    red = np.argwhere((page == (255, 0, 0)).all(-1))
    assert len(red) == 48 * 48
    assert red[:, 0].min() > page.shape[0] // 2 and red[:, 1].min() > page.shape[1] // 2
    with pytest.raises(ValueError, match="headings need images"):
        image_table(images, ("a",), ("one", "two", "three"))
