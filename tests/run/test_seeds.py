"""Several seeds by one command: a run's folder for each, a summary, and one sentence for what does not go with them."""

import ast
import json
from pathlib import Path

import pytest

from genjax.engine.loop import DivergedError
from genjax.engine.records import Result
from genjax.run import load, seeds
from genjax.run.cli import main
from genjax.run.devices import most_devices
from genjax.run.folder import read_config
from tests.conftest import REPOSITORY

TINY = ["--steps", "4", "--hidden", "4", "--latent", "2", "--importance-samples", "0", "--no-cache"]


def test_each_seed_has_a_run_of_its_own_and_all_have_a_summary(tmp_path, capsys):
    root = tmp_path / "all"
    assert main("vae", [*TINY, "--seed", "3", "--seeds", "2", "--devices", "2", "--out", str(root)]) == 0
    told = capsys.readouterr()
    assert "2 seeds at once on 2 x" in told.err and "| neg_elbo |" in told.out
    summary = json.loads((root / "summary.json").read_text())
    assert summary["seeds"] == [3, 4] and summary["diverged"] == {}
    values = summary["scores"]["neg_elbo"]["values"]
    for seed in (3, 4):
        folder = root / f"seed-{seed}"
        assert {"card.md", "config.json", "curves.png", "metrics.jsonl", "samples-000004.png"} <= {
            path.name for path in folder.iterdir()
        }
        hyper = read_config(folder)["hyper"]
        assert (hyper["seed"], hyper["seeds"], hyper["out"]) == (seed, 1, str(folder))
        trained = load.load(folder, with_data=True)
        assert trained.finished
        assert trained.task.scores(trained.state)["neg_elbo"] == pytest.approx(values[str(seed)], rel=1e-6)
    assert main("vae", [*TINY[2:], "--steps", "6", "--devices", "1", "--out", str(folder), "--resume"]) == 0
    assert load.load(folder).finished


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--resume"], "--resume works with one seed at a time, not with --seeds 4; continue the folder of each"),
        (["--stream"], "--stream works with one seed at a time, not with --seeds 4; leave out --stream"),
        (["--on-nonfinite", "rollback"], "leave out --on-nonfinite rollback"),
        (["--parallel", "pmap"], "leave out --parallel pmap"),
        (["--processes", "2"], "leave out --processes 2"),
        (["--shard"], "leave out --shard"),
        (["--devices", "3"], "4 seeds cannot be shared evenly by 3 devices"),
    ],
)
def test_what_does_not_go_with_seeds_is_refused(options, words, tmp_path, capsys):
    assert main("vae", [*TINY, "--seeds", "4", "--out", str(tmp_path / "run"), *options]) == 2
    assert words in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_what_follows_from_the_seed_is_not_shared_by_seeds(tmp_path, capsys):
    assert main("m2", ["--seeds", "2", "--no-cache", "--out", str(tmp_path / "run")]) == 2
    assert "the labels that it keeps follow from the seed; train one --seed at a time" in capsys.readouterr().err


def test_every_recipe_that_uses_the_seed_says_what_for():
    using = {}
    for path in sorted(Path(REPOSITORY / "train").glob("*.py")):
        text = path.read_text(encoding="utf-8")
        if any(isinstance(node, ast.Attribute) and node.attr == "seed" for node in ast.walk(ast.parse(text))):
            using[path.stem] = "by_seed=" in text
    assert using == dict.fromkeys(("cvae", "m2", "singan"), True)


def test_the_summary_tells_mean_spread_best_and_who_diverged():
    found = {
        seed: Result(None, None, 0.0, 0.0, {"accuracy": value, "kl": 2 * value})
        for seed, value in ((1, 0.5), (2, 1.0), (3, 0.75))
    }
    summary = seeds.summarised({**found, 4: DivergedError("the loss was nan")})
    accuracy = summary["scores"]["accuracy"]
    assert (accuracy["mean"], accuracy["deviation"], accuracy["best"]) == (0.75, 0.25, 2)
    assert (accuracy["lowest"], accuracy["highest"]) == (0.5, 1.0)
    assert summary["scores"]["kl"]["best"] is None and summary["diverged"] == {4: "the loss was nan"}
    text = seeds.table("vae", "small", summary)
    assert "| accuracy | 0.7500 | 0.25 | 0.5000 | 1.0000 | seed 2 |" in text
    assert "Seed 4 has no scores: the loss was nan" in text


def test_devices_that_seeds_share_evenly():
    assert [most_devices(8, 8), most_devices(8, 3), most_devices(7, 4), most_devices(6, 4)] == [8, 2, 1, 3]


def test_a_score_that_does_not_exist_for_a_seed_is_left_out_of_the_summary():
    found = {
        seed: Result(None, None, 0.0, 0.0, {"mode_divergence": value, "never": float("nan")})
        for seed, value in enumerate((0.5, float("nan"), 0.1))
    }
    summary = seeds.summarised(found)
    assert summary["scores"]["mode_divergence"]["values"] == {0: 0.5, 2: 0.1}
    assert summary["scores"]["mode_divergence"]["best"] == 2
    assert "never" not in summary["scores"]
