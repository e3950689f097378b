"""How long is a training step of thirteen GANs, against plainly written PyTorch of the same networks in the same run?

    python -m benchmarks.gan_step [--models dcgan sngan] [--rounds 5]

The games of `benchmarks._games` with their published widths, and `benchmarks._torch_gans`: the same networks
(parameter counts are compared), losses, moves and batches of random examples that live on the device. PyTorch runs
eagerly; on an accelerator also with channels last in memory; and, where a compiler is found, with its networks under
`torch.compile`. On an accelerator in bf16, in TF32 (float32 whose products round to 11 bits) and in fp32, on a CPU
in fp32 with smaller batches, in a process set up as that of a recipe, which keeps freed memory, PyTorch's too. The
table is written anew after each model, so that a run that is cut short leaves what it measured. PyTorch takes part
where it is installed: pip install '.[bench]'.

Peak memory of genjax is what XLA plans for the compiled step: state, examples, results and temporaries. PyTorch's is
what its allocator had given out at most on a GPU, and on a CPU the growth of a process of its own
(`benchmarks._torch_step`), eager alone.
"""

import argparse
import importlib.util
import math
import shutil
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple, cast

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks import _result
from benchmarks._games import CASES, IMAGES, columns_of
from genjax import parallel, rng
from genjax.engine import init_state, make_run, make_step
from genjax.engine.game import Game
from genjax.engine.step import move
from genjax.run.devices import configure


class Precision(NamedTuple):
    """dtype: of networks.  products: of float32 operands, as `jax.default_matmul_precision` calls them."""

    dtype: Any
    products: str


PRECISIONS = {
    "bf16": Precision(jnp.bfloat16, "tensorfloat32"),
    "tf32": Precision(jnp.float32, "tensorfloat32"),
    "fp32": Precision(jnp.float32, "float32"),
}
MODES = ("eager", "channels-last", "compiled")


class Ours(NamedTuple):
    """train: `steps` steps.  flops: of one.  compile_seconds: of the first call, which is over.

    peak: bytes of a call's arguments, results and temporaries, as XLA plans them; None where it does not say.
    """

    train: Callable[[], None]
    parameters: dict[str, int]
    flops: float
    compile_seconds: float
    peak: int | None


def flops_of(game: Game, state: Any, batch: Any, key: jax.Array) -> float:
    """Return the FLOPs of one step, player by player: XLA counts the turns of a loop once.

    They are counted in the program for CPUs, since XLA's GPU backend does not count its library calls.
    """
    key_shape = jax.eval_shape(lambda: key)
    with jax.default_device(jax.local_devices(backend="cpu")[0]):
        lowered = [jax.jit(partial(move, player)).lower(state, batch, key_shape) for player in game.players]
    costs = [program.cost_analysis() for program in lowered]
    return sum(p.repeats * (cost or {}).get("flops", 0.0) for p, cost in zip(game.players, costs, strict=True))


def ours(game: Game, columns: dict[str, np.ndarray], batch: int, steps: int) -> Ours:
    """Compile and run once; steps are calls of their own on a CPU and one call on an accelerator, as recipes do."""
    device, key = jax.devices()[0], jax.random.key(0)
    plan = parallel.jit_plan([device])
    state = plan.put_state(jax.jit(lambda key: init_state(game, key))(rng.named(key, "init")))
    parameters = {net: sum(x.size for x in jax.tree.leaves(tree)) for net, tree in state.params.items()}
    one = {name: jax.ShapeDtypeStruct((batch, *x.shape[1:]), x.dtype) for name, x in columns.items()}
    flops = flops_of(game, jax.eval_shape(lambda: init_state(game, key)), one, key)
    calls, fused = (steps, 1) if device.platform == "cpu" else (1, steps)
    source, run = plan.put_source(columns), cast(Any, plan.compile(make_run(make_step(game))))
    draw = np.random.default_rng(0)

    def indices():
        return plan.put_batches(draw.integers(0, IMAGES, (fused, game.batches_per_step, batch), np.int32))

    start = time.perf_counter()
    compiled = run.lower(state, source, indices(), key).compile()

    def train():
        nonlocal state
        metrics: Any = None
        for _ in range(calls):
            state, metrics = compiled(state, source, indices(), key)
        jax.block_until_ready(metrics)

    train()
    return Ours(train, parameters, flops, time.perf_counter() - start, planned(compiled))


def planned(compiled: Any) -> int | None:
    """Return the bytes that a compiled program needs, what it takes over from its arguments counted once."""
    plan = compiled.memory_analysis()
    if plan is None:
        return None
    results = plan.output_size_in_bytes - plan.alias_size_in_bytes
    return plan.argument_size_in_bytes + results + plan.temp_size_in_bytes


