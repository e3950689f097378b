"""Tiles of the two sample photographs shipped in scikit-learn (a pagoda, a dahlia; 640x427), and each as a whole."""

import numpy as np

from genjax.data.absent import placeholder
from genjax.data.dataset import Arrays, DataError, Dataset
from genjax.data.drawn import shipped
from genjax.data.facts import LABEL, Columns, Facts
from genjax.data.options import DEFAULTS, Options
from genjax.data.readers.image import fit_all

TILES = {"train": 2048, "test": 512}
# Columns of each photograph. Both subjects are nearly symmetric: one half trains, the other tests, no pixel is in both.
NAMES = ("pagoda", "dahlia")
COLUMNS = {"train": ((205, 640), (0, 320)), "test": ((0, 205), (320, 640))}
LARGEST = 205
FLATTEST = 16.0  # standard deviation of the liveliest channel: plain sky and dark background teach a generator nothing


def load(options: Options = DEFAULTS) -> Dataset:
    """Return uint8[count, image_size, image_size, 3] square tiles (default 32), label 0 pagoda, 1 dahlia.

    Each side is drawn log-uniformly between image_size and twice that, then resized: a fixed set of textures at
    several scales. DataError above 205, the width of the narrowest part.
    """
    options.refuse_hold_out("photos")
    options.refuse_channels("photos")
    size = options.image_size or 32
    if size > LARGEST:
        raise DataError(f"photos gives tiles of at most {LARGEST} pixels, not {size}; for larger ones use folder:DIR")
    if options.absent:
        columns: Columns = {"images": ((size, size, options.channels or 3), "uint8"), "labels": LABEL}
        return placeholder(Facts("photos", columns, TILES["train"], TILES["test"], class_names=NAMES))
    photographs = shipped.photographs()
    splits = {}
    for split, count in TILES.items():
        images = np.empty((count, size, size, 3), np.uint8)
        for label, (first, last) in enumerate(COLUMNS[split]):
            images[label::2] = _tiles(photographs[label][:, first:last], count // 2, size, seed=label)
        labels = np.arange(count, dtype=np.int32) % 2
        splits[split] = Arrays({"images": fit_all(images, None, options.channels), "labels": labels})
    return Dataset("photos", splits["train"], splits["test"], NAMES)


def _tiles(region: np.ndarray, count: int, size: int, seed: int) -> list[np.ndarray]:
    from PIL import Image

    words = np.random.Philox(key=np.array([seed, 0], np.uint64))
    tiles: list[np.ndarray] = []
    while len(tiles) < count:
        scale, *place = words.random_raw(3) / 2.0**64
        side = min(round(size * 2**scale), *region.shape[:2])
        top, left = (int(u * (extent - side + 1)) for u, extent in zip(place, region.shape[:2], strict=True))
        tile = region[top : top + side, left : left + side]
        if tile.std(axis=(0, 1)).max() >= FLATTEST:
            tiles.append(np.asarray(Image.fromarray(tile).resize((size, size), Image.Resampling.BICUBIC)))
    return tiles


def load_whole(name: str, options: Options = DEFAULTS) -> Dataset:
    """Return one photograph, "pagoda" or "dahlia", uint8[1, 427, 640, 3], as training and as test data.

    With image_size its middle square, resized.
    """
    options.refuse_hold_out("a single photograph")
    options.refuse_channels("a single photograph")
    image = shipped.photographs()[NAMES.index(name)]
    split = Arrays({"images": fit_all(image[None], options.image_size, options.channels)})
    whole = Dataset(f"photo:{name}", split, split)
    return placeholder(whole.facts) if options.absent else whole
