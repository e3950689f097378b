"""What pip installs trains, samples and explains outside a checkout."""

import os
import subprocess
import sys
import venv

import pytest

from tests.conftest import REPOSITORY

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """Return `run(command, *arguments)` in a folder beside an environment in which the wheel is installed."""
    folder = tmp_path_factory.mktemp("installed")
    pip = [sys.executable, "-m", "pip", "-q", "--disable-pip-version-check"]
    subprocess.run([*pip, "wheel", str(REPOSITORY), "--no-deps", "-w", str(folder / "wheel")], check=True)
    venv.create(folder / "venv", system_site_packages=True, with_pip=False)
    home = next((folder / "venv" / "lib").iterdir()) / "site-packages"
    # An environment inside an environment sees only Python's own packages: add this one's.
    (home / "outer.pth").write_text("\n".join(path for path in sys.path if path.endswith("site-packages")))
    (wheel,) = (folder / "wheel").glob("*.whl")
    prefix = ["--python", str(folder / "venv" / "bin" / "python")]
    subprocess.run([*pip, *prefix, "install", "--no-deps", "--force-reinstall", str(wheel)], check=True)
    (folder / "work").mkdir()
    given = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "XLA_FLAGS")}

    def run(command, *arguments):
        program = folder / "venv" / "bin" / command
        found = subprocess.run([program, *arguments], cwd=folder / "work", env=given, capture_output=True, text=True)
        assert found.returncode == 0, found.stderr[-3000:]
        return found.stdout

    run.folder = folder / "work"
    return run


def test_the_installed_package_is_not_the_checkout(place):
    assert "site-packages" in place("python", "-c", "import genjax; print(genjax.__file__)")
    assert "no checkout" in place(
        "python", "-c", "import importlib.util as u; print(u.find_spec('train') or 'no checkout')"
    )
    listed = place("genjax")
    assert "  dcgan " in listed and "  saliency " in listed


def test_it_trains_and_samples(place):
    place("genjax", "train", "vae", "--steps", "20", "--importance-samples", "0", "--out", "vae")
    place("genjax", "eval", "sample", "vae", "--count", "9")
    assert (place.folder / "vae" / "samples.png").stat().st_size > 500
    place("python", "-c", "import genjax; genjax.save_sampler(genjax.load('vae'), 'vae.stablehlo')")
    assert (place.folder / "vae.stablehlo").exists()


def test_it_explains(place):
    place("genjax", "eval", "saliency", "--steps", "2", "--images", "4", "--score", "exp", "--out", "explained")
    assert (place.folder / "explained" / "report.html").stat().st_size > 5000
