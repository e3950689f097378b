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

import math
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import optax
from flax import linen as nn

from genjax.engine.adversarial import Side, adversarial_game
from genjax.engine.game import Aux, Game
from genjax.engine.network import aux
from genjax.latent import NORMAL, Prior
from genjax.losses import adversarial
from genjax.losses.penalties import gradient_penalty
from genjax.nn.conv import Conv
from genjax.nn.dense import Dense
from genjax.nn.minibatch import minibatch_stddev
from genjax.nn.normalization import pixel_norm
from genjax.nn.residual import grow, pool
from genjax.nn.weights import RELU_GAIN, Equalised, Weight, affine
from genjax.nn.wide import wide


def sizes(size: int) -> tuple[int, ...]:
    """Return 4, 8, ... `size`; ValueError where doubling does not lead there."""
    count = round(math.log2(max(size, 4) / 4))
    if 4 * 2**count != size:
        raise ValueError(
            f"PGGAN grows from 4 pixels by doubling (8, 16, 32 ...) and cannot reach {size}; "
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


def fade(images: jax.Array, alpha: jax.Array) -> jax.Array:
    """Return images on their way from half their resolution: (1 - alpha) grow(pool(x)) + alpha x."""
    return mix(grow(pool(images)), images, alpha)


def ema_decay(batch_size: int, half_life: float) -> float:
    """Return the decay per step of an average that forgets half in `half_life` images: 0.5^(batch / half_life)."""
    return 0.5 ** (batch_size / half_life)


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


class Critic(nn.Module):
    """1x1 from colours, then per halving: two 3x3 convolutions, pool; minibatch statistic, convolution, two dense.

    size: pixels of this phase.  base, limit: as in the generator.
    group: of the minibatch standard deviation, None for the whole batch.  compare: whether there is one.
    """

    size: int = 1024
    base: int = 8192
    limit: int = 512
    group: int | None = None
    compare: bool = True
    dtype: Any = None

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
            return pool(activate(make(features(size // 2), name=f"conv_{size}b")(x)))

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


def critic_loss(nets, state, batch, key, *, draw, alpha_at, weight, target, drift) -> tuple[jax.Array, Aux]:
    """L = E f(G(z)) - E f(x) + (weight / target^2) E (|grad f| - target)^2 + drift E f(x)^2.

    The gradient is taken in the parameters' own precision whatever the layers compute in.
    Metrics "distance" = E f(x) - E f(G(z)), "penalty", and "alpha" during a fade.
    """
    latent_key, mix_key = jax.random.split(key)
    alpha, images = alpha_at(state.step), batch["images"]
    images = images if alpha is None else fade(images, alpha)
    fake = nets.generator.output(draw(latent_key, len(images)), alpha=alpha)
    critic, precise_critic = (partial(net.output, alpha=alpha) for net in (nets.critic, nets.critic.at(None)))
    real_scores = critic(images)
    gap = adversarial.wasserstein_critic(real_scores, critic(fake))
    penalty = gradient_penalty(precise_critic, images, fake, mix_key, target)
    loss = gap + weight / target**2 * penalty + drift * jnp.mean(real_scores**2)
    return loss, aux(distance=-gap, penalty=penalty, **({} if alpha is None else {"alpha": alpha}))


def generator_loss(nets, state, batch, key, *, draw, alpha_at) -> tuple[jax.Array, Aux]:
    """L = -E f(G(z))."""
    alpha, (latent_key, _) = alpha_at(state.step), jax.random.split(key)  # the samples of `critic_loss` at this key
    fake = nets.generator.output(draw(latent_key, len(batch["images"])), alpha=alpha)
    return adversarial.score_generator(nets.critic.output(fake, alpha=alpha)), aux()


def progress(first: int, steps: int, step: jax.Array | int) -> jax.Array:
    """Return alpha at `step` of a fade over `steps` steps from step `first`: float32[] in [0, 1]."""
    return jnp.clip((jnp.asarray(step, jnp.float32) - first) / steps, 0.0, 1.0)


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
    weight: float = 10.0,
    target: float = 1.0,
    drift: float = 1e-3,
    simultaneous: bool = False,
) -> Game:
    """Return the game of one phase, of "critic" and "generator", moving in turn or at once.

    latent, prior, ema: see `genjax.engine.adversarial`.
    fading: (first step, steps) of a phase in which the finest layers fade in, None where they are in.
    weight, target, drift: of the penalties; target 750 for CIFAR-10.
    simultaneous: both move at once, as one player called "both", from the same samples.
    """

    def alpha_at(step):
        return None if fading is None else progress(*fading, step)

    penalties = {"weight": weight, "target": target, "drift": drift}
    return adversarial_game(
        Side("critic", critic, partial(critic_loss, alpha_at=alpha_at, **penalties), critic_tx),
        Side("generator", generator, partial(generator_loss, alpha_at=alpha_at), generator_tx),
        image_shape=(generator.size, generator.size, generator.channels),
        latent=latent,
        prior=prior,
        ema=ema,
        simultaneous=simultaneous,
    )
