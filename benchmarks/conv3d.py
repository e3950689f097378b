"""How long does a transposed convolution of volumes take as sums of 2-D ones, and as the library's own?

    python -m benchmarks.conv3d [--repeats N]

Compares `genjax.nn.conv3d.conv3d_by_taps` with `jax.lax` on the 3-D layers of HoloGAN's generators, in the same process
and in turns.
"""

import argparse
from collections.abc import Callable
from functools import partial
from typing import Any

import jax
from jax import lax

from benchmarks import _result
from genjax.nn.conv3d import LAYOUT, conv3d_by_taps

LAYERS = {
    "4^3x16 -> 8^3x8, batch 16 (`small`)": (16, 4, 16, 8, 2),
    "8^3x16 -> 8^3x16, stride 1, batch 16": (16, 8, 16, 16, 1),
    "8^3x32 -> 16^3x16, batch 8": (8, 8, 32, 16, 2),
    "4^3x512 -> 8^3x128, batch 4 (64 pixels)": (4, 4, 512, 128, 2),
}


def library(x: jax.Array, kernel: jax.Array, stride: int) -> jax.Array:
    """Return what `jax.lax` computes."""
    return lax.conv_transpose(x, kernel, (stride,) * 3, "SAME", dimension_numbers=LAYOUT)


def gradients(form: Callable[..., jax.Array], x: jax.Array, kernel: jax.Array, g: jax.Array, stride: int) -> Any:
    """Return both gradients of <g, form(x, kernel)>."""
    return jax.vjp(lambda x, kernel: form(x, kernel, stride), x, kernel)[1](g)


def main(arguments: list[str] | None = None) -> None:
    """Time every layer and write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=5, help="rounds")
    parser.add_argument("--layers", type=int, default=len(LAYERS), help="how many of the layers, the first ones")
    options = parser.parse_args(arguments)
    forms, rows = {"jax.lax": library, "sums of 2-D ones": conv3d_by_taps}, []
    for name, (batch, side, taken, features, stride) in list(LAYERS.items())[: options.layers]:
        x, kernel, g = (
            jax.random.normal(jax.random.key(number), shape)
            for number, shape in enumerate(
                ((batch, *(side,) * 3, taken), (3, 3, 3, taken, features), (batch, *(side * stride,) * 3, features))
            )
        )
        computed: dict[str, tuple[Callable[..., Any], tuple]] = {
            "output": (lambda form, x, kernel, stride=stride: form(x, kernel, stride), (x, kernel)),
            "both gradients": (partial(gradients, stride=stride), (x, kernel, g)),
        }
        for what, (function, given) in computed.items():
            tasks = {
                which: partial(lambda f, a: jax.block_until_ready(f(*a)), jax.jit(partial(function, form)), given)
                for which, form in forms.items()
            }
            _result.in_turns(tasks, 1)  # compiles
            seconds = _result.in_turns(tasks, options.repeats)
            ratios = [a / b for a, b in zip(*seconds.values(), strict=True)]
            milliseconds = {
                f"{which} (ms)": _result.spread([1000 * s for s in values]) for which, values in seconds.items()
            }
            rows.append({"layer": f"{name}: {what}", **milliseconds, "times faster": _result.spread(ratios)})
    protocol = f"float32, 3x3x3 kernels, jit, {options.repeats} rounds in turns: median (lowest - highest)"
    _result.report("conv3d", "Transposed convolutions of volumes", protocol, rows)


if __name__ == "__main__":
    main()
