"""Pictures of one explanation that leave the photo visible: a glow whose opacity is the map, a heat map beside it."""

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from genjax.files import atomic

COLOURS = "inferno"
"""Colour map: perceptually uniform, and readable without colour vision."""
STRENGTH = 0.8
"""Opacity of the glow where the map is 1."""
FAINT = 0.35
"""Where the colours of the glow begin in the colour map: its first ones are as dark as a shadow in the photo."""
HEIGHT = 4.2
"""Of the photo in a figure, in inches."""


class Crop(NamedTuple):
    """The part of a photo that a network saw, in pixels of the photo."""

    top: int
    left: int
    height: int
    width: int


def enlarged(saliency: np.ndarray, height: int, width: int) -> np.ndarray:
    """Return a map float[h, w] in [0, 1] at another size, bicubic, clipped to [0, 1]."""
    from PIL import Image

    picture = Image.fromarray(np.asarray(saliency, np.float32)).resize((width, height), Image.Resampling.BICUBIC)
    return np.clip(np.asarray(picture), 0, 1)


def glow(
    photo: np.ndarray,
    saliency: Any,
    crop: Crop,
    strength: float = STRENGTH,
    *,
    colour_map: str = COLOURS,
    faint: float = FAINT,
) -> np.ndarray:
    """Return a photo uint8[height, width, 3] on which a map glows: its opacity is strength times the map.

    Where the map is 0, and outside the crop, the photo is untouched; a thin white frame shows the crop.
    saliency: float[h, w] in [0, 1]; ValueError for others, and for NaN.  faint: where in the colour map colours begin.
    """
    from matplotlib import colormaps

    saliency = np.asarray(saliency, np.float32)
    if saliency.ndim != 2 or not np.isfinite(saliency).all() or saliency.min() < 0 or saliency.max() > 1:
        raise ValueError(f"a map is finite float[height, width] in [0, 1], not {list(saliency.shape)} of other values")
    shown = photo.astype(np.float32)
    rows, columns = slice(crop.top, crop.top + crop.height), slice(crop.left, crop.left + crop.width)
    large = enlarged(saliency, crop.height, crop.width)[..., None]
    colours = 255 * colormaps[colour_map](faint + (1 - faint) * large[..., 0])[..., :3].astype(np.float32)
    opacity = strength * large
    shown[rows, columns] = (1 - opacity) * shown[rows, columns] + opacity * colours
    if crop != Crop(0, 0, *photo.shape[:2]):
        thick = max(1, min(photo.shape[:2]) // 300)
        for edge in (
            (slice(crop.top, crop.top + thick), columns),
            (slice(crop.top + crop.height - thick, crop.top + crop.height), columns),
            (rows, slice(crop.left, crop.left + thick)),
            (rows, slice(crop.left + crop.width - thick, crop.left + crop.width)),
        ):
            shown[edge] = 255
    return np.round(np.clip(shown, 0, 255)).astype(np.uint8)


def save_explanation(path: Path | str, photo: np.ndarray, saliency: Any, crop: Crop, title: str, method: str) -> None:
    """Write the photo, the glow on it and the map alone with its colour bar, side by side, as PNG.

    title: what was explained, such as the class and its probability.  method: how, below the glow.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    shape = photo.shape[1] / photo.shape[0]
    figure = Figure(figsize=(HEIGHT * (2 * shape + 1.25) + 0.4, HEIGHT + 0.8), dpi=110, layout="constrained")
    axes = figure.subplots(1, 3, width_ratios=(shape, shape, 1.18))
    axes[0].imshow(photo)
    axes[1].imshow(glow(photo, saliency, crop))
    heat = axes[2].imshow(enlarged(saliency, crop.height, crop.width), cmap=COLOURS, vmin=0, vmax=1)
    figure.colorbar(heat, ax=axes[2], shrink=0.85, label="map, of its largest value")
    for ax, text in zip(axes, ("the photo", method, "the map alone"), strict=True):
        ax.set_xticks([])
        ax.set_yticks([])
        ax.set_xlabel(text, fontsize=11)
    figure.suptitle(title, fontsize=14)
    with atomic(path) as temporary:
        FigureCanvasAgg(figure).print_png(temporary)
