"""Stacked digits: three labelled grey images as red, green and blue, so that the modes can be counted (10^3 = 1000).

Source: Metz et al. 2017, arXiv 1611.02163, section 3.3.1 (there of MNIST; `stack` takes any labelled grey split).
"""

from dataclasses import replace

import numpy as np

from genjax.data.dataset import Arrays, DataError, Dataset
from genjax.data.drawn import digits
from genjax.data.drawn.uniforms import uniforms
from genjax.data.options import DEFAULTS, Options

COUNTS = {"train": 25_600, "test": 6_400}


def stack(split: Arrays, count: int, *, classes: int = 10, seed: int = 0) -> Arrays:
    """Return `count` stacks of three random images of `split`: uint8[count, height, width, 3].

    Label = classes^2 red + classes green + blue. Images are drawn uniformly, with repetition: stack i is a function of
    (seed, i). DataError for images that are not uint8 with one channel, labels outside 0 .. classes - 1, or fewer
    stacks than modes.
    """
    images = split.arrays["images"]
    if images.shape[-1] != 1 or images.dtype != np.uint8:
        raise DataError(
            f"stacks are made of grey uint8 images, not {images.dtype}{list(images.shape)}; pass channels=1"
        )
    if not split.labelled or not len(images):
        raise DataError("stacks need images with labels, for their modes are counted by class")
    labels = split.arrays["labels"]
    if labels.min() < 0 or labels.max() >= classes:
        raise DataError(f"labels {labels.min()} .. {labels.max()} must lie in 0 .. {classes - 1}; pass the class count")
    if count < classes**3:
        raise DataError(f"{count} stacks cannot show {classes**3} modes; ask for at least as many")
    rows = (uniforms(range(count), 3, seed) * len(images)).astype(np.int64)
    stacked = np.stack([images[rows[:, i], :, :, 0] for i in range(3)], -1)
    return Arrays({"images": stacked, "labels": (labels[rows] @ [classes**2, classes, 1]).astype(np.int32)})


def load(options: Options = DEFAULTS) -> Dataset:
    """Return 25,600 training and 6,400 test stacks of the embedded digits; labels 0 .. 999.

    A label is the number read red, green, blue. The test split is made of digits held out from training. DataError for
    other channels than 3: the colours are the digits.
    """
    if options.channels not in (None, 3):
        raise DataError(f"stacked digits have three channels, one digit each; leave out channels={options.channels}")
    source = digits.load(replace(options, channels=None))
    splits = []
    for seed, (split, count) in enumerate(zip((source.train, source.test), COUNTS.values(), strict=True)):
        assert isinstance(split, Arrays)
        splits.append(stack(split, count, seed=seed))
    names = tuple(f"{mode:03d}" for mode in range(1000))
    return Dataset("stacked", splits[0], splits[1], names, channels_of=source.name, notes=source.notes)
