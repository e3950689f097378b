"""Matplotlib figures as arrays of pixels."""

from typing import Any

import numpy as np


def page(figure: Any) -> np.ndarray:
    """Return a matplotlib figure as it would be saved, uint8[height, width, 3]."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()
