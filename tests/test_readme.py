"""The README's tables are what the programs write, and its commands exist."""

import importlib
import re

import pytest

from eval import readme
from genjax.files import render
from tests.conftest import REPOSITORY

TEXT = (REPOSITORY / "README.md").read_text(encoding="utf-8")


def test_tables_are_what_the_program_writes():
    assert render(TEXT, readme.SECTIONS, "README.md") == TEXT, "run: python -m eval.readme"


# The survey that the library covers: 21 adversarial networks, and four autoencoders.
SURVEYED = [
    "GAN", "DCGAN", "CGAN", "InfoGAN", "WGAN", "WGAN-GP", "Unrolled", "SNGAN", "SAGAN", "BigGAN", "PGGAN", "StyleGAN",
    "HoloGAN", "PresGAN", "pix2pix", "CycleGAN", "SPADE", "SRGAN", "StackGAN", "CAGAN", "SinGAN",
    "AE", "VAE", "CVAE", "M2",
]  # fmt: skip


def test_the_table_of_models_has_all_21_gans_and_4_autoencoders_of_the_survey():
    (table,) = re.findall(r"<!-- begin models -->(.*?)<!-- end models -->", TEXT, re.DOTALL)
    names = [re.match(r"[\w-]+", row.removeprefix("| "))[0] for row in table.strip().splitlines()[2:]]
    assert len(SURVEYED) == 25
    assert sorted(names) == sorted(SURVEYED)


def test_every_command_names_a_module_that_exists():
    commands = set(re.findall(r"python -m ((?:train|eval|benchmarks)\.\w+)", TEXT)) - {"train.X", "train.mine"}
    assert commands >= {"train.vae", "eval.article", "eval.saliency"}
    for command in commands:
        assert hasattr(importlib.import_module(command), "main"), command


def test_every_file_and_picture_that_it_links_exists():
    links = re.findall(r"\]\(([^)#:]+)\)", TEXT)
    assert links
    for link in links:
        assert (REPOSITORY / link).exists(), link


def test_a_mark_that_is_missing_is_named():
    with pytest.raises(ValueError, match="needs the marks '<!-- begin models -->' and '<!-- end models -->' once each"):
        render(TEXT.replace("<!-- begin models -->", ""), readme.SECTIONS, "README.md")
