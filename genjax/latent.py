"""Latents: the distributions that generators start from, and walks from one latent to another."""

import math
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from genjax import parallel

SMALLEST_LIMIT = 0.01
"""Below it fewer than one normal number in a hundred lies within, and drawing again takes for ever."""


class Prior(NamedTuple):
    """A distribution of latents: of independent numbers, or of noise beside codes (`genjax.codes`).

    name: in mathematics, such as "N(0, 1)".  draw: (key, shape) -> float[*shape].
    bound: the largest absolute value, None where there is none.
    nearest: latents float[count, size] between drawn ones -> what the distribution draws nearest to them.
    """

    name: str
    draw: Callable[[jax.Array, tuple[int, ...]], jax.Array]
    bound: float | None = None
    nearest: Callable[[np.ndarray], np.ndarray] = np.asarray


def uniform(low: float, high: float) -> Prior:
    """Return U(low, high). Raises ValueError unless low < high, both finite."""
    if not (low < high and math.isfinite(high - low)):
        raise ValueError(f"U({low:g}, {high:g}) is no distribution; give two finite numbers, the smaller one first")
    return Prior(f"U({low:g}, {high:g})", partial(_uniform, low, high), max(abs(low), abs(high)))


def _uniform(low: float, high: float, key: jax.Array, shape: tuple[int, ...]) -> jax.Array:
    return jax.random.uniform(key, shape, minval=low, maxval=high)


NORMAL = Prior("N(0, 1)", jax.random.normal)
UNIT = uniform(0.0, 1.0)
SYMMETRIC = uniform(-1.0, 1.0)


def sampler(prior: Prior, size: int) -> Callable[[jax.Array, int], jax.Array]:
    """Return `draw(key, count)`: float[count, size] from `prior`, the same rows however devices split a batch."""

    def draw(key: jax.Array, count: int) -> jax.Array:
        return parallel.rows(prior.draw, key, (count, size))

    return draw


def truncated(prior: Prior, key: jax.Array, shape: tuple[int, ...], limit: float) -> jax.Array:
    """Return float[*shape] from `prior`, every number drawn again until it lies in [-limit, limit].

    Less variety for more fidelity, where a generator tolerates it. Source: Brock et al. 2019, arXiv 1809.11096, section
    3.1. Raises ValueError for a bounded prior, and for a limit that is not positive or leaves hardly anything.
    """
    if prior.bound is not None:
        raise ValueError(f"{prior.name} is bounded already; only latents of N(0, 1) are truncated")
    if not limit > 0:
        raise ValueError(f"a truncation at {limit:g} must be positive; 0.5 to 1 is usual for normal latents")
    if limit < SMALLEST_LIMIT:
        raise ValueError(f"a truncation at {limit:g} leaves hardly anything of {prior.name}; give at least 0.01")
    return _redrawn(prior, key, tuple(shape), limit)


def scaled(prior: Prior, key: jax.Array, shape: tuple[int, ...], factor: float) -> jax.Array:
    """Return factor * z for z of a normal prior within [-2, 2]: float[*shape].

    The other way to truncate: no number is drawn again for the factor, so that a seed's samples move together towards
    the mean. Source: the released generators of arXiv 1809.11096 expect such latents, with a factor in (0, 1].
    Raises ValueError for a bounded prior, and for a factor outside (0, 1].
    """
    if not 0 < factor <= 1:
        raise ValueError(f"a truncation by scaling with {factor:g}: give a factor in (0, 1]")
    return factor * truncated(prior, key, shape, 2.0)


@partial(jax.jit, static_argnums=(0, 2))
def _redrawn(prior: Prior, key: jax.Array, shape: tuple[int, ...], limit: float) -> jax.Array:
    def outside(carry):
        return jnp.any(jnp.abs(carry[1]) > limit)

    def again(carry):
        attempt, latents = carry
        new = prior.draw(jax.random.fold_in(key, attempt), shape)
        return attempt + 1, jnp.where(jnp.abs(latents) > limit, new, latents)

    return jax.lax.while_loop(outside, again, (0, prior.draw(key, shape)))[1]


def linear(first: np.ndarray, second: np.ndarray, steps: int) -> np.ndarray:
    """Return (1 - t) a + t b at `steps` values of t from 0 to 1: float[steps, latent]."""
    t = np.linspace(0, 1, steps)[:, None]
    return (1 - t) * first[None] + t * second[None]


def spherical(first: np.ndarray, second: np.ndarray, steps: int) -> np.ndarray:
    """Return (sin((1 - t) w) a + sin(t w) b) / sin w, w the angle between a and b: float[steps, latent].

    Straight where a and b point the same or opposite ways, for then no arc is given. Source: Shoemake 1985, Animating
    rotation with quaternion curves; for latents White 2016, arXiv 1609.04468.
    """
    lengths = np.linalg.norm(first) * np.linalg.norm(second)
    angle = np.arccos(np.clip(first @ second / lengths, -1, 1)) if lengths else 0.0
    if np.sin(angle) < 1e-4:
        return linear(first, second, steps)
    t = np.linspace(0, 1, steps)[:, None]
    return (np.sin((1 - t) * angle) * first[None] + np.sin(t * angle) * second[None]) / np.sin(angle)