def measure(
    name: str, precision: str, width: int | None, batch: int | None, rounds: int, steps: int, modes: Sequence[str],
    rate: float,
) -> list[dict[str, str]]:  # fmt: skip
    """Return the table's rows of one model in one precision. rate: the machine's products, FLOP/s."""
    case, cpu = CASES[name], jax.devices()[0].platform == "cpu"
    width, batch = width or case.width, batch or case.batches[0 if cpu else 1]
    game, columns = case.game(width, PRECISIONS[precision].dtype), columns_of(case)
    own = ours(game, columns, batch, steps)
    tasks, first, peaks, notes = {"genjax": own.train}, {"genjax": own.compile_seconds}, {"genjax": own.peak}, {}
    for mode in modes:
        from benchmarks import _torch_step

        label = f"PyTorch {mode}"
        job = _torch_step.Job(
            name, width, batch, game.batches_per_step, steps, precision, mode, "cpu" if cpu else "cuda"
        )
        try:
            other = _torch_step.ready(job, columns)
        except Exception as error:
            if mode == "eager":
                raise
            notes[label] = f"torch.compile fails: {str(error).strip().splitlines()[0][:90]}"
            continue
        if other.parameters != own.parameters:
            raise AssertionError(f"{name}: genjax has {own.parameters} parameters, {label} {other.parameters}")
        tasks[label], first[label] = other.train, other.compile_seconds
        peaks[label] = _torch_step.growth_in_a_child(job) if cpu and mode == "eager" else other.peak
    seconds = _result.in_turns(tasks, rounds)
    rows = []
    for label in (*seconds, *notes):
        row = {"model": case.title, "batch": str(batch), "precision": precision, "library": label}
        if label in notes:
            rows.append({**row, "steps per second": notes[label], "times genjax's": "-", "share of product rate": "-",
                         "first call, s": "-", "peak memory, MiB": "-"})  # fmt: skip
            continue
        peak = peaks[label]
        times = [value / steps for value in seconds[label]]
        ratios = [other / mine for other, mine in zip(seconds[label], seconds["genjax"], strict=True)]
        rows.append({
            **row,
            "steps per second": _result.spread([1 / value for value in times]),
            "times genjax's": _result.spread(ratios),
            "share of product rate": f"{own.flops / min(times) / rate:.0%}",
            "first call, s": f"{first[label]:.1f}",
            "peak memory, MiB": "-" if peak is None else f"{peak / 2**20:,.0f}",
        })  # fmt: skip
        print(f"{case.title} {precision} {label}: {_result.spread(ratios)} times genjax's", flush=True)
    return rows


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure every model in every precision, and write the table after each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    configure(cache=False)
    cpu = jax.devices()[0].platform == "cpu"
    compiler = not cpu or shutil.which("g++") or shutil.which("clang++")
    parser.add_argument("--models", nargs="+", choices=CASES, default=list(CASES))
    parser.add_argument("--precisions", nargs="+", choices=PRECISIONS, default=["fp32"] if cpu else list(PRECISIONS))
    usual = ["eager", *([] if cpu else ["channels-last"]), *(["compiled"] if compiler else [])]
    if importlib.util.find_spec("torch") is None:
        print("torch is not installed: genjax alone")
        usual = []
    parser.add_argument("--modes", nargs="*", choices=MODES, default=usual, help="of PyTorch")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=1 if cpu else 20, help="steps of each library in a round")
    parser.add_argument("--batch", type=int, help="for every model; each has its own by default")
    parser.add_argument("--width", type=int, help="of every model; the published ones by default")
    options = parser.parse_args(arguments)
    size = 1024 if cpu else 8192
    rows: list[dict[str, str]] = []
    rates: dict[str, float] = {}
    for precision in options.precisions:
        jax.config.update("jax_default_matmul_precision", PRECISIONS[precision].products)
        rates[precision] = _result.product_rate(size, PRECISIONS[precision].dtype)
        for name in options.models:
            rows += measure(
                name, precision, options.width, options.batch, options.rounds, options.steps, options.modes,
                rates[precision],
            )  # fmt: skip
            jax.clear_caches()
            notes = "; ".join(
                f"{kind} product rate {rate / 1e9:,.0f} GFLOP/s ({size} x {size}, before)"
                for kind, rate in rates.items()
            )
            eager = [float(row["times genjax's"].split()[0]) for row in rows if row["library"] == "PyTorch eager"]
            mean = f"{math.exp(sum(map(math.log, eager)) / len(eager)):.2f}" if eager else "not measured"
            protocol = (
                f"one device; rounds in turns: {options.rounds} of {options.steps} step(s) each after a first call; "
                "the process keeps freed memory, for all; "
                "medians (ranges) of speeds, and of times over genjax's in the same round (above 1: genjax is faster); "
                f"FLOPs by XLA, player by player; {notes}; geometric mean of eager's time over genjax's: {mean}"
                + ("" if compiler else "; no C++ compiler, so no torch.compile")
                + ("" if cpu else "; PyTorch with cudnn.benchmark, compiled with channels last")
            )
            _result.report("gan_step", "One training step of thirteen GANs", protocol, rows)


if __name__ == "__main__":
    main()
