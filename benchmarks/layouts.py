"""Does a convolution care which axis its channels lie on, and in which precision it multiplies?

    python -m benchmarks.layouts [--batch 64] [--rounds 10]

Output and both gradients of convolutions as they occur in generators and discriminators, with channels last (NHWC, as
all of genjax has them) and channels first (NCHW), in each precision; with torch installed (pip install '.[bench]') its
own in both layouts. An accelerator's units multiply one layout only, so that a library that gets the other one copies.
"""

import argparse
import importlib.util
import itertools
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import jax
import numpy as np
from jax import lax

from benchmarks import _result
from benchmarks.gan_step import PRECISIONS


class Layer(NamedTuple):
    """A convolution of side x side images to `outputs` channels."""

    side: int
    inputs: int
    outputs: int
    kernel: int
    stride: int = 1

    def __str__(self) -> str:
        small = self.side // self.stride
        return f"{self.side}x{self.side}x{self.inputs} -> {small}x{small}x{self.outputs}, kernel {self.kernel}"

    def flops(self, batch: int) -> int:
        """Return the operations of the output and of both gradients."""
        places = (self.side // self.stride) ** 2
        return 3 * 2 * batch * places * self.kernel**2 * self.inputs * self.outputs


LAYERS = (Layer(64, 64, 128, 4, 2), Layer(32, 256, 256, 3), Layer(128, 96, 96, 3), Layer(256, 3, 64, 7))


def ours(layer: Layer, batch: int, precision: str, first: bool) -> Callable[[], Any]:
    """Return the compiled convolution with its gradients. first: channels first."""
    dtype = PRECISIONS[precision].dtype
    shape, small = (batch, layer.side, layer.side, layer.inputs), layer.side // layer.stride
    given = (batch, small, small, layer.outputs)
    if first:
        shape, given = ((s[0], s[3], s[1], s[2]) for s in (shape, given))
    keys = jax.random.split(jax.random.key(0), 3)
    kernel_shape = (layer.kernel, layer.kernel, layer.inputs, layer.outputs)
    x, g, kernel = (jax.random.normal(k, s, dtype) for k, s in zip(keys, (shape, given, kernel_shape), strict=True))
    names = ("NCHW", "HWIO", "NCHW") if first else ("NHWC", "HWIO", "NHWC")

    @jax.jit
    def run(x: jax.Array, kernel: jax.Array, g: jax.Array) -> Any:
        y, back = jax.vjp(
            lambda x, kernel: lax.conv_general_dilated(
                x, kernel, (layer.stride, layer.stride), "SAME", dimension_numbers=names
            ),
            x,
            kernel,
        )
        return y, back(g)

    with jax.default_matmul_precision(PRECISIONS[precision].products):
        compiled = run.lower(x, kernel, g).compile()
    return lambda: jax.block_until_ready(compiled(x, kernel, g))


def theirs(layer: Layer, batch: int, precision: str, first: bool) -> Callable[[], Any]:
    """Return PyTorch's convolution with its gradients."""
    import torch
    from torch.nn import functional as F

    device = "cpu" if jax.devices()[0].platform == "cpu" else "cuda"
    torch.backends.cudnn.benchmark = True
    torch.backends.cudnn.allow_tf32 = precision != "fp32"
    dtype = torch.bfloat16 if precision == "bf16" else torch.float32
    layout = torch.contiguous_format if first else torch.channels_last
    small = layer.side // layer.stride

    def tensor(*shape: int, gradient: bool = True) -> Any:
        drawn = torch.randn(shape, device=device, dtype=dtype).contiguous(memory_format=layout)
        return drawn.requires_grad_(gradient)

    x = tensor(batch, layer.inputs, layer.side, layer.side)
    kernel = tensor(layer.outputs, layer.inputs, layer.kernel, layer.kernel)
    g = tensor(batch, layer.outputs, small, small, gradient=False)
    total = max(layer.kernel - layer.stride, 0)
    pad = (total // 2, total - total // 2) * 2

    def run() -> None:
        padded = F.pad(x, pad) if pad[0] != pad[1] else x
        y = F.conv2d(padded, kernel, stride=layer.stride, padding=0 if pad[0] != pad[1] else pad[0])
        torch.autograd.grad(y, (x, kernel), g)
        if device == "cuda":
            torch.cuda.synchronize()

    return run


def repeated(task: Callable[[], Any], calls: int) -> None:
    """Run a task `calls` times: a single one would time the clock."""
    for _ in range(calls):
        task()


def main(arguments: Sequence[str] | None = None) -> None:
    """Time every layer in every layout and precision, and write the table."""
    cpu = jax.devices()[0].platform == "cpu"
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batch", type=int, default=4 if cpu else 64, help="images in a batch")
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--calls", type=int, default=1 if cpu else 5, help="in a round")
    parser.add_argument("--layers", type=int, default=len(LAYERS), help="how many of the layers, the first ones")
    parser.add_argument("--precisions", nargs="+", choices=PRECISIONS, default=["fp32"] if cpu else list(PRECISIONS))
    options = parser.parse_args(arguments)
    libraries: dict[str, Callable[..., Callable[[], Any]]] = {"genjax": ours}
    if importlib.util.find_spec("torch") is not None:
        libraries["PyTorch"] = theirs
    else:
        print("torch is not installed: XLA alone")
    protocol = (
        f"batch {options.batch}; {options.rounds} rounds in turns of {options.calls} call(s) after one to compile: "
        "median (lowest - highest); random numbers"
    )
    rows = []
    for layer, precision in itertools.product(LAYERS[: options.layers], options.precisions):
        tasks = {
            f"{name} {layout}": partial(
                repeated, make(layer, options.batch, precision, layout == "first"), options.calls
            )
            for name, make in libraries.items()
            for layout in ("last", "first")
        }
        _result.in_turns(tasks, 1)  # compiles
        seconds = _result.in_turns(tasks, options.rounds)
        base = seconds["genjax last"]
        for task, own in seconds.items():
            name, layout = task.split()
            rate = layer.flops(options.batch) * options.calls / float(np.median(own))
            rows.append({
                "layer": str(layer),
                "precision": precision,
                "library": name,
                "channels": layout,
                "output and gradients (ms)": _result.spread([1000 * s / options.calls for s in own]),
                "TFLOP/s": f"{rate / 1e12:.3g}",
                "times genjax's, channels last": _result.spread([a / b for a, b in zip(own, base, strict=True)]),
            })  # fmt: skip
        # After each, so that what a time limit cuts short leaves what it measured.
        _result.report("layouts", "Layouts and precisions of convolutions", protocol, rows)


if __name__ == "__main__":
    main()
