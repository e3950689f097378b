"""What do several seeds in one program gain over one seed after the other?

    python -m benchmarks.seeds [--seeds 8] [--rounds 7]

The small presets whose networks are dense, each trained for some steps from `--seeds` seeds: one after the other by the
program of a single run, which has all cores; and together by the program of `--seeds`, in which devices (on a CPU
virtual ones, one a core) share the seeds. Both in turns in one process, after a first call to compile.
"""

import argparse
import os
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import AxisType, NamedSharding, PartitionSpec

from benchmarks import _result
from genjax.engine import init_state, make_run, make_step
from genjax.engine.seeds import SEEDS, mapped
from genjax.run import devices as places
from genjax.run.cli import parse_recipe, prepare
from genjax.run.run import recipe

MODELS = {"vae": 50, "gan": 50, "cgan": 50, "unrolled": 50, "wgan": 5}
"""Recipe -> steps in a call; a step of `wgan` holds 25 of the critic's in the first steps, of which these are."""


def tasks_of(name: str, steps: int, seeds: int, batched: bool) -> tuple[dict[str, Callable[[], Any]], int, str]:
    """Return the ways to train the seeds of a recipe's small preset, its batch size, and what is trained on."""
    found = recipe(name)
    preset, hyper = parse_recipe(found, ["small"])
    phase = prepare(found, preset, hyper).run.phases[0]
    run, size = make_run(make_step(phase.game), phase.feed.prepare), phase.feed.batch_size
    shape = (seeds, steps, phase.game.batches_per_step, size)
    indices = np.random.default_rng(0).integers(0, len(phase.feed.split), shape, np.int32)
    keys = jnp.stack([jax.random.key(seed) for seed in range(seeds)])
    begin = jax.jit(partial(init_state, phase.game))
    states = [jax.device_get(begin(key)) for key in keys]
    own = jax.devices()[0]
    source = {key: jax.device_put(x, own) for key, x in phase.feed.split.arrays.items()}
    alone = jax.jit(run, donate_argnums=0)

    def one_by_one() -> None:
        for seed in range(seeds):
            jax.block_until_ready(alone(jax.device_put(states[seed], own), source, indices[seed], keys[seed]))

    count = places.most_devices(seeds, len(jax.devices()))
    mesh = jax.make_mesh((count,), (SEEDS,), axis_types=(AxisType.Auto,), devices=tuple(jax.devices()[:count]))
    split, whole = NamedSharding(mesh, PartitionSpec(SEEDS)), NamedSharding(mesh, PartitionSpec())
    stacked, shared = jax.tree.map(lambda *leaves: np.stack(leaves), *states), jax.device_put(source, whole)
    program = mapped(run, mesh, batched)

    def together() -> None:
        jax.block_until_ready(
            program(*jax.device_put((stacked,), split), shared, *jax.device_put((indices, keys), split))
        )

    return {"one after the other": one_by_one, "together": together}, size, hyper.data


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure every model, and write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="+", choices=MODELS, default=list(MODELS))
    parser.add_argument("--seeds", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--steps", type=int, help="in a call; by model if not given")
    options = parser.parse_args(arguments)
    places.configure(places.most_devices(options.seeds, os.cpu_count() or 1))
    batched = jax.default_backend() != "cpu"
    rows = []
    for name in options.models:
        steps = options.steps or MODELS[name]
        tasks, size, data = tasks_of(name, steps, options.seeds, batched)
        first = {way: seconds[0] for way, seconds in _result.in_turns(tasks, 1).items()}
        seconds = _result.in_turns(tasks, options.rounds)
        single, together = seconds["one after the other"], seconds["together"]
        rows.append(
            {
                "model": f"{name} on {data}, batch {size}",
                "ms a step and seed, one after the other": _result.spread([_each(x, steps, options) for x in single]),
                "ms a step and seed, together": _result.spread([_each(x, steps, options) for x in together]),
                "gain": _result.spread([a / b for a, b in zip(single, together, strict=True)]),
                "first call, s": f"{first['one after the other']:.1f}; {first['together']:.1f}",
            }
        )
    count = places.most_devices(options.seeds, len(jax.devices()))
    protocol = (
        f"{options.seeds} seeds, {count} device(s) that share them"
        + (", each one seed after the other in the same program" if not batched else ", by vmap")
        + f"; {', '.join(f'{name} {options.steps or MODELS[name]}' for name in options.models)} steps a call, from the "
        f"first step; {options.rounds} rounds in turns after one that compiles; fresh states are put in every round"
    )
    _result.report("seeds", "Several seeds in one program", protocol, rows)


def _each(seconds: float, steps: int, options: argparse.Namespace) -> float:
    return 1000 * seconds / steps / options.seeds


if __name__ == "__main__":
    main()
