"""A page of runs: what is on it, what is left out, and the copied gallery of models."""

import json
import re

import numpy as np
import pytest
from PIL import Image

from eval import gallery
from genjax.engine.log import metrics_writer
from genjax.run.folder import write_config
from genjax.run.run import recipe


@pytest.fixture
def runs(tmp_path):
    """Return a folder with a run of CGAN, a control of it, and a damaged one."""
    for name, changed in (("cgan-digits", {}), ("cgan-<noise>", {"label_noise": 1.0})):
        folder = tmp_path / "runs" / name
        folder.mkdir(parents=True)
        hyper = json.loads(json.dumps(vars(recipe("cgan").presets["small"]) | changed, default=str))
        config = {"recipe": "cgan", "preset": "small", "hyper": hyper, "data": {}}
        config |= {"environment": {"device": "one", "date": "then"}, "starts": [{"command": "train cgan --steps 20"}]}
        write_config(folder, config)
        with metrics_writer(folder) as (write, _):
            write(10, {"seconds": 1.0, "generator/loss": 2.0})
            write(20, {"test/label_kept": 0.5, "test/sliced_wasserstein": float("nan")})
        for step in (10, 20):
            noise = np.random.default_rng(step).integers(0, 256, (30, 900, 3), np.uint8)
            Image.fromarray(noise).save(folder / f"samples-{step:06d}.png")
    (tmp_path / "runs" / "broken").mkdir()
    (tmp_path / "runs" / "broken" / "config.json").write_text("{")
    (tmp_path / "runs" / "broken" / "metrics.jsonl").write_text("")
    return tmp_path / "runs"


def test_the_page_of_runs_lists_draws_and_links_them(runs, capsys):
    assert gallery.main([str(runs)]) == 0
    assert "left out: " in capsys.readouterr().err
    text = (runs / "index.html").read_text()
    (found,) = re.findall(r'id="runs">(.*?)</script>', text, re.DOTALL)
    curves = {run["title"]: run["curves"] for run in json.loads(found.replace("<\\/", "</"))}
    assert curves["cgan-digits"] == {"generator/loss": [[10, 2.0]], "label_kept": [[20, 0.5]]}
    links = re.findall(r'<img [^>]*src="([^"]+)"', text)
    assert "cgan-digits/samples-000020.png" in links and not any("000010" in link for link in links)
    assert "label_noise 1.0" in text and "cgan-&lt;noise&gt;" in text and "cgan-<noise>" not in text.split("<script")[0]
    assert not re.findall(r"(?:src|href)=.https?:", text), "nothing comes from elsewhere"


def test_a_gallery_of_models_has_small_pictures_and_controls(runs, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert gallery.main([str(runs), "--out", "gallery"]) == 0
    made = {path.name for path in (tmp_path / "gallery").iterdir()}
    assert made == {"index.html", "cgan.png", "cgan-curves.png", "cgan-thumb.png", "cgan-control-1.png"}
    for name, size in (("cgan", (gallery.WIDTH, 17)), ("cgan-thumb", (gallery.THUMB, gallery.THUMB))):
        with Image.open(tmp_path / "gallery" / f"{name}.png") as picture:
            assert picture.size == size
    text = (tmp_path / "gallery" / "index.html").read_text()
    assert "control: label_noise 1.0" in text and "<script" not in text


def test_without_runs_it_says_what_to_do(tmp_path, capsys):
    assert gallery.main([str(tmp_path)]) == 2
    assert "there is no run below" in capsys.readouterr().err
    assert gallery.main([str(tmp_path / "none")]) == 2
    assert "there is no folder" in capsys.readouterr().err
