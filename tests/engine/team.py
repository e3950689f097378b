"""A run of the toy regression in several processes: `python -m tests.engine.team FOLDER STEPS PROCESSES`."""

import os
import sys
from pathlib import Path

import jax
import optax

from genjax import parallel, processes
from genjax.data import Files
from genjax.engine.loop import Settings, train
from genjax.engine.phases import Phase
from tests.engine import toy


def main(folder: Path, steps: int, count: int, streamed: bool = False) -> None:
    """Train on eight devices, as many of each process, by SGD, saving every ten steps."""
    os.environ.pop("XLA_FLAGS", None)  # the parent's eight devices
    jax.config.update("jax_num_cpu_devices", 8 // count)
    if processes.scheduler(os.environ) is None:
        raise SystemExit(processes.lead(count, [sys.executable, "-m", "tests.engine.team", *sys.argv[1:]]))
    with processes.member():
        (folder / f"process-{jax.process_index()}").write_text(str(os.getpid()))
        feed = toy.feed()
        if streamed:
            arrays = toy.split()

            def decode(i: int):
                with (folder / f"read-{jax.process_index()}").open("a") as file:
                    file.write("x")
                return arrays.arrays["images"][i]

            feed = feed._replace(split=Files(decode, len(arrays), arrays.shape))
        result = train(
            [Phase(toy.regression(optax.sgd(0.1)), steps, feed)],
            parallel.jit_plan(jax.devices()),
            seed=3,
            folder=folder,
            settings=Settings(fuse=5, checkpoint_every=10, evaluate_every=10),
            resume=True,
            evaluate=lambda state: {"step": float(state.step)},
        )
        print(jax.process_index(), int(result.state.step), result.signal)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), "streamed" in sys.argv)
