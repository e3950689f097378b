"""How fast does BigGAN train at 128 pixels at the largest batch that fits, and what share of the device's rate is that?

    python -m benchmarks.largest_batch [--batches 512 256 128] [--steps 3]

The published networks of BigGAN-128 (70 and 88 million parameters) in bfloat16 on random images that live on the
device, two moves of the discriminator a step as published. Batches are tried from the largest down; one that does not
fit is a row that says so.
"""

import argparse
import time
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks import _result
from benchmarks.gan_step import flops_of
from genjax import parallel, rng
from genjax.data import Arrays, Dataset, transforms
from genjax.engine import init_state, make_run, make_step
from genjax.environment import memory_text, peak_memory
from genjax.run.run import recipe

CLASSES = 1000


def random_images(size: int, count: int) -> Arrays:
    """Return random images with labels of all classes: speed does not depend on what they show."""
    draw = np.random.default_rng(0)
    images = draw.integers(0, 256, (count, size, size, 3), np.uint8)
    return Arrays({"images": images, "labels": draw.integers(0, CLASSES, count, np.int32)})


def measure(batch: int, steps: int, rounds: int, width: int, size: int, rate: float) -> dict[str, str]:
    """Return the row of one batch. rate: the device's products, FLOP/s."""
    biggan = recipe("biggan")
    split = random_images(size, 2 * batch)
    dataset = Dataset("random", split, split, tuple(map(str, range(CLASSES))))
    changes: dict[str, Any] = {"width": width, "image_size": size, "batch_size": batch, "precision": "bf16"}
    game = biggan.build(replace(biggan.presets["paper"], steps=100, **changes), dataset).phases[0].game
    plan, key = parallel.jit_plan(jax.devices()[:1]), jax.random.key(0)
    state = plan.put_state(jax.jit(partial(init_state, game))(rng.named(key, "init")))
    one = {
        "images": jax.ShapeDtypeStruct((batch, size, size, 3), jnp.float32),
        "labels": jax.ShapeDtypeStruct((batch,), jnp.int32),
    }
    flops = flops_of(game, jax.eval_shape(partial(init_state, game), key), one, key)
    source = plan.put_source(dict(split.arrays))
    run: Any = plan.compile(make_run(make_step(game), partial(transforms.scale, low=-1.0, high=1.0)))
    rows = np.random.default_rng(1).integers(0, 2 * batch, (1, game.batches_per_step, batch), np.int32)
    start = time.perf_counter()
    compiled = run.lower(state, source, plan.put_batches(rows), key).compile()
    seconds_to_compile = time.perf_counter() - start

    def train() -> None:
        nonlocal state
        metrics: Any = None
        for _ in range(steps):
            state, metrics = compiled(state, source, plan.put_batches(rows), key)
        jax.block_until_ready(metrics)

    train()
    seconds = [value / steps for value in _result.in_turns({"train": train}, rounds)["train"]]
    images = game.batches_per_step * batch
    peak = peak_memory()
    return {
        "batch": str(batch),
        "seconds a step": _result.spread(seconds),
        "real images per second": _result.spread([images / value for value in seconds]),
        "TFLOP a step": f"{flops / 1e12:.3g}",
        "share of product rate": f"{flops / min(seconds) / rate:.0%}",
        "compile, s": f"{seconds_to_compile:.1f}",
        "peak memory, GiB": "-" if peak is None else f"{peak / 2**30:.1f}",
    }


def main(arguments: Sequence[str] | None = None) -> None:
    """Try batches from the largest down, and write the table."""
    cpu = jax.devices()[0].platform == "cpu"
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batches", nargs="+", type=int, default=[512, 256, 128, 64])
    parser.add_argument("--steps", type=int, default=3, help="in a round")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--width", type=int, default=recipe("biggan").presets["paper"].width)
    parser.add_argument("--size", type=int, default=128, help="side of the images: 128 is the networks' own")
    parser.add_argument("--all", action="store_true", help="go on to smaller batches after one that fits")
    options = parser.parse_args(arguments)
    rate = _result.product_rate(512 if cpu else 8192, jnp.bfloat16)
    rows: list[dict[str, str]] = []
    for batch in sorted(options.batches, reverse=True):
        try:
            row = measure(batch, options.steps, options.rounds, options.width, options.size, rate)
        except jax.errors.JaxRuntimeError as error:
            if "RESOURCE_EXHAUSTED" not in str(error):
                raise
            row = {"batch": str(batch), "seconds a step": "does not fit"}
        names = ("batch", "seconds a step", "real images per second", "TFLOP a step", "share of product rate",
                 "compile, s", "peak memory, GiB")  # fmt: skip
        rows.append({name: row.get(name, "-") for name in names})
        print(rows[-1], flush=True)
        jax.clear_caches()
        protocol = (
            f"BigGAN, {options.size} pixels, width {options.width}, bfloat16, two discriminator steps of a batch each, "
            f"one of the generator; {options.rounds} rounds of {options.steps} steps after one: median (lowest - "
            f"highest); FLOPs by XLA, player by player; bfloat16 product rate {rate / 1e12:,.1f} TFLOP/s; "
            f"{memory_text()}"
        )
        _result.report("largest_batch", "BigGAN-128 at the largest batch that fits", protocol, rows)
        if row["seconds a step"] != "does not fit" and not options.all:
            break


if __name__ == "__main__":
    main()
