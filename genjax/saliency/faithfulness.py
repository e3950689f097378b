"""How faithful a saliency map is: what the network does when the map's pixels are kept, removed, restored or imputed.

Pure functions, batched on the device; one step of a curve at a time, so memory is that of one batch of images.
Throughout: `predict` maps images float[B, H, W, C] to probabilities float[B, classes]; `maps` are float[B, H, W] in [0,
1], at the images' size; `classes` int[B] is the class explained (labels or predictions: say which). Products with the
map and the baselines live in the space `predict` takes: where 0 is the mean colour, what is masked becomes the mean
colour.
"""

import functools
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from genjax.saliency.compiled import each

Predict = Callable[[jax.Array], jax.Array]


def probability_of(predict: Predict, images: jax.Array, classes: jax.Array) -> jax.Array:
    """Return float[B], the probability of each image's class."""
    return jnp.take_along_axis(predict(images), classes[:, None], axis=-1)[:, 0]


def masked_probability(predict: Predict, images: jax.Array, maps: jax.Array, classes: jax.Array) -> jax.Array:
    """Return float[B], the class's probability on image * map. Raises ValueError where sizes differ."""
    _check(images, maps)
    return probability_of(predict, images * maps[..., None].astype(images.dtype), classes)


def average_drop(full: jax.Array, masked: jax.Array) -> jax.Array:
    """Return 100 / N sum_i max(0, Y_i - O_i) / Y_i in percent, lower is better; a map of ones gives 0.

    full: Y float[N], probabilities on the images.  masked: O float[N], on image * map.
    Source: Chattopadhay et al. 2018, Grad-CAM++, arXiv 1710.11063, section 4.1.
    """
    return 100 * jnp.mean(jnp.maximum(full - masked, 0) / jnp.where(full > 0, full, 1))


def increase_in_confidence(full: jax.Array, masked: jax.Array) -> jax.Array:
    """Return 100 / N sum_i [Y_i < O_i] in percent, higher is better; arguments and source as for `average_drop`."""
    return 100 * jnp.mean((full < masked).astype(full.dtype))


def win_rate(masked: jax.Array, other: jax.Array) -> jax.Array:
    """Return the percentage of images that keep more of their class under one map than under the other.

    masked, other: O float[N] of the two methods; as Y_i is shared, the smaller drop is the larger O. A tie is half a
    win for each, so the two methods' rates sum to 100. Source: as for `average_drop`.
    """
    return 100 * jnp.mean(jnp.where(masked > other, 1.0, jnp.where(masked == other, 0.5, 0.0)))


def complexity(maps: jax.Array) -> jax.Array:
    """Return float[B], the mean of each map, to be read beside `average_drop`, which rewards keeping everything."""
    return jnp.mean(maps, axis=(1, 2))


def pixel_counts(pixels: int, steps: int) -> np.ndarray:
    """Return int[steps + 1], how many of `pixels` are changed at each step of a curve, from none to all."""
    return np.round(np.linspace(0, pixels, steps + 1)).astype(np.int64)


def _curve(predict, changed, original, maps, classes, counts):
    _check(original, maps)
    batch, height, width = maps.shape
    # A stable sort: pixels of equal value go in reading order. Sorting twice turns an order into ranks.
    ranks = jnp.argsort(jnp.argsort(-maps.reshape(batch, -1), axis=-1, stable=True), axis=-1)
    ranks = ranks.reshape(batch, height, width, 1)

    def at(count):
        return probability_of(predict, jnp.where(ranks < count, changed, original), classes)

    return each(at, jnp.asarray(counts)).T


def deletion_curve(
    predict: Predict,
    images: jax.Array,
    maps: jax.Array,
    classes: jax.Array,
    counts: Sequence[int] | np.ndarray,
    baseline: jax.Array | float = 0.0,
) -> jax.Array:
    """Return float[B, steps], the class's probability after the map's first `counts[s]` pixels became `baseline`.

    Pixels go by falling map value, ties in reading order.  counts: int[steps], see `pixel_counts`.
    baseline: a number or images float[B, H, W, C]. Source: Petsiuk et al. 2018, RISE, arXiv 1806.07421, section 3.3.
    """
    return _curve(predict, jnp.broadcast_to(baseline, images.shape), images, maps, classes, counts)


