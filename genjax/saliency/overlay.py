"""Pictures of saliency maps: heat map, overlay on the image, and a sheet that compares exact with approximate maps.

Maps are float[h, w] in [0, 1] at any resolution; they are enlarged bilinearly to the image. Colours come from
matplotlib, by its names; the default is perceptually uniform, "jet" is there for comparison with older figures. Files
appear whole or not at all, and a map with NaN is an error, never a picture.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np

from genjax import files
from genjax.saliency.explanation import resize_map
from genjax.viz.saliency import Crop, glow

TITLES = ("image", "Grad-CAM", "Grad-CAM++, exact", "Grad-CAM++, approximate", "exact − approximate")


def _checked(saliency: Any, name: str, low: float) -> np.ndarray:
    saliency = np.asarray(saliency, np.float32)
    if saliency.ndim != 2 or not saliency.size:
        raise ValueError(f"{name} has shape {saliency.shape}, expected float[height, width]; draw one map at a time")
    bad = np.count_nonzero(~np.isfinite(saliency))
    if bad:
        raise ValueError(f"{name} has NaN or infinity at {bad} of {saliency.size} positions; nothing is drawn")
    if saliency.min() < low - 1e-6 or saliency.max() > 1 + 1e-6:
        raise ValueError(
            f"{name} reaches from {saliency.min():.3g} to {saliency.max():.3g}, expected [{low:g}, 1]; scale it first"
        )
    return saliency


def _enlarged(saliency: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    return np.asarray(resize_map(jnp.asarray(saliency), size))


def _colours(values: np.ndarray, colour_map: str) -> np.ndarray:
    from matplotlib import colormaps

    if colour_map not in colormaps:
        raise ValueError(f"no colour map {colour_map!r} in matplotlib; use for example 'viridis', 'inferno' or 'jet'")
    return colormaps[colour_map](values)[..., :3]


def _as_rgb(image: Any) -> np.ndarray:
    image = np.asarray(image)
    if image.ndim != 3 or image.shape[-1] not in (1, 3):
        raise ValueError(f"the image has shape {image.shape}, expected [height, width, 1 or 3]")
    if image.dtype == np.uint8:
        image = image / 255
    elif not np.all(np.isfinite(image)) or image.min() < 0 or image.max() > 1:
        raise ValueError("the image has values outside [0, 1] or NaN; pass uint8, or undo the network's preprocessing")
    return np.broadcast_to(image, (*image.shape[:2], 3))


def _to_uint8(picture: np.ndarray) -> np.ndarray:
    return np.round(np.clip(picture, 0, 1) * 255).astype(np.uint8)


def heat_map(saliency: Any, size: tuple[int, int] | None = None, colour_map: str = "viridis") -> np.ndarray:
    """Return uint8[H, W, 3], the map in colours, enlarged to `size` = (H, W) where given.

    Raises ValueError for another rank, NaN, values outside [0, 1], or an unknown colour map.
    """
    saliency = _checked(saliency, "the map", 0)
    return _to_uint8(_colours(_enlarged(saliency, size or saliency.shape), colour_map))


def overlay(image: Any, saliency: Any, strength: float = 0.5, colour_map: str = "viridis") -> np.ndarray:
    """Return uint8[H, W, 3] = (1 - strength) image + strength colours(map).

    image: uint8 or float in [0, 1], [H, W, 1 or 3]. Raises what `heat_map` raises, and ValueError for a bad image.
    """
    rgb = _as_rgb(image)
    heat = _colours(_enlarged(_checked(saliency, "the map", 0), rgb.shape[:2]), colour_map)
    return _to_uint8((1 - strength) * rgb + strength * heat)


def save(path: Path | str, picture: np.ndarray) -> None:
    """Write uint8[H, W, 3] as an image file, in the format of the path's suffix."""
    from PIL import Image

    with files.atomic(path) as temporary:
        Image.fromarray(picture).save(temporary)


