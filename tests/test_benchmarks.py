"""Every benchmark runs on tiny settings and writes what the report reads; the report says what is committed."""

import importlib
import json
import os

import jax
import jax.numpy as jnp
import pytest

from benchmarks import _result, accelerator, gan_step, report, tricks
from benchmarks._games import CASES, columns_of
from genjax.data import pipeline
from genjax.engine import init_state
from tests.conftest import REPOSITORY

KEYS = {"name", "title", "protocol", "environment", "rows"}
TINY = {
    "scaling": "--devices 1 2 --batch 8 --size 8 --width 2 --steps 3",
    "input_pipeline": "--images 64 --size 16 --batch 8 --width 2 --steps 1 --rounds 2 --seconds 0.05 --workers 1 2",
}


def check_schema(result):
    assert set(result) == KEYS
    assert {"device", "processor", "date", "versions"} <= set(result["environment"])
    columns = [list(row) for row in result["rows"]]
    assert columns and all(names == columns[0] for names in columns)
    assert all(isinstance(value, str) for row in result["rows"] for value in row.values())


@pytest.fixture
def measure(monkeypatch, tmp_path, capsys):
    """Run a benchmark's main with its results in a temporary folder; return what it wrote."""

    def run(name, *arguments):
        monkeypatch.setattr(_result, "RESULTS", tmp_path)
        importlib.import_module(f"benchmarks.{name}").main(list(arguments))
        result = json.loads((tmp_path / f"{name}.json").read_text(encoding="utf-8"))
        check_schema(result)
        assert result["name"] == name
        assert result["title"] in capsys.readouterr().out
        return result

    return run


def test_committed_results_have_one_schema():
    for result in report.results():
        check_schema(result)
        assert (REPOSITORY / "benchmarks" / f"{result['name']}.py").exists()


def test_the_report_is_what_the_result_files_say():
    text = report.README.read_text(encoding="utf-8")
    assert report.written(text) == text, "run: python -m benchmarks.report"
    assert report.main(["--check"]) == 0


def test_a_benchmark_without_a_section_is_named():
    text = report.README.read_text(encoding="utf-8").replace("<!-- begin startup -->", "")
    with pytest.raises(ValueError, match=r"benchmarks/README.md needs the marks '<!-- begin startup -->'"):
        report.written(text)


def test_a_stale_table_is_found(monkeypatch, tmp_path):
    stale = tmp_path / "README.md"
    text = report.README.read_text(encoding="utf-8").replace("<!-- end startup -->", "| more |\n<!-- end startup -->")
    stale.write_text(text, encoding="utf-8")
    monkeypatch.setattr(report, "README", stale)
    assert report.main(["--check"]) == 1
    assert report.main([]) == 0
    assert report.main(["--check"]) == 0


def test_scaling_finds_equal_parameters_on_every_number_of_devices(measure):
    rows = measure("scaling", *TINY["scaling"].split())["rows"]
    assert [(row["devices"], row["compiled by"]) for row in rows] == [
        (count, name) for count in "12" for name in ("jit", "pmap")
    ]
    differences = [float(row["largest difference of a parameter after 3 steps"]) for row in rows]
    assert differences[0] == 0 and max(differences) < 1e-5


def test_input_pipeline_measures_every_source(measure):
    rows = measure("input_pipeline", *TINY["input_pipeline"].split())["rows"]
    assert {row["source"] for row in rows} == {
        "on the device", "array in memory", "PNG folder, cached", "PNG folder, streamed", "JPEG folder, cached",
        "JPEG folder, streamed",
    }  # fmt: skip
    assert [row["threads"] for row in rows if row["source"] == "PNG folder, streamed"] == [
        str(number) for number in sorted({1, 2, pipeline.default_workers()})
    ]
    shares = [row["speed of the step, share of data on the device"] for row in rows]
    assert shares[0] == "1 (1 - 1)" and sum(bool(share) for share in shares) == 6


def beside(quick, names=tuple(CASES)):
    """Return the models, all slow but one."""
    return [name if name == quick else pytest.param(name, marks=pytest.mark.slow) for name in names]


@pytest.mark.parametrize("model", beside("dcgan"))
def test_gan_step_compares_equal_networks(measure, model):
    pytest.importorskip("torch")
    rows = measure(
        "gan_step", "--models", model, "--width", "16", "--batch", "1" if model == "singan" else "2", "--rounds", "1",
        "--modes", "eager",
    )["rows"]  # fmt: skip
    assert [row["library"] for row in rows] == ["genjax", "PyTorch eager"]
    assert rows[0]["times genjax's"] == "1 (1 - 1)"
    assert all(float(row["peak memory, MiB"].replace(",", "")) > 0 for row in rows)


