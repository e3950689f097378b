"""Estimates of log p(x) for latent-variable models."""

import math
from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax import lax

from genjax import hmc


def iwae_bound(
    decode_nll: Callable[[jax.Array], jax.Array],
    mean: jax.Array,
    log_variance: jax.Array,
    key: jax.Array,
    samples: int = 500,
    chunk: int = 50,
) -> jax.Array:
    """L_k(x) = log 1/k sum over i of p(x|z_i) p(z_i) / q(z_i|x), z_i ~ q(z|x), in nats.

    q(z|x) = N(mean, exp(log_variance)), p(z) = N(0, I). A lower bound of log p(x) that rises with k = `samples` to it;
    with k = 1 it is a draw of the ELBO. Computed in logarithms, `chunk` draws at a time.
    Published values take 5,000 draws for each of 10,000 test images; compare equal k only. For a model without an
    encoder, q may be the moments of posterior samples: the estimate stays a lower bound for any q, and a q that is too
    narrow makes it unsteady, so repeat it with another key. Source: Burda et al. 2016, arXiv 1509.00519, equation 8.

    decode_nll: latent float[batch, chunk, latent] -> -log p(x|z), float[batch, chunk], in nats.
    mean, log_variance: float[batch, latent]. Returns float[batch]. Raises ValueError unless chunk divides samples.
    """
    if samples < 1 or chunk < 1 or samples % chunk:
        raise ValueError(f"{samples} samples in chunks of {chunk}; the chunk must divide the number of samples")
    batch, latent = mean.shape
    deviation = jnp.exp(0.5 * log_variance)[:, None]

    def body(total, chunk_key):
        noise = jax.random.normal(chunk_key, (batch, chunk, latent))
        z = mean[:, None] + deviation * noise
        # log p(z) - log q(z|x); the constants of the two normals cancel.
        log_ratio = 0.5 * jnp.sum(noise**2 + log_variance[:, None] - z**2, axis=-1)
        log_weights = log_ratio - decode_nll(z)
        return jnp.logaddexp(total, jax.nn.logsumexp(log_weights, axis=-1)), None

    start = jnp.full(batch, -jnp.inf)
    total, _ = lax.scan(body, start, jax.random.split(key, samples // chunk))
    return total - math.log(samples)


def annealed_bound(
    log_likelihood: Callable[[jax.Array], jax.Array],
    shape: tuple[int, int],
    key: jax.Array,
    *,
    temperatures: int = 500,
    chains: int = 16,
    leaps: int = 5,
    step_size: float = 0.1,
) -> jax.Array:
    """Return log 1/k sum_i w_i by annealed importance sampling: E w = p(x), so on average it is below log p(x).

    Each of k = `chains` begins in the prior N(0, I) and is led to the posterior through p(z) p(x|z)^b, b rising from 0
    to 1 in `temperatures` stairs, by one Hamiltonian transition of `leaps` leaps at each; log w gains
    (b' - b) log p(x|z) at every stair. For decoders without an encoder whose posteriors are narrow, where no single
    proposal will do. It rises with both numbers. Step sizes come from a first pass whose chains are thrown away, since
    a step that depends on its own chain would bias the weights.
    Source: Neal 2001, Annealed importance sampling; for generators Wu et al. 2017, arXiv 1611.04273; stairs at
    (t / temperatures)^4 as in Friel & Pettitt 2008, Marginal likelihood estimation via power posteriors, section 3.

    log_likelihood: latents float[batch, latent] -> log p(x|z), float[batch], in nats.  shape: (batch, latent).
    step_size: that the first pass begins with. Returns float[batch], in nats.
    Raises ValueError for fewer than one chain or stair.
    """
    if temperatures < 1 or chains < 1:
        raise ValueError(f"{chains} chains through {temperatures} temperatures; give at least one of each")

    def likelihoods(z: jax.Array) -> jax.Array:
        return jax.vmap(log_likelihood)(z.reshape(chains, *shape)).ravel()

    stairs = jnp.linspace(0.0, 1.0, temperatures + 1) ** 4
    pace = hmc.Chains(leaps=leaps, rate=0.1)

    def anneal(key: jax.Array, sizes: jax.Array | None) -> tuple[jax.Array, jax.Array]:
        """Return log weights and the step sizes that were used: `sizes`, or adapted ones."""

        def warm(carry, stair):
            z, log_weights, size = carry
            before, power, key, given = stair
            size = size if given is None else given
            log_weights = log_weights + (power - before) * likelihoods(z)
            target = hmc.from_log_density(lambda z: power * likelihoods(z) - 0.5 * jnp.sum(z**2, -1))
            point, acceptance = hmc.transition(target, target(z), key, size, leaps)
            return (point.position, log_weights, hmc.adapted(size, jnp.mean(acceptance), pace)), size

        keys = jax.random.split(key, temperatures + 1)
        z = jax.random.normal(keys[0], (chains * shape[0], shape[1]))
        start = (z, jnp.zeros(len(z)), jnp.asarray(step_size, z.dtype))
        (_, log_weights, _), used = lax.scan(warm, start, (stairs[:-1], stairs[1:], keys[1:], sizes))
        return log_weights.reshape(chains, -1), used

    pilot_key, final_key = jax.random.split(key)
    log_weights, _ = anneal(final_key, anneal(pilot_key, None)[1])
    return jax.nn.logsumexp(log_weights, 0) - math.log(chains)
