"""The Python of the pages runs as it stands; links lead to files; every model has a page and a use."""

import re
from pathlib import Path

import jax
import numpy as np
import pytest
from PIL import Image

from eval._models import MODELS
from eval.readme import package_of
from genjax.run.run import names
from tests.conftest import REPOSITORY

PAGES = sorted((REPOSITORY / "docs").glob("*.md"))
TUTORIALS = (REPOSITORY / "docs" / "tutorials.md").read_text(encoding="utf-8")
SECTIONS = {part.split("\n")[0]: part for part in TUTORIALS.split("\n## ")[1:]}
SHORT = {
    "steps=1000": "steps=2",
    "steps=3000": "steps=2",
    '"2000"': '"2", "--width", "4", "--devices", "1", "--batch-size", "8"',
    "range(1000)": "range(64)",
    "width=16": "width=4",
}


def code(section):
    """Return the Python of a section, with fewer steps and channels."""
    blocks = "\n".join(re.findall(r"```python\n(.*?)```", section, re.DOTALL))
    for long, short in SHORT.items():
        blocks = blocks.replace(long, short)
    return blocks


def run(section):
    names = {"__name__": "tutorial"}
    exec(compile(code(SECTIONS[section]), section, "exec"), names)
    return names


@pytest.mark.slow
def test_train_on_an_array(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert int(run("Train on an array")["result"].state.step) == 2
    assert (tmp_path / "made.png").exists()


@pytest.mark.slow
def test_own_folder_and_what_comes_after(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("photos").mkdir()
    for number in range(40):
        pixels = np.random.default_rng(number).integers(0, 256, (36, 40, 3), np.uint8)
        Image.fromarray(pixels).save(f"photos/{number}.png")
    assert run("Your own folder")["status"] == 0
    found = run("Load, sample, export")
    assert found["images"].shape == (16, 32, 32, 3) and found["walk"].shape == (8, 32, 32, 3)


@pytest.mark.slow
def test_measure():
    found = run("Measure")
    assert found["distance"] > 10 * found["floor"]


@pytest.mark.slow
def test_explain_your_own_network():
    assert run("Explain your own network")["found"].map.shape == (1, 16, 16)


@pytest.mark.slow
def test_explain_a_network_of_equinox():
    pytest.importorskip("equinox", reason="Equinox is not installed")
    assert run("Explain a network of Equinox")["found"].map.shape == (16, 16)


@pytest.mark.slow
def test_explain_a_network_of_haiku():
    pytest.importorskip("haiku", reason="Haiku is not installed")
    assert run("Explain a network of Haiku")["found"].map.shape == (16, 16)


@pytest.mark.slow
def test_explain_a_network_of_transformers():
    transformers = pytest.importorskip("transformers", reason="transformers is not installed")
    if not hasattr(transformers, "FlaxViTForImageClassification"):
        pytest.skip("this version of transformers has no Flax networks")
    with jax.numpy_rank_promotion("allow"):  # as their networks need it
        assert run("Explain a network of transformers")["found"].map.shape == (4, 4)


@pytest.mark.slow
def test_lsgan_in_sixty_lines():
    lines = code(SECTIONS["LSGAN in sixty lines"]).strip().splitlines()
    assert len(lines) <= 60
    assert int(run("LSGAN in sixty lines")["result"].state.step) == 2


def test_every_section_of_the_tutorials_has_a_test():
    text = Path(__file__).read_text(encoding="utf-8")
    assert [name for name in SECTIONS if f'run("{name}")' not in text] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.stem)
def test_links_and_pictures_of_the_pages_exist(page):
    text = page.read_text(encoding="utf-8")
    heads = {name: anchors(REPOSITORY / "docs" / f"{name}.md") for name in (p.stem for p in PAGES)}
    for link in re.findall(r"\]\(([^)\s]+)\)", re.sub(r"```.*?```", "", text, flags=re.DOTALL)):
        path, _, anchor = link.partition("#")
        if "://" not in link:
            assert not path or (page.parent / path).exists(), link
            if anchor and path.endswith(".md") and "/" not in path:
                assert anchor in heads[path.removesuffix(".md")], link


def anchors(page):
    """Return the anchors of a page's headings."""
    found = re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", head.replace("`", "")).strip().lower().replace(" ", "-") for head in found}


def test_every_command_of_the_pages_exists():
    text = "".join(page.read_text(encoding="utf-8") for page in [*PAGES, REPOSITORY / "README.md"])
    for kind, name in re.findall(r"(?:python -m|genjax) (train|eval)[. ](\w+)", text):
        folder = REPOSITORY / kind
        assert name in ("X", "mine", "NAME", "RECIPE", "lsgan") or (folder / f"{name}.py").exists(), f"{kind} {name}"


def test_every_model_has_a_use():
    assert set(MODELS) == {name for name in names() if package_of(name)}
    for name, model in MODELS.items():
        assert 15 < len(model.use) < 80 and not model.use.endswith("."), name
