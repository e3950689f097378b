"""Are strided and transposed convolutions as fast in their gradients as in themselves, and those to few channels?

    python -m benchmarks.conv_transpose [--repeats N]

Compares `genjax.nn.conv` with the direct forms of `jax.lax` on the layers of a 64-pixel generator and on a critic's
gradient penalty, in the same process and in turns.
"""

import argparse
from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from benchmarks import _result
from genjax.losses.penalties import gradient_penalty
from genjax.nn import conv

LAYOUT = ("NHWC", "HWIO", "NHWC")


def _direct(x, kernel, stride):
    return lax.conv_general_dilated(x, kernel, (stride, stride), "SAME", dimension_numbers=LAYOUT)


def _direct_transpose(x, kernel, stride):
    return lax.conv_transpose(x, kernel, (stride, stride), "SAME")


def _normal(seed: int, *shape: int) -> jax.Array:
    return 0.02 * jax.random.normal(jax.random.key(seed), shape)


def _gradients(function, x, kernel, g, stride=2):
    return jax.vjp(lambda x, kernel: function(x, kernel, stride), x, kernel)[1](g)


def _penalty_gradient(function, kernels, images):
    def penalty(kernels):
        def score(x):
            for kernel in kernels:
                x = jax.nn.leaky_relu(function(x, kernel, 2), 0.2)
            return jnp.sum(x, (1, 2, 3))

        return gradient_penalty(score, images, images[::-1], jax.random.key(0))

    return jax.grad(penalty)(kernels)


def questions(batch: int) -> dict[str, tuple[Callable[..., Any], Callable[..., Any], Callable[..., Any], tuple]]:
    """Return `{question: (what is computed, direct form, ours, arguments)}`."""
    found: dict[str, Any] = {}
    for size, wide, narrow, k in (
        (4, 512, 256, 4),
        (8, 256, 128, 4),
        (16, 128, 64, 4),
        (32, 64, 3, 4),
        (8, 256, 128, 5),
    ):
        x, kernel = _normal(0, batch, size, size, wide), _normal(1, k, k, wide, narrow)
        g = _normal(2, batch, 2 * size, 2 * size, narrow)
        name = f"{size}x{size}x{wide} -> {2 * size}x{2 * size}x{narrow}, kernel {k}"
        pair = (_direct_transpose, conv.conv_transpose)
        found[f"transposed {name}: output"] = (lambda f, x, kernel: f(x, kernel, 2), *pair, (x, kernel))
        found[f"transposed {name}: both gradients"] = (_gradients, *pair, (x, kernel, g))
    for size, narrow, wide, k in ((32, 64, 128, 4), (8, 256, 512, 5)):
        strided = _normal(0, batch, size, size, narrow), _normal(1, k, k, narrow, wide)
        g = _normal(2, batch, size // 2, size // 2, wide)
        name = f"strided {size}x{size}x{narrow} -> {size // 2}x{size // 2}x{wide}, kernel {k}"
        found[f"{name}: both gradients"] = (_gradients, _direct, conv.conv, (*strided, g))
    for size, wide, k in ((32, 256, 3), (64, 64, 7)):
        few = _normal(0, batch, size, size, wide), _normal(1, k, k, wide, 3)
        g, pair = _normal(2, batch, size, size, 3), (_direct, conv.conv)
        found[f"to three channels {size}x{size}x{wide}, kernel {k}: output"] = (
            lambda f, x, kernel: f(x, kernel, 1), *pair, few
        )  # fmt: skip
        found[f"to three channels {size}x{size}x{wide}, kernel {k}: both gradients"] = (
            partial(_gradients, stride=1), *pair, (*few, g)
        )  # fmt: skip
    images = _normal(3, batch, 32, 32, 3)
    for k in (4, 5):
        kernels = [_normal(i, k, k, a, b) for i, (a, b) in enumerate(((3, 64), (64, 128), (128, 256)))]
        found[f"critic 32x32x3, 64-128-256, kernel {k}: gradient of a gradient penalty"] = (
            _penalty_gradient, _direct, conv.conv, (kernels, images)
        )  # fmt: skip
    return found


def main() -> None:
    """Time every question and write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=5, help="rounds")
    parser.add_argument("--batch", type=int, default=32, help="images in a batch")
    options = parser.parse_args()
    rows = []
    for name, (what, direct, ours, arguments) in questions(options.batch).items():
        tasks = {
            which: partial(lambda f, a: jax.block_until_ready(f(*a)), jax.jit(partial(what, form)), arguments)
            for which, form in (("jax.lax", direct), ("genjax.nn.conv", ours))
        }
        _result.in_turns(tasks, 1)  # compiles
        seconds = _result.in_turns(tasks, options.repeats)
        ratios = [a / b for a, b in zip(seconds["jax.lax"], seconds["genjax.nn.conv"], strict=True)]
        milliseconds = {
            f"{which} (ms)": _result.spread([1000 * s for s in values]) for which, values in seconds.items()
        }
        rows.append({"question": name, **milliseconds, "times faster": _result.spread(ratios)})
    protocol = f"float32, batch {options.batch}, jit, {options.repeats} rounds in turns: median (lowest - highest)"
    _result.report("conv_transpose", "Strided and transposed convolutions, and those to few channels", protocol, rows)


if __name__ == "__main__":
    main()