class Row(NamedTuple):
    """One line of a comparison: an image and its three maps, float[h, w] in [0, 1] at one common resolution."""

    label: str
    image: Any
    grad_cam: Any
    exact: Any
    approximate: Any


def correlation(a: np.ndarray, b: np.ndarray) -> float:
    """Return Pearson's correlation of two maps over positions, NaN where one of them is constant."""
    a, b = a - a.mean(), b - b.mean()
    scale = np.sqrt((a**2).sum() * (b**2).sum())
    return float((a * b).sum() / scale) if scale > 0 else float("nan")


def comparison_sheet(
    path: Path | str,
    rows: Sequence[Row],
    titles: Sequence[str] = TITLES,
    colour_map: str = "inferno",
    strength: float = 0.85,
) -> None:
    """Write a figure with one line per row: image, three overlays, and exact minus approximate.

    An overlay is as opaque as its map is large, and leaves the image to be seen elsewhere. The colour bars stand beside
    the maps and the differences that they belong to. All differences share one symmetric scale, so lines can be
    compared; under each stand the correlation of the two maps and the largest difference. Raises ValueError for no
    rows, unequal map sizes, and what `overlay` raises.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize
    from matplotlib.figure import Figure

    if not rows:
        raise ValueError("a comparison needs at least one row")
    differences = []
    for row in rows:
        exact, approximate, _ = (
            _checked(getattr(row, field), f"{field} of {row.label!r}", 0)
            for field in ("exact", "approximate", "grad_cam")
        )
        if exact.shape != approximate.shape:
            raise ValueError(f"{row.label!r}: the exact map is {exact.shape}, the approximate one {approximate.shape}")
        differences.append(exact - approximate)
    limit = max(0.001, *(float(np.abs(d).max()) for d in differences))  # not to show rounding as colour

    figure = Figure(figsize=(2.3 * 5 + 1.6, 2.5 * len(rows) + 0.3), dpi=110, layout="constrained")
    axes = figure.subplots(len(rows), 5, squeeze=False)
    for line, row, difference in zip(axes, rows, differences, strict=True):
        rgb = _as_rgb(row.image)
        photo, whole = _to_uint8(rgb), Crop(0, 0, *rgb.shape[:2])
        smooth = "nearest" if min(rgb.shape[:2]) > 64 else "bicubic"  # small images are not drawn as mosaics
        line[0].imshow(photo, interpolation=smooth)
        for ax, saliency in zip(line[1:4], (row.grad_cam, row.exact, row.approximate), strict=True):
            shown = np.clip(np.asarray(saliency, np.float32), 0, 1)
            ax.imshow(glow(photo, shown, whole, strength, colour_map=colour_map, faint=0), interpolation=smooth)
        line[4].imshow(
            _enlarged(difference, rgb.shape[:2]), cmap="RdBu_r", vmin=-limit, vmax=limit, interpolation="nearest"
        )
        agreement = correlation(np.asarray(row.exact), np.asarray(row.approximate))
        line[0].set_xlabel(row.label, fontsize=9)
        related = "a map is blank" if np.isnan(agreement) else f"correlation {agreement:.3f}"
        line[4].set_xlabel(f"{related}, largest {np.abs(difference).max():.3f}", fontsize=8)
        for ax in line:
            ax.set_xticks([])
            ax.set_yticks([])
    for ax, title in zip(axes[0], titles, strict=True):
        ax.set_title(title, fontsize=9)
    maps, gaps = list(axes[:, 1:4].flat), list(axes[:, 4].flat)
    scales = ((maps, colour_map, Normalize(0, 1), "map"), (gaps, "RdBu_r", Normalize(-limit, limit), "difference"))
    for group, colours, norm, label in scales:
        figure.colorbar(ScalarMappable(norm, colours), ax=group, shrink=0.9, pad=0.02, aspect=30, label=label)
    with files.atomic(path) as temporary:
        FigureCanvasAgg(figure).print_png(temporary)
