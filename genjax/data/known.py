"""Facts of published data sets, so that a model can be described, built and sampled where the images are not.

Counts are the publishers', but those of day2night and of CAGAN's persons, which are nominal: see there.

>>> known("tfds:celeb_a", image_size=64).shape
(64, 64, 3)
"""

from dataclasses import replace

from genjax.data.dataset import DataError
from genjax.data.facts import Columns, Facts
from genjax.data.readers import tfds


def _images(
    name: str,
    shape: tuple[int, int, int],
    train: int,
    test: int,
    *,
    classes: int = 0,
    second: tuple[int, int] | None = None,
    pairs: bool = False,
    map_classes: int = 0,
) -> Facts:
    columns: Columns = {"images": (shape, "uint8")}
    if second or pairs:
        columns["targets"] = (shape, "uint8")
    if map_classes:
        columns["maps"] = ((*shape[:2], 1), "uint8")
    if classes:
        columns["labels"] = ((), "int32")
    names, map_names = (tuple(map(str, range(count))) for count in (classes, map_classes))
    return Facts(name, columns, train, test, class_names=names, second=second, map_names=map_names)


def _captions(name: str, train: int, test: int, *, captions: int, words: int, classes: int = 0) -> Facts:
    """Words and their number in a caption are what captions of the kind need; the files' own may differ."""
    columns: Columns = {"images": ((256, 256, 3), "uint8"), "captions": ((captions, words), "int32")}
    if classes:
        columns["labels"] = ((), "int32")
    return Facts(name, columns, train, test, tuple(map(str, range(classes))), words=("", "<unknown>"))


def _triplets(name: str, shape: tuple[int, int, int], train: int, test: int) -> Facts:
    return Facts(name, dict.fromkeys(("images", "articles"), (shape, "uint8")), train, test)


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
    # The publishers' rendered chairs, less a fifth that tests; faces are drawn by a model, in any number.
    _images("folder:chairs", (600, 600, 3), 69_093, 17_273),
    _images("folder:faces", (64, 64, 3), 48_000, 12_000),
    _images("folder:horse2zebra", (256, 256, 3), 1_067, 120, second=(1_334, 140)),
    _images("folder:cityscapes", (128, 128, 3), 2_975, 500, second=(2_975, 500)),
    _images("pairs:cityscapes", (256, 256, 3), 2_975, 500, pairs=True),
    _images("pairs:facades", (256, 256, 3), 400, 106, pairs=True),
    _images("pairs:maps", (600, 600, 3), 1_096, 1_098, pairs=True),
    _images("pairs:edges2shoes", (256, 256, 3), 49_825, 200, pairs=True),
    _images("maps:facades", (256, 256, 3), 400, 106, map_classes=13),
    # Nominal: how many pairs or persons test is published nowhere, so one does here, and 15,000 is what is reported of
    # CAGAN's persons, which were never published.
    _images("pairs:day2night", (256, 256, 3), 17_823, 1, pairs=True),
    _triplets("triplets:zalando", (148, 111, 3), 15_000, 1),
    _captions("captions:birds", 8_855, 2_933, captions=10, words=40, classes=200),
    _captions("captions:flowers", 7_034, 1_155, captions=10, words=40, classes=102),
    _captions("captions:coco", 82_783, 40_504, captions=5, words=50),
    _images("maps:cityscapes", (256, 512, 3), 2_975, 500, map_classes=35),
    _images("maps:ade20k", (256, 256, 3), 20_210, 2_000, map_classes=150),
    _images("maps:coco_stuff", (256, 256, 3), 118_287, 5_000, map_classes=182),
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
    columns: Columns = {}
    for name, (shape, kind) in facts.columns.items():
        if len(shape) == 3:
            height, width, depth = shape
            depth = depth if name in ("maps", "masks", "instances") else channels or depth
            shape = (image_size or height, image_size or width, depth)
        columns[name] = (shape, kind)
    return replace(facts, columns=columns)
