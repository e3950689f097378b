"""The minibatch standard deviation, by which a discriminator compares the images of a batch."""

import jax
import jax.numpy as jnp

from genjax import parallel
from genjax.nn.wide import wide


def minibatch_stddev(x: jax.Array, group: int | None = None, epsilon: float = 1e-8) -> jax.Array:
    """Append one channel: how much the features differ between the images of a group.

        s_m = mean over pixels and channels of sqrt(variance over group m + epsilon), the variance biased

    x: float[batch, height, width, channels].  Returns float[batch, height, width, channels + 1].
    group: images in a group, None for the whole batch. Image n belongs to group n mod (batch / group), so that images
    side by side fall into different ones. The batch is the global one, however devices split it. Computed in float32,
    or in float64 for x of that type.
    Raises ValueError where groups do not divide the batch.
    Source: Karras et al. 2018, arXiv 1710.10196, section 3 (whole batch); groups as in the authors' later code.
    """
    everything = parallel.gather(x)
    batch, height, width, _ = everything.shape
    size = batch if group is None else min(group, batch)
    if batch % size:
        raise ValueError(
            f"a batch of {batch} does not fall into groups of {size} for the minibatch standard deviation; "
            f"use a multiple of {size}, or the whole batch as one group"
        )
    y = wide(everything).reshape(size, batch // size, *x.shape[1:])
    centred = y - jnp.mean(y, 0, keepdims=True)
    deviation = jnp.mean(jnp.sqrt(jnp.mean(centred**2, 0) + epsilon), (1, 2, 3))
    planes = jnp.broadcast_to(jnp.tile(deviation, size)[:, None, None, None], (batch, height, width, 1))
    return jnp.concatenate([x, parallel.own_rows(planes, len(x)).astype(x.dtype)], -1)
