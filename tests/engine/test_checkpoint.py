"""Checkpoints that know when they are damaged, and runs that report what a kill kept them from reporting."""

import json
import random
import shutil
import subprocess
import threading

import jax
import numpy as np
import pytest

from genjax.engine import checkpoint, init_state
from genjax.engine.log import metrics_writer, read_rows
from genjax.engine.loop import Settings
from tests.damage import damage
from tests.engine import toy
from tests.engine.test_loop import run

SETTINGS = Settings(fuse=5, checkpoint_every=10, evaluate_every=10)


def shapes(game=None):
    return jax.eval_shape(lambda: init_state(game or toy.regression(), jax.random.key(0)))


def restored(folder, like=None, discard=False):
    with checkpoint.open_checkpoints(folder / "checkpoints") as manager:
        return checkpoint.restore(manager, lambda meta: like or shapes(), discard=discard)


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """The folder of a run with checkpoints at steps 10 and 20."""
    folder = tmp_path_factory.mktemp("saved")
    run(folder, 20)
    return folder


def corrupted(saved, tmp_path, seed):
    """Damage a random file of the newest checkpoint; return the step that is restored, or the error, and the state."""
    draw, folder = random.Random(seed), tmp_path / str(seed)
    subprocess.run(["cp", "-r", saved, folder], check=True)
    files = sorted(path for path in (folder / "checkpoints" / "20").rglob("*") if path.is_file())
    return restored(folder)[0] if damage(draw.choice(files), draw) else None


# Which files a checkpoint has, and so what a seed damages, differs from run to run: few seeds may seldom do harm.
@pytest.mark.parametrize(("count", "least"), [(12, 1), pytest.param(300, 75, marks=pytest.mark.slow)])
def test_a_damaged_checkpoint_is_never_restored_as_something_else(saved, tmp_path, count, least, capfd):
    """What comes back is a state that was saved, and where it is the older one, a sentence says so of the newer."""
    states = {20: restored(saved)[0]}
    run(tmp_path / "older", 10)
    states[10] = restored(tmp_path / "older")[0]
    went_back = 0
    for seed in range(count):
        capfd.readouterr()
        state = corrupted(saved, tmp_path, seed)
        if state is None:
            continue
        step = int(state.step)
        assert toy.same_bits(state, states[step]), seed
        said = capfd.readouterr().err
        assert ("checkpoint 20" in said and "going back to an older one" in said) == (step == 10), said
        assert "Traceback" not in said
        went_back += step == 10
    assert went_back >= least


def test_what_a_checkpoint_says_of_itself_is_checked_too(saved, tmp_path):
    subprocess.run(["cp", "-r", saved, tmp_path / "run"], check=True)
    path = tmp_path / "run" / "checkpoints" / "20" / "meta" / "metadata"
    text = path.read_text()
    assert '"phase":0' in text.replace(" ", "")
    path.write_text(text.replace('"phase": 0', '"phase": 1').replace('"phase":0', '"phase":1'))
    assert int(restored(tmp_path / "run")[0].step) == 10


def test_whole_arrays_that_are_not_those_that_were_saved_are_noticed(saved, tmp_path, capfd):
    subprocess.run(["cp", "-r", saved, tmp_path / "run"], check=True)
    checkpoints = tmp_path / "run" / "checkpoints"
    shutil.rmtree(checkpoints / "20" / "state")
    shutil.copytree(checkpoints / "10" / "state", checkpoints / "20" / "state")
    assert int(restored(tmp_path / "run")[0].step) == 10
    assert "checkpoint 20 is damaged: its arrays have changed since they were saved" in capfd.readouterr().err


def test_where_all_checkpoints_are_damaged_there_is_one_sentence(saved, tmp_path):
    subprocess.run(["cp", "-r", saved, tmp_path / "run"], check=True)
    for step in ("10", "20"):
        (tmp_path / "run" / "checkpoints" / step / "meta" / "metadata").write_text("{")
    with pytest.raises(checkpoint.DamagedError, match="checkpoint 10 cannot be read .*, and there is no other one in"):
        restored(tmp_path / "run")


