"""Tiles of the two sample photographs shipped in scikit-learn (a temple in China, a dahlia; 640x427)."""

from __future__ import annotations

import numpy as np

from genjax.data.dataset import Arrays, DataError, Dataset
from genjax.data.image import fit_all

TILES = {"train": 2048, "test": 512}
# Test tiles come from the right quarter of each photograph, so no pixel is in both splits.
BORDER = 480


def load(image_size: int | None = None, channels: int | None = None) -> Dataset:
    """uint8[count, image_size, image_size, 3] square tiles (default 32), label 0 temple, 1 flower.

    Each side is drawn log-uniformly between image_size and twice that, then resized: a fixed set of textures at
    several scales. DataError above 160, the width of the strip held out for testing.
    """
    from PIL import Image
    from sklearn.datasets import load_sample_images

    size = image_size or 32
    photographs = load_sample_images().images
    widest = photographs[0].shape[1] - BORDER
    if size > widest:
        raise DataError(f"photos gives tiles of at most {widest} pixels, not {size}; for larger ones use folder:DIR")
    splits = {}
    for number, (split, count) in enumerate(TILES.items()):
        draw = np.random.Philox(key=np.array([number, 0], np.uint64)).random_raw((count, 3)) / 2.0**64
        labels = np.arange(count, dtype=np.int32) % 2
        images = np.empty((count, size, size, 3), np.uint8)
        for row in range(count):
            photograph = photographs[labels[row]]
            region = photograph[:, :BORDER] if split == "train" else photograph[:, BORDER:]
            side = min(round(size * 2 ** draw[row, 0]), *region.shape[:2])
            top, left = (int(draw[row, axis + 1] * (region.shape[axis] - side + 1)) for axis in (0, 1))
            tile = Image.fromarray(region[top : top + side, left : left + side])
            images[row] = np.asarray(tile.resize((size, size), Image.Resampling.BICUBIC))
        splits[split] = Arrays({"images": fit_all(images, None, channels), "labels": labels})
    return Dataset("photos", splits["train"], splits["test"], ("temple", "flower"))
