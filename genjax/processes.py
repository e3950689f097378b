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
import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import jax
import numpy as np

from genjax.files import sentence

HEARTBEAT = 20
"""Seconds without a sign of life after which the others give up on a process of another machine."""

GRACE = 20.0
"""Seconds within which all processes end once one has, when a run is over or refused."""

ORDERLY = (0, 2, 3, 129, 130)
"""Exit statuses of a run that ended by itself, was refused, diverged, lost its terminal or was interrupted."""

WISHES = tuple(getattr(signal, name) for name in ("SIGTERM", "SIGINT", "SIGHUP") if hasattr(signal, name))
"""Signals that ask a run to stop; Windows has no SIGHUP."""

# What `jax.distributed.initialize` cannot find out by itself is told to the processes started here by these names.
ADDRESS, COUNT, INDEX, LEADER = "JAX_COORDINATOR_ADDRESS", "JAX_NUM_PROCESSES", "JAX_PROCESS_ID", "GENJAX_LEADER"


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


@contextmanager
def member(environment: Mapping[str, str] = os.environ) -> Iterator[None]:
    """Join the processes that `scheduler` recognises, for the block; call before jax is first used.

    An exception in the block ends this process at once, with status 2 for a ValueError or an OSError, 130 for an
    interrupt and 1 for any other: jax's farewell would wait for the others, which wait for this one.
    """
    # jax's handler would keep SIGTERM from the loop, which agrees on a step to stop at by itself.
    jax.config.update("jax_enable_preemption_service", False)
    if scheduler(environment) == "environment":
        jax.distributed.initialize(
            environment[ADDRESS], int(environment[COUNT]), int(environment[INDEX]),
            cluster_detection_method="deactivate", heartbeat_timeout_seconds=HEARTBEAT,
        )  # fmt: skip
    else:
        jax.distributed.initialize(heartbeat_timeout_seconds=HEARTBEAT)
    if LEADER in environment:
        threading.Thread(target=_follow, daemon=True).start()
    try:
        yield
    except BaseException as error:
        status = 1
        if isinstance(error, (ValueError, OSError)):
            print(f"error: {sentence(error) if isinstance(error, OSError) else error}", file=sys.stderr)
            status = 2
        elif isinstance(error, KeyboardInterrupt):  # before the run has begun, or a second one
            print("interrupted", file=sys.stderr)
            status = 130
        else:
            traceback.print_exc()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


def _follow() -> None:
    """End this process when the one that started it is gone, which closes the pipe between them."""
    while os.read(0, 1):  # not sys.stdin, whose lock would outlast the interpreter
        pass
    os._exit(1)


def lead(count: int, command: Sequence[str]) -> int:
    """Run `command` in `count` processes on this machine's CPU until all end; return the first one's exit status.

    Where one dies, it is named, the others are ended and the status is 1. Signals are passed on; the status is 128 and
    the signal's number where they end processes that have not begun.
    """
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{probe.getsockname()[1]}"
    environment = {
        **os.environ,
        "JAX_PLATFORMS": "cpu",
        # XLA's thread pool has a thread for each core; with fewer threads than collectives in flight, they dead-lock.
        "NPROC": str(max(16, 4 * count)),
        ADDRESS: address,
        COUNT: str(count),
        LEADER: str(os.getpid()),
    }
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        logs = [Path(folder) / f"{index}.txt" for index in range(count)]
        members: list[subprocess.Popen] = []
        stack.callback(_kill, members)
        for index, log in enumerate(logs):
            # Sessions of their own, so that an interrupt from the keyboard comes once: from here.
            members.append(
                subprocess.Popen(
                    command, env={**environment, INDEX: str(index)}, stdin=subprocess.PIPE, start_new_session=True,
                    stdout=stack.enter_context(log.open("wb")) if index else None,
                    stderr=subprocess.STDOUT if index else None,
                )
            )  # fmt: skip
        with _passed_on(members) as sent:
            return _wait(members, logs, sent)


@contextmanager
def _passed_on(members: Sequence[subprocess.Popen]) -> Iterator[list[int]]:
    """Send signals on to the members; yield the list of those that were sent."""
    sent: list[int] = []

    def send(number, frame):
        sent.append(number)
        for each in members:
            if each.poll() is None:
                each.send_signal(number)

    heard = [number for number in WISHES if signal.getsignal(number) is not signal.SIG_IGN]
    previous = {number: signal.signal(number, send) for number in heard}
    try:
        yield sent
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def _wait(members: Sequence[subprocess.Popen], logs: Sequence[Path], sent: Sequence[int]) -> int:
    deadline = float("inf")
    while None in [each.poll() for each in members] and time.monotonic() < deadline:  # all are asked
        time.sleep(0.1)
        ended = {index: each.returncode for index, each in enumerate(members) if each.returncode is not None}
        if any(code not in ORDERLY for code in ended.values()):
            break
        if ended and deadline == float("inf"):
            deadline = time.monotonic() + GRACE
    codes = {index: each.returncode for index, each in enumerate(members) if each.poll() is not None}
    crashed = [index for index, code in codes.items() if code not in ORDERLY]
    # One that was refused has said why. Those still running wait for it, or lose their connection to it and crash.
    lost = all(codes[index] in (1, -signal.SIGABRT) for index in crashed)
    if not crashed or (lost and any(code in ORDERLY and code for code in codes.values())):
        return max(code for code in codes.values() if code in ORDERLY)
    if sent:  # before they had begun, so that nothing is lost
        return 128 + sent[0]
    # When one is killed, another may abort in the same moment: it is not the one to be named.
    blamed = min(crashed, key=lambda index: codes[index] == -signal.SIGABRT)
    code = codes[blamed]
    how = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with status {code}"
    said = logs[blamed].read_text(encoding="utf-8", errors="replace").splitlines()[-5:] if blamed else []
    print(
        f"error: process {blamed} of {len(members)} {how}, so the run stops here; start the same command with --resume "
        "to continue from the last checkpoint" + "".join(f"\n  | {line}" for line in said),
        file=sys.stderr,
    )
    return 1


def _kill(members: Sequence[subprocess.Popen]) -> None:
    for each in members:
        each.kill()
        each.wait()
        if each.stdin is not None:
            each.stdin.close()


def from_first(make: Callable[[], Any]) -> Any:
    """Return what `make` returns on the first process, anything JSON can hold; where it is refused, all are."""
    if jax.process_count() == 1:
        return make()
    from jax.experimental import multihost_utils

    answer: dict[str, Any] = {}
    if is_first():
        try:
            answer = {"value": make()}
        except (ValueError, OSError) as error:
            answer = {"error": sentence(error) if isinstance(error, OSError) else str(error)}
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
