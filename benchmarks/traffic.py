"""What passes between devices in one training step, counted from the compiled program?

    python -m benchmarks.traffic [--devices 1 2 4 8]

The step of a DCGAN with batch norm, compiled by `jit` and by `pmap` for virtual devices: the collective operations that
stand in the program's text, the bytes of what they reduce against the bytes of the parameters, and the share of one
device's floating-point operations that is left to each of several. Nothing is run.
"""

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from benchmarks import _devices

KINDS = "all-reduce|all-gather|reduce-scatter|all-to-all|ragged-all-to-all|collective-permute|collective-broadcast|send"
SIZES = {"pred": 1, "s8": 1, "u8": 1, "bf16": 2, "f16": 2, "s32": 4, "u32": 4, "f32": 4, "s64": 8, "u64": 8, "f64": 8}
_OPERATION = re.compile(rf" = (?P<shapes>.*?) (?P<kind>{KINDS})(-start)?\(")
_SHAPE = re.compile(r"\b([a-z]+[0-9]+|pred)\[([0-9,]*)\]")


class Traffic(NamedTuple):
    """Of one step on each device: operations and bytes by kind of collective, and floating-point operations."""

    operations: Mapping[str, int]
    bytes: Mapping[str, int]
    flops: float


def collectives(text: str) -> list[tuple[str, int]]:
    """Return (kind, bytes of its result) of every collective operation in the text of a compiled program."""
    found = []
    for line in text.splitlines():
        if match := _OPERATION.search(line):
            shapes = _SHAPE.findall(match["shapes"])
            size = sum(SIZES[kind] * math.prod(int(x) for x in axes.split(",") if x) for kind, axes in shapes)
            found.append((match["kind"], size))
    return found


def traffic(game: Any, plan: Any, images: Any, batch: int) -> Traffic:
    """Return the traffic of one step of `game` on `batch` of the images float[count, height, width, channels]."""
    import jax
    import numpy as np

    from genjax.engine import init_state, make_run, make_step

    run = plan.compile(make_run(make_step(game, plan.axis)))
    state = plan.put_state(jax.jit(lambda key: init_state(game, key))(jax.random.key(0)))
    shape = (1, game.batches_per_step, batch)
    indices, source = plan.put_batches(np.zeros(shape, np.int32)), plan.put_source({"images": images})
    program = run.lower(state, source, indices, jax.random.key(0)).compile()
    count: dict[str, int] = {}
    total: dict[str, int] = {}
    for kind, size in collectives(program.as_text()):
        count[kind], total[kind] = count.get(kind, 0) + 1, total.get(kind, 0) + size
    return Traffic(count, total, float((program.cost_analysis() or {}).get("flops", 0)))


def parameter_bytes(game: Any) -> int:
    """Return the bytes of all networks' parameters, in float32."""
    from genjax.run.describe import parameters

    return 4 * sum(parameters(game).values())


def main(arguments: Sequence[str] | None = None) -> None:
    """Count for every number of devices, and write the table."""
    options = _devices.parser(__doc__ or "").parse_args(arguments)
    _devices.make_virtual(options.devices)
    import numpy as np

    from benchmarks import _result

    game = _devices.dcgan(options.size, options.width)
    images, held = np.zeros((options.batch, options.size, options.size, 3), np.float32), parameter_bytes(game)
    rows: list[dict[str, str]] = []
    single: dict[str, float] = {}
    for (count, name), plan in _devices.plans(options.devices).items():
        found = traffic(game, plan, images, options.batch)
        single.setdefault(name, found.flops)
        reduced = found.bytes.get("all-reduce", 0)
        rows.append(
            {
                "compiled by": name,
                "devices": str(count),
                "collective operations": ", ".join(f"{n} {kind}" for kind, n in found.operations.items()) or "none",
                "bytes all-reduced": f"{reduced:,}",
                "over bytes of parameters": f"{reduced / held:.3f}",
                "operations a device, share of one device's": f"{found.flops / single[name]:.3f}",
            }
        )
    protocol = (
        f"DCGAN-{options.size}, width {options.width}, {held:,} bytes of parameters, batch norm in both, global "
        f"batch {options.batch}, SGD, float32; counted from the text of the program that XLA compiled for virtual "
        "devices; by pmap on one device the reductions stand in the program and move nothing"
    )
    _result.report("traffic", "Traffic between devices in one step", protocol, rows)


if __name__ == "__main__":
    main()
