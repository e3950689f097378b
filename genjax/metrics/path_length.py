"""Perceptual path length: how fast the image changes, to a feature network, along a walk through the latent space.

Source: Karras et al. 2019, arXiv 1812.04948, section 4.1 and the authors' code. Published figures take LPIPS on VGG16,
100,000 pairs, epsilon 1e-4 and images of 256 pixels; with other features it is a figure of its own scale, to be named
by them, which compares generators of the same data at the same size.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

TRIMMED = 1
"""Per cent of the distances that are left out at each end, as in the authors' code."""


class PathLength(NamedTuple):
    """mean of the kept distances, and its standard error; kept of pairs; epsilon."""

    mean: float
    error: float
    kept: int
    pairs: int
    epsilon: float


def path_length(
    draw: Callable[[jax.Array, int], jax.Array],
    generate: Callable[[jax.Array], jax.Array],
    features: Callable[[jax.Array], Any],
    key: jax.Array,
    *,
    mapping: Callable[[jax.Array], jax.Array] | None = None,
    endpoints: bool = False,
    pairs: int = 10_000,
    batch: int = 64,
    epsilon: float = 1e-4,
) -> PathLength:
    """Return E d(G(walk(t)), G(walk(t + epsilon))) / epsilon^2 over random walks between two latents.

    d is `feature_distance`; t ~ U[0, 1), or 0 with `endpoints`. The lowest and the highest per cent of the distances
    are left out of the mean.
    In z (no mapping): the walk goes over the sphere, and latents enter `generate`. In w: `mapping` takes latents
    z float[batch, latent] to w float[batch, ...], the walk is straight in w, and points of it enter `generate`.

    draw: (key, count) -> z float[count, latent].  generate: latents -> images, the same for the same latents, so with
    its noise fixed and with running statistics.  features: images -> float[batch, ..., channels], or several in a tree,
    such as layers of a classifier.
    There is no real floor: 0 is a generator that ignores its latent, so read it beside the scores of its samples, and
    beside the untrained generator's. Features in float32 resolve nothing below about (1e-7 / epsilon)^2 = 1e-6.
    Raises ValueError for fewer than 2 pairs, an epsilon outside (0, 1), or distances that are not finite.
    """
    if pairs < 2 or batch < 1 or not 0 < epsilon < 1:
        raise ValueError(f"{pairs} pairs in batches of {batch} with epsilon {epsilon:g}: at least 2, 1, and in (0, 1)")
    distances = []
    for number, start in enumerate(range(0, pairs, batch)):
        first_key, second_key, time_key = jax.random.split(jax.random.fold_in(key, number), 3)
        # Always a whole batch, so that one compiled program serves all.
        z = [draw(each, batch) for each in (first_key, second_key)]
        ends = [np.asarray(a if mapping is None else mapping(a), np.float64) for a in z]
        t = np.zeros(batch) if endpoints else np.asarray(jax.random.uniform(time_key, (batch,)), np.float64)
        walk = spherical if mapping is None else straight
        images = [generate(jnp.asarray(walk(ends[0], ends[1], at), z[0].dtype)) for at in (t, t + epsilon)]
        found = feature_distance(features(images[0]), features(images[1]))
        distances.append(np.asarray(found, np.float64)[: pairs - start])
    values = np.concatenate(distances) / epsilon**2
    if not np.isfinite(values).all():
        raise ValueError(
            f"{np.count_nonzero(~np.isfinite(values))} of {pairs} distances are NaN or infinite; the generator has "
            "diverged or the features overflow"
        )
    low = np.percentile(values, TRIMMED, method="lower")
    high = np.percentile(values, 100 - TRIMMED, method="higher")
    kept = values[(low <= values) & (values <= high)]
    return PathLength(float(kept.mean()), float(kept.std() / np.sqrt(len(kept))), len(kept), pairs, epsilon)


def feature_distance(first: Any, second: Any) -> jax.Array:
    """Return the distance of two trees of features: the sum over them of mean |f1/|f1| - f2/|f2||^2: float[batch].

    Each is float[batch, ..., channels]; the norm is over channels and the mean over positions. With the layers of VGG16
    it is LPIPS (Zhang et al. 2018, arXiv 1801.03924, equation 1) with all weights 1.
    """

    def distance(a: jax.Array, b: jax.Array) -> jax.Array:
        difference = jnp.sum((_unit(a) - _unit(b)) ** 2, -1)
        return jnp.mean(difference.reshape(len(difference), -1), 1)

    layers = jax.tree.leaves(jax.tree.map(distance, first, second))
    return jnp.sum(jnp.stack(layers), 0)


def straight(first: np.ndarray, second: np.ndarray, t: np.ndarray) -> np.ndarray:
    """Return first + t (second - first), t: float[batch], for points float[batch, ...]."""
    return first + t.reshape(-1, *[1] * (first.ndim - 1)) * (second - first)


def spherical(first: np.ndarray, second: np.ndarray, t: np.ndarray) -> np.ndarray:
    """Return the point at share t of the arc between two latents' directions, its length between theirs.

    first, second: float[batch, latent].  t: float[batch]. The authors return the direction alone, which their mapping
    network normalises in any case. Source: Shoemake 1985, Animating rotation with quaternion curves.
    """
    lengths = [np.linalg.norm(a, axis=-1, keepdims=True) for a in (first, second)]
    a, b = first / lengths[0], second / lengths[1]
    t = t[:, None]
    cosine = np.sum(a * b, -1, keepdims=True)
    across = b - cosine * a
    size = np.linalg.norm(across, axis=-1, keepdims=True)
    angle = t * np.arctan2(size, cosine)
    direction = a * np.cos(angle) + across / np.maximum(size, 1e-300) * np.sin(angle)
    return direction * straight(lengths[0], lengths[1], t[:, 0])


def _unit(features: jax.Array) -> jax.Array:
    return features / (jnp.linalg.norm(features, axis=-1, keepdims=True) + 1e-10)
