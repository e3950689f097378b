"""Several processes that train as one, each with devices of its own: started here, or joined under a scheduler.

Every process runs the same program and takes part in every compiled call. Only the first one writes files, prints and
scores; what only it can know (which folder, which checkpoint) it tells the others with `from_first`.
"""

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import jax
import numpy as np

HEARTBEAT = 20
"""Seconds without a sign of life after which the others give up on a process of another machine."""

GRACE = 10.0
"""Seconds that a process may end before the first one does, as all do when a run is over or refused."""

# What `jax.distributed.initialize` cannot find out by itself is told to the processes started here by these names.
ADDRESS, COUNT, INDEX = "JAX_COORDINATOR_ADDRESS", "JAX_NUM_PROCESSES", "JAX_PROCESS_ID"


def is_first() -> bool:
    """Return whether this is the process that writes, prints and scores."""
    return jax.process_index() == 0


def scheduler(environment: Mapping[str, str]) -> str | None:
    """Return who started this process together with others, or None for a process on its own.

    Recognised: a step of SLURM (`srun`), Open MPI, an indexed Kubernetes job, a TPU pod, and whoever sets
    JAX_COORDINATOR_ADDRESS, JAX_NUM_PROCESSES and JAX_PROCESS_ID.
    """

    def number(name: str) -> int:
        text = environment.get(name, "")
        return int(text) if text.isdigit() else 0

    if ADDRESS in environment and COUNT in environment and INDEX in environment:
        return "environment"
    # SLURM_NTASKS is set in batch scripts too, where one process runs; the step's own count is set by srun alone.
    if number("SLURM_STEP_NUM_TASKS") > 1 and "SLURM_PROCID" in environment:
        return "slurm"
    if number("OMPI_COMM_WORLD_SIZE") > 1:
        return "ompi"
    if "KUBERNETES_SERVICE_HOST" in environment and "JOB_COMPLETION_INDEX" in environment:
        return "k8s"
    if "," in environment.get("TPU_WORKER_HOSTNAMES", ""):
        return "tpu"
    return None


def join(environment: Mapping[str, str] = os.environ) -> None:
    """Join the processes that `scheduler` recognises; call before jax is first used. Does nothing on one's own."""
    who = scheduler(environment)
    if who is None:
        return
    # Its handler would keep SIGTERM from the loop, which agrees on a step to stop at by itself.
    jax.config.update("jax_enable_preemption_service", False)
    if who == "environment":
        address = environment[ADDRESS]
        jax.distributed.initialize(
            address, int(environment[COUNT]), int(environment[INDEX]), cluster_detection_method="deactivate",
            heartbeat_timeout_seconds=HEARTBEAT,
        )  # fmt: skip
    else:
        jax.distributed.initialize(heartbeat_timeout_seconds=HEARTBEAT)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _ending(code: int) -> str:
    return f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with status {code}"


def _watch(children: Sequence[subprocess.Popen], logs: Sequence[Path], over: threading.Event) -> None:
    """End this process, which would wait for ever, when another one dies."""
    while not over.wait(0.5):
        for index, child in enumerate(children, start=1):
            code = child.poll()
            if code is None or (code >= 0 and over.wait(GRACE)):
                continue
            said = logs[index - 1].read_text(encoding="utf-8", errors="replace").strip().splitlines()[-5:]
            print(
                f"\nerror: process {index} of {len(children) + 1} {_ending(code)}, so the run stops here; start the "
                "same command with --resume to continue from the last checkpoint" + "".join(f"\n  | {s}" for s in said),
                file=sys.stderr,
                flush=True,
            )
            _kill(children)
            os._exit(1)  # the main thread is inside a collective that no exception reaches


def _kill(children: Sequence[subprocess.Popen]) -> None:
    for child in children:
        child.kill()
        child.wait()


@contextmanager
def started(count: int, command: Sequence[str]) -> Iterator[None]:
    """Start `count` - 1 more processes of `command` on this machine's CPU, join them, and end them with the block.

    Where one of them dies, this process names it and ends with status 1; where the block raises, it tells the error
    and ends with status 2 for a ValueError, else 1. Call before jax is first used.
    """
    environment = {
        **os.environ,
        "JAX_PLATFORMS": "cpu",
        # XLA's thread pool has a thread for each core; with fewer threads than collectives in flight, they dead-lock.
        "NPROC": str(max(16, 4 * count)),
        ADDRESS: f"127.0.0.1:{_free_port()}",
        COUNT: str(count),
    }
    os.environ["NPROC"] = environment["NPROC"]
    jax.config.update("jax_platforms", "cpu")
    over, children, logs = threading.Event(), [], []
    with tempfile.TemporaryDirectory() as folder:
        try:
            for index in range(1, count):
                logs.append(Path(folder) / f"{index}.txt")
                with logs[-1].open("wb") as log:
                    mine = {**environment, INDEX: str(index)}
                    children.append(subprocess.Popen(command, env=mine, stdout=log, stderr=subprocess.STDOUT))
            threading.Thread(target=_watch, args=(children, logs, over), daemon=True).start()
            join({**environment, INDEX: "0"})
            yield
            over.set()
            jax.distributed.shutdown()
            for child in children:
                child.wait(GRACE)
        except BaseException as error:
            over.set()
            _kill(children)
            if isinstance(error, ValueError):
                print(f"error: {error}", file=sys.stderr)
            else:
                traceback.print_exc()
            sys.stderr.flush()
            os._exit(2 if isinstance(error, ValueError) else 1)  # jax's farewell would wait for those just ended


def from_first(make: Callable[[], Any]) -> Any:
    """Return what `make` returns on the first process, anything JSON can hold; where it raises ValueError, all do."""
    if jax.process_count() == 1:
        return make()
    from jax.experimental import multihost_utils

    answer: dict[str, Any] = {}
    if is_first():
        try:
            answer = {"value": make()}
        except ValueError as error:
            answer = {"error": str(error)}
    text = np.frombuffer(json.dumps(answer).encode(), np.uint8)
    length = int(multihost_utils.broadcast_one_to_all(np.int32(len(text))))
    padded = np.zeros(length, np.uint8)
    if is_first():
        padded[:] = text
    answer = json.loads(bytes(np.asarray(multihost_utils.broadcast_one_to_all(padded))))
    if "error" in answer:
        raise ValueError(answer["error"])
    return answer["value"]


def arrays_from_first(tree: Any) -> Any:
    """Return the first process's `tree` of arrays; the others give one of the same structure and shapes."""
    if jax.process_count() == 1:
        return tree
    from jax.experimental import multihost_utils

    return multihost_utils.broadcast_one_to_all(tree)


def anywhere(flag: bool) -> bool:
    """Return whether `flag` is true in any process; waits for all of them."""
    if jax.process_count() == 1:
        return flag
    from jax.experimental import multihost_utils

    return bool(np.any(multihost_utils.process_allgather(np.array(flag))))
