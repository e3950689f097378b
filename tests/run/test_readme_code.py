"""The Python of the README runs as it stands."""

import re

import jax
import numpy as np

from genjax.classifiers.convnet import ConvNet
from genjax.run import cli
from tests.conftest import REPOSITORY


def blocks(page, head):
    """Return the indented blocks of a page's section, as code."""
    text = (REPOSITORY / page).read_text(encoding="utf-8")
    section = text.split(f"## {head}\n")[1].split("\n## ")[0]
    found = re.findall(r"(?:^    .*\n|^\n(?=    ))+", section, re.M)
    return ["\n".join(line[4:] for line in block.splitlines()) for block in found]


def test_the_python_of_the_readme_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    options = ["--steps", "4", "--generator-units", "8", "8", "8", "--discriminator-units", "4", "4", "4"]
    assert cli.main("cgan", options) == 0
    names = {}
    (block,) = blocks("README.md", "Five lines of Python")
    exec(block, names)
    assert names["threes"].shape == (16, 8, 8, 1)
    assert names["walk"].shape == (10, 8, 8, 1)
    assert (tmp_path / "cgan.safetensors").exists() and (tmp_path / "cgan.stablehlo").exists()


def test_the_python_of_the_page_on_use_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert cli.main("vae", ["--steps", "2", "--importance-samples", "0", "--hidden", "8", "--devices", "1"]) == 0
    names = {"images": np.random.default_rng(0).integers(0, 256, (64, 32, 32, 1), np.uint8)}
    load, draw, train = blocks("docs/use.md", "From Python")
    loaded = dict(names)
    exec(load, loaded)
    assert loaded["codes"].shape == (16, 6)
    exec(draw, loaded)
    assert loaded["images"].shape == (16, 8, 8, 1)
    exec("import genjax\n" + train.replace("steps=1000", "steps=2").replace("batch_size=64", "batch_size=8"), names)
    assert int(names["result"].state.step) == 2
    assert np.isfinite(names["result"].rows[-1]["generator/loss"])


def test_the_python_of_the_section_on_saliency_runs():
    images = jax.random.uniform(jax.random.key(0), (2, 16, 16, 1))
    network = ConvNet(classes=4)
    names = {"network": network, "images": images, "class_indices": np.array([1, 2]), "jax": jax}
    names["variables"] = network.init(jax.random.key(1), images, train=False)
    (block,) = blocks("docs/use.md", "Saliency")
    exec(block.replace("stage4", "stage2"), names)
    assert names["result"].map.shape[0] == 2
