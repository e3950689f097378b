"""Shared test set-up: eight virtual CPU devices, a compilation cache, strict rank promotion, reference data."""

import gc
import os
import pathlib
import shutil
import tempfile
from importlib.metadata import version

# Many small programs, each run a few times: compiling them quickly saves more than running them quickly. The last two
# options cut it to a third. XLA refuses to start where it does not know one, and jaxlib 0.11 does not know the last.
os.environ.setdefault(
    "XLA_FLAGS",
    "--xla_force_host_platform_device_count=8 --xla_backend_optimization_level=0 "
    "--xla_cpu_parallel_codegen_split_count=1"
    + " --xla_cpu_use_fusion_emitters=false"
    * version("jaxlib").startswith("0.10."),
)
os.environ.setdefault("JAX_PLATFORMS", "cpu")
os.environ.setdefault("MPLBACKEND", "agg")
os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", os.path.join(tempfile.gettempdir(), "genjax-test-cache"))
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")
# Where in the source an operation comes from is written into no program: lowering is a little shorter.
os.environ.setdefault("JAX_TRACEBACK_IN_LOCATIONS_LIMIT", "0")

import jax
import pytest

jax.config.update("jax_numpy_rank_promotion", "raise")
jax.devices()  # there are eight now, whatever number the first test's command line asks for

REPOSITORY = pathlib.Path(__file__).resolve().parents[1]
REFERENCE = REPOSITORY.parent / "shared" / "data"


@pytest.fixture(scope="session")
def reference_data():
    """The folder of reference data sets and golden values beside a checkout; tests skip where it is absent."""
    if not REFERENCE.is_dir():
        pytest.skip(f"reference data is not beside this checkout (looked for {REFERENCE.name} in ../shared)")
    return REFERENCE


@pytest.fixture(autouse=True, scope="session")
def _curves_as_numbers():
    """Leave the numbers of a run's curves in place of their picture, which takes longer to draw than a tiny run.

    They are drawn in tests/test_curves.py, and in a run of tests/test_cli.py.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("genjax.run.training.save_curves", lambda rows, path: shutil.copy(rows, path))
        yield


@pytest.fixture(scope="module")
def few_drawn_images():
    """Let the drawn sets hold few images, where what they show is not what is tested."""
    from genjax.data.drawn import scene_sets, together

    with pytest.MonkeyPatch.context() as patch:
        for module, name in ((scene_sets, "COUNTS"), (together, "COUNTS"), (together, "CAPTIONED")):
            patch.setattr(module, name, {"train": 256, "test": 128})
        yield


def pytest_collection_finish():
    """Look for garbage seldom, and never among modules and tests: tracing makes millions of objects that stay."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 10, 10)


@pytest.fixture(scope="module")
def unreported():
    """Neither score nor picture the runs on which something else is tried, which takes longer than their few steps."""
    from genjax.run import training

    train, nothing = training.train, {"evaluate": None, "report": None}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(training, "train", lambda *given, **named: train(*given, **{**named, **nothing}))
        yield


@pytest.hookimpl(trylast=True)
def pytest_runtest_teardown(item, nextitem):
    """Drop the compiled programs with the last test of a file, and with the last one of a model of the catalogue.

    Each program holds memory maps, and Linux gives a process 65,530: one more is a segmentation fault in the compiler.
    """
    if nextitem is None or _home(item) != _home(nextitem):
        jax.clear_caches()
        gc.collect()


def _home(item):
    return item.path, item.callspec.params.get("entry") if hasattr(item, "callspec") else None
