"""The 8x8 handwritten digits shipped in scikit-learn (1797 of them; Alpaydin & Kaynak 1998, UCI)."""

from __future__ import annotations

import numpy as np

from genjax.data.dataset import Arrays, Dataset
from genjax.data.image import fit_all
from genjax.data.split import held_out


def load(image_size: int | None = None, channels: int | None = None) -> Dataset:
    """uint8[count, 8, 8, 1] (0..16 stretched to 0..255), labels 0..9, a fixed stratified fifth as the test split."""
    from sklearn.datasets import load_digits

    bunch = load_digits()
    images = np.round(bunch.images * (255 / 16)).astype(np.uint8)[..., None]
    labels = bunch.target.astype(np.int32)
    images = fit_all(images, image_size, channels)
    train, test = (Arrays({"images": images[rows], "labels": labels[rows]}) for rows in held_out(len(labels), labels))
    return Dataset("digits", train, test, tuple("0123456789"))
