"""Estimates of log p(x) for latent-variable models."""

import math
from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax import lax


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
