"""Train the network on drawn scenes by which perceptual losses compare images where no VGG-19 file is given.

    python -m eval.perceptual --out scenes_vgg.npz

A VGG of three stages of two convolutions tells shape and colour of single solids, 40 classes, at 32 pixels; its
convolutions are kept in half precision. So was made genjax/losses/scenes_vgg.npz, which comes with the library.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import jax.numpy as jnp
import numpy as np
import optax

from genjax.classifiers import classify, vgg, weights
from genjax.data.dataset import Arrays
from genjax.data.drawn import scenes
from genjax.data.ranges import TANH
from genjax.losses.perceptual import DEPTHS, FEATURES, SCENES
from genjax.run import program
from genjax.run.fit import fit
from genjax.run.options import SEED, above, at_least

SIZE, TEST = 32, 1024


@dataclass(frozen=True)
class Options:
    """How long to train, and where to."""

    out: Path = SCENES
    """File to write."""
    images: Annotated[int, at_least(32)] = 8192
    """Scenes to train on."""
    steps: Annotated[int, at_least(1)] = 1500
    """Steps of Adam, 32 scenes each."""
    rate: Annotated[float, above(0)] = 1e-3
    """Highest learning rate; it falls along a cosine."""
    seed: Annotated[int, SEED] = 0
    """Seed of first weights and order."""


def drawn(count: int, seed: int) -> Arrays:
    """Return scenes of one solid, labelled by shape and colour together."""
    factors = scenes.draw_factors(range(count), seed=seed)
    labels = factors.shape[:, 0] * len(scenes.COLOURS) + factors.colour[:, 0]
    return Arrays({"images": scenes.render(factors, SIZE).images, "labels": labels.astype(np.int32)})


def run(options: Options) -> None:
    """Train, say how often the classes of other scenes are right, and write the convolutions."""
    classes = len(scenes.SHAPES) * len(scenes.COLOURS)
    network = vgg.VGG16(classes, FEATURES, DEPTHS, hidden=32, dropout=0.0)
    tx = optax.adam(optax.cosine_decay_schedule(options.rate, options.steps))
    game = classify.game(network, tx, image_shape=(SIZE, SIZE, 3))
    told: dict[str, Any] = {"pixels": TANH, "steps": options.steps, "batch_size": 32, "seed": options.seed}
    state = fit(game, drawn(options.images, 0), **told).state
    test = drawn(TEST, 1).arrays
    predict = classify.predictor(network, state.variables_of("classifier"))
    right = classify.accuracy(predict, TANH.from_bytes(test["images"]), jnp.asarray(test["labels"]))
    kept = {name: tree for name, tree in state.params["classifier"].items() if name.startswith("stage")}
    halved = {
        f"{stage}.{layer}.{kind}": np.asarray(x, np.float16)
        for stage, layers in kept.items()
        for layer, kinds in layers.items()
        for kind, x in kinds.items()
    }
    weights.save_tensors(options.out, halved)
    print(f"{options.out}: {right:.1%} of {TEST} other scenes are told right, shape and colour, of {classes} classes")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the program from the command line."""
    return program.main("eval.perceptual", __doc__ or "", Options(), run, arguments)


if __name__ == "__main__":
    raise SystemExit(main())
