"""DCGAN: convolutional architectures with which adversarial training works.

Radford, Metz & Chintala 2016, Unsupervised Representation Learning with Deep Convolutional GANs, arXiv 1511.06434.
No pooling, no hidden dense layers; batch norm everywhere but at the generator's output and the discriminator's input;
ReLU and tanh in the generator, leaky ReLU 0.2 in the discriminator; weights N(0, 0.02), Adam 2e-4 with beta1 0.5.
As in every reference code, real and generated images go through the discriminator in separate batches, each normalised
by its own statistics, and batch norm's scale starts from N(1, 0.02), which the text does not say. The authors' code
uses each batch of images for one of the players only, here both use it; its L2 penalty of 1e-5 is a part of the
optimizer, `optax.add_decayed_weights` before Adam.

images: float[batch, size, size, channels] in [-1, 1], size = 4 * 2^stages.
Configurations at 64 pixels
    authors  width 128, 5x5 kernels, first norm per unit of the flat vector (`flat_norm`), epsilon 1e-8, latent U(-1, 1)
    Torch    width 64, 4x4 kernels, latent N(0, 1)
Without `batch_norm`, `use_bias` gives layers biases instead; WGAN's code has none.
Padding of 5x5 kernels is (3, 2) here and symmetric in the authors' code: a shift by one pixel.
"""

import math
from functools import partial
from typing import Any, Unpack

import jax
import optax
from flax import linen as nn

from genjax.engine.adversarial import Setting, Side, adversarial_game
from genjax.engine.game import Aux, Game
from genjax.engine.network import aux
from genjax.losses import adversarial
from genjax.nn.conv import Conv, ConvTranspose
from genjax.nn.initializers import Initializer, normal
from genjax.nn.normalization import BatchNorm
from genjax.nn.weights import Plain
from genjax.nn.wide import wide

NORMAL = normal(0.02)


def stages(size: int) -> int:
    """Return how often 4 pixels double to `size`; ValueError unless they do."""
    count = round(math.log2(max(size, 1) / 4))
    if count < 1 or 4 * 2**count != size:
        raise ValueError(
            f"DCGAN draws squares of 8, 16, 32, 64 ... pixels, not {size}; give --image-size 32, for example"
        )
    return count


class Norm(nn.Module):
    """Batch norm whose scale starts from N(1, 0.02)."""

    epsilon: float = 1e-5
    dtype: Any = None

    @nn.compact
    def __call__(self, x: jax.Array, train: bool) -> jax.Array:
        """Return x, float[..., channels], normalised, scaled and shifted."""
        y = BatchNorm(epsilon=self.epsilon, use_bias=False, use_scale=False, dtype=self.dtype)(x, train)
        shape = (1,) * (x.ndim - 1) + x.shape[-1:]
        scale = self.param("scale", lambda key: 1 + 0.02 * jax.random.normal(key, x.shape[-1:]))
        bias = self.param("bias", nn.initializers.zeros_init(), x.shape[-1:])
        return y * scale.reshape(shape).astype(y.dtype) + bias.reshape(shape).astype(y.dtype)


class Generator(nn.Module):
    """Latent -> 4x4 -> transposed convolutions, each doubling the size and halving the channels, down to `width`."""

    size: int = 64
    channels: int = 3
    width: int = 64
    kernel_size: int = 4
    flat_norm: bool = False
    batch_norm: bool = True
    use_bias: bool = False
    epsilon: float = 1e-5
    initializer: Initializer = NORMAL
    dtype: Any = None

    @nn.compact
    def __call__(self, latent: jax.Array, labels: jax.Array | None = None, train: bool = False) -> jax.Array:
        """Return float32[batch, size, size, channels]; `labels` is not used: one signature."""
        count = stages(self.size)
        features = self.width * 2 ** (count - 1)
        rest = {"use_bias": self.use_bias, "dtype": self.dtype}
        x = nn.Dense(16 * features, kernel_init=self.initializer.kernel, **rest)(latent)
        x = x if self.flat_norm else x.reshape(-1, 4, 4, features)
        x = nn.relu(Norm(self.epsilon, self.dtype)(x, train) if self.batch_norm else x).reshape(-1, 4, 4, features)
        make = partial(ConvTranspose, kernel_size=self.kernel_size, weight=Plain(self.initializer), **rest)
        for stage in reversed(range(count - 1)):
            x = make(features=self.width * 2**stage)(x)
            x = nn.relu(Norm(self.epsilon, self.dtype)(x, train) if self.batch_norm else x)
        return nn.tanh(wide(make(features=self.channels)(x)))


class Discriminator(nn.Module):
    """Strided convolutions, each halving the size and doubling the channels from `width`, then a linear unit."""

    size: int = 64
    width: int = 64
    kernel_size: int = 4
    batch_norm: bool = True
    use_bias: bool = False
    epsilon: float = 1e-5
    initializer: Initializer = NORMAL
    dtype: Any = None

    @nn.compact
    def __call__(self, images: jax.Array, labels: jax.Array | None = None, train: bool = False) -> jax.Array:
        """Return logits float32[batch]; `labels` is not used: one signature."""
        x = images
        for stage in range(stages(self.size)):
            x = Conv(
                self.width * 2**stage, self.kernel_size, use_bias=self.use_bias, weight=Plain(self.initializer),
                dtype=self.dtype,
            )(x)  # fmt: skip
            x = nn.leaky_relu(Norm(self.epsilon, self.dtype)(x, train) if stage and self.batch_norm else x, 0.2)
        x = x.reshape(x.shape[0], -1)
        x = nn.Dense(1, use_bias=False, kernel_init=self.initializer.kernel, dtype=self.dtype)(x)
        return wide(x)[:, 0]


def discriminator_loss(nets, state, batch, key, *, draw) -> tuple[jax.Array, Aux]:
    """L = E softplus(-D(x)) + E softplus(D(G(z))), images and samples in a batch each."""
    images = batch["images"]
    fake = nets.generator.output(draw(key, len(images)))
    real_logits, discriminator = nets.discriminator(images)
    fake_logits, discriminator = discriminator(fake)
    metrics = adversarial.probabilities(real_logits, fake_logits)
    return adversarial.discriminator(real_logits, fake_logits), aux(discriminator, **metrics)


def generator_loss(nets, state, batch, key, *, draw) -> tuple[jax.Array, Aux]:
    """L = E softplus(-D(G(z)))."""
    fake, generator = nets.generator(draw(key, len(batch["images"])))
    fake_logits = nets.discriminator.output(fake)
    return adversarial.non_saturating_generator(fake_logits), aux(generator)


def game(
    generator: nn.Module,
    discriminator: nn.Module,
    *,
    generator_tx: optax.GradientTransformation,
    discriminator_tx: optax.GradientTransformation,
    **setting: Unpack[Setting],
) -> Game:
    """Return the game of "discriminator" and "generator", moving in turn.

    setting: image_shape, latent, prior and ema, see `genjax.engine.adversarial`.

    >>> networks, tx = (Generator(size=32, channels=1), Discriminator(size=32)), optax.adam(2e-4, b1=0.5)
    >>> made = game(*networks, generator_tx=tx, discriminator_tx=tx, image_shape=(32, 32, 1), latent=100)
    >>> [player.name for player in made.players]
    ['discriminator', 'generator']
    """
    return adversarial_game(
        Side("discriminator", discriminator, discriminator_loss, discriminator_tx),
        Side("generator", generator, generator_loss, generator_tx),
        **setting,
    )
