"""The model-randomisation sanity check: a map that explains a network must change when the network's weights do.

Adebayo et al. 2018, Sanity Checks for Saliency Maps, arXiv 1810.03292, section 3: layers are re-initialised from the
logits down, all up to a point (cascading) or one at a time (independent), and maps compared with the trained network's.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp


class Similarity(NamedTuple):
    """float[layers, B] each: similarity to the original maps after each re-initialisation; 1 means unchanged.

    rank: Spearman's correlation.  absolute_rank: the same of absolute values.  ssim: structural similarity.
    """

    rank: jax.Array
    absolute_rank: jax.Array
    ssim: jax.Array


def ranks(values: jax.Array) -> jax.Array:
    """Return float[N], ranks from 0 of values[N]; equal values share the mean of their ranks."""
    ordered = jnp.sort(values)
    first = jnp.searchsorted(ordered, values, side="left")
    last = jnp.searchsorted(ordered, values, side="right") - 1
    return (first + last) / 2


def rank_correlation(a: jax.Array, b: jax.Array) -> jax.Array:
    """Return float[B], Spearman's correlation over the pixels of maps float[B, H, W]; 0 where a map is constant."""

    def one(a, b):
        a, b = (r - jnp.mean(r) for r in (ranks(a.ravel()), ranks(b.ravel())))
        scale = jnp.sqrt(jnp.sum(a**2) * jnp.sum(b**2))
        return jnp.where(scale > 0, jnp.sum(a * b) / jnp.where(scale > 0, scale, 1), 0)

    return jax.vmap(one)(a, b)


def _by_range(maps: jax.Array) -> jax.Array:
    low = jnp.min(maps, axis=(1, 2), keepdims=True)
    span = jnp.max(maps, axis=(1, 2), keepdims=True) - low
    return (maps - low) / jnp.where(span > 0, span, 1)


def map_ssim(a: jax.Array, b: jax.Array, window: int = 5) -> jax.Array:
    """Return float[B], the structural similarity of maps float[B, H, W], each scaled to [0, 1] by its own range.

    Mean over square windows that lie inside the map of (2 ma mb + c1)(2 cov + c2) / ((ma^2 + mb^2 + c1)(va + vb + c2)),
    sample (co)variances, c1 = 0.01^2, c2 = 0.03^2. Maps smaller than the window are compared in one window as large as
    they are. Source: Wang et al. 2004, Image Quality Assessment, eq. 13; the window of 5 is that of the sanity check.
    """
    a, b = _by_range(a), _by_range(b)
    size = (1, min(window, a.shape[1]), min(window, a.shape[2]))
    count = size[1] * size[2]

    def mean(x):
        return jax.lax.reduce_window(x, 0.0, jax.lax.add, size, (1, 1, 1), "VALID") / count

    mean_a, mean_b = mean(a), mean(b)
    unbiased = count / max(count - 1, 1)
    var_a, var_b = unbiased * (mean(a * a) - mean_a**2), unbiased * (mean(b * b) - mean_b**2)
    covariance = unbiased * (mean(a * b) - mean_a * mean_b)
    c1, c2 = 0.01**2, 0.03**2
    similarity = (2 * mean_a * mean_b + c1) * (2 * covariance + c2)
    return jnp.mean(similarity / ((mean_a**2 + mean_b**2 + c1) * (var_a + var_b + c2)), axis=(1, 2))


def randomised(variables: Any, fresh: Any, layers: Sequence[str], cascading: bool = True) -> list[dict[str, Any]]:
    """Return, for each of `layers`, the variables with that layer (cascading: and all before it) taken from `fresh`.

    variables, fresh: {collection: {layer: ...}} of one network, trained and newly initialised.  layers: names at the
    top of "params", from the logits down. A layer's other collections (batch statistics) go with it. Raises ValueError
    for an unknown layer.
    """
    unknown = [name for name in layers if name not in variables["params"]]
    if unknown:
        raise ValueError(f"no layers {unknown} to re-initialise; the network has {sorted(variables['params'])}")
    steps = [layers[: i + 1] if cascading else [layer] for i, layer in enumerate(layers)]
    return [
        {
            collection: {name: (fresh[collection][name] if name in new else old) for name, old in entries.items()}
            for collection, entries in variables.items()
        }
        for new in steps
    ]


def randomisation_check(
    explain: Callable[[Any], jax.Array], variables: Any, fresh: Any, layers: Sequence[str], cascading: bool = True
) -> Similarity:
    """Return how similar maps remain as `layers` are re-initialised; for a faithful method it falls.

    explain: variables -> maps float[B, H, W], raw or scaled, at the layer's own resolution.  Others as `randomised`.
    """
    explain = jax.jit(explain)
    original = explain(variables)

    @jax.jit
    def compare(maps, original):
        absolute = rank_correlation(jnp.abs(maps), jnp.abs(original))
        return Similarity(rank_correlation(maps, original), absolute, map_ssim(maps, original))

    steps = [compare(explain(changed), original) for changed in randomised(variables, fresh, layers, cascading)]
    return jax.tree.map(lambda *parts: jnp.stack(parts), *steps)
