"""What the benchmarks over several devices share: their options, the virtual devices, and the DCGAN that they train."""

import argparse
import os
from collections.abc import Sequence
from typing import Any


def parser(text: str) -> argparse.ArgumentParser:
    """Return a parser for the numbers of devices, the global batch and the network's sizes; text: the program's."""
    found = argparse.ArgumentParser(description=text, formatter_class=argparse.RawDescriptionHelpFormatter)
    found.add_argument("--devices", nargs="+", type=int, default=[1, 2, 4, 8])
    found.add_argument("--batch", type=int, default=64)
    found.add_argument("--size", type=int, default=32)
    found.add_argument("--width", type=int, default=16)
    return found


def make_virtual(counts: Sequence[int]) -> None:
    """Give a machine without accelerators as many devices as the largest count; before jax looks for devices."""
    if "XLA_FLAGS" not in os.environ:
        os.environ["XLA_FLAGS"] = f"--xla_force_host_platform_device_count={max(counts)}"


def dcgan(size: int, width: int) -> Any:
    """Return a DCGAN's game for colour images of `size` pixels, both networks with batch norm, SGD with rate 0.01."""
    import optax

    from genjax.gans import dcgan

    tx = optax.sgd(1e-2)
    networks = dcgan.Generator(size=size, width=width), dcgan.Discriminator(size=size, width=width)
    return dcgan.game(*networks, generator_tx=tx, discriminator_tx=tx, image_shape=(size, size, 3), latent=100)


def plans(counts: Sequence[int]) -> dict[tuple[int, str], Any]:
    """Return by (devices, "jit" or "pmap") how a step is compiled for the first so many devices."""
    import jax

    from genjax import parallel

    ways = (("jit", parallel.jit_plan), ("pmap", parallel.pmap_plan))
    return {(count, name): make(jax.devices()[:count]) for name, make in ways for count in counts}
