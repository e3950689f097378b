"""How long do the twelve autoencoders of the comparison article take to train, 1000 epochs each as in the article?

    python -m benchmarks.twelve_models [--data mnist.npz] [--epochs 1000] [--seeds 1]

AE, VAE and CVAE with latents of 2, 4, 16 and 64: the four sizes of a kind train as one program (`eval.article`).
Seconds are whole ones: from the start of a kind to its trained parameters on the host, compiling included.
"""

import argparse
import tempfile
from collections.abc import Sequence
from pathlib import Path

from benchmarks import _result
from eval.comparison import training
from genjax.data import pipeline


def main(arguments: Sequence[str] | None = None) -> None:
    """Train the three kinds, and write the table."""
    usual = training.Options()
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default=usual.data, help="digits (default), PATH.npz or idx:DIR")
    parser.add_argument("--epochs", type=int, default=1000)
    parser.add_argument("--seeds", type=int, default=1)
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        chosen = training.Options(data=options.data, out=Path(folder), epochs=options.epochs, seeds=options.seeds)
        family = training.family(chosen)
    models = len(chosen.latents) * options.seeds
    steps = options.epochs * pipeline.units_per_epoch(len(family.dataset.train), chosen.batch_size)
    rows = [
        {
            "models": f"{models} x {training.TITLES[kind]}",
            "steps of each": f"{steps:,}",
            "seconds": f"{seconds:.1f}",
            "microseconds a step and model": f"{1e6 * seconds / steps / models:.3g}",
            "training error, nats": " ".join(f"{v:.1f}" for v in family.history[kind]["nll"][-1].mean(-1)),
        }
        for kind, seconds in family.seconds.items()
    ]
    total = sum(family.seconds.values())
    rows.append({**dict.fromkeys(rows[0], ""), "models": "all", "seconds": f"{total:.1f}"})
    protocol = (
        f"{len(family.dataset.train):,} images ({Path(options.data).name}), {options.epochs} epochs, batch "
        f"{chosen.batch_size}, {chosen.samples} draws of the latent an image, {options.seeds} seed(s); the four sizes "
        "of the latent in one program, once"
    )
    _result.report("twelve_models", "The comparison article's twelve models", protocol, rows)


if __name__ == "__main__":
    main()
