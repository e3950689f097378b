"""The Python of the README runs as it stands."""

import re

import numpy as np

from genjax.run import cli
from tests.conftest import REPOSITORY


def blocks():
    """Return the indented blocks of the README's section on Python, as code."""
    text = (REPOSITORY / "README.md").read_text(encoding="utf-8")
    section = text.split("## From Python")[1].split("\n## ")[0]
    found = re.findall(r"(?:^    .*\n|^\n(?=    ))+", section, re.M)
    return ["\n".join(line[4:] for line in block.splitlines()) for block in found]


def test_the_python_of_the_readme_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    options = ["--steps", "4", "--generator-units", "8", "8", "8", "--discriminator-units", "4", "4", "4"]
    assert cli.main("cgan", options) == 0
    images = np.random.default_rng(0).integers(0, 256, (64, 32, 32, 1), np.uint8)
    names = {"images": images}
    first, second = blocks()
    exec(first, names)
    assert names["threes"].shape == (16, 8, 8, 1)
    assert names["walk"].shape == (10, 8, 8, 1)
    assert (tmp_path / "cgan.safetensors").exists() and (tmp_path / "cgan.stablehlo").exists()
    exec(second.replace("steps=1000", "steps=2").replace("batch_size=64", "batch_size=8"), names)
    assert int(names["result"].state.step) == 2
    assert np.isfinite(names["result"].rows[-1]["generator/loss"])