def test_the_accelerators_command_measures_what_is_missing(tmp_path, capfd):
    assert accelerator.main(["--rehearse", "--parts", "layouts", "--results", str(tmp_path)]) == 0
    result = json.loads((tmp_path / "layouts.json").read_text(encoding="utf-8"))
    check_schema(result)
    assert {row["channels"] for row in result["rows"]} == {"last", "first"}
    capfd.readouterr()
    assert accelerator.main(["--rehearse", "--parts", "layouts", "--results", str(tmp_path)]) == 0
    assert "layouts: measured before" in capfd.readouterr().out
    assert accelerator.main(["--parts", "gan_step", "--results", str(tmp_path), "--minutes", "0.1"]) == 1
    assert "gan_step: no time left; give the command again" in capfd.readouterr().out


@pytest.mark.slow
def test_every_part_for_an_accelerator_runs_at_a_tiny_size(tmp_path):
    accelerator.main(["--rehearse", "--results", str(tmp_path), "--minutes", "30"])
    for part in accelerator.PARTS:
        check_schema(json.loads((tmp_path / f"{part.name}.json").read_text(encoding="utf-8")))


def test_flops_are_counted_on_any_platform():
    game = CASES["dcgan"].game(4, jnp.float32)
    batch, key = {"images": jax.ShapeDtypeStruct((2, 64, 64, 3), jnp.float32)}, jax.random.key(0)
    state = jax.eval_shape(lambda key: init_state(game, key), key)
    assert gan_step.flops_of(game, state, batch, key) > 1e6


def test_conv3d_times_outputs_and_gradients(measure):
    rows = measure("conv3d", "--repeats", "1", "--layers", "1")["rows"]
    assert [row["layer"].rsplit(": ")[1] for row in rows] == ["output", "both gradients"]


@pytest.mark.parametrize("model", beside("pix2pix"))
def test_every_pytorch_network_has_the_parameters_of_ours(model):
    pytest.importorskip("torch")
    from benchmarks import _torch_gans, _torch_parts

    case = CASES[model]
    networks = _torch_gans.MODELS[model](lambda network: network, _torch_parts.Place("cpu"), width=case.width).networks
    ours = {
        net: sum(x.size for x in jax.tree.leaves(jax.eval_shape(init, jax.random.key(0))["params"]))
        for net, init in case.game(case.width, None).networks.items()
    }
    assert {name: sum(p.numel() for p in net.parameters()) for name, net in networks.items()} == ours


# Gradient penalties are left out: PyTorch does not count what is differentiated twice.
@pytest.mark.parametrize("model", beside("infogan", sorted(set(CASES) - {"wgan_gp", "stylegan", "singan"})))
def test_a_step_of_pytorch_costs_what_ours_does(model):
    pytest.importorskip("torch")
    from torch.utils.flop_counter import FlopCounterMode

    from benchmarks import _torch_step

    case, key = CASES[model], jax.random.key(0)
    game = case.game(16, None)
    columns, batch = columns_of(case), case.batches[0]
    one = {name: jax.ShapeDtypeStruct((batch, *x.shape[1:]), x.dtype) for name, x in columns.items()}
    ours = gan_step.flops_of(game, jax.eval_shape(lambda: init_state(game, key)), one, key)
    with FlopCounterMode(display=False) as count:
        _torch_step.ready(_torch_step.Job(model, 16, batch, game.batches_per_step), columns)
    assert ours == pytest.approx(count.get_total_flops(), rel=0.1)


@pytest.mark.slow
def test_startup_starts_cold_and_warm(measure):
    rows = measure("startup", "--repeats", "1", "--steps", "1", "--importance-samples", "0")["rows"]
    cold, warm = (float(row["seconds"].split()[0]) for row in rows[:2])
    assert 0 < warm < cold


def test_startup_tells_why_a_recipe_ended():
    from pathlib import Path

    from benchmarks import startup

    with pytest.raises(RuntimeError, match="unknown data 'nothing'"):
        startup.first_step("vae", ["--data", "nothing"], Path(os.devnull))


def test_every_program_has_a_main():
    for name in report.names():
        assert callable(importlib.import_module(f"benchmarks.{name}").main), name


def test_a_compiled_gelu_is_one_loop_over_the_array():
    text = jax.jit(tricks.gelu).lower(jax.ShapeDtypeStruct((20, 30), jnp.float32)).compile().as_text()
    body = text[text.index("ENTRY") :]
    assert len([line for line in body.splitlines() if " = " in line and "parameter(" not in line]) == 1
