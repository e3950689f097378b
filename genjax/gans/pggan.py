"""PGGAN: generator and critic grow together, from 4x4 pixels, by doubling.

Karras, Aila, Laine & Lehtinen 2018, Progressive Growing of GANs for Improved Quality, Stability, and Variation, arXiv
1710.10196. Each resolution comes in two phases: its layers fade in, then they stabilise; 4x4 only stabilises.
    generator  (1 - a) grow(toRGB_old(h)) + a toRGB_new(block_new(h))
    critic     (1 - a) fromRGB_old(pool(x)) + a block_new(fromRGB_new(x))
    images     (1 - a) grow(pool(x)) + a x, so that the critic cannot tell images by details that samples lack
a rises linearly from 0 to 1 with the images shown. Earlier layers train on all the time.

Pixel norm after every activation of the generator and on the latent; equalised learning rate; the minibatch standard
deviation before the critic's last convolution; leaky ReLU 0.2; linear outputs (no tanh); WGAN-GP with a drift penalty.
The optimizers start afresh in every phase (the authors' code: whenever the networks in use change). As in the Theano
code, with which the results were made, the critic pools behind the activation (the fused TensorFlow code: before it),
and the minibatch standard deviation runs over the whole batch (TensorFlow: groups of 4).

The critic moves first; on CIFAR-10 the Theano code moves both networks from one forward pass (`simultaneous=True`).
Not here: class labels with a classifier in the critic.

images: float[batch, size, size, channels] in [-1, 1].
"""

from functools import partial
from typing import Any

import jax
import optax
from flax import linen as nn

from genjax.engine.adversarial import Side, adversarial_game
from genjax.engine.game import Aux, Game
from genjax.engine.network import aux
from genjax.latent import NORMAL, Prior
from genjax.losses import adversarial
from genjax.losses.wasserstein import PENALTIES, Penalties, penalised_critic
from genjax.nn.conv import Conv
from genjax.nn.growing import Critic, alpha_at, fade, mix, sizes, width
from genjax.nn.normalization import pixel_norm
from genjax.nn.residual import grow
from genjax.nn.weights import RELU_GAIN, Equalised, Weight, affine
from genjax.nn.wide import wide


class FirstPixels(nn.Module):
    """Latent -> 4x4 pixels with a bias per channel: a convolution over 4x4 pixels of which the latent is one.

    Hence the gain: the fan-in is 16 times the latent's size.
    """

    features: int
    weight: Weight = Equalised(RELU_GAIN / 4)
    use_bias: bool = True
    dtype: Any = None

    @nn.compact
    def __call__(self, latent: jax.Array) -> jax.Array:
        """Return float[batch, 4, 4, features] of float[batch, size]."""

        def product(x, kernel):
            return (x @ kernel).reshape(-1, 4, 4, self.features)

        return affine(self, latent, (latent.shape[-1], 16 * self.features), product)


class Generator(nn.Module):
    """Dense to 4x4, a convolution, then per doubling: grow, two 3x3 convolutions; 1x1 to colours.

    size: pixels of this phase.  base, limit: channels at `size` are min(2 base / size, limit).
    There are 1x1 layers to colours at every resolution up to `size`, of which one is used, two during a fade.
    """

    size: int = 1024
    channels: int = 3
    base: int = 8192
    limit: int = 512
    dtype: Any = None

    @nn.compact
    def __call__(
        self,
        latent: jax.Array,
        labels: jax.Array | None = None,
        train: bool = False,
        alpha: jax.Array | None = None,
    ) -> jax.Array:
        """Return float32[batch, size, size, channels]; alpha: float32[] during a fade, else None (no old path)."""
        make = partial(Conv, kernel_size=3, stride=1, weight=Equalised(), dtype=self.dtype)

        def activate(x):
            return pixel_norm(nn.leaky_relu(x, 0.2))

        def colours(x, size):
            layer = make(self.channels, kernel_size=1, weight=Equalised(gain=1.0), name=f"to_rgb_{size}")
            return wide(layer(x))

        features = partial(width, base=self.base, limit=self.limit)
        x = activate(FirstPixels(features(4), dtype=self.dtype, name="dense")(pixel_norm(latent)))
        x = activate(make(features(4), name="conv_4")(x))
        old = x
        for size in sizes(self.size)[1:]:
            if self.is_initializing():
                colours(x, size // 2)
            old, x = x, grow(x)
            for part in ("a", "b"):
                x = activate(make(features(size), name=f"conv_{size}{part}")(x))
        images = colours(x, self.size)
        if alpha is None:
            return images
        return mix(grow(colours(old, self.size // 2)), images, alpha)


def critic_loss(nets, state, batch, key, *, draw, fading, penalties) -> tuple[jax.Array, Aux]:
    """The loss of `penalised_critic` of images and samples, both faded; metric "alpha" too during a fade."""
    latent_key, mix_key = jax.random.split(key)
    alpha = alpha_at(fading, state.step)
    images = fade(batch["images"], alpha)
    fake = nets.generator.output(draw(latent_key, len(images)), alpha=alpha)
    critic, precise = (partial(net.output, alpha=alpha) for net in (nets.critic, nets.critic.at(None)))
    loss, metrics = penalised_critic(critic, precise, images, fake, mix_key, penalties)
    return loss, aux(**metrics, **({} if alpha is None else {"alpha": alpha}))


def generator_loss(nets, state, batch, key, *, draw, fading) -> tuple[jax.Array, Aux]:
    """L = -E f(G(z))."""
    latent_key, _ = jax.random.split(key)  # the samples of `critic_loss` at this key
    alpha = alpha_at(fading, state.step)
    fake = nets.generator.output(draw(latent_key, len(batch["images"])), alpha=alpha)
    return adversarial.score_generator(nets.critic.output(fake, alpha=alpha)), aux()


def game(
    generator: Generator,
    critic: Critic,
    *,
    generator_tx: optax.GradientTransformation,
    critic_tx: optax.GradientTransformation,
    latent: int,
    prior: Prior = NORMAL,
    ema: float | None = None,
    fading: tuple[int, int] | None = None,
    penalties: Penalties = PENALTIES,
    simultaneous: bool = False,
) -> Game:
    """Return the game of one phase, of "critic" and "generator", moving in turn or at once.

    latent, prior, ema: see `genjax.engine.adversarial`.
    fading: (first step, steps) of a phase in which the finest layers fade in, None where they are in.
    penalties: of the critic; target 750 for CIFAR-10.
    simultaneous: both move at once, as one player called "both", from the same samples.
    """
    return adversarial_game(
        Side("critic", critic, partial(critic_loss, fading=fading, penalties=penalties), critic_tx),
        Side("generator", generator, partial(generator_loss, fading=fading), generator_tx),
        image_shape=(generator.size, generator.size, generator.channels),
        latent=latent,
        prior=prior,
        ema=ema,
        simultaneous=simultaneous,
    )
