"""Derivatives of a score through one smooth layer, for all activations by backward passes."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from genjax.saliency.calculus.closed_form import fitting, has_closed_form, of_one_logit, stream_moments
from genjax.saliency.calculus.float64 import Pair, as_pairs, from_pair, in_double
from genjax.saliency.calculus.forward import Derivatives, Route, curve3, of_exponential, one_hot, score_value
from genjax.saliency.calculus.pooled import spread
from genjax.saliency.calculus.smooth_layer import SmoothLayer, along_every_activation, read_smooth_layer
from genjax.saliency.calculus.structure import Flat, PooledHead, flatten
from genjax.saliency.scores import Score


class Smooth(NamedTuple):
    """A head with one smooth layer, as a function of `point`: of all activations, or of one number for each channel."""

    layer: SmoothLayer
    point: jax.Array


def read_smooth(flat: Flat, structure: PooledHead | None, activations: jax.Array) -> Smooth | None:
    """The smooth layer of a head, or None where it has none or more than one.

    Of a head that A enters through a spatial mean, all positions of a channel have the same derivatives: the layer is
    read as a function of a number that is added to the channel at one position.
    """
    if structure is None or not structure.uniform:
        layer, point = read_smooth_layer(flat), activations
    elif structure.kernel_is_diagonal and len(structure.sums) == 1:
        (sums,) = structure.sums
        scale = jax.jvp(structure.local, (activations,), (jnp.ones_like(activations),))[1][0][0]
        point = jnp.zeros(activations.shape[-1], activations.dtype)
        layer = read_smooth_layer(flatten(lambda added: structure.tail(sums + added * scale), point))
    else:
        layer, point = None, activations
    return None if layer is None else Smooth(layer, point)


def smooth_route(
    smooth: Smooth, activations: jax.Array, logits: Pair, score: Score, class_index: jax.Array, chunk: int | None
) -> Derivatives:
    """Derivatives for a head whose smooth layer has been read, and a score with `has_closed_form`.

    Scores of one logit take three backward passes, SOFTMAX three for every class, streamed by `chunk`.
    """
    assert has_closed_form(score)
    layer, point = smooth
    along = along_every_activation(layer, point)
    if of_one_logit(score):
        pairs = _of_one_logit(score, logits, class_index, along(one_hot(class_index, logits[0])))
        passes = "three backward passes"
    else:
        pairs = stream_moments(along, point, logits, class_index, chunk or fitting(point))
        passes = f"three backward passes for each of {logits[0].size} classes"
    route = Route("powers of one smooth layer", f"the head is linear but for functions of single entries: {passes}")
    return spread(pairs, activations, score_value(score, logits, class_index), route)


def _of_one_logit(score: Score, logits: Pair, class_index: jax.Array, along: tuple[jax.Array, ...]) -> Any:
    """Derivatives of f(S_c) from those of S_c, by the chain rule."""

    def wide(logits, class_index, *along):
        s, slope = from_pair(logits), jnp.arange(logits[0].size, dtype=jnp.int32) == class_index
        f1, f2, f3 = curve3(lambda t: score.function(s + t * slope, class_index), jnp.float64)
        s1, s2, s3 = (v.astype(jnp.float64) for v in along)
        u = (f1 * s1, f2 * s1**2 + f1 * s2, f3 * s1**3 + 3 * f2 * s1 * s2 + f1 * s3)
        return as_pairs(of_exponential(*u) if score.exponentiated else u, along[0].dtype)

    return in_double(wide, logits, class_index, *along)
