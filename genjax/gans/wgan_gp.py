"""WGAN-GP: the critic is kept 1-Lipschitz by a penalty on the norm of its gradient.

Gulrajani, Ahmed, Arjovsky, Dumoulin & Courville 2017, Improved Training of Wasserstein GANs, arXiv 1704.00028.
    L = E f(G(z)) - E f(x) + weight E (|grad f(e x + (1 - e) G(z))| - 1)^2,  e ~ U[0, 1] per image      (equation 3)
Two-sided; the norm runs over all pixels and channels of an image; the critic has no batch norm, which would tie the
images of a batch together. Weight 10 for images; the authors' code for points in the plane uses 0.1. Adam (1e-4, 0, .9)
in algorithm 1, with beta1 0.5 in several of the code's scripts, five critic steps.

Residual networks for 32 pixels (appendix F, unconditional): latent 128, Generator(), Critic(), Adam 2e-4 decaying
linearly to 0 in 100,000 steps; images with noise U(0, 1/128) added. The code's generator moves on a batch of twice the
critic's size: `generator_batch=2`. Dense networks for points in the plane: 3 layers of 512 ReLU each.
Configurations of the code
    residual 32     Generator(), Critic()
    residual 64     Generator(64, widths=(512, 256, 128, 64), start=512, first_bias=False, last=WIDE),
                    NormalizedCritic()
    strided 32      StridedGenerator(norm="unit"), StridedCritic(width=128)
    strided 64      StridedGenerator(64, width=64, norm="channel", deviation=0.02),
                    StridedCritic(64, layer_norm=True, deviation=0.02)
    MNIST           StridedGenerator(28, 1, 64, output=nn.sigmoid), StridedCritic(28)
Strided convolutions start from `initializers.strided`, dense layers from Glorot's rule, and all of them from
U(+-sqrt(3) deviation) where there is a `deviation`.
Where the critic is normalised it is by layer norm: per image, over pixels and channels, with a scale and a bias per
channel.
images: float[batch, height, width, channels] in [-1, 1].
"""

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Literal, Unpack

import jax
import jax.numpy as jnp
import optax
from flax import linen as nn

from genjax.engine.adversarial import Setting, Side, adversarial_game
from genjax.engine.game import Aux, Game
from genjax.engine.network import aux
from genjax.losses import adversarial
from genjax.losses.penalties import gradient_penalty
from genjax.nn.conv import Conv, ConvTranspose
from genjax.nn.initializers import GLOROT, Initializer, strided, uniform
from genjax.nn.normalization import BatchNorm
from genjax.nn.residual import DownBlock, UpBlock, doublings
from genjax.nn.weights import Plain
from genjax.nn.wide import wide


class Generator(nn.Module):
    """Dense to the smallest square, a residual block per doubling, batch norm, ReLU, 3x3 convolution, tanh.

    last: rule for the last convolution.
    """

    size: int = 32
    channels: int = 3
    widths: Sequence[int] = (128, 128, 128)
    start: int = 128
    first_bias: bool = True
    last: Initializer = GLOROT
    dtype: Any = None

    @nn.compact
    def __call__(self, latent: jax.Array, labels: jax.Array | None = None, train: bool = False) -> jax.Array:
        """Return float32[batch, size, size, channels]; `labels` is not used: one signature."""
        side = doublings(self.size, len(self.widths))
        x = nn.Dense(side * side * self.start, kernel_init=GLOROT.kernel, dtype=self.dtype)(latent)
        x = x.reshape(-1, side, side, self.start)
        for features in self.widths:
            x = UpBlock(features, dtype=self.dtype, first_bias=self.first_bias)(x, None, train)
        x = nn.relu(BatchNorm(dtype=self.dtype)(x, train))
        return nn.tanh(wide(Conv(self.channels, 3, 1, weight=Plain(self.last), dtype=self.dtype)(x)))


class Critic(nn.Module):
    """Residual blocks without normalisation, the first two halving the size, mean over pixels, a linear unit."""

    widths: Sequence[int] = (128, 128, 128, 128)
    halvings: int = 2
    dtype: Any = None

    @nn.compact
    def __call__(self, images: jax.Array, labels: jax.Array | None = None, train: bool = False) -> jax.Array:
        """Return scores float32[batch]; `labels` is not used: one signature."""
        x = images
        for block, features in enumerate(self.widths):
            x = DownBlock(features, down=block < self.halvings, first=block == 0, dtype=self.dtype)(x)
        x = jnp.mean(nn.relu(x), (1, 2))
        return _score(self, x)


class NormalizedCritic(nn.Module):
    """A 3x3 convolution, residual blocks with layer norm, each halving the size, and a linear unit on all pixels."""

    first: int = 64
    widths: Sequence[int] = (128, 256, 512, 512)
    dtype: Any = None

    @nn.compact
    def __call__(self, images: jax.Array, labels: jax.Array | None = None, train: bool = False) -> jax.Array:
        """Return scores float32[batch]; `labels` is not used: one signature."""
        x = Conv(self.first, 3, 1, dtype=self.dtype)(images)
        for features in self.widths:
            x = DownBlock(features, dtype=self.dtype, norm=partial(_layer_norm, self.dtype), first_bias=False)(x)
        return _score(self, x.reshape(x.shape[0], -1))


