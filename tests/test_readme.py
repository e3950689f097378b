"""The tables of the README and of docs/ are what the programs write, and the commands exist."""

import importlib
import re

import pytest

from eval import readme
from genjax.files import render
from tests.conftest import REPOSITORY

TEXT = (REPOSITORY / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", list(readme.FILES))
def test_tables_are_what_the_program_writes(name):
    text = (REPOSITORY / name).read_text(encoding="utf-8")
    assert render(text, readme.FILES[name], name) == text, "run: python -m eval.readme"


def test_the_readme_is_a_screen_for_people():
    assert len(TEXT.splitlines()) < 180
    assert max(TEXT.index(f"## {head}") for head in ("Two commands", "Five lines of Python")) < 2500


# The survey that the library covers: 21 adversarial networks, and four autoencoders.
SURVEYED = [
    "GAN", "DCGAN", "CGAN", "InfoGAN", "WGAN", "WGAN-GP", "Unrolled", "SNGAN", "SAGAN", "BigGAN", "PGGAN", "StyleGAN",
    "HoloGAN", "PresGAN", "pix2pix", "CycleGAN", "SPADE", "SRGAN", "StackGAN", "CAGAN", "SinGAN",
    "AE", "VAE", "CVAE", "M2",
]  # fmt: skip


def test_the_tables_of_models_have_all_21_gans_and_4_autoencoders_of_the_survey():
    results = (REPOSITORY / "docs" / "results.md").read_text(encoding="utf-8")
    (scores,) = re.findall(r"<!-- begin scores -->(.*?)<!-- end scores -->", results, re.DOTALL)
    (models,) = re.findall(r"<!-- begin models -->(.*?)<!-- end models -->", TEXT, re.DOTALL)
    assert len(SURVEYED) == 25
    measured = [re.match(r"[\w-]+", row.removeprefix("| "))[0] for row in scores.strip().splitlines()[2:]]
    shown = [name.removesuffix(" GAN") for name in re.findall(r"\| \[([\w -]+)\]\(genjax", models)]
    assert sorted(measured) == sorted(shown) == sorted(SURVEYED)


def test_every_command_names_a_module_that_exists():
    commands = set(re.findall(r"python -m ((?:train|eval|benchmarks)\.\w+)", TEXT)) - {"train.X", "train.mine"}
    assert commands >= {"train.vae", "eval.sample", "eval.article", "eval.saliency"}
    for command in commands:
        assert hasattr(importlib.import_module(command), "main"), command


def test_every_file_and_picture_that_it_links_exists():
    links = re.findall(r"\]\(([^)#:]+)\)", TEXT)
    assert links
    for link in links:
        assert (REPOSITORY / link).exists(), link


def test_a_mark_that_is_missing_is_named():
    with pytest.raises(ValueError, match="needs the marks '<!-- begin models -->' and '<!-- end models -->' once each"):
        render(TEXT.replace("<!-- begin models -->", ""), readme.FILES["README.md"], "README.md")
