"""Drawn images that belong together: outlines with scenes, scenes with label maps or captions, persons with garments.

Every colour is a function of the shape, so that what belongs to an outline or a label map is known.
"""

import numpy as np

from genjax.data.absent import placeholder
from genjax.data.dataset import Arrays, DataError, Dataset
from genjax.data.drawn import garments, scenes
from genjax.data.facts import LABEL, Columns, Facts
from genjax.data.options import DEFAULTS, Options

COUNTS = {"train": 1024, "test": 256}
CAPTIONED = {"train": 4096, "test": 256}
"""Of captions more: there are more of them to learn than of the others."""
LARGEST = 128


def load_pairs(_name: str, options: Options = DEFAULTS) -> Dataset:
    """Return "images", outlines uint8[count, size, size, 1], and "targets", the scenes in colour; else 32 pixels.

    Labels number the shapes. DataError outside 16 .. 128 pixels, or for channels.
    """
    name, size = "pairs:scenes", _size(options, "pairs:scenes")
    if options.absent:
        columns: Columns = {"images": _pixels(size, 1), "targets": _pixels(size), "labels": LABEL}
        return placeholder(Facts(name, columns, COUNTS["train"], COUNTS["test"], class_names=scenes.SHAPES))
    splits = []
    for seed, count in enumerate(COUNTS.values()):
        factors = coloured_by_shape(scenes.draw_factors(range(count), seed=seed))
        drawing = scenes.render(factors, size)
        splits.append(Arrays({"images": drawing.edges, "targets": drawing.images, "labels": factors.shape[:, 0]}))
    return Dataset(name, splits[0], splits[1], scenes.SHAPES)


def load_maps(_name: str, options: Options = DEFAULTS) -> Dataset:
    """Return "images" of two solids with "maps" uint8[count, size, size, 1]: 0 the ground, 1 + shape elsewhere.

    "instances" are 0 on the ground, 1 and 2 on the solids. 32 pixels by default. DataError outside 16 .. 128 pixels, or
    for channels.
    """
    name, size, map_names = "maps:scenes", _size(options, "maps:scenes"), ("ground", *scenes.SHAPES)
    if options.absent:
        columns: Columns = {"images": _pixels(size), "maps": _pixels(size, 1), "instances": _pixels(size, 1)}
        return placeholder(Facts(name, columns, COUNTS["train"], COUNTS["test"], map_names=map_names))
    splits = []
    for seed, count in enumerate(COUNTS.values()):
        factors = coloured_by_shape(scenes.draw_factors(range(count), objects=2, seed=seed))
        drawing = scenes.render(factors, size)
        maps, instances = drawing.masks[..., None], drawing.objects[..., None]
        splits.append(Arrays({"images": drawing.images, "maps": maps, "instances": instances}))
    return Dataset(name, splits[0], splits[1], map_names=map_names)


def load_captions(_name: str, options: Options = DEFAULTS) -> Dataset:
    """Return "images" of two solids with "captions" int32[count, 1, 10], numbers in `Dataset.words`.

    32 pixels by default. DataError outside 16 .. 128 pixels, or for channels.
    """
    name, size = "captions:scenes", _size(options, "captions:scenes")
    if options.absent:
        length = len(scenes.tokens(scenes.draw_factors([0], objects=2))[0])
        columns: Columns = {"images": _pixels(size), "captions": ((1, length), "int32")}
        return placeholder(Facts(name, columns, CAPTIONED["train"], CAPTIONED["test"], words=scenes.WORDS))
    splits = []
    for seed, count in enumerate(CAPTIONED.values()):
        factors = scenes.draw_factors(range(count), objects=2, seed=seed)
        images = scenes.render(factors, size).images
        splits.append(Arrays({"images": images, "captions": scenes.tokens(factors)[:, None]}))
    return Dataset(name, splits[0], splits[1], words=scenes.WORDS)


def load_triplets(_name: str, options: Options = DEFAULTS) -> Dataset:
    """Return persons as "images", the "articles" they wear, "others", and as "targets" the persons wearing those.

    "masks" uint8[count, size, size, 1] are 1 where a person shows the garment. 32 pixels by default. DataError outside
    16 .. 128 pixels, or for channels.
    """
    name, size = "triplets:garments", _size(options, "triplets:garments")
    if options.absent:
        columns: Columns = dict.fromkeys(("images", "articles", "others", "targets"), _pixels(size))
        return placeholder(Facts(name, columns | {"masks": _pixels(size, 1)}, COUNTS["train"], COUNTS["test"]))
    splits = []
    for seed, count in enumerate(COUNTS.values()):
        drawn = garments.draw_triplets(range(count), size, seed=seed)
        splits.append(
            Arrays(
                {
                    "images": drawn.persons,
                    "articles": drawn.articles,
                    "others": drawn.others,
                    "targets": drawn.swapped,
                    "masks": drawn.masks[..., None],
                }
            )
        )
    return Dataset(name, splits[0], splits[1])


def coloured_by_shape(factors: scenes.Factors) -> scenes.Factors:
    """Return the scenes with colour number i for shape number i, on a ground of one hue."""
    return factors._replace(colour=factors.shape.copy(), background=np.zeros_like(factors.background))


def _pixels(size: int, channels: int = 3) -> tuple[tuple[int, ...], str]:
    return (size, size, channels), "uint8"


def _size(options: Options, name: str) -> int:
    options.refuse_hold_out(name)
    if options.channels is not None:
        raise DataError(f"{name} is drawn in the channels that belong to it; leave out channels={options.channels}")
    size = options.image_size or 32
    if not scenes.SMALLEST <= size <= LARGEST:
        raise DataError(f"{name} is drawn at {scenes.SMALLEST} to {LARGEST} pixels, not {size}")
    return size
