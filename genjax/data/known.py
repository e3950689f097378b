"""Facts of published data sets, so that a model can be described, built and sampled where the images are not.

facts = known("tfds:celeb_a", image_size=64)
placeholder(facts).train.take([0])                    # zeros, uint8[1, 64, 64, 3]
"""

from dataclasses import replace

import numpy as np

from genjax.data.dataset import Arrays, DataError, Dataset, Facts, Unpaired
from genjax.data.readers import tfds


def _images(
    name: str, shape: tuple[int, int, int], train: int, test: int, *, classes: int = 0, paired: bool = False,
    second: tuple[int, int] | None = None,
) -> Facts:  # fmt: skip
    targets = {"targets": (shape, "uint8")} if paired or second else {}
    labels = {"labels": ((), "int32")} if classes else {}
    return Facts(
        name=name,
        columns={"images": (shape, "uint8"), **targets, **labels},
        train=train,
        test=test,
        class_names=tuple(map(str, range(classes))),
        second=second,
    )


# Training and test images as `load` splits them: the second split that is there of test and validation, else a fifth.
# Where images differ in size, the shape is that of their shorter side as published.
_TABLE = (
    _images("tfds:mnist", (28, 28, 1), 60_000, 10_000, classes=10),
    _images("tfds:fashion_mnist", (28, 28, 1), 60_000, 10_000, classes=10),
    _images("tfds:kmnist", (28, 28, 1), 60_000, 10_000, classes=10),
    _images("tfds:svhn_cropped", (32, 32, 3), 73_257, 26_032, classes=10),
    _images("tfds:cifar10", (32, 32, 3), 50_000, 10_000, classes=10),
    _images("tfds:cifar100", (32, 32, 3), 50_000, 10_000, classes=100),
    _images("tfds:stl10", (96, 96, 3), 5_000, 8_000, classes=10),
    _images("tfds:stl10@unlabelled", (96, 96, 3), 100_000, 8_000),
    _images("tfds:celeb_a", (218, 178, 3), 162_770, 19_962),
    _images("tfds:celeb_a_hq/1024", (1024, 1024, 3), 24_000, 6_000),
    _images("folder:ffhq", (1024, 1024, 3), 56_000, 14_000),
    _images("tfds:lsun/bedroom", (256, 256, 3), 3_033_042, 300),
    _images("tfds:lsun/church_outdoor", (256, 256, 3), 126_227, 300),
    _images("tfds:imagenet2012", (256, 256, 3), 1_281_167, 50_000, classes=1000),
    _images("tfds:caltech_birds2011", (256, 256, 3), 5_994, 5_794, classes=200),
    _images("tfds:oxford_flowers102", (256, 256, 3), 1_020, 6_149, classes=102),
    _images("folder:horse2zebra", (256, 256, 3), 1_067, 120, second=(1_334, 140)),
    _images("folder:cityscapes", (128, 128, 3), 2_975, 500, paired=True),
    _images("folder:facades", (256, 256, 3), 400, 106, paired=True),
    _images("folder:maps", (600, 600, 3), 1_096, 1_098, paired=True),
    _images("folder:edges2shoes", (256, 256, 3), 49_825, 200, paired=True),
)
KNOWN = {facts.name: facts for facts in _TABLE}
"""Facts by specification."""


def known(spec: str, *, image_size: int | None = None, channels: int | None = None) -> Facts:
    """Return the facts of `spec`, one of `KNOWN` or a set of which tensorflow-datasets' own description is here.

    image_size, channels: as in `load`. DataError where nothing is known of the set.
    """
    if spec in KNOWN:
        facts = KNOWN[spec]
    elif spec.startswith("tfds:"):
        facts = tfds.facts(spec.removeprefix("tfds:"))
    else:
        raise DataError(f"nothing is known of {spec!r} without its images; known are {', '.join(KNOWN)}")
    return resized(facts, image_size, channels)


def resized(facts: Facts, image_size: int | None, channels: int | None) -> Facts:
    """Return the facts with square images of `image_size` and so many channels; None leaves either as it is."""

    def changed(shape: tuple[int, ...]) -> tuple[int, ...]:
        height, width, depth = shape
        return image_size or height, image_size or width, channels or depth

    columns = {
        name: (changed(shape) if len(shape) == 3 else shape, kind) for name, (shape, kind) in facts.columns.items()
    }
    return replace(facts, columns=columns)


def placeholder(facts: Facts) -> Dataset:
    """Return a data set of which the facts are true and every image is black: it takes no memory, and is `absent`."""

    def zeros(count: int, names: dict[str, str]) -> Arrays:
        columns = {new: facts.columns[old] for old, new in names.items() if old in facts.columns}
        return Arrays(
            {name: np.broadcast_to(np.zeros((), kind), (count, *shape)) for name, (shape, kind) in columns.items()}
        )

    def split(number: int) -> Arrays | Unpaired:
        count = (facts.train, facts.test)[number]
        if facts.second is None:
            return zeros(count, dict(zip(facts.columns, facts.columns, strict=True)))
        return Unpaired(
            zeros(count, {"images": "images", "labels": "labels"}),
            zeros(facts.second[number], {"targets": "images", "target_labels": "labels"}),
        )

    return Dataset(
        name=facts.name,
        train=split(0),
        test=split(1),
        class_names=facts.class_names,
        mixture=facts.mixture,
        channels_of=facts.channels_of,
        absent=True,
    )