class StridedGenerator(nn.Module):
    """Dense to 4x4, transposed 5x5 convolutions, each doubling the size and halving the channels, down to `width`.

    A size that is not 4 times a power of two is reached by cutting after the first of them: 28 from 8x8 cut to 7x7.
    norm: batch norm before each ReLU: "none", "channel", or "unit" (the first per unit of the flat vector).
    deviation: of all first weights; None for the rules of the module's docstring.
    """

    size: int = 32
    channels: int = 3
    width: int = 128
    norm: Literal["none", "unit", "channel"] = "none"
    output: Callable[[jax.Array], jax.Array] = nn.tanh
    deviation: float | None = None
    dtype: Any = None

    @nn.compact
    def __call__(self, latent: jax.Array, labels: jax.Array | None = None, train: bool = False) -> jax.Array:
        """Return float32[batch, size, size, channels]; `labels` is not used: one signature."""
        count = _stages(self.size)
        dense, strides = _rules(self.deviation, transposed=True)
        make = partial(ConvTranspose, kernel_size=5, weight=Plain(strides), dtype=self.dtype)

        def normalise(x):
            return nn.relu(x if self.norm == "none" else BatchNorm(dtype=self.dtype)(x, train))

        features = self.width * 2 ** (count - 1)
        x = nn.Dense(16 * features, kernel_init=dense.kernel, dtype=self.dtype)(latent)
        x = normalise(x if self.norm == "unit" else x.reshape(-1, 4, 4, features)).reshape(-1, 4, 4, features)
        for stage in range(count - 1):
            x = normalise(make(features // 2 ** (stage + 1))(x))
            if stage == 0:
                side = self.size // 2 ** (count - 1)
                x = x[:, :side, :side]
        return self.output(wide(make(self.channels)(x)))


class StridedCritic(nn.Module):
    """Strided 5x5 convolutions, each halving the size and doubling the channels from `width`, and a linear unit.

    layer_norm: normalise all but the first.  deviation: as in `StridedGenerator`.
    """

    size: int = 32
    width: int = 64
    layer_norm: bool = False
    deviation: float | None = None
    dtype: Any = None

    @nn.compact
    def __call__(self, images: jax.Array, labels: jax.Array | None = None, train: bool = False) -> jax.Array:
        """Return scores float32[batch]; `labels` is not used: one signature."""
        x = images
        dense, strides = _rules(self.deviation, transposed=False)
        for stage in range(_stages(self.size)):
            x = Conv(self.width * 2**stage, 5, 2, weight=Plain(strides), dtype=self.dtype)(x)
            x = nn.leaky_relu(_layer_norm(self.dtype, x) if stage and self.layer_norm else x, 0.2)
        return _score(self, x.reshape(x.shape[0], -1), dense)


def _rules(deviation: float | None, transposed: bool) -> tuple[Initializer, Initializer]:
    """Return the rules for dense layers and for strided convolutions, which `deviation` overrides."""
    if deviation is not None:
        return uniform(math.sqrt(3) * deviation), uniform(math.sqrt(3) * deviation)
    return GLOROT, strided(2, transposed=transposed)


def _stages(size: int) -> int:
    """Return how often 4 pixels double to `size`, cut once; ValueError where they do not."""
    count = max(2, math.ceil(math.log2(max(size, 1) / 4)))
    if size % 2 ** (count - 1) or size < 9:
        raise ValueError(f"strided networks reach 12, 16, 28, 32, 64 ... pixels, not {size}; give --image-size 32")
    return count


def _layer_norm(dtype: Any, x: jax.Array) -> jax.Array:
    return nn.LayerNorm(epsilon=1e-5, reduction_axes=(-3, -2, -1), feature_axes=-1, dtype=dtype)(x)


def _score(module: nn.Module, x: jax.Array, rule: Initializer = GLOROT) -> jax.Array:
    return wide(nn.Dense(1, kernel_init=rule.kernel, dtype=module.dtype)(x))[:, 0]


def critic_loss(nets, state, batch, key, *, draw, weight) -> tuple[jax.Array, Aux]:
    """L = E f(G(z)) - E f(x) + weight * penalty; metrics "distance" = E f(x) - E f(G(z)) and "penalty"."""
    latent_key, mix_key = jax.random.split(key)
    images, critic = batch["images"], nets.critic.output
    fake = nets.generator.output(draw(latent_key, len(images)))
    gap = adversarial.wasserstein_critic(critic(images), critic(fake))
    penalty = gradient_penalty(critic, images, fake, mix_key)
    return gap + weight * penalty, aux(distance=-gap, penalty=penalty)


def generator_loss(nets, state, batch, key, *, draw, multiple) -> tuple[jax.Array, Aux]:
    """L = -E f(G(z)), of `multiple` times as many samples as images."""
    fake, generator = nets.generator(draw(key, multiple * len(batch["images"])))
    return adversarial.score_generator(nets.critic.output(fake)), aux(generator)


def game(
    generator: nn.Module,
    critic: nn.Module,
    *,
    generator_tx: optax.GradientTransformation,
    critic_tx: optax.GradientTransformation,
    critic_steps: int = 5,
    weight: float = 10.0,
    generator_batch: int = 1,
    **setting: Unpack[Setting],
) -> Game:
    """Return the game of "critic", `critic_steps` moves a step, and "generator".

    weight: of the penalty.  generator_batch: samples in a generator's move, as a multiple of the critic's batch.
    setting: image_shape, latent, prior and ema, see `genjax.engine.adversarial`.
    """
    return adversarial_game(
        Side("critic", critic, partial(critic_loss, weight=weight), critic_tx, critic_steps),
        Side("generator", generator, partial(generator_loss, multiple=generator_batch), generator_tx),
        **setting,
    )
