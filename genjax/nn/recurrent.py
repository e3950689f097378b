"""Recurrent layers: a state that every step of a sequence changes, float[batch, steps, inputs] -> [..., features].

What inputs add is one product for all steps; a compiled loop runs over what is left.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from flax import linen as nn

from genjax.nn.dense import Dense
from genjax.nn.initializers import GLOROT, Initializer
from genjax.nn.weights import Plain


class _Affine(nn.Module):
    """Kernel and bias of a dense layer, for use inside a loop: h -> h W + b."""

    features: int
    weight: Plain
    dtype: Any

    @nn.compact
    def __call__(self, h: jax.Array) -> Callable[[jax.Array], jax.Array]:
        kernel = self.weight.kernel(self, (h.shape[-1], self.features))
        bias = self.weight.bias(self, self.features, h.shape[-1])
        _, kernel, bias = nn.dtypes.promote_dtype(h, kernel, bias, dtype=self.dtype)
        return lambda h: h @ kernel + bias[None]


def _unrolled(step: Callable[[Any, Any], tuple[Any, jax.Array]], start: Any, inputs: Any) -> jax.Array:
    """Return the outputs of `step` along the second axis of the inputs."""
    moved = jax.tree.map(lambda x: jnp.moveaxis(x, 1, 0), inputs)
    return jnp.moveaxis(jax.lax.scan(step, start, moved)[1], 0, 1)


class LSTM(nn.Module):
    """c <- sigmoid(f) c + sigmoid(i) tanh(g), h <- sigmoid(o) tanh(c), of [i, f, g, o] = x W + h U + b.

    f is 1 more, so that a new network remembers. Source: Hochreiter & Schmidhuber 1997, with the forget gate of Gers et
    al. 2000; the 1: Jozefowicz et al. 2015.
    """

    features: int
    initializer: Initializer = GLOROT
    dtype: Any = None

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """Return h after every step."""
        weight = Plain(self.initializer)
        inputs = Dense(4 * self.features, use_bias=False, weight=weight, dtype=self.dtype, name="input")(x)
        zeros = jnp.zeros((len(x), self.features), inputs.dtype)
        recur = _Affine(4 * self.features, weight, self.dtype, name="hidden")(zeros)

        def step(carry: tuple[jax.Array, jax.Array], x: jax.Array) -> tuple[tuple[jax.Array, jax.Array], jax.Array]:
            h, c = carry
            i, f, g, o = jnp.split(x + recur(h), 4, -1)
            c = jax.nn.sigmoid(f + 1) * c + jax.nn.sigmoid(i) * jnp.tanh(g)
            h = jax.nn.sigmoid(o) * jnp.tanh(c)
            return (h, c), h

        return _unrolled(step, (zeros, zeros), inputs)


class ReLURNN(nn.Module):
    """h <- max(0, x W + a + h U + b). Source: the authors' code of arXiv 1605.05395 (reedscot/icml2016)."""

    features: int
    initializer: Initializer = GLOROT
    dtype: Any = None

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """Return h after every step."""
        weight = Plain(self.initializer)
        inputs = Dense(self.features, weight=weight, dtype=self.dtype, name="input")(x)
        zeros = jnp.zeros((len(x), self.features), inputs.dtype)
        recur = _Affine(self.features, weight, self.dtype, name="hidden")(zeros)

        def step(h: jax.Array, x: jax.Array) -> tuple[jax.Array, jax.Array]:
            h = nn.relu(x + recur(h))
            return h, h

        return _unrolled(step, zeros, inputs)


class GRU(nn.Module):
    """h <- (1 - u) h + u tanh(x W + (r h) U), u, r = sigmoid(x W' + h U'), every product with a bias of its own.

    r acts in front of the product, as in the text of Cho et al. 2014, arXiv 1406.1078.
    """

    features: int
    initializer: Initializer = GLOROT
    dtype: Any = None

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """Return h after every step."""
        weight = Plain(self.initializer)
        inputs = Dense(3 * self.features, weight=weight, dtype=self.dtype, name="input")(x)
        zeros = jnp.zeros((len(x), self.features), inputs.dtype)
        gates = _Affine(2 * self.features, weight, self.dtype, name="gates")(zeros)
        candidate = _Affine(self.features, weight, self.dtype, name="candidate")(zeros)

        def step(h: jax.Array, x: jax.Array) -> tuple[jax.Array, jax.Array]:
            to_gates, to_candidate = x[:, : 2 * self.features], x[:, 2 * self.features :]
            u, r = jnp.split(jax.nn.sigmoid(to_gates + gates(h)), 2, -1)
            h = (1 - u) * h + u * jnp.tanh(to_candidate + candidate(r * h))
            return h, h

        return _unrolled(step, zeros, inputs)
