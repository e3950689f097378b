"""Networks that grow by doubling: their sizes and channels, how new layers fade in, and the critic that grows along.

Karras et al. 2018, Progressive Growing of GANs, arXiv 1710.10196. A new resolution fades in over a phase:
    generator  (1 - a) grow(toRGB_old(h)) + a toRGB_new(block_new(h))
    critic     (1 - a) fromRGB_old(pool(x)) + a block_new(fromRGB_new(x))
    images     (1 - a) grow(pool(x)) + a x, so that the critic cannot tell images by details that samples lack
"""

import math
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from flax import linen as nn

from genjax.nn.blur import blur
from genjax.nn.conv import Conv
from genjax.nn.dense import Dense
from genjax.nn.minibatch import minibatch_stddev
from genjax.nn.residual import grow, pool
from genjax.nn.weights import Equalised
from genjax.nn.wide import wide


def sizes(size: int) -> tuple[int, ...]:
    """Return 4, 8, ... `size`; ValueError where doubling does not lead there."""
    count = round(math.log2(max(size, 4) / 4))
    if 4 * 2**count != size:
        raise ValueError(
            f"this model grows from 4 pixels by doubling (8, 16, 32 ...) and cannot reach {size}; "
            f"give --image-size {4 * 2**count}, for example"
        )
    return tuple(4 * 2**level for level in range(count + 1))


def width(size: int, base: int, limit: int) -> int:
    """Return the channels at `size` pixels: min(2 base / size, limit)."""
    return min(2 * base // size, limit)


def mix(old: jax.Array, new: jax.Array, alpha: jax.Array) -> jax.Array:
    """Return (1 - alpha) old + alpha new, exactly `old` at 0 and exactly `new` at 1; alpha: float32[]."""
    alpha = alpha.astype(new.dtype).reshape((1,) * new.ndim)
    return (1 - alpha) * old + alpha * new


def fade(images: jax.Array, alpha: jax.Array | None) -> jax.Array:
    """Return images on their way from half their resolution, (1 - alpha) grow(pool(x)) + alpha x; None: as they are."""
    return images if alpha is None else mix(grow(pool(images)), images, alpha)


def progress(first: int, steps: int, step: jax.Array | int) -> jax.Array:
    """Return alpha at `step` of a fade over `steps` steps from step `first`: float32[] in [0, 1]."""
    return jnp.clip((jnp.asarray(step, jnp.float32) - first) / steps, 0.0, 1.0)


def alpha_at(fading: tuple[int, int] | None, step: jax.Array | int) -> jax.Array | None:
    """Return `progress` at `step` of the fade (first step, steps), None where nothing fades."""
    return None if fading is None else progress(*fading, step)


class Critic(nn.Module):
    """1x1 from colours, then per halving: two 3x3 convolutions, pool; minibatch statistic, convolution, two dense.

    size: pixels of this phase.  base, limit: channels at `size` are min(2 base / size, limit).
    group: of the minibatch standard deviation, None for the whole batch.  compare: whether there is one.
    blurred: StyleGAN's, in which a blur stands before the second convolution of a halving, and its activation behind
    the pool. There are 1x1 layers from colours at every resolution up to `size`, one of them in use, two in a fade.
    """

    size: int = 1024
    base: int = 8192
    limit: int = 512
    group: int | None = None
    compare: bool = True
    dtype: Any = None
    blurred: bool = False

    @nn.compact
    def __call__(
        self,
        images: jax.Array,
        labels: jax.Array | None = None,
        train: bool = False,
        alpha: jax.Array | None = None,
    ) -> jax.Array:
        """Return scores float32[batch]; alpha: float32[] during a fade, else None (no old path)."""
        make = partial(Conv, kernel_size=3, stride=1, weight=Equalised(), dtype=self.dtype)
        activate = partial(nn.leaky_relu, negative_slope=0.2)
        features = partial(width, base=self.base, limit=self.limit)

        def colours(x, size):
            return activate(make(features(size), kernel_size=1, name=f"from_rgb_{size}")(x))

        def block(x, size):
            x = activate(make(features(size), name=f"conv_{size}a")(x))
            second = make(features(size // 2), name=f"conv_{size}b")
            # A bias commutes with the mean of pixels: StyleGAN's comes behind the pool, too.
            return activate(pool(second(blur(x)))) if self.blurred else pool(activate(second(x)))

        x = colours(images, self.size)
        for size in reversed(sizes(self.size)[1:]):
            x, small = block(x, size), size // 2
            if self.is_initializing():
                colours(jnp.zeros((1, small, small, images.shape[-1])), small)
            if alpha is not None and size == self.size:
                x = mix(colours(pool(images), small), x, alpha)
        if self.compare:
            x = minibatch_stddev(x, self.group)
        x = activate(make(features(4), name="conv_4")(x)).reshape(x.shape[0], -1)
        x = activate(Dense(features(2), weight=Equalised(), dtype=self.dtype, name="dense")(x))
        x = Dense(1, weight=Equalised(gain=1.0), dtype=self.dtype, name="score")(x)
        return wide(x)[:, 0]
