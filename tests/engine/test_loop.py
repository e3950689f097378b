"""The loop: resume bit for bit, stop in good order, tell what went wrong, leave nothing half-written."""

import itertools
import json
import os
import random
import signal
import subprocess
import sys
import time

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import linen as nn

from genjax import parallel
from genjax.data import Files
from genjax.engine import Aux, Game, Player, checkpoint, init_state
from genjax.engine.log import metrics_writer, read_rows
from genjax.engine.loop import DivergedError, Settings, train
from genjax.engine.phases import Feed, Phase, carry_over, phase_at
from genjax.engine.signals import caught
from genjax.run.trackers import chosen
from tests.conftest import REPOSITORY
from tests.engine import toy

SETTINGS = Settings(fuse=5, checkpoint_every=10, evaluate_every=10)
UNSAVED = Settings(fuse=20, checkpoint_every=10**9, evaluate_every=10**9)
PLAN = parallel.jit_plan(jax.devices()[:1])


def toy_shapes():
    return jax.eval_shape(lambda: init_state(toy.regression(), jax.random.key(0)))


def run(folder, steps=40, game=None, feed=None, plan=PLAN, **options):
    phases = (Phase(game or toy.regression(), steps, feed or toy.feed()),)
    return train(phases, plan, seed=3, folder=folder, **{"settings": SETTINGS, **options})


@pytest.mark.parametrize("plan", [PLAN, parallel.pmap_plan(jax.devices()[:2])], ids=["jit", "pmap"])
def test_a_resumed_run_ends_with_the_bits_of_an_uninterrupted_one(tmp_path, plan):
    whole = run(tmp_path / "whole", plan=plan)
    run(tmp_path / "parts", steps=20, plan=plan)
    resumed = run(tmp_path / "parts", plan=plan, resume=True)
    assert int(resumed.state.step) == 40
    assert toy.same_bits(whole.state, resumed.state)

    def rows(name):
        return [
            {k: v for k, v in row.items() if k != "seconds"} for row in read_rows(tmp_path / name / "metrics.jsonl")
        ]

    assert rows("whole") == rows("parts")
    assert [row["step"] for row in rows("whole")] == list(range(5, 41, 5))


def test_without_a_folder_nothing_is_written_and_the_metrics_are_returned(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = run(None, evaluate=lambda state: {"error": float(state.step)})
    assert not list(tmp_path.iterdir())
    assert [row["step"] for row in result.rows if "net/loss" in row] == list(range(5, 41, 5))
    assert [row["test/error"] for row in result.rows if "test/error" in row] == [10, 20, 30, 40]
    written = run(tmp_path / "written")
    assert toy.same_bits(result.state, written.state)
    assert not written.rows  # they are in the file
    losses = [row["net/loss"] for row in read_rows(tmp_path / "written" / "metrics.jsonl")]
    assert [row["net/loss"] for row in result.rows if "net/loss" in row] == losses


def test_first_weights_order_and_noise_follow_from_the_seed():
    def loss(state, batch, key):
        memory = {"images": batch["images"].ravel() / 1.0, "noise": jax.random.normal(key, ())}
        return 0 * state.params["net"]["w"], Aux(memory=memory)

    start = {"net": lambda key: {"params": {"w": jax.random.normal(key, ())}}}
    memory = {"images": jnp.zeros(48), "noise": jnp.float32(0)}
    game = Game((Player("net", loss, optax.sgd(0.1), ("net",)),), start, memory=memory)
    phases = (Phase(game, 1, toy.feed()),)
    one, other = (train(phases, PLAN, seed=seed, settings=UNSAVED, progress=False).state for seed in (3, 4))
    assert toy.worst(one.params, other.params) > 0
    for name in memory:
        assert toy.worst(one.memory[name], other.memory[name]) > 0, name


def test_a_loss_that_is_not_finite_stops_a_run_without_a_folder_too():
    with pytest.raises(DivergedError, match="at step 24; last good checkpoint: none was saved yet"):
        run(None, game=toy.regression(poison=23))


def lengths_of_calls(game, **settings):
    """Return how many steps each compiled call of a run of 100 steps makes."""
    rows = run(None, 100, game, settings=Settings(**settings)).rows
    steps = [0, *(row["step"] for row in rows)]
    return [after - before for before, after in itertools.pairwise(steps)]


def convolves(game):
    """Return the game with a convolution among its networks, which nothing trains."""
    conv = nn.Conv(2, (3, 3))
    return game._replace(networks={**game.networks, "conv": lambda key: conv.init(key, jnp.zeros((1, 4, 4, 1)))})


def test_calls_are_as_long_as_asked_and_else_short_for_convolutions_on_a_cpu():
    dense = toy.regression()
    assert lengths_of_calls(dense) == [50, 50]
    assert lengths_of_calls(convolves(dense)) == [1] * 100
    assert lengths_of_calls(dense, fuse=25) == [25] * 4
    assert lengths_of_calls(convolves(dense), fuse=25) == [25] * 4


def test_streamed_data_trains_to_the_same_bits_as_resident_data(tmp_path):
    arrays = toy.split()
    files = Files(lambda i: arrays.arrays["images"][i], len(arrays), arrays.shape)
    resident, streamed = run(tmp_path / "a"), run(tmp_path / "b", feed=Feed(files, 16))
    assert toy.same_bits(resident.state, streamed.state)


@pytest.mark.parametrize("step", [24, 29])  # in a call after which nothing is saved, and in one after which it would be
def test_a_loss_that_is_not_finite_stops_the_run_with_step_player_and_checkpoint(tmp_path, step):
    with pytest.raises(DivergedError, match=rf"player 'net' was (inf|nan) at step {step}; last good .*checkpoints/20"):
        run(tmp_path, game=toy.regression(poison=step - 1))
    with checkpoint.open_checkpoints(tmp_path / "checkpoints") as manager:
        assert manager.latest_step() == 20  # what came after was not saved
        state, _ = checkpoint.restore(manager, lambda meta: toy_shapes())
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(state))
    assert [row["step"] for row in read_rows(tmp_path / "metrics.jsonl")] == list(range(5, step, 5))


