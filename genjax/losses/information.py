"""How much a recognition network learns of codes: lower bounds of their mutual information with what it sees.

L_I = H(c) + E log Q(c|x) <= I(c; x), in nats: 0 for a Q that only knows the prior, H(c) for one that is always right,
and negative for one that is surely wrong. Source: Chen et al. 2016, InfoGAN, arXiv 1606.03657, equation 4.
"""

import math

import jax
import jax.numpy as jnp

from genjax.nn.wide import wide


def categorical(codes: jax.Array, logits: jax.Array) -> jax.Array:
    """Return ln K + E sum_k c_k log softmax(logits)_k, for codes float[batch, K] one-hot and logits of that shape."""
    return math.log(codes.shape[-1]) + jnp.mean(jnp.sum(codes * jax.nn.log_softmax(wide(logits)), -1))


def uniform(codes: jax.Array, mean: jax.Array, log_variance: jax.Array | float = 0.0) -> jax.Array:
    """Return sum over codes of ln 2 + E log N(c; mean, exp(log_variance)), for codes of U(-1, 1), float[batch, codes].

    A variance of 1, which is that of `log_variance` 0, leaves at most ln 2 - ln(2 pi) / 2 = -0.23 a code: what it then
    measures is the squared error of the mean, and the bound is loose.
    """
    log_variance = wide(jnp.asarray(log_variance))
    errors = (codes - wide(mean)) ** 2 * jnp.exp(-log_variance)
    density = -0.5 * (math.log(2 * math.pi) + log_variance + errors)
    return jnp.sum(jnp.mean(math.log(2) + density, 0))
