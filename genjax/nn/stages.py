"""The networks of StackGAN: a sketch from a sentence, the large image from the sketch, and judges of both.

Zhang et al. 2017, arXiv 1612.03242, as two of the authors' codes have them: hanzhanggit/StackGAN (TensorFlow, for birds
and flowers, `residual`) and StackGAN-Pytorch (for COCO):
                  TensorFlow                                PyTorch
    Sketcher      residual blocks at 4 and 8 pixels         none, and one more layer at the end
    Refiner       4 residual blocks                         2
    Discriminator residual block, 1x1 convolutions          3x3 convolutions, a bias of the logit
    Augmentation  leaky ReLU, then mu and log sigma         ReLU, then mu and log sigma^2: mu >= 0 and sigma >= 1
D's third layer in stage I lacks its leaky ReLU in the TensorFlow code, not here.
Parameters (stage I: generator, discriminator; stage II: the same)
    TensorFlow           14,264,192  4,029,824  26,290,080  48,603,520
    PyTorch, width 128   10,301,248  5,715,713  26,290,080  71,269,122 (with the second logit)
"""

from collections.abc import Sequence
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from flax import linen as nn

from genjax.nn.conv import Conv
from genjax.nn.dense import Dense
from genjax.nn.initializers import Initializer, normal
from genjax.nn.normalization import BatchNorm, around_one
from genjax.nn.residual import doublings, grow
from genjax.nn.weights import Plain
from genjax.nn.wide import wide

NORMAL = normal(0.02)


class Drawn(NamedTuple):
    """images: float32[batch, size, size, channels] in [-1, 1].  mean, log_deviation: float32[batch, condition]."""

    images: jax.Array
    mean: jax.Array
    log_deviation: jax.Array


class Layers(NamedTuple):
    """What the layers of all four networks share: first weights, type to compute in, and which authors' code it is."""

    residual: bool = True
    initializer: Initializer = NORMAL
    dtype: Any = None

    def conv(self, x: jax.Array, features: int, size: int, stride: int = 1, use_bias: bool = False) -> jax.Array:
        """Return a convolution of x, padded as both codes do."""
        return Conv(features, size, stride, use_bias, Plain(self.initializer), self.dtype)(x)

    def norm(self, x: jax.Array, train: bool) -> jax.Array:
        """Return x by batch norm."""
        return BatchNorm(scale_init=around_one, dtype=self.dtype)(x, train)

    def normed(self, x: jax.Array, features: int, size: int, train: bool, stride: int = 1) -> jax.Array:
        """Return a convolution of x by batch norm."""
        return self.norm(self.conv(x, features, size, stride), train)

    def bottleneck(self, x: jax.Array, features: int, train: bool, activation: Any) -> jax.Array:
        """Return activation(x + f(x)), f of 1x1, 3x3 and 3x3 convolutions, the first two `features` wide."""
        y = activation(self.normed(x, features, 1, train))
        y = activation(self.normed(y, features, 3, train))
        return activation(x + self.normed(y, x.shape[-1], 3, train))


class Augmentation(nn.Module):
    """Conditioning augmentation: c = mu + sigma epsilon, mu and log sigma by a dense layer on text (section 3.2)."""

    size: int
    layers: Layers

    @nn.compact
    def __call__(self, text: jax.Array, noise: jax.Array | None) -> tuple[jax.Array, jax.Array, jax.Array]:
        """Return c, mu and log sigma, float[batch, size]; noise: epsilon, None for c = mu."""
        own = self.layers
        both = Dense(2 * self.size, weight=Plain(own.initializer), dtype=own.dtype)(text)
        both = nn.leaky_relu(both, 0.2) if own.residual else nn.relu(both)
        mean, spread = jnp.split(wide(both), 2, -1)
        log_deviation = spread if own.residual else spread / 2
        condition = mean if noise is None else mean + jnp.exp(log_deviation) * noise
        return condition, mean, log_deviation


