"""The 8x8 handwritten digits shipped in scikit-learn (1797 of them; Alpaydin & Kaynak 1998, UCI)."""

import numpy as np

from genjax.data.dataset import Arrays, Dataset
from genjax.data.drawn import shipped
from genjax.data.holdout import Rows, hold_out
from genjax.data.options import DEFAULTS, Options
from genjax.data.readers.image import fit_all


def load(options: Options = DEFAULTS) -> Dataset:
    """Return uint8[count, 8, 8, 1] (0..16 stretched to 0..255), labels 0..9; a share of each class tests."""
    options.refuse_channels("digits")
    images, labels = shipped.digits()
    images = np.round(images * (255 / 16)).astype(np.uint8)[..., None]
    images = fit_all(images, options.image_size, options.channels)
    rows, note = hold_out(Rows(np.arange(len(labels)), labels), options)
    train, test = (Arrays({"images": images[part.numbers], "labels": labels[part.numbers]}) for part in rows)
    return Dataset("digits", train, test, tuple("0123456789"), notes=(note,))
