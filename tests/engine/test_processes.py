"""Several processes train as one: the same numbers, one set of files, and no process left waiting for a dead one."""

import os
import re
import signal
import subprocess
import sys
import threading
import time
from resource import RLIMIT_FSIZE, setrlimit

import jax
import optax
import pytest

from genjax import parallel, processes
from genjax.engine.log import read_rows
from genjax.engine.loop import Settings, train
from genjax.engine.phases import Phase
from tests.conftest import REPOSITORY
from tests.engine import toy
from tests.engine.test_loop import saved, wait_for


def spawn(folder, steps, *options):
    environment = {name: value for name, value in os.environ.items() if name != "XLA_FLAGS"}
    folder.mkdir(exist_ok=True)
    return subprocess.Popen(
        [sys.executable, "-m", "tests.engine.team", str(folder), str(steps), "2", *options],
        env=environment, cwd=REPOSITORY, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def alone(folder, steps, devices, resume=False):
    phase = Phase(toy.regression(optax.sgd(0.1)), steps, toy.feed())
    settings = Settings(fuse=5, checkpoint_every=10, evaluate_every=10**9)
    plan = parallel.jit_plan(jax.devices()[:devices])
    return train([phase], plan, seed=3, folder=folder, settings=settings, resume=resume).state


@pytest.mark.parametrize(
    "options", [pytest.param((), marks=pytest.mark.slow, id="resident"), pytest.param(("streamed",), id="streamed")]
)
def test_two_processes_of_four_devices_are_one_of_eight(tmp_path, options):
    with spawn(tmp_path / "team", 20, *options) as process:
        out, error = process.communicate(timeout=120)
    assert process.returncode == 0, error
    assert "0 20 None" in out
    assert saved(tmp_path / "team") == [10, 20]
    if options:  # each process has decoded its half of every batch and what was read ahead, not the other's half
        for index in (0, 1):
            assert 160 <= len((tmp_path / "team" / f"read-{index}").read_text()) < 320
    rows = read_rows(tmp_path / "team" / "metrics.jsonl")
    assert [row["step"] for row in rows] == [5, 10, 10, 15, 20, 20]  # one writer, one scorer
    whole = alone(tmp_path / "alone", 20, 8)
    team = alone(tmp_path / "team", 20, 8, resume=True)  # nothing left to do: reads the checkpoint
    assert toy.worst(whole.params, team.params) < 1e-6
    assert toy.worst(whole.variables, team.variables) < 1e-6
    assert toy.worst(alone(tmp_path / "less", 15, 8).params, team.params) > 1e-4
    # The checkpoint of two processes continues on any number of devices.
    further = [alone(tmp_path / "team", 20 + 5 * n, n, resume=True) for n in (1, 2)]
    assert toy.worst(further[-1].params, alone(tmp_path / "whole", 30, 8).params) < 1e-5


@pytest.mark.slow
def test_a_process_that_dies_ends_the_run_with_its_name_and_the_run_resumes(tmp_path):
    with spawn(tmp_path, 10**6) as process:
        wait_for(lambda: len(saved(tmp_path)) > 1, process)
        begun = time.monotonic()
        os.kill(int((tmp_path / "process-1").read_text()), signal.SIGKILL)
        _, error = process.communicate(timeout=60)
    assert process.returncode == 1
    assert time.monotonic() - begun < 30
    assert "process 1 of 2 was killed by SIGKILL" in error
    assert "--resume" in error
    last = max(saved(tmp_path))
    assert int(alone(tmp_path, last + 10, 2, resume=True).step) == last + 10


@pytest.mark.slow
def test_a_signal_to_one_process_stops_all_at_the_same_step(tmp_path):
    with spawn(tmp_path, 10**6) as process:
        wait_for(lambda: saved(tmp_path), process)
        os.kill(int((tmp_path / "process-1").read_text()), signal.SIGTERM)
        out, error = process.communicate(timeout=60)
    assert process.returncode == 0, error
    index, step, number = out.splitlines()[-1].split()
    assert (index, int(number)) == ("0", signal.SIGTERM)
    assert int(step) == max(saved(tmp_path))


@pytest.mark.slow
def test_several_processes_train_by_the_command_line_and_tell_of_a_disk_that_takes_no_more(tmp_path):
    train = [sys.executable, "-m", "genjax", "train", "gan", "--processes", "2", "--devices", "2", "--batch-size", "8"]
    environment = {**os.environ, "XLA_FLAGS": "", "JAX_COMPILATION_CACHE_DIR": ""}
    ended = subprocess.run(
        [*train, "--steps", "4", "--no-cache", "--out", str(tmp_path / "run")], env=environment, cwd=REPOSITORY,
        capture_output=True, text=True, timeout=120, preexec_fn=lambda: setrlimit(RLIMIT_FSIZE, (4000, 4000)),
    )  # fmt: skip
    assert re.search(r"GiB of memory\n(.*\n)+error: .*; when that is mended, continue with --resume", ended.stderr)
    assert "Traceback" not in ended.stderr
    assert ended.returncode == 2


def acting(*acts):
    """Return a command of which each process does its part, in Python."""
    return [sys.executable, "-c", f"import os, sys, time; exec({acts}[int(os.environ['JAX_PROCESS_ID'])])"]


def test_a_process_that_is_refused_is_heard_though_others_crash_without_it():
    assert processes.lead(2, acting("sys.exit(2)", "time.sleep(0.3); sys.exit(1)")) == 2
    assert processes.lead(2, acting("time.sleep(60)", "sys.exit(1)")) == 1


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_before_processes_have_begun_is_no_crash(number, capfd):
    if number == signal.SIGINT:  # a shell starts what runs in the background with interrupts ignored
        signal.signal(number, signal.default_int_handler)
    alarm = threading.Timer(1.0, os.kill, (os.getpid(), number))
    alarm.start()
    act = "import signal; signal.signal(2, signal.SIG_DFL); time.sleep(60)"
    assert processes.lead(2, acting(act, act)) == 128 + number
    alarm.join()
    assert not capfd.readouterr().err


@pytest.mark.parametrize(
    ("environment", "who"),
    [
        ({}, None),
        ({"SLURM_JOB_ID": "1", "SLURM_NTASKS": "8", "SLURM_PROCID": "0"}, None),  # a batch script, without srun
        ({"SLURM_JOB_ID": "1", "SLURM_STEP_NUM_TASKS": "8", "SLURM_PROCID": "3"}, "slurm"),
        ({"SLURM_JOB_ID": "1", "SLURM_STEP_NUM_TASKS": "1", "SLURM_PROCID": "0"}, None),
        ({"OMPI_COMM_WORLD_SIZE": "4", "OMPI_COMM_WORLD_RANK": "1"}, "ompi"),
        ({"KUBERNETES_SERVICE_HOST": "h", "JOB_COMPLETION_INDEX": "0"}, "k8s"),
        ({"TPU_WORKER_HOSTNAMES": "a,b"}, "tpu"),
        ({"TPU_WORKER_HOSTNAMES": "localhost"}, None),
        ({"JAX_COORDINATOR_ADDRESS": "a:1", "JAX_NUM_PROCESSES": "2", "JAX_PROCESS_ID": "1"}, "environment"),
        ({"JAX_COORDINATOR_ADDRESS": "a:1"}, None),
    ],
)
def test_the_scheduler_is_recognised_by_what_it_sets(environment, who):
    assert processes.scheduler(environment) == who