class Sketcher(nn.Module):
    """Stage I: from z and c to an image, 4 pixels doubled until `size`; from 8 `width` channels, halved each time."""

    size: int = 64
    channels: int = 3
    width: int = 128
    condition: int = 128
    layers: Layers = Layers()

    @nn.compact
    def __call__(self, source: jax.Array, text: jax.Array, noise: jax.Array | None, train: bool = False) -> Drawn:
        """Return what it draws of z, float[batch, latent]; noise: see `Augmentation`."""
        own, count = self.layers, doublings_from_4(self.size)
        condition, *moments = Augmentation(self.condition, own, name="augmentation")(text, noise)
        x = jnp.concatenate([source, condition], -1)
        # The dense layer's bias does nothing in front of a batch norm; the TensorFlow code has it.
        x = Dense(16 * 8 * self.width, own.residual, Plain(own.initializer), own.dtype)(x)
        x = own.norm(x, train).reshape(len(x), 4, 4, -1)
        x = own.bottleneck(x, 2 * self.width, train, nn.relu) if own.residual else nn.relu(x)
        last = count - 1 if own.residual else count
        for number in range(last):
            x = own.normed(grow(x), 8 * self.width // 2 ** (number + 1), 3, train)
            x = own.bottleneck(x, self.width, train, nn.relu) if own.residual and not number else nn.relu(x)
        x = grow(x) if own.residual else x
        return Drawn(jnp.tanh(wide(own.conv(x, self.channels, 3))), *moments)


class Refiner(nn.Module):
    """Stage II: from a sketch and c, which joins at a quarter of the sketch's size, to an image of `size` pixels.

    blocks: residual ones in between.  width: of the sketch's first layer; 4 of it where c joins, then halved.
    """

    size: int = 256
    channels: int = 3
    width: int = 128
    condition: int = 128
    blocks: int = 4
    layers: Layers = Layers()

    @nn.compact
    def __call__(self, source: jax.Array, text: jax.Array, noise: jax.Array | None, train: bool = False) -> Drawn:
        """Return what it draws of sketches, float[batch, side, side, channels]; noise: see `Augmentation`."""
        own = self.layers
        condition, *moments = Augmentation(self.condition, own, name="augmentation")(text, noise)
        x = nn.relu(own.conv(source, self.width, 3))
        for number in (2, 4):
            x = nn.relu(own.normed(x, number * self.width, 4, train, 2))
        x = jnp.concatenate([x, tiled(condition, x)], -1)
        x = nn.relu(own.normed(x, 4 * self.width, 3, train))
        for _ in range(self.blocks):
            y = nn.relu(own.normed(x, 4 * self.width, 3, train))
            x = nn.relu(x + own.normed(y, 4 * self.width, 3, train))
        for number in range((4 * self.size // source.shape[1]).bit_length() - 1):
            x = nn.relu(own.normed(grow(x), max(4 * self.width // 2 ** (number + 1), 1), 3, train))
        return Drawn(jnp.tanh(wide(own.conv(x, self.channels, 3))), *moments)


class Discriminator(nn.Module):
    """Is this a real image, and of this sentence? 4x4 convolutions of stride 2 down to 4 pixels, where the text joins.

    width: of the first, doubled each time; beyond 8 of it a convolution each halves them again.
    compressed: numbers to which text is brought, None to take it as it is.  unconditional: a logit without text too.
    """

    width: int = 64
    compressed: int | None = 128
    unconditional: bool = False
    layers: Layers = Layers()

    @nn.compact
    def __call__(
        self, images: jax.Array, texts: Sequence[jax.Array], train: bool = False
    ) -> tuple[list[jax.Array], jax.Array | None]:
        """Return logits float32[count] of the first `count` images with each of texts, and the images' own, or None.

        texts: float[count, size] each.
        """
        own, leaky = self.layers, partial(nn.leaky_relu, negative_slope=0.2)
        small = 1 if own.residual else 3
        halvings = doublings_from_4(images.shape[1])
        x = leaky(own.conv(images, self.width, 4, 2))
        for number in range(1, halvings):
            x = own.normed(x, self.width * 2**number, 4, train, 2)
            x = leaky(x) if number < halvings - 1 or halvings > 4 or not own.residual else x
        for number in range(halvings - 2, 2, -1):
            x = own.normed(x, self.width * 2**number, small, train)
            x = leaky(x) if number > 3 or not own.residual else x
        if own.residual:
            x = own.bottleneck(x, 2 * self.width, train, leaky)
        made: dict[str, Any] = {"weight": Plain(own.initializer), "dtype": own.dtype}
        score = partial(Conv, 1, 4, 4, not own.residual, padding="VALID", **made)
        compress = Dense(self.compressed, name="text", **made) if self.compressed else None
        join = Conv(x.shape[-1], small, 1, False, name="join", **made)
        norm, last = BatchNorm(scale_init=around_one, dtype=own.dtype, name="join_norm"), score(name="score")
        logits = []
        for text in texts:
            told = text if compress is None else leaky(compress(text))
            seen = x[: len(text)]
            y = leaky(norm(join(jnp.concatenate([seen, tiled(told, seen)], -1)), train))
            logits.append(wide(last(y)[:, 0, 0, 0]))
        return logits, wide(score(name="own_score")(x)[:, 0, 0, 0]) if self.unconditional else None


def doublings_from_4(size: int) -> int:
    """Return how often 4 pixels are doubled until `size`; ValueError where they never are it, or at once."""
    count = (size // 4).bit_length() - 1
    if size < 8 or doublings(size, count) != 4:
        raise ValueError(f"StackGAN's networks draw 8, 16, 32, 64, ... pixels, not {size}; give another --image-size")
    return count


def tiled(condition: jax.Array, x: jax.Array) -> jax.Array:
    """Return the condition, float[batch, size], at every place of x: float[batch, height, width, size]."""
    return jnp.broadcast_to(condition[:, None, None].astype(x.dtype), (*x.shape[:3], condition.shape[-1]))
