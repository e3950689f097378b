import pytest

from eval.comparison import training

TINY = {"epochs": 3, "seeds": 2, "latents": (2, 4), "hidden": 16, "samples": 2}


@pytest.fixture(autouse=True, scope="module")
def _few_drawn_images(few_drawn_images):
    """Draw and score few images: runs of two steps have learnt nothing that thousands would tell."""


@pytest.fixture(scope="session")
def options(tmp_path_factory):
    return training.Options(out=tmp_path_factory.mktemp("comparison"), **TINY)


@pytest.fixture(scope="session")
def family(options):
    return training.family(options)


@pytest.fixture
def arguments(options, family):
    """The command line of the tiny family, whose models are trained already."""
    given = [f"--{name}={value}" for name, value in TINY.items() if name != "latents"]
    return ["--out", str(options.out), *given, "--latents", *map(str, options.latents)]
