"""Self-attention between the pixels of a feature map, with a gate that starts closed, as GANs use it.

Zhang, Goodfellow, Metaxas & Odena 2019, Self-Attention Generative Adversarial Networks, arXiv 1805.08318, section 3:
    beta_ji = softmax over i of q_j^T k_i,  o_j = W_o sum_i beta_ji v_i,  y = x + gamma o,  gamma = 0 at the start
for queries, keys and values that are 1x1 convolutions of x. Scores are not divided by sqrt(channels).
The authors' code departs from the paper: keys and values are the largest of 2x2 pixels, which divides the cost by four,
and values have C / 2 channels where the equations have C / 8. Its 1x1 convolutions have no biases.
"""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from flax import linen as nn

from genjax.nn.conv import Conv
from genjax.nn.weights import Plain, Weight
from genjax.nn.wide import wide


class SelfAttention(nn.Module):
    """y = x + gamma o(x), o attention over all pixels, gamma a learned number that starts at 0.

    weight: of the four 1x1 convolutions "query", "key", "value" and "output".  use_bias: of the same.
    full: keys and values at every pixel and C / 8 channels for values, as in the paper's equations; else as in the
    authors' code. Parameters without biases: 5 C^2 / 4 + 1, full C^2 / 2 + 1.
    Where "intermediates" are mutable, "attention" holds beta, float[batch, queries, keys], pixels row by row.
    """

    weight: Weight = Plain()
    use_bias: bool = False
    full: bool = False
    dtype: Any = None

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """Return float[batch, height, width, channels], x itself as long as gamma is 0.

        Raises ValueError for less than 8 channels and, but in the full form, for an odd height or width.
        """
        batch, height, width, channels = x.shape
        if channels < 8:
            raise ValueError(f"{channels} channels; attention compares an eighth of them, so give at least 8")
        project = partial(Conv, kernel_size=1, stride=1, use_bias=self.use_bias, weight=self.weight, dtype=self.dtype)
        shorten = (lambda y: y) if self.full else largest
        query = project(channels // 8, name="query")(x)
        key = shorten(project(channels // 8, name="key")(x))
        value = shorten(project(channels // 8 if self.full else channels // 2, name="value")(x))
        query, key, value = (y.reshape(batch, -1, y.shape[-1]) for y in (query, key, value))
        attention = nn.softmax(wide(jnp.einsum("bqc,bkc->bqk", query, key)), axis=-1)
        self.sow("intermediates", "attention", attention)
        seen = jnp.einsum("bqk,bkc->bqc", attention.astype(value.dtype), value)
        seen = project(channels, name="output")(seen.reshape(batch, height, width, -1))
        gamma = self.param("gamma", nn.initializers.zeros_init(), (), jnp.float32)
        return x + gamma.astype(seen.dtype) * seen


def largest(x: jax.Array) -> jax.Array:
    """Return the largest of each 2x2 pixels, float[batch, height / 2, width / 2, channels].

    Raises ValueError for an odd height or width.
    """
    batch, height, width, channels = x.shape
    if height % 2 or width % 2:
        raise ValueError(f"{height} x {width} pixels cannot be halved; attend where both sides are even")
    return x.reshape(batch, height // 2, 2, width // 2, 2, channels).max((2, 4))
