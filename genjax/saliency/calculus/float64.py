"""Float64 inside float32 programs: one boundary that survives `jit`, `vmap` and `grad`.

`jax.enable_x64` is a context of *tracing*. Inside `jax.jit` it works as it stands, but transformations that act later
on what was traced (`vmap` of a jitted function, the transposition inside `grad`) run outside the context and truncate
to float32. Here the function is therefore given its own batching and its own reverse rule, both of which enter the
context again.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax.custom_batching import custom_vmap


def in_double(function: Callable[..., Any], *arguments: Any) -> Any:
    """`function(*arguments)` traced with 64-bit types allowed; float64 results come back in float32 where x64 is off.

    `function` receives its arguments in their own dtypes, widens what it needs with `.astype(jnp.float64)`, and must
    not close over traced values. Works under `jit`, `vmap` (in either order) and reverse-mode `grad`, whose backward
    pass computes the forward again; not under `jvp`, nor twice under `grad`. With x64 on globally it is a plain call,
    and everything works.
    """
    if jax.config.jax_enable_x64:  # type: ignore[attr-defined]
        return function(*arguments)
    leaves, tree = jax.tree.flatten(arguments)
    leaves = [jnp.asarray(leaf) for leaf in leaves]
    inexact = [jnp.issubdtype(leaf.dtype, jnp.inexact) for leaf in leaves]

    def narrow(*flat):
        out = function(*jax.tree.unflatten(tree, flat))
        return jax.tree.map(lambda v: v.astype(jnp.float32) if jnp.asarray(v).dtype == jnp.float64 else v, out)

    def pullback(flat, cotangent):
        moving = [v for v, m in zip(flat, inexact, strict=True) if m]

        def of_moving(*moving):
            moved = iter(moving)
            out = narrow(*[next(moved) if m else v for v, m in zip(flat, inexact, strict=True)])
            return [v for v in jax.tree.leaves(out) if jnp.issubdtype(v.dtype, jnp.inexact)]

        return jax.vjp(of_moving, *moving)[1](cotangent)

    wide, wide_pullback = _batchable(narrow), _batchable(pullback)

    @jax.custom_vjp
    def call(*flat):
        return wide(*flat)

    def forward(*flat):
        return wide(*flat), flat

    def backward(flat, cotangent):
        inexact_cotangent = [v for v in jax.tree.leaves(cotangent) if jnp.issubdtype(v.dtype, jnp.inexact)]
        moved = iter(wide_pullback(list(flat), inexact_cotangent))
        return tuple(next(moved) if m else None for m in inexact)

    call.defvjp(forward, backward)
    return call(*leaves)


Pair = tuple[jax.Array, jax.Array]


def from_pair(pair: Pair) -> jax.Array:
    """The float64 sum of a pair."""
    high, low = pair
    return high.astype(jnp.float64) + low


def as_pair(values: jax.Array, dtype: Any) -> Pair:
    """A float64 array as the sum of two arrays of `dtype`: 48 bits of mantissa when that is float32."""
    high = values.astype(dtype)
    finite = jnp.isfinite(high)  # an infinity leaves nothing over
    return high, jnp.where(finite, values - jnp.where(finite, high, 0).astype(values.dtype), 0).astype(dtype)


def as_pairs(values: tuple[jax.Array, ...], dtype: Any) -> tuple[tuple[jax.Array, ...], tuple[jax.Array, ...]]:
    """`as_pair` of each, as (all high parts, all low parts)."""
    high, low = zip(*(as_pair(v, dtype) for v in values), strict=True)
    return high, low


def _batchable(function: Callable[..., Any]) -> Callable[..., Any]:
    """`function` traced with x64 on, whose batching rule also is."""

    @custom_vmap
    def call(*arguments):
        with jax.enable_x64(True):
            return function(*arguments)

    @call.def_vmap
    def _rule(axis_size, in_batched, *arguments):
        axes = jax.tree.map(lambda batched: 0 if batched else None, list(in_batched))
        batched = _batchable(jax.vmap(function, in_axes=tuple(axes), axis_size=axis_size))
        out = batched(*arguments)
        return out, jax.tree.map(lambda _: True, out)

    return call