def insertion_curve(
    predict: Predict,
    images: jax.Array,
    maps: jax.Array,
    classes: jax.Array,
    counts: Sequence[int] | np.ndarray,
    baseline: jax.Array | float = 0.0,
) -> jax.Array:
    """Return float[B, steps], the class's probability with the first `counts[s]` pixels shown on `baseline`.

    Arguments and source as for `deletion_curve`; the source's baseline is `blur(images)`.
    """
    return _curve(predict, images, jnp.broadcast_to(baseline, images.shape), maps, classes, counts)


def area_under_curve(curve: jax.Array) -> jax.Array:
    """Return the trapezoidal mean of float[..., n + 1]: (sum - first / 2 - last / 2) / n, in the curve's units."""
    return (jnp.sum(curve, axis=-1) - (curve[..., 0] + curve[..., -1]) / 2) / (curve.shape[-1] - 1)


def _total(arrays: Iterable[jax.Array]) -> jax.Array:
    return functools.reduce(jnp.add, arrays)


def blur(images: jax.Array, size: int = 11, sigma: float = 5.0) -> jax.Array:
    """Return images float[B, H, W, C] under a Gaussian window of `size` taps, edges repeated: RISE's baseline."""
    offsets = np.arange(size) - (size - 1) / 2
    kernel = np.exp(-(offsets**2) / (2 * sigma**2))
    kernel = jnp.asarray(kernel / kernel.sum(), images.dtype)
    before, after = (size - 1) // 2, size // 2
    padded = jnp.pad(images, ((0, 0), (before, after), (before, after), (0, 0)), mode="edge")
    rows = _total(kernel[i] * padded[:, i : i + images.shape[1]] for i in range(size))
    return _total(kernel[i] * rows[:, :, i : i + images.shape[2]] for i in range(size))


_NEIGHBOURS = tuple(
    (i, j, 1 / 6 if i == 0 or j == 0 else 1 / 12) for i in (-1, 0, 1) for j in (-1, 0, 1) if (i, j) != (0, 0)
)


def _neighbour_sum(x: jax.Array) -> jax.Array:
    height, width = x.shape[:2]
    padded = jnp.pad(x, ((1, 1), (1, 1), (0, 0)))
    return _total(w * padded[1 + i : 1 + i + height, 1 + j : 1 + j + width] for i, j, w in _NEIGHBOURS)


def impute(
    images: jax.Array, keep: jax.Array, tolerance: float = 1e-6, noise: float = 0.0, key: Any = None
) -> jax.Array:
    """Return images whose pixels outside `keep` are the weighted mean of their neighbours, all solved for at once.

    x_i sum_n w_n = sum_n w_n x_n over the neighbours n inside the image, w = 1/6 beside and 1/12 across a corner, plus
    N(0, noise^2) at the imputed pixels; conjugate gradients to the relative residual `tolerance`. images: float[B, H,
    W, C].  keep: bool[B, H, W]; an image of which nothing is kept becomes 0.  key: needed where noise > 0. Source: Rong
    et al. 2022, ROAD, arXiv 2202.00449, section 4.2.
    """
    if noise and key is None:
        raise ValueError(f"imputation with noise {noise} needs a random key; pass key=jax.random.key(0), or noise=0")
    weight = _neighbour_sum(jnp.ones((*images.shape[1:3], 1), images.dtype))

    def one(image, keep):
        missing = ~keep[..., None]
        known = jnp.where(missing, 0, image)

        def matrix(x):
            return jnp.where(missing, weight * x - _neighbour_sum(x), 0)

        right = jnp.where(missing, _neighbour_sum(known), 0)
        # The kept pixels' mean is nearer the solution than 0, and leaves 0 where nothing is kept.
        mean = jnp.sum(known, axis=(0, 1)) / jnp.maximum(jnp.sum(keep), 1)
        start = jnp.where(missing, mean.reshape(1, 1, -1), 0)
        solved, _ = jax.scipy.sparse.linalg.cg(matrix, right, start, tol=tolerance, maxiter=10_000)
        return known + solved

    imputed = jax.vmap(one)(images, keep)
    if noise:
        drawn = noise * jax.random.normal(key, images.shape, images.dtype)
        imputed = jnp.where(keep[..., None], imputed, imputed + drawn)
    return imputed


