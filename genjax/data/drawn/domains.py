"""Two domains without pairs, made from the digits and from the scenes, in which the right translation is known.

`domains:digits`: A has white strokes on black, B yellow ones on blue. `domains:scenes`: A has red objects, B green
ones. What should stay is the label: the digit, the object's shape. No image of one domain is an image of the other.
"""

from dataclasses import replace

import numpy as np

from genjax.data.absent import placeholder
from genjax.data.dataset import Arrays, DataError, Dataset, Unpaired
from genjax.data.drawn import digits, scenes
from genjax.data.facts import LABEL, Columns, Facts
from genjax.data.options import DEFAULTS, Options
from genjax.data.readers.image import fit_all

INK, PAPER = np.array([245, 215, 80], np.float32), np.array([40, 60, 200], np.float32)
SHARE_A = 0.6
SCENES = {"train": (2000, 1500), "test": (400, 300)}


def restyle(images: np.ndarray) -> np.ndarray:
    """Return digits, uint8[..., 1 or 3] in grey, as domain B has them: INK where they were white, PAPER elsewhere."""
    stroke = images[..., :1].astype(np.float32) / 255
    return np.round(PAPER + stroke * (INK - PAPER)).astype(np.uint8)


def recolour(factors: scenes.Factors, colour: str) -> scenes.Factors:
    """Return the scenes with every object in `colour`, a name in `scenes.COLOURS`."""
    number = tuple(scenes.COLOURS).index(colour)
    return factors._replace(colour=np.full_like(factors.colour, number))


def load(name: str, options: Options = DEFAULTS) -> Dataset:
    """Return `digits` (8 pixels, or image_size) or `scenes` (32): unpaired splits of unequal sizes, labelled.

    DataError for another name, or grey images: the domains differ in colour.
    """
    if options.channels not in (None, 3):
        raise DataError(f"the two domains differ in colour; leave out channels={options.channels}")
    if name == "digits":
        return _digits(options)
    if name == "scenes":
        options.refuse_hold_out("domains:scenes")
        return _scenes(options.image_size or 32, options.absent)
    raise DataError(f"there are no domains of {name!r}; choose domains:digits or domains:scenes")


def _digits(options: Options) -> Dataset:
    source = digits.load(replace(options, channels=3))
    splits = []
    for split in (source.train, source.test):
        assert isinstance(split, Arrays)
        images, labels = split.arrays["images"], split.arrays["labels"]
        cut = round(SHARE_A * len(labels))  # scikit-learn's order is that of many writers, all digits mixed
        second = Arrays({"images": restyle(images[cut:]), "labels": labels[cut:]})
        splits.append(Unpaired(Arrays({"images": images[:cut], "labels": labels[:cut]}), second))
    return Dataset("domains:digits", splits[0], splits[1], source.class_names, notes=source.notes)


def _scenes(size: int, absent: bool) -> Dataset:
    scenes.check_size(size)
    if absent:
        pixels = ((size, size, 3), "uint8")
        columns: Columns = {"images": pixels, "labels": LABEL, "targets": pixels, "target_labels": LABEL}
        (train, test), second = zip(*SCENES.values(), strict=True)
        return placeholder(Facts("domains:scenes", columns, train, test, class_names=scenes.SHAPES, second=second))
    splits = []
    for seed, counts in enumerate(SCENES.values()):
        halves, start = [], 0
        for colour, count in zip(("red", "green"), counts, strict=True):
            factors = recolour(scenes.draw_factors(range(start, start + count), seed=seed), colour)
            images = fit_all(scenes.render(factors, size).images, None, 3)
            halves.append(Arrays({"images": images, "labels": factors.shape[:, 0]}))
            start += count
        splits.append(Unpaired(halves[0], halves[1]))
    return Dataset("domains:scenes", splits[0], splits[1], scenes.SHAPES)
