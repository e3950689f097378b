"""Exact unmixed first, second and third derivatives of a score for every activation, by the cheapest exact method."""

import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from genjax.saliency.calculus.closed_form import has_closed_form, linear_route, of_one_logit
from genjax.saliency.calculus.directions import series_route
from genjax.saliency.calculus.forward import Derivatives, Head, reverse_mode
from genjax.saliency.calculus.pooled import pooled_route, position_route
from genjax.saliency.calculus.proof import prove_piecewise_linear
from genjax.saliency.calculus.smooth import read_smooth, smooth_route
from genjax.saliency.calculus.structure import flatten, read_structure
from genjax.saliency.calculus.widen import wide_logits
from genjax.saliency.checks import nan_for_unknown_class, require_class, require_finite
from genjax.saliency.scores import Score


def auto(
    head: Head,
    activations: jax.Array,
    score: Score,
    class_index: jax.Array,
    *,
    chunk: int | None = None,
    for_map: bool = False,
) -> Derivatives:
    """The cheapest method that is exact for this head and score; the result's `route` says which, and why.

    `for_map`: directions that no map needs may be left out (`series_mode`).
    """
    proof = prove_piecewise_linear(head, activations)
    closed = proof.piecewise_linear and has_closed_form(score)
    if proof.reverse_only and not closed:
        why = "the head has a custom_vjp, which forbids forward mode"
        return reverse_mode(head, activations, score, class_index, chunk=chunk or 64, why=why)
    flat = flatten(head, activations)
    if closed and flat.has_while:
        closed, proof = False, proof._replace(obstacle="a while loop, which forbids gradients")
    structure = None if proof.reverse_only else read_structure(flat, activations)
    if closed:
        return linear_route(flat.call, structure, activations, score, class_index, chunk)
    logits = wide_logits(flat.call, activations)
    # Directions that the structure leaves, and backward passes for them all: what is fewer is cheaper.
    *grid, channels = activations.shape
    lattices = math.prod(grid) if structure is None else math.prod(structure.period(grid))
    directions = lattices * channels
    one_logit = of_one_logit(score)
    if has_closed_form(score) and not flat.has_while and (one_logit or 3 * logits[0].size <= directions * 4):
        smooth = read_smooth(flat, structure, activations)
        if smooth is not None:
            return smooth_route(smooth, activations, logits, score, class_index, chunk)
    if structure is not None and structure.uniform:
        return pooled_route(structure, activations, logits, score, class_index, chunk or 64)
    # A series leaves out what no map needs, about half: a lattice has to save more.
    if structure is not None and (lattices == 1 or 2 * lattices <= math.prod(grid)):
        return position_route(structure, activations, logits, score, class_index, chunk or 64)
    why = f"no closed form ({proof.obstacle})" if proof.obstacle else "no closed form for this score"
    return series_route(flat, activations, logits, score, class_index, chunk, why, for_map)


def diagonal_derivatives(
    head: Head,
    activations: jax.Array,
    score: Score,
    class_index: jax.Array,
    order: int = 3,
    method: Callable[..., Derivatives] = auto,
    chunk: int | None = None,
    for_map: bool = False,
) -> Derivatives:
    """Exact unmixed derivatives of Y = score(head(A), class) along each element of `activations`, up to `order`.

    `head` maps float[..., channels] to logits float[classes]; `method` is one of `series_mode`, `forward_mode`,
    `reverse_mode`, `taylor_mode`, `piecewise_linear`, `pooled`, `per_position`, or `auto` (the default), which picks
    the cheapest exact one; `chunk` directions are computed at a time, which bounds memory (None: what suits the
    method). `for_map` lets `auto` leave out directions that no map needs. Orders above `order` come back as None.

    Raises ValueError or TypeError for bad input, for an unknown class, and for a method whose condition this head does
    not meet.
    """
    require_head(head, activations, class_index)
    if order not in (1, 2, 3):
        raise ValueError(f"order is {order}, expected 1, 2 or 3")
    if activations.dtype in (jnp.bfloat16, jnp.float16):
        # The head keeps its own precision; the derivatives of its result do not fit into 8 or 11 bits.
        narrow, dtype = head, activations.dtype
        head, activations = lambda a: narrow(a.astype(dtype)).astype(jnp.float32), activations.astype(jnp.float32)
    logits = jax.eval_shape(head, activations)
    jax.eval_shape(score.function, logits, class_index)  # a score may refuse this number of classes
    options: dict[str, Any] = {} if chunk is None else {"chunk": chunk}
    if for_map and method is auto:
        options["for_map"] = True
    derivatives = method(head, activations, score, class_index, **options)
    derivatives = nan_for_unknown_class(derivatives, class_index, logits.shape[0])
    return derivatives._replace(
        second=derivatives.second if order >= 2 else None,
        third=derivatives.third if order >= 3 else None,
        residual=derivatives.residual[:order] + (None,) * (3 - order),
    )


def require_head(head: Head, activations: jax.Array, class_index: Any) -> None:
    """Raise ValueError or TypeError unless `head` maps these activations to logits that have this class."""
    if not jnp.issubdtype(jnp.result_type(activations), jnp.floating):
        raise TypeError(f"activations are {jnp.result_type(activations)}, expected floating point")
    require_finite("activations", activations)
    logits = jax.eval_shape(head, jax.ShapeDtypeStruct(jnp.shape(activations), jnp.result_type(activations)))
    if not hasattr(logits, "shape") or len(logits.shape) != 1 or not jnp.issubdtype(logits.dtype, jnp.floating):
        raise ValueError(
            f"the head returns {logits}, expected logits float[classes] of one image (without a batch axis)"
        )
    require_class(class_index, logits.shape[0])
