"""Grad-CAM++ with exact second and third derivatives, and the approximations it replaces.

alpha_ijk = Y2 / (2 Y2 + (sum_ab A_abk) Y3),  w_k = sum_ij alpha_ijk relu(Y1),  L = relu(sum_k w_k A_k), with the
unmixed derivatives Y1, Y2, Y3 of the score along the single activation A_ijk (Chattopadhay et al. 2018,
arXiv:1710.11063, equations 5 and 9).

With the softmax score the denominator has zeros, and close to one the map follows the rounding of the image: on
SqueezeNet's fire9 the exact softmax map of a photo of a cat correlates with that of the photo plus one grey level to
0.33 only, Grad-CAM and the exact map of the exponential score to 1.00 (float32, CPU, 2026-11-26). `eval.saliency` shows
this number beside every map. `EXP` is exact in meaning, and stable on piecewise linear heads; smooth heads have such
zeros under every score (`eval.stability`; the numbers are in docs/results.md).
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp

from genjax.saliency.calculus.derivatives import auto, diagonal_derivatives
from genjax.saliency.calculus.float64 import in_double
from genjax.saliency.calculus.forward import Derivatives, Head
from genjax.saliency.checks import require_spatial
from genjax.saliency.explanation import AlphaStatistics, Explanation, scale_by_max
from genjax.saliency.scores import EXP, Score

Alpha = Callable[[jax.Array, jax.Array, jax.Array, jax.Array, float], tuple[jax.Array, jax.Array]]


def exact_alpha(
    first: jax.Array, second: jax.Array, third: jax.Array, total: jax.Array, guard: float
) -> tuple[jax.Array, jax.Array]:
    """Equation 9, with no epsilon: (alpha, which denominators were guarded), both [height, width, channels].

    A denominator D = 2 Y2 + total Y3 with |D| <= guard (2 |Y2| + |total Y3|) counts as zero, and its alpha is 0;
    `total` = sum_ab A_abk, shape [1, 1, channels].
    """
    del first
    coupled = total * third
    denominator = 2 * second + coupled
    guarded = jnp.abs(denominator) <= guard * (2 * jnp.abs(second) + jnp.abs(coupled))
    return jnp.where(guarded, 0, second / jnp.where(guarded, 1, denominator)), guarded


def official_alpha(
    first: jax.Array, second: jax.Array, third: jax.Array, total: jax.Array, guard: float
) -> tuple[jax.Array, jax.Array]:
    """`exact_alpha` divided per channel by its sum over the positions with Y1 > 0, as the authors' code does.

    After a spatial mean alpha and Y1 are the same wherever Y1 > 0, alpha cancels, and Grad-CAM+ remains.
    """
    alpha, guarded = exact_alpha(first, second, third, total, guard)
    norm = jnp.sum(jnp.where(first > 0, alpha, 0), (0, 1), keepdims=True)
    return alpha / jnp.where(norm == 0, 1, norm), guarded


def pytorch_alpha(
    first: jax.Array, second: jax.Array, third: jax.Array, total: jax.Array, guard: float
) -> tuple[jax.Array, jax.Array]:
    """pytorch-grad-cam 1.5.7: Y2 / (2 Y2 + total Y3 + 1e-6), and 0 where Y1 is 0. To be used with `exp_trick`."""
    del guard
    denominator = 2 * second + total * third + 1e-6
    unused = (first == 0) | (denominator == 0)
    return jnp.where(unused, 0, second / jnp.where(unused, 1, denominator)), jnp.zeros(first.shape, bool)


def grad_cam_pp(
    head: Head,
    activations: jax.Array,
    class_index: jax.Array,
    *,
    score: Score = EXP,
    method: Callable[..., Derivatives] = auto,
    alpha: Alpha = exact_alpha,
    guard: float = 1e-6,
    scale: Callable[[jax.Array], jax.Array] = scale_by_max,
    chunk: int | None = None,
) -> Explanation:
    """Grad-CAM++ of one image: `activations` float[height, width, channels], `head` -> logits float[classes].

    `method=auto` is exact; `method=exp_trick` is the usual approximation. `alpha=official_alpha` reproduces the
    authors' code; `method=exp_trick, alpha=pytorch_alpha, scale=scale_like_pytorch` the most used PyTorch package. The
    softmax score has real poles: a denominator that cancels to less than the share `guard` of its terms is taken as
    zero, and counted in `guarded` (1e-6: nothing is left there of float32 activations; 1e-2 gives calmer maps). So is 0
    / 0, where the score does not see a unit; it is counted in `dead`. Weights are divided by Y for an exponentiated
    score. Computed in float64 inside. Raises ValueError or TypeError as `diagonal_derivatives`, and for activations
    without spatial axes.
    """
    require_spatial(activations)
    derivatives = diagonal_derivatives(head, activations, score, class_index, method=method, chunk=chunk, for_map=True)
    dtype = activations.dtype

    def wide(activations, high, low):
        a = activations.astype(jnp.float64)
        first, second, third = (h.astype(jnp.float64) + r for h, r in zip(high, low, strict=True))
        total = jnp.sum(a, (0, 1), keepdims=True)
        share, guarded = alpha(first, second, third, total, guard)
        weights = jnp.sum(share * jax.nn.relu(first), (0, 1))
        raw = jnp.sum(a * weights[None, None], -1)
        used = (first > 0) & jnp.any(a != 0, (0, 1), keepdims=True)
        statistics = _statistics(share, used)
        dead = (second == 0) & (total * third == 0) & (used | (first == 0))
        counts = tuple(jnp.sum(v, dtype=jnp.int32) for v in (used & guarded & ~dead, dead))
        return jax.tree.map(lambda v: v.astype(dtype), (raw, weights, statistics)), counts

    (raw, weights, statistics), (guarded, dead) = in_double(wide, activations, derivatives[:3], derivatives.residual)
    return Explanation(scale(raw), raw, weights, statistics, guarded, dead, derivatives.route)


def _statistics(alpha: jax.Array, where: jax.Array) -> AlphaStatistics:
    some = jnp.any(where)
    count = jnp.maximum(jnp.sum(where, dtype=jnp.int32), 1)

    def share(condition):
        return jnp.sum(where & condition, dtype=jnp.int32) / count

    return AlphaStatistics(
        jnp.where(some, jnp.min(jnp.where(where, alpha, jnp.inf)), 0),
        jnp.where(some, jnp.max(jnp.where(where, alpha, -jnp.inf)), 0),
        jnp.sum(jnp.where(where, alpha, 0)) / count,
        share(alpha < 0),
        share(alpha > 0.5),
        jnp.sum(where, dtype=jnp.int32),
    )
