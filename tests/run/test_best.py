"""The best state of a run is kept as a run of its own; metrics go where --log says."""

import csv
import json
import sys
import types

import numpy as np
import pytest

import genjax
from genjax.engine.log import metrics_writer
from genjax.run import best, cli, trackers
from genjax.run.folder import read_config
from genjax.run.run import names, recipe
from genjax.tasks.reconstruction import Reconstruction

TINY = (
    "--hidden",
    "4",
    "--latent",
    "3",
    "--importance-samples",
    "0",
    "--batch-size",
    "20",
    "--no-cache",
    "--devices",
    "1",
)


def train(folder, *options):
    return cli.main("vae", ["small", *TINY, "--out", str(folder), *options])


def test_the_best_state_is_kept_as_a_run(tmp_path, monkeypatch):
    scores = iter([30.0, 20.0, 25.0, float("nan")])
    monkeypatch.setattr(Reconstruction, "scores", lambda self, state: {"neg_elbo": next(scores)})
    monkeypatch.setattr(Reconstruction, "pictures", lambda self, state: {})
    options = ("--steps", "8", "--evaluate-every", "2", "--fuse", "1", "--keep-best", "--log", "csv")
    assert train(tmp_path / "run", *options) == 0
    note = json.loads((tmp_path / "run" / "best" / "best.json").read_text())
    assert note == {"score": "neg_elbo", "value": 20.0, "step": 4}
    kept, last = genjax.load(tmp_path / "run" / "best"), genjax.load(tmp_path / "run")
    assert (int(kept.state.step), int(last.state.step)) == (4, 8)
    assert kept.sample(2).shape == (2, 8, 8, 1)
    assert read_config(tmp_path / "run" / "best")["recipe"] == "vae"
    with (tmp_path / "run" / "metrics.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["step"] for row in rows] == [str(step) for step in range(1, 9)]
    assert rows[3]["test/neg_elbo"] == "20.0" and float(rows[0]["vae/loss"]) > 0


def test_a_recipe_without_a_score_cannot_keep_the_best(tmp_path, capsys):
    assert (
        cli.main("classifier", ["--steps", "2", "--devices", "1", "--keep-best", "--out", str(tmp_path / "run")]) == 2
    )
    assert "--keep-best: classifier has no score" in capsys.readouterr().err


def test_scores_of_recipes_have_a_good_direction():
    without = set()
    for name in names():
        try:
            best.check_best(recipe(name))
        except ValueError:
            without.add(name)
    assert without == {"classifier"}


def test_services_are_told_every_row(tmp_path, monkeypatch):
    told = []
    wandb = types.ModuleType("wandb")
    wandb.init = lambda **options: (
        told.append(options)
        or types.SimpleNamespace(log=lambda row, step: told.append((step, row)), finish=lambda: told.append("finish"))
    )
    mlflow = types.ModuleType("mlflow")
    mlflow.set_experiment = told.append
    mlflow.start_run = lambda **options: types.SimpleNamespace(info=types.SimpleNamespace(run_id="7"))
    mlflow.log_params = told.append
    mlflow.log_metrics = lambda row, step: told.append((step, row))
    mlflow.end_run = lambda: told.append("end")
    mlflow.exceptions = types.SimpleNamespace(MlflowException=KeyError)
    monkeypatch.setitem(sys.modules, "wandb", wandb)
    monkeypatch.setitem(sys.modules, "mlflow", mlflow)
    with metrics_writer(tmp_path, trackers=trackers.chosen(("wandb", "mlflow"), {"seed": 3})) as (write, _):
        write(5, {"loss": np.float32(2), "bad": float("nan")})
    row = (5, {"loss": 2.0})
    assert told[0]["config"] == {"seed": 3} and told[0]["resume"] == "allow"
    assert told[1:] == ["genjax", {"seed": "3"}, row, row, "end", "finish"]
    assert (tmp_path / "mlflow-run").read_text() == "7"


@pytest.mark.parametrize("name", ["wandb", "mlflow"])
def test_a_service_that_is_not_installed_is_one_sentence(name, tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, name, None)
    assert train(tmp_path / name, "--steps", "2", "--log", name) == 2
    assert f"--log {name} needs {name}: pip install 'genjax-models[{name}]'" in capsys.readouterr().err