def test_rolling_back_takes_other_random_numbers_and_gives_up_in_the_end(tmp_path, capsys):
    drawn = {"noise": set(), "images": set()}

    def note(step, noise, image):
        if step == 23:
            drawn["noise"].add(float(noise))
            drawn["images"].add(float(image))

    game = toy.regression(poison=23)
    (player,) = game.players

    def noted(state, batch, key):
        jax.debug.callback(note, state.step, jax.random.normal(key, ()), batch["images"].mean())
        return player.loss(state, batch, key)

    settings = SETTINGS._replace(rollback=True)
    with pytest.raises(DivergedError, match="step 24"):
        run(tmp_path, game=game._replace(players=(player._replace(loss=noted),)), settings=settings)
    assert capsys.readouterr().err.count("rolling back to step 20") == 3
    jax.effects_barrier()
    assert {name: len(values) for name, values in drawn.items()} == {"noise": 4, "images": 4}


def test_scores_and_pictures_are_taken_when_due(tmp_path):
    seen = []
    result = run(
        tmp_path,
        evaluate=lambda state: {"error": float(state.step)},
        report=lambda result: seen.append((int(result.state.step), result.scores)),
    )
    assert seen == [(step, {"error": float(step)}) for step in (10, 20, 30, 40)]
    assert result.scores == {"error": 40.0}
    assert [row["step"] for row in read_rows(tmp_path / "metrics.jsonl") if "test/error" in row] == [10, 20, 30, 40]
    again = run(tmp_path, evaluate=lambda state: {"error": float(state.step)}, resume=True)
    assert again.scores == result.scores


def test_phases_carry_what_has_the_same_path_and_shape(tmp_path):
    def enter(old, fresh):
        entered.append(int(old.step))
        return carry_over(old, fresh)

    entered = []
    phases = (
        Phase(toy.regression(), 20, toy.feed()),
        Phase(toy.regression(), 20, toy.feed(8), enter),
    )
    result = train(phases, PLAN, seed=3, folder=tmp_path / "two", settings=SETTINGS)
    assert (entered, int(result.state.step)) == ([20], 40)
    train(phases[:1], PLAN, seed=3, folder=tmp_path / "cut", settings=SETTINGS)
    resumed = train(phases, PLAN, seed=3, folder=tmp_path / "cut", settings=SETTINGS, resume=True)
    assert toy.same_bits(result.state, resumed.state)
    assert [phase_at(phases, step) for step in (0, 19, 20, 40)] == [(0, 0), (0, 0), (1, 20), (1, 20)]


def test_games_that_take_turns_are_compiled_once_each(tmp_path):
    def counted(number):
        game = toy.regression()
        loss = game.players[0].loss

        def traced(*arguments):
            traces[number] += 1
            return loss(*arguments)

        return game._replace(players=(game.players[0]._replace(loss=traced),))

    traces, feed = [0, 0], toy.feed()
    games = [counted(number) for number in range(2)]
    phases = [Phase(games[number % 2], 5, feed) for number in range(6)]
    train(phases, PLAN, seed=3, folder=tmp_path, settings=Settings(fuse=1))
    assert traces == [1, 1]


def test_a_data_set_is_put_on_the_device_once_for_all_phases_that_train_on_it(tmp_path):
    put = []

    def put_source(arrays):
        put.append(arrays)
        return PLAN.put_source(arrays)

    game, feed, other = toy.regression(), toy.feed(), toy.feed()
    phases = [Phase(game, 5, each) for each in (feed, feed, feed._replace(batch_size=8), other, other)]
    settings = Settings(fuse=1, checkpoint_every=7)
    result = train(phases, PLAN._replace(put_source=put_source), seed=3, folder=tmp_path, settings=settings)
    assert int(result.state.step) == 25
    assert [id(arrays) for arrays in put] == [id(feed.split.arrays), id(other.split.arrays)]


def test_a_checkpoint_of_eight_devices_resumes_on_one(tmp_path):
    run(tmp_path / "a", steps=20, plan=parallel.jit_plan(jax.devices()[:8]))
    resumed = run(tmp_path / "a", plan=PLAN, resume=True)
    whole = run(tmp_path / "b")
    assert toy.worst(resumed.state.params, whole.state.params) < 1e-5