def test_a_resumed_run_saves_again_what_was_damaged(saved, tmp_path):
    subprocess.run(["cp", "-r", saved, tmp_path / "run"], check=True)
    (tmp_path / "run" / "checkpoints" / "20" / "meta" / "metadata").write_text("{")
    resumed = run(tmp_path / "run", 20, resume=True)
    assert toy.same_bits(resumed.state, restored(saved)[0])
    assert toy.same_bits(restored(tmp_path / "run")[0], resumed.state)


def test_what_a_killed_run_had_no_time_to_remove_is_removed_when_it_is_resumed(saved, tmp_path):
    subprocess.run(["cp", "-r", saved, tmp_path / "run"], check=True)
    run(tmp_path / "run", 20, resume=True, settings=SETTINGS._replace(keep=1))
    assert [path.name for path in (tmp_path / "run" / "checkpoints").iterdir()] == ["20"]


def test_a_state_that_does_not_fit_is_told_by_the_names_of_its_arrays(saved):
    like = shapes()
    wider = like.replace(
        params={"net": jax.ShapeDtypeStruct((7,), np.float32)}, memory={"new": jax.ShapeDtypeStruct((), np.float32)}
    )
    with pytest.raises(ValueError, match="does not fit this model") as error:
        restored(saved, wider)
    assert "params/net/BatchNorm_0/bias is float32[8] there and missing here; params/net/" in str(error.value)
    assert ", and 3 more; " in str(error.value)
    assert "trained with" in str(error.value)


def test_what_a_killed_run_saved_and_did_not_report_is_reported_when_it_is_resumed(tmp_path):
    class Killed(BaseException):
        pass

    def killed(result):
        raise Killed

    def scores(state):
        evaluated.append(int(state.step))
        return {"error": float(state.step)}

    evaluated, reported = [], []
    with pytest.raises(Killed):  # scored and not drawn
        run(tmp_path / "a", evaluate=scores, report=killed)
    run(tmp_path / "a", evaluate=scores, report=lambda result: reported.append(int(result.state.step)), resume=True)
    assert reported == [10, 20, 30, 40]
    assert evaluated == [10, 20, 30, 40]  # what is known is not scored again
    with pytest.raises(Killed):  # not even scored
        run(tmp_path / "b", evaluate=killed)
    run(tmp_path / "b", evaluate=scores, resume=True)
    rows = [
        [{k: v for k, v in row.items() if k != "seconds"} for row in read_rows(tmp_path / name / "metrics.jsonl")]
        for name in "ab"
    ]
    assert rows[0] == rows[1]
    assert [row["step"] for row in rows[0] if "test/error" in row] == [10, 20, 30, 40]


def test_damaged_lines_of_metrics_are_left_out_and_named(tmp_path, capsys):
    path = tmp_path / "metrics.jsonl"
    lines = ['{"step": 1, "loss": 1.0}', "[1]", '{"step": 2, "loss": {}}', '{"loss": 1}', '{"step": 3, "loss": null}']
    path.write_text("\n".join(lines) + "\n" + json.dumps({"step": 4})[:-2])
    assert [row["step"] for row in read_rows(path)] == [1, 3]
    assert "damaged, or was edited, in line 2, 3, 4, which" in capsys.readouterr().err
    with metrics_writer(tmp_path) as (write, _):
        for step in (1, 2, 3):
            write(step, {"loss": 0.25})
    path.write_text(path.read_text().replace("0.25", "0.75", 1))
    assert [row["step"] for row in read_rows(path)] == [2, 3]
    assert "in line 1, which" in capsys.readouterr().err
    path.write_bytes(b'{"step": 1}\n\xff\xfe\n{"step": 2}\n')
    assert [row["step"] for row in read_rows(path)] == [1, 2]


def test_writers_that_are_given_up_have_ended_when_checkpoints_are_closed(tmp_path):
    """Else they complain, or keep the process waiting, when it ends."""
    go = threading.Event()
    writer = threading.Thread(target=go.wait)
    with pytest.raises(OSError, match="full"), checkpoint.open_checkpoints(tmp_path):
        writer.start()
        threading.Timer(0.2, go.set).start()
        raise OSError("full")
    assert not writer.is_alive()
