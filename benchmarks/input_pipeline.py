"""How many images a second reach the step from each source, and does a folder that streams keep up with it?

    python -m benchmarks.input_pipeline [--images 20000]

Draws scenes into folders of PNG and of JPEG files, then (1) reads batches as fast as they come: gathered on the
device, from an array in memory (what an .npz or IDX file becomes), from the folder's memory-mapped cache, and decoded
when asked for by 1, 2, 4 ... threads; (2) trains a DCGAN from each, in turns with data that lives on the device.
"""

import argparse
import tempfile
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import jax
import numpy as np
import optax

from benchmarks import _result
from genjax import data, parallel, rng
from genjax.data import Arrays, pipeline, transforms
from genjax.data.drawn import scenes
from genjax.engine import init_state, make_run, make_step
from genjax.gans import dcgan

TARGET = 0.95


def write_folders(images: np.ndarray, root: Path) -> dict[str, Path]:
    """Write images uint8[count, size, size, 3] as files of both formats; return their folders."""
    from PIL import Image

    folders = {"PNG": root / "png", "JPEG": root / "jpeg"}
    for kind, place in folders.items():
        (place / "train").mkdir(parents=True)
        (place / "test").mkdir()
        Image.fromarray(images[0]).save(place / "test" / f"0.{kind.lower()}")

        def save(index, kind=kind, place=place):
            Image.fromarray(images[index]).save(place / "train" / f"{index:06d}.{kind.lower()}")

        with ThreadPoolExecutor(8) as pool:
            list(pool.map(save, range(len(images))))
    return folders


def sources(images: np.ndarray, folders: dict[str, Path], root: Path) -> dict[str, Any]:
    """Return splits by name: an array, memory-mapped caches, and files decoded when asked for."""
    splits: dict[str, Any] = {"array in memory": Arrays({"images": images})}
    for kind, place in folders.items():
        splits[f"{kind} folder, cached"] = data.load(f"folder:{place}", cache_dir=root / "cache").train
        splits[f"{kind} folder, streamed"] = data.load(f"folder:{place}", stream=True).train
    return splits


def reading_rate(split: Any, batch: int, seconds: float, workers: int | None) -> float:
    """Return images per second that reach the device, one batch at a time, over about `seconds`."""
    chunks = pipeline.chunks(split, batch_size=batch, seed=0, stop=10**9, workers=workers)
    for _ in range(4):  # what was read ahead while threads started
        next(chunks)
    count, start = 0, time.perf_counter()
    while time.perf_counter() - start < seconds:
        jax.block_until_ready(next(chunks)[2])
        count += batch
    rate = count / (time.perf_counter() - start)
    chunks.close()
    return rate


def gather_rate(images: np.ndarray, batch: int, seconds: float) -> float:
    """Return images per second gathered from data that lives on the device."""
    source, gather = jax.device_put(images), jax.jit(lambda source, rows: source[rows])
    jax.block_until_ready(gather(source, pipeline.order(len(images), batch, 0, 0, 1)[0]))
    count, start = 0, time.perf_counter()
    while time.perf_counter() - start < seconds:
        jax.block_until_ready(gather(source, pipeline.order(len(images), batch, 0, count // batch, 1)[0]))
        count += batch
    return count / (time.perf_counter() - start)


def trainers(
    images: np.ndarray, splits: dict[str, Any], batch: int, width: int, steps: int
) -> tuple[dict[str, Callable[[], None]], list[Generator[Any, None, None]]]:
    """Return functions that train `steps` steps each from "on the device" and every split, and their open readers."""
    size = images.shape[1]
    networks = dcgan.Generator(size=size, width=width), dcgan.Discriminator(size=size, width=width)
    game = dcgan.game(
        *networks, generator_tx=optax.adam(2e-4, b1=0.5), discriminator_tx=optax.adam(2e-4, b1=0.5),
        image_shape=(size, size, 3), latent=100,
    )  # fmt: skip
    plan, key = parallel.jit_plan(jax.devices()[:1]), jax.random.key(0)
    run: Any = plan.compile(make_run(make_step(game), partial(transforms.scale, low=-1.0, high=1.0)))
    state = plan.put_state(jax.jit(lambda key: init_state(game, key))(rng.named(key, "init")))

    def train(feed):
        nonlocal state
        metrics: Any = None
        for _ in range(steps):
            state, metrics = run(state, *next(feed), key)
        jax.block_until_ready(metrics)

    def resident():
        source, step = plan.put_source({"images": images}), 0
        while True:
            yield source, plan.put_batches(pipeline.order(len(images), batch, 0, step, 1)[None])
            step += 1

    readers = {name: pipeline.chunks(split, batch_size=batch, seed=0, stop=10**9, put=plan.put_batches)
               for name, split in splits.items()}  # fmt: skip
    feeds: dict[str, Iterator[Any]] = {"on the device": resident()}
    feeds |= {name: ((chunk, None) for _, _, chunk in reader) for name, reader in readers.items()}
    return {name: partial(train, feed) for name, feed in feeds.items()}, list(readers.values())


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure reading alone and training from each source, and write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=20_000)
    parser.add_argument("--size", type=int, default=64)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--width", type=int, default=64)
    parser.add_argument("--steps", type=int, default=4, help="in a round")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=2.0, help="of reading alone, for each source")
    parser.add_argument("--workers", nargs="+", type=int, default=[1, 2, 4, 8])
    options = parser.parse_args(arguments)
    usual = pipeline.default_workers()
    numbers = sorted({*options.workers, usual})
    with tempfile.TemporaryDirectory() as place:
        root = Path(place)
        images = scenes.render(scenes.draw_factors(range(options.images)), options.size).images
        splits = sources(images, write_folders(images, root), root)
        rates = {("on the device", "-"): gather_rate(images, options.batch, options.seconds)}
        for name, split in splits.items():
            for workers in numbers if name.endswith("streamed") else [None]:
                rate = reading_rate(split, options.batch, options.seconds, workers)
                rates[name, str(workers or "-")] = rate
        tasks, readers = trainers(images, splits, options.batch, options.width, options.steps)
        try:
            _result.in_turns(tasks, 1)  # compiles, and starts the readers
            seconds = _result.in_turns(tasks, options.rounds)
        finally:
            for reader in readers:
                reader.close()
    resident = seconds["on the device"]
    appetite = options.steps * options.batch / sorted(resident)[len(resident) // 2]
    rows = []
    for (name, workers), rate in rates.items():
        shares = [base / own for base, own in zip(resident, seconds[name], strict=True)]
        rows.append(
            {
                "source": name,
                "threads": workers,
                "images per second, reading alone": f"{rate:,.0f}",
                "times the step's appetite": f"{rate / appetite:.3g}",
                "speed of the step, share of data on the device": _result.spread(shares)
                if workers in ("-", str(usual))
                else "",
            }
        )
    streamed = [row["speed of the step, share of data on the device"] for row in rows if "streamed" in row["source"]]
    reached = min(float(text.split()[0]) for text in streamed if text) >= TARGET
    protocol = (
        f"{options.images:,} scenes of {options.size} pixels, batch {options.batch}; reading alone for "
        f"{options.seconds:g} s a source; DCGAN-{options.size} of width {options.width}, {options.rounds} rounds in "
        f"turns of {options.steps} steps, one call each, with the default number of threads; the step's appetite is "
        f"{appetite:,.0f} images per second; target: streamed at least {TARGET:.0%} as fast, "
        + ("met" if reached else "missed")
    )
    _result.report("input_pipeline", "Images into the step", protocol, rows)


if __name__ == "__main__":
    main()
