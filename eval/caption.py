"""Draw a sentence by a trained StackGAN: several samples, and beside each the training image nearest to it.

    python -m eval.caption runs/stackgan-captions "a large red cube left of a small blue ball" [options]

Writes caption.png beside the run: on top samples of the sentence, below each the training image nearest to it by
squared distance of pixels, and under that what stage I made of the same noise. The data set is read for the training
images; --no-nearest leaves it alone. Words that no training caption has are refused, with those that there are.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import jax
import numpy as np
import tyro

from genjax.data.ranges import TANH
from genjax.run import program
from genjax.run.load import load
from genjax.run.options import SEED, at_least
from genjax.tasks.captioned import Captioned
from genjax.tasks.generation import spread_rows
from genjax.viz.grid import save_page
from genjax.viz.table import image_table

AMONG = 5000
"""Training images among which the nearest one is looked up, spread evenly."""


@dataclass(frozen=True)
class Options:
    """Which sentence, by which run."""

    run: Annotated[Path, tyro.conf.Positional] = Path()
    """Folder of a run of train.stackgan."""
    sentence: Annotated[str, tyro.conf.Positional] = ""
    """Sentence to draw, in quotation marks."""
    count: Annotated[int, at_least(1)] = 8
    """Samples."""
    seed: Annotated[int, SEED] = 0
    """Seed of the noise."""
    nearest: bool = True
    """Show the nearest training images, for which the data set is read."""
    out: Path | None = None
    """Path of the picture; caption.png in the run's folder if not given."""


def nearest(samples: np.ndarray, images: np.ndarray) -> np.ndarray:
    """Return the image nearest to each sample by squared distance of pixels; both uint8[count, h, w, channels]."""
    a, b = (x.reshape(len(x), -1).astype(np.float32) for x in (samples, images))
    return images[((b**2).sum(1)[None] - 2 * a @ b.T).argmin(1)]


def run(options: Options) -> None:
    """Draw the sentence and write the picture."""
    if not options.sentence.strip():
        raise ValueError('what is to be drawn? Give a sentence, such as "a large red cube left of a small blue ball"')
    model = load(options.run, with_data=options.nearest)
    task = model.task
    if not isinstance(task, Captioned):
        raise ValueError(f"{options.run} is a run of {model.recipe.name}, which draws no sentences; give a stackgan")
    tokens = np.repeat(task.tokens([options.sentence]), options.count, 0)
    sketches, images = (TANH.to_bytes(x) for x in task.drawn(model.state, tokens, jax.random.key(options.seed)))
    rows = {"drawn": images}
    if options.nearest:
        train = model.dataset.train
        known = task.real(train.take(spread_rows(len(train), AMONG))["images"])
        rows["nearest in training"] = nearest(images, known)
    if sketches.shape != images.shape:
        rows["stage I"] = np.repeat(np.repeat(sketches, task.factor, 1), task.factor, 2)
    heads = [f"{number + 1}" for number in range(options.count)]
    path = options.out or options.run / "caption.png"
    save_page(path, image_table(np.stack(list(rows.values())), list(rows), heads, title=options.sentence))
    print(path)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the program from the command line."""
    return program.main("eval.caption", __doc__ or "", Options(), run, arguments)


if __name__ == "__main__":
    raise SystemExit(main())