def road(
    predict: Predict,
    images: jax.Array,
    maps: jax.Array,
    classes: jax.Array,
    percentiles: Sequence[float] = (10, 20, 30, 40, 50, 60, 70, 80, 90),
    noise: float = 0.01,
    key: Any = None,
) -> jax.Array:
    """Return float[B, 2, percentiles], the class's probability after ROAD's removals, most relevant first and least.

    Most relevant first removes the pixels with map >= its percentile; least relevant first the same of 1 - map. Removed
    pixels are imputed with `impute`, so that the outline of the hole tells the network nothing.  noise: in the images'
    units; needs `key`. Source: Rong et al. 2022, arXiv 2202.00449. Raises ValueError for noise without a key.
    """
    _check(images, maps)

    def at(step):
        percentile, order, index = step
        relevance = jnp.where(order == 0, maps, 1 - maps)
        threshold = jnp.percentile(relevance, percentile, axis=(1, 2), keepdims=True)
        imputed = impute(
            images, relevance < threshold, noise=noise, key=None if key is None else jax.random.fold_in(key, index)
        )
        return probability_of(predict, imputed, classes)

    count = len(percentiles)
    steps = (jnp.tile(jnp.asarray(percentiles, maps.dtype), 2), jnp.repeat(jnp.arange(2), count), jnp.arange(2 * count))
    return jnp.moveaxis(each(at, steps).reshape(2, count, -1), -1, 0)


def road_score(probabilities: jax.Array) -> jax.Array:
    """Return float[B], (least - most relevant first) / 2 averaged over percentiles, in [-1/2, 1/2], higher is better.

    probabilities: float[B, 2, percentiles] from `road`.
    """
    return jnp.mean(probabilities[:, 1] - probabilities[:, 0], axis=-1) / 2


def pointing_hits(maps: jax.Array, regions: jax.Array, tolerance: float = 15.0) -> jax.Array:
    """Return bool[B], whether the map's first maximum lies within `tolerance` pixels of the annotated region.

    regions: bool[B, H, W], the class's annotation; an empty one is never hit. Source: Zhang et al. 2016, Top-down
    Neural Attention by Excitation Backprop, arXiv 1608.00507, section 4.1.
    """
    _check(regions[..., None], maps)
    batch, height, width = maps.shape
    top = jnp.argmax(maps.reshape(batch, -1), axis=-1)
    down = jnp.arange(height)[None, :, None] - (top // width)[:, None, None]
    right = jnp.arange(width)[None, None, :] - (top % width)[:, None, None]
    return jnp.any(regions & (down**2 + right**2 <= tolerance**2), axis=(1, 2))


def pointing_accuracy(hits: jax.Array, labels: jax.Array, classes: int) -> jax.Array:
    """Return the share of hits in each class, averaged over the classes that occur; hits: bool[N], labels: int[N]."""
    of_class = jax.nn.one_hot(labels, classes)
    total = jnp.sum(of_class, axis=0)
    share = jnp.sum(of_class * hits[:, None], axis=0) / jnp.maximum(total, 1)
    return jnp.sum(share) / jnp.sum(total > 0)


def pointing_energy(maps: jax.Array, regions: jax.Array) -> jax.Array:
    """Return float[B], the share of each map's sum inside its region; an all-zero map gives 0.

    Source: Wang et al. 2020, Score-CAM, arXiv 1910.01279, section 4.3.
    """
    _check(regions[..., None], maps)
    total = jnp.sum(maps, axis=(1, 2))
    return jnp.sum(maps * regions, axis=(1, 2)) / jnp.where(total > 0, total, 1)


def _check(images: jax.Array, maps: jax.Array) -> None:
    if images.ndim != 4 or maps.shape != images.shape[:3]:
        raise ValueError(
            f"maps have shape {maps.shape}, expected one of height and width per image of {images.shape}; resize the "
            "maps to the images first"
        )
