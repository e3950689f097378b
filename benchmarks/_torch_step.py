"""PyTorch: training steps of one model for `benchmarks.gan_step`; as a program, what they add to a process's memory.

    python -m benchmarks._torch_step dcgan 64 32 1

A CPU's allocator keeps no count, so that the peak of memory there is that of the resident size of a process which does
nothing else, over what is resident behind a first convolution and product, which load PyTorch's libraries. Linux alone
tells it.
"""

import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

from benchmarks._games import CASES, columns_of
from benchmarks._torch_gans import MODELS
from benchmarks._torch_parts import Place


class Job(NamedTuple):
    """What to train.  repeats: batches in a step.  steps: in a call.  precision: bf16, tf32 or fp32.

    mode: eager, channels-last or compiled.
    """

    name: str
    width: int
    batch: int
    repeats: int
    steps: int = 1
    precision: str = "fp32"
    mode: str = "eager"
    device: str = "cpu"


class Ready(NamedTuple):
    """train: `steps` steps.  compile_seconds: of the first call, which is over.  peak: bytes, None where not known."""

    train: Callable[[], None]
    parameters: dict[str, int]
    compile_seconds: float
    peak: int | None


def ready(job: Job, columns: Mapping[str, np.ndarray]) -> Ready:
    """Build a model, put its columns on the device, and train for a call; on CUDA another one, whose peak is told."""
    cuda = job.device == "cuda"
    torch.manual_seed(0)
    torch.backends.cudnn.benchmark = True
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = job.precision != "fp32"
    if job.mode == "compiled":  # every network is a variant of one wrapper; past eight of them torch would run eagerly
        torch._dynamo.reset()
        torch._dynamo.config.recompile_limit = 64
    before = torch.cuda.memory_allocated() if cuda else 0
    wrap = torch.compile if job.mode == "compiled" else (lambda network: network)
    model = MODELS[job.name](wrap, Place(job.device, job.precision == "bf16"), width=job.width)
    layout: Any = torch.channels_last if cuda and job.mode != "eager" else torch.contiguous_format
    for network in model.networks.values():
        for parameter in network.parameters():
            if parameter.ndim == 4:
                parameter.data = parameter.data.contiguous(memory_format=layout)
    source = [_put(x, job.device, layout) for x in columns.values()]
    parameters = {net: sum(p.numel() for p in module.parameters()) for net, module in model.networks.items()}

    def train():
        for _ in range(job.steps):
            rows = torch.randint(0, len(source[0]), (job.repeats, job.batch), device=job.device)
            model.step(*(x[rows] for x in source))
        if cuda:
            torch.cuda.synchronize()

    start = time.perf_counter()
    train()
    first = time.perf_counter() - start
    if not cuda:
        return Ready(train, parameters, first, None)
    torch.cuda.reset_peak_memory_stats()  # the first call tries out algorithms that need more
    train()
    return Ready(train, parameters, first, torch.cuda.max_memory_allocated() - before)


def _put(x: np.ndarray, device: str, layout: Any) -> torch.Tensor:
    column = torch.from_numpy(x)
    if column.ndim == 4:
        column = column.permute(0, 3, 1, 2).contiguous(memory_format=layout)
    return (column if column.is_floating_point() else column.long()).to(device)


def growth_in_a_child(job: Job) -> int | None:
    """Return the bytes that eager steps on a CPU add to a process's peak of resident memory; None where not known."""
    numbers = [job.name, *map(str, (job.width, job.batch, job.repeats))]
    command = [sys.executable, "-m", "benchmarks._torch_step", *numbers]
    told = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()[-1]
    return None if told == "None" else int(told)


def main(arguments: Sequence[str]) -> None:
    """Print the bytes that steps add to this process at their peak."""
    name, width, batch, repeats = arguments[0], *map(int, arguments[1:])
    x = torch.ones(1, 8, 8, 8, requires_grad=True)
    torch.nn.Conv2d(8, 8, 3)(x).flatten(1).matmul(torch.ones(288, 8)).sum().backward()
    before = _resident("VmRSS")
    ready(Job(name, width, batch, repeats, steps=3), columns_of(CASES[name]))
    after = _resident("VmHWM")
    print(None if before is None or after is None else after - before)


def _resident(name: str) -> int | None:
    """Return what Linux says of this process in bytes: VmRSS, its resident size, or VmHWM, the largest it had."""
    status = Path("/proc/self/status")
    if not status.exists():
        return None
    lines = dict(line.split(":", 1) for line in status.read_text().splitlines())
    return 1024 * int(lines[name].split()[0])


if __name__ == "__main__":
    main(sys.argv[1:])
