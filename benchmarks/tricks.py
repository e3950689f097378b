"""What does each trick of fast training buy on this machine: one epoch of a small ConvNet with it off, and on?

    python -m benchmarks.tricks [--data mnist.npz] [--images 60000]

All programs run in turns, so that ratios hold where single times do not; ratios are taken round by round. By default an
epoch has 6,144 images, so that all takes minutes; 60,000 are one epoch of MNIST. With torch installed (pip install
'.[bench]') the same epoch runs in a plain PyTorch loop too. A bar chart is written beside the result file.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from benchmarks import _result
from benchmarks._convnet import ConvNet, DenseNet, digits
from genjax import parallel, rng
from genjax.classifiers import classify
from genjax.cpu import compiler_options
from genjax.data import Arrays, pipeline, transforms
from genjax.engine import Game, init_state, make_run, make_step
from genjax.engine.step import rematerialized
from genjax.gans import dcgan
from genjax.losses import adversarial
from genjax.run.devices import configure

BATCH, LARGE, FUSED = 128, 1024, 4
Task = Callable[[], Any]


def make_game(make: Callable[..., Any] = ConvNet, **options: Any) -> Game:
    """Return the game of a network: SGD with momentum 0.9."""
    return classify.game(make(**options), optax.sgd(0.01, 0.9), image_shape=(28, 28, 1))


class Trainer:
    """A compiled step and the state that it changes; every call of a method trains one epoch."""

    def __init__(self, images: Mapping[str, np.ndarray], game: Game, batch: int = BATCH, fuse: int = 1, **options: Any):
        donate, accumulate = options.get("donate", True), options.get("accumulate", 1)
        self.images, self.batch, self.fuse = dict(images), batch, fuse
        self.plan, self.key, self.seed = parallel.jit_plan(jax.devices()[:1]), jax.random.key(0), 0
        self.state = self.plan.put_state(jax.jit(partial(init_state, game))(rng.named(self.key, "init")))
        self.source = self.plan.put_source(self.images)
        run = make_run(make_step(game, accumulate=accumulate), transforms.scale)
        options = compiler_options(jax.default_backend())
        self.step: Any = self.plan.compile(run) if donate else jax.jit(run, compiler_options=options)

    @property
    def steps(self) -> int:
        """Return the steps of an epoch."""
        return len(self.images["labels"]) // self.batch

    def order(self) -> np.ndarray:
        """Return the next epoch's images, int32[calls, fuse, 1, batch]."""
        self.seed += 1
        rows = pipeline.order(len(self.images["labels"]), self.batch, self.seed, 0, self.steps)
        return rows[: self.steps // self.fuse * self.fuse].reshape(-1, self.fuse, 1, self.batch)

    def on_device(self, wait: bool = False, most: int | None = None) -> None:
        """Images stay on the device; `wait`: read every loss before the next step.  most: calls, if not the epoch."""
        for rows in self.order()[:most]:
            self.state, metrics = self.step(self.state, self.source, self.plan.put_batches(rows), self.key)
            if wait:
                float(metrics["classifier/loss"][-1])
        jax.block_until_ready(self.state)

    def from_host(self) -> None:
        """Gather every batch with NumPy and copy it when its turn comes."""
        for rows in self.order():
            batch = self.plan.put_batches({name: x[rows] for name, x in self.images.items()})
            self.state, _ = self.step(self.state, batch, None, self.key)
        jax.block_until_ready(self.state)

    def prefetched(self) -> None:
        """Gather and copy the next two batches in a thread while a step runs."""
        self.seed += 1
        batches = pipeline.chunks(
            Arrays(self.images), batch_size=self.batch, seed=self.seed, stop=self.steps, put=self.plan.put_batches
        )
        for _, _, batch in batches:
            self.state, _ = self.step(self.state, batch, None, self.key)
        jax.block_until_ready(self.state)

    def memory(self) -> str:
        """Return the compiled step's temporary memory."""
        rows = self.plan.put_batches(self.order()[0])
        analysis = self.step.lower(self.state, self.source, rows, self.key).compile().memory_analysis()
        return f"{analysis.temp_size_in_bytes / 2**20:.0f} MiB"


def gelu(x: jax.Array) -> jax.Array:
    """Return x (1 + erf(x / sqrt 2)) / 2, written out: five operations one by one, or one compiled loop."""
    return x * 0.5 * (1.0 + jax.lax.erf(x / 1.41421))


def discriminator_steps() -> tuple[Task, Task]:
    """Return DCGAN's discriminator gradient with the generator's computed in vain, and without."""
    generator, discriminator = dcgan.Generator(32, 1, 16), dcgan.Discriminator(32, 16)
    key = jax.random.key(0)
    latents, real = jax.random.normal(key, (64, 64)), jnp.zeros((64, 32, 32, 1))
    first, second = (
        jax.jit(partial(net.init, train=False))(key, x) for net, x in ((generator, latents), (discriminator, real))
    )

    def loss(params: Any) -> jax.Array:
        fake, _ = generator.apply({**first, "params": params["generator"]}, latents, train=True, mutable=True)
        logits, _ = discriminator.apply(
            {**second, "params": params["discriminator"]}, jnp.concatenate([real, fake]), train=True, mutable=True
        )
        return adversarial.discriminator(logits[:64], logits[64:])

    everything = {"generator": first["params"], "discriminator": second["params"]}
    whole = jax.jit(jax.grad(loss))
    owned = jax.jit(jax.grad(lambda own: loss({**everything, "discriminator": own})))
    return (
        lambda: jax.block_until_ready(whole(everything)),
        lambda: jax.block_until_ready(owned(everything["discriminator"])),
    )


def compile_in(folder: str) -> None:
    """Compile a training step in a process of its own that keeps compiled programs in `folder`."""
    code = (
        "import jax, numpy as np; from benchmarks import tricks; "
        "images = {'images': np.zeros((128, 28, 28, 1), np.uint8), 'labels': np.zeros(128, np.int32)}; "
        "tricks.Trainer(images, tricks.make_game()).on_device()"
    )
    cache = {"JAX_COMPILATION_CACHE_DIR": folder, "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0"}
    subprocess.run([sys.executable, "-c", code], env={**os.environ, **cache}, check=True)


def torch_epoch(images: Mapping[str, np.ndarray]) -> Task:
    """Return one epoch in a plain PyTorch loop over tensors in memory: same network, optimizer and batch."""
    import torch
    from torch import nn

    def block(channels: int, features: int) -> list[nn.Module]:
        convolution = nn.Conv2d(channels, features, 5, padding=2, bias=False)
        return [convolution, nn.BatchNorm2d(features), nn.ReLU(), nn.MaxPool2d(2)]

    network = nn.Sequential(*block(1, 16), *block(16, 32), nn.Flatten(), nn.Linear(7 * 7 * 32, 10))
    optimizer = torch.optim.SGD(network.parameters(), lr=0.01, momentum=0.9)
    x = torch.from_numpy(images["images"]).permute(0, 3, 1, 2).float().div(255)
    labels = torch.from_numpy(images["labels"]).long()

    def epoch() -> None:
        shuffled = torch.randperm(len(x))
        for start in range(0, len(x) - BATCH + 1, BATCH):
            rows = shuffled[start : start + BATCH]
            optimizer.zero_grad(set_to_none=True)
            nn.functional.cross_entropy(network(x[rows]), labels[rows]).backward()
            optimizer.step()

    return epoch


def measure(images: Mapping[str, np.ndarray], repeats: int) -> Iterator[list[dict[str, str]]]:
    """Yield the table's rows, one a trick, after each trick."""
    plain = Trainer(images, make_game())
    undonated = Trainer(images, make_game(), donate=False)
    bias, half = Trainer(images, make_game(bias=True)), Trainer(images, make_game(dtype=jnp.bfloat16))
    large = Trainer(images, make_game(), batch=LARGE)
    fused = Trainer(images, make_game(), fuse=FUSED)
    dense, fused_dense = (Trainer(images, make_game(DenseNet), fuse=n) for n in (1, LARGE // BATCH))
    sliced, whole = Trainer(images, make_game(), LARGE, accumulate=8), large
    again = Trainer(images, rematerialized(make_game()), LARGE)
    calls = max(1, plain.steps // FUSED // 8)  # fusing is timed on an eighth, since it is slow on CPUs
    x = jax.random.normal(jax.random.key(0), (2000, 3000))
    compiled_gelu = jax.jit(gelu)
    both_networks, own_network = discriminator_steps()
    with tempfile.TemporaryDirectory() as warm:
        compile_in(warm)

        def cold() -> None:
            with tempfile.TemporaryDirectory() as folder:
                compile_in(folder)

        epoch = plain.on_device
        pairs: dict[str, tuple[Task, Task, str]] = {
            "prefetch to the device": (plain.from_host, plain.prefetched, "images on the host"),
            "images on the device": (plain.from_host, epoch, ""),
            "losses read later, not after each step": (partial(plain.on_device, wait=True), epoch, ""),
            f"{FUSED} steps in a call": (
                partial(plain.on_device, most=calls * FUSED), partial(fused.on_device, most=calls), "part of an epoch",
            ),
            f"{LARGE // BATCH} steps in a call, dense network": (
                dense.on_device, fused_dense.on_device, "784-16-10: steps shorter than their dispatch",
            ),
            "donated state": (undonated.on_device, epoch, ""),
            "bfloat16": (epoch, half.on_device, ""),
            f"batch {LARGE} instead of {BATCH}": (epoch, large.on_device, "time of an epoch, not to an accuracy"),
            f"batch {LARGE} in 8 slices": (
                partial(whole.on_device, most=1), partial(sliced.on_device, most=1),
                f"one step; temporary memory {whole.memory()} -> {sliced.memory()}",
            ),
            f"rematerialization, batch {LARGE}": (
                partial(whole.on_device, most=1), partial(again.on_device, most=1),
                f"one step; temporary memory {whole.memory()} -> {again.memory()}",
            ),
            "no bias before batch norm": (bias.on_device, epoch, ""),
            "no gradient of the other network": (both_networks, own_network, "DCGAN's discriminator, 32 pixels"),
            "compiled GELU": (
                lambda: gelu(x).block_until_ready(), lambda: compiled_gelu(x).block_until_ready(), "2000 x 3000",
            ),
            "compilation cache": (cold, partial(compile_in, warm), "start of a process to its first step"),
        }  # fmt: skip
        try:
            pairs["genjax instead of a plain PyTorch loop"] = (torch_epoch(images), epoch, "same network and batch")
        except ImportError:
            print("torch is not installed: no PyTorch loop")
        rows: list[dict[str, str]] = []
        for name, (off, on, note) in pairs.items():
            off(), on()
            seconds = _result.in_turns({"off": off, "on": on}, repeats)
            ratios = [a / b for a, b in zip(seconds["off"], seconds["on"], strict=True)]
            rows.append(
                {
                    "trick": name,
                    "seconds off: median (range)": _result.spread(seconds["off"]),
                    "seconds on: median (range)": _result.spread(seconds["on"]),
                    "times faster: median (range)": _result.spread(ratios),
                    "note": note,
                }
            )
            print(rows[-1], flush=True)
            yield rows


def chart(rows: list[dict[str, str]], path: Path) -> None:
    """Draw how many times faster each trick is, as bars with the range over rounds."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    from genjax.files import atomic

    texts = [row["times faster: median (range)"] for row in rows][::-1]
    values = np.array(
        [[float(x) for x in text.replace("(", "").replace(")", "").replace("- ", "").split()] for text in texts]
    )
    figure = Figure(figsize=(8, 0.36 * len(rows) + 1), dpi=100, layout="constrained")
    axes = figure.subplots()
    colours = ["tab:blue" if middle >= 1 else "tab:orange" for middle in values[:, 0]]
    errors = np.abs(values[:, 1:] - values[:, :1]).T
    axes.barh(range(len(rows)), values[:, 0] - 1, left=1, xerr=errors, color=colours, ecolor="black", capsize=2)
    axes.axvline(1, color="black", linewidth=0.8)
    axes.set(xscale="log", xlabel="times faster with the trick: median, and range over rounds (log scale)")
    axes.set_yticks(range(len(rows)), [row["trick"] for row in rows][::-1])
    ticks = [
        t
        for t in (0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500)
        if values.min() / 2 <= t <= values.max() * 2
    ]
    axes.set_xticks(ticks, [f"{t:g}" for t in ticks])
    axes.minorticks_off()
    with atomic(path) as temporary:
        FigureCanvasAgg(figure).print_png(temporary)


def main(given: Sequence[str] | None = None) -> None:
    """Measure every trick, and write the table and the chart."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default="digits", help="digits (default), or a copy of MNIST as PATH.npz or idx:DIR")
    parser.add_argument("--images", type=int, default=6144, help=f"in an epoch, a multiple of {LARGE}")
    parser.add_argument("--repeats", type=int, default=3)
    arguments = parser.parse_args(given)
    if arguments.images % LARGE or arguments.images < LARGE:
        parser.error(f"--images {arguments.images}: give a multiple of {LARGE}, such as {6 * LARGE}")
    configure(cache=False)
    images, _, data = digits(arguments.data, 28, arguments.images)
    protocol = (
        f"An epoch of {data}; two 5x5 convolutions (16, 32) with batch norm and a dense layer, batch {BATCH}, SGD with "
        f"momentum 0.9, float32; each trick's two programs in turns, {arguments.repeats} rounds after one to warm up; "
        f"ratios round by round; compiling is not in the times but in those of the compilation cache; the process "
        f"keeps freed memory, for PyTorch too. Kernels are autotuned by XLA on GPUs without being asked "
        f"(--xla_gpu_autotune_level); CPUs have no such step"
    )
    rows: list[dict[str, str]] = []
    for rows in measure(images, arguments.repeats):
        _result.report("tricks", "Tricks of fast training, off and on", protocol, rows)
    suffix = "" if jax.devices()[0].platform == "cpu" else f"-{jax.devices()[0].platform}"
    chart(rows, _result.RESULTS / f"tricks{suffix}.png")


if __name__ == "__main__":
    main()