def test_only_the_newest_checkpoints_are_kept(tmp_path):
    run(tmp_path, steps=60)
    with checkpoint.open_checkpoints(tmp_path / "checkpoints") as manager:
        assert manager.all_steps() == [40, 50, 60]


def test_metrics_are_strict_json_and_a_cut_line_is_dropped(tmp_path):
    with metrics_writer(tmp_path) as (write, _):
        for step in (1, 2, 3):
            write(step, {"loss": float("nan") if step == 2 else np.float32(step)})
    path = tmp_path / "metrics.jsonl"
    assert json.loads(path.read_text().splitlines()[1]) == {"step": 2, "loss": None, "check": "8c0015c8"}
    path.write_text(path.read_text() + '{"step": 4, "lo')
    with metrics_writer(tmp_path, resume_at=2) as (write, known):
        assert [row["step"] for row in known] == [1, 2]
        write(3, {"loss": 7})
    assert read_rows(path) == [{"step": 1, "loss": 1.0}, {"step": 2, "loss": None}, {"step": 3, "loss": 7}]


def test_tensorboard_events_can_be_read_back(tmp_path):
    pytest.importorskip("tensorboardX")
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    run(tmp_path, steps=10, settings=SETTINGS._replace(trackers=chosen(("tensorboard",), {})))
    events = accumulator.EventAccumulator(str(tmp_path / "tensorboard"))
    events.Reload()
    assert [event.step for event in events.Scalars("net/loss")] == [5, 10]


SCRIPT = """
import sys, jax
sys.path.insert(0, {repository!r})
from tests.engine import test_loop
from genjax.engine.loop import Settings
settings = Settings(fuse=20, checkpoint_every=100, evaluate_every=10**9)
result = test_loop.run(__import__("pathlib").Path(sys.argv[1]), int(sys.argv[2]), settings=settings, resume=True)
print(int(result.state.step), result.signal)
"""


def spawn(folder, steps):
    environment = {**os.environ, "JAX_PLATFORMS": "cpu"}
    script = SCRIPT.format(repository=str(REPOSITORY))
    return subprocess.Popen(
        [sys.executable, "-c", script, str(folder), str(steps)],
        env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
    )  # fmt: skip


def wait_for(condition, process, seconds=120):
    end = time.monotonic() + seconds
    while not condition():
        assert process.poll() is None, "the run ended before it was to be stopped"
        assert time.monotonic() < end
        time.sleep(0.01)


def saved(folder):
    return sorted(int(p.name) for p in (folder / "checkpoints").glob("*") if p.name.isdigit())


def test_sigterm_saves_and_ends_the_run_in_good_order(tmp_path):
    with spawn(tmp_path, 10**6) as process:
        wait_for(lambda: saved(tmp_path), process)
        process.send_signal(signal.SIGTERM)
        out, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    step, number = out.split()
    assert int(number) == signal.SIGTERM
    assert int(step) in saved(tmp_path)


def test_a_signal_to_another_process_before_the_first_step_stops_this_one_too(monkeypatch):
    monkeypatch.setattr("genjax.processes.anywhere", lambda flag: True)
    phase = Phase(toy.regression(optax.sgd(0.1)), 10, toy.feed())
    result = train([phase], parallel.jit_plan(jax.devices()[:1]), seed=3, settings=Settings(fuse=5), progress=False)
    assert (int(result.state.step), result.signal) == (0, signal.SIGTERM)


def test_a_hang_up_is_a_wish_to_stop_unless_it_is_ignored():
    before = signal.getsignal(signal.SIGHUP)
    try:
        for handler, heard in ((signal.SIG_IGN, []), (signal.SIG_DFL, [signal.SIGHUP])):
            signal.signal(signal.SIGHUP, handler)
            with caught() as received:
                os.kill(os.getpid(), signal.SIGHUP)
            assert received == heard
            assert signal.getsignal(signal.SIGHUP) == handler
    finally:
        signal.signal(signal.SIGHUP, before)


def killed_run(folder, steps, kills, seed=0):
    """Kill a run `kills` times at random moments, resume it each time, and return its last state."""
    draw = random.Random(seed)
    for _ in range(kills):
        with spawn(folder, steps) as process:
            before = saved(folder)
            wait_for(lambda before=before: saved(folder) != before, process)
            time.sleep(draw.uniform(0, 0.5))
            process.kill()
        assert max(saved(folder)) < steps, "the run ended before it was killed"
    return run(folder, steps, settings=UNSAVED, resume=True)


@pytest.mark.parametrize(("kills", "steps"), [(2, 8_000), pytest.param(20, 60_000, marks=pytest.mark.slow)])
def test_a_run_killed_at_random_moments_ends_with_the_bits_of_an_uninterrupted_one(tmp_path, kills, steps):
    interrupted = killed_run(tmp_path / "killed", steps, kills)
    whole = run(tmp_path / "whole", steps, settings=UNSAVED)
    assert toy.same_bits(interrupted.state, whole.state)
