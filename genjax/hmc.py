"""Hamiltonian Monte Carlo: many chains at once that leave a density invariant, known up to a factor, by its gradient.

Neal 2011, MCMC using Hamiltonian dynamics, arXiv 1206.1901, section 5.3.2. With U(z) = -log density(z),
    H(z, p) = U(z) + |p|^2 / 2,  p ~ N(0, I)
    a leap:  p <- p - e/2 grad U(z);  z <- z + e p;  p <- p - e/2 grad U(z)
    after L leaps the end (z', -p') is taken with probability min(1, exp(H(z, p) - H(z', p'))), else z stays.
Leaps keep volume and can be reversed whatever the force, so that a wrong one in place of -grad U costs acceptance and
not the invariance, which the last line alone secures.

    target = from_log_density(lambda z: -0.5 * jnp.sum(z**2, -1))
    found = sample(target, z, key, jnp.float32(0.1), Chains(burn_in=50, samples=100))
    found.positions                                   # float[100, chains, size]

Everything is a `lax.scan`: it fits inside a compiled step, a loss included. z: float[chains, size].
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

from genjax import parallel


class Point(NamedTuple):
    """position: float[chains, size].  log_density: float[chains], up to a constant.  force: float[chains, size]."""

    position: jax.Array
    log_density: jax.Array
    force: jax.Array


Target = Callable[[jax.Array], Point]
"""position -> the point there, with the force that leaps follow, which should be the log density's gradient."""


class Chains(NamedTuple):
    """How chains run: `burn_in` transitions that adapt the step size, then `samples` that are kept, of `leaps` each.

    acceptance, rate: what the step size is adapted to, and how fast.
    """

    burn_in: int = 2
    samples: int = 2
    leaps: int = 5
    acceptance: float = 0.67
    rate: float = 0.02


CHAINS = Chains()


class Found(NamedTuple):
    """positions: float[samples, chains, size].  acceptance: mean probability, float[].  step_size: the adapted one."""

    positions: jax.Array
    acceptance: jax.Array
    step_size: jax.Array


def from_log_density(log_density: Callable[[jax.Array], jax.Array]) -> Target:
    """Return the target of a log density, float[chains, size] -> float[chains], that sees every row by itself."""

    def target(position: jax.Array) -> Point:
        value, pull = jax.vjp(log_density, position)
        (gradient,) = pull(jnp.ones_like(value))
        return Point(position, value, gradient)

    return target


def trajectory(
    target: Target, start: Point, momentum: jax.Array, step_size: jax.Array | float, leaps: int
) -> tuple[Point, jax.Array]:
    """Return the point after `leaps` leaps and the momentum there, negated: from there the same leaps lead back."""

    def leap(carry, _):
        point, momentum = carry
        momentum = momentum + step_size / 2 * point.force
        point = target(point.position + step_size * momentum)
        return (point, momentum + step_size / 2 * point.force), None

    (end, momentum), _ = lax.scan(leap, (start, momentum), length=leaps)
    return end, -momentum


def energy(point: Point, momentum: jax.Array) -> jax.Array:
    """H = U(z) + |p|^2 / 2, float[chains]."""
    return jnp.sum(momentum**2, -1) / 2 - point.log_density


def transition(
    target: Target, start: Point, key: jax.Array, step_size: jax.Array | float, leaps: int
) -> tuple[Point, jax.Array]:
    """Return the chains' next points, and the probability float[chains] with which each took its trajectory's end."""
    momentum_key, choice_key = jax.random.split(key)
    momentum = parallel.rows(jax.random.normal, momentum_key, start.position.shape)
    end, last = trajectory(target, start, momentum, step_size, leaps)
    loss = energy(end, last) - energy(start, momentum)
    acceptance = jnp.where(jnp.isnan(loss), 0.0, jnp.exp(-jnp.maximum(loss, 0.0)))  # a trajectory that ran away: 0
    taken = parallel.rows(jax.random.uniform, choice_key, acceptance.shape) < acceptance
    return (
        jax.tree.map(lambda new, old: jnp.where(taken.reshape(-1, *[1] * (new.ndim - 1)), new, old), end, start),
        acceptance,
    )


def adapted(step_size: jax.Array, acceptance: jax.Array, chains: Chains) -> jax.Array:
    """Return e + rate (acceptance - target) e: longer steps where more than the target is accepted."""
    return step_size * (1 + chains.rate * (acceptance - chains.acceptance)).astype(step_size.dtype)


def sample(target: Target, start: jax.Array, key: jax.Array, step_size: jax.Array, chains: Chains) -> Found:
    """Return samples of chains that begin at `start`, float[chains, size], and the step size for the next call.

    The step size is one for all chains (and devices), and rests while samples are kept.
    """

    def advance(carry, x):
        point, step_size = carry
        key, burning = x
        point, acceptance = transition(target, point, key, step_size, chains.leaps)
        acceptance = parallel.mean(jnp.mean(acceptance))
        step_size = jnp.where(burning, adapted(step_size, acceptance, chains), step_size)
        return (point, step_size), (point.position, acceptance)

    count = chains.burn_in + chains.samples
    moves = jax.random.split(key, count), jnp.arange(count) < chains.burn_in
    (_, step_size), (positions, acceptance) = lax.scan(advance, (target(start), step_size), moves)
    return Found(positions[chains.burn_in :], jnp.mean(acceptance), step_size)
