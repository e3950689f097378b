"""SNGAN: every weight of the discriminator is divided by its largest singular value; and the projection discriminator.

Miyato, Kataoka, Koyama & Yoshida 2018, Spectral Normalization for GANs, arXiv 1802.05957.
Miyato & Koyama 2018, cGANs with Projection Discriminator, arXiv 1802.05637: with `classes`, D(x, y) = w h + V_y h for
h = features of x summed over pixels, and batch norm with a scale and a bias per class in the generator.
    L_D = E max(0, 1 - D(x)) + E max(0, 1 + D(G(z))),  L_G = -E D(G(z))                          (equations 16 and 17)
The plain networks' published scores are with cross entropy instead, one discriminator step, Adam (2e-4, 0.5, 0.999).

The power iteration moves on once in each of the discriminator's moves, in which images and samples are one batch, and
stands still in the generator's; the authors' code advances it at every evaluation. Their generator moves first, here
second, on a batch of `generator_batch` times the discriminator's (they: 2). Samples get uniform labels.
Configurations
    ResNet 32   ResNetGenerator(), ResNetDiscriminator(), latent 128, five steps, Adam (2e-4, 0, 0.9) decaying to 0
    plain 32    PlainGenerator(), PlainDiscriminator(); widths and biases of the authors' plain-GAN library
images: float[batch, height, width, channels] in [-1, 1].
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple, Unpack

import jax
import jax.numpy as jnp
import optax
from flax import linen as nn

from genjax import parallel
from genjax.engine.adversarial import Setting, Side, adversarial_game
from genjax.engine.game import Aux, Game
from genjax.engine.network import aux
from genjax.losses import adversarial
from genjax.nn.conv import Conv, ConvTranspose
from genjax.nn.dense import Dense, Embedding
from genjax.nn.initializers import GLOROT, normal
from genjax.nn.normalization import BatchNorm
from genjax.nn.residual import DownBlock, UpBlock, doublings
from genjax.nn.weights import Plain, Spectral
from genjax.nn.wide import wide

NORMAL = normal(0.02)


class ResNetGenerator(nn.Module):
    """Dense to the smallest square, a residual block per doubling, batch norm, ReLU, 3x3 convolution, tanh.

    32 pixels: widths (256, 256, 256).  48: (256, 128, 64), first 512.  64: (512, 256, 128, 64), first 1024.
    128: (1024, 512, 256, 128, 64), first 1024.
    """

    size: int = 32
    channels: int = 3
    widths: Sequence[int] = (256, 256, 256)
    first: int = 256
    classes: int = 0
    dtype: Any = None

    @nn.compact
    def __call__(self, latent: jax.Array, labels: jax.Array | None = None, train: bool = False) -> jax.Array:
        """Return float32[batch, size, size, channels]; labels: int[batch] where there are classes."""
        start = doublings(self.size, len(self.widths))
        x = nn.Dense(start * start * self.first, kernel_init=GLOROT.kernel, dtype=self.dtype)(latent)
        x = x.reshape(-1, start, start, self.first)
        for features in self.widths:
            x = UpBlock(features, self.classes, 2e-5, self.dtype)(x, labels, train)
        x = nn.relu(BatchNorm(epsilon=2e-5, dtype=self.dtype)(x, train))
        return nn.tanh(wide(Conv(self.channels, 3, 1, dtype=self.dtype)(x)))


class ResNetDiscriminator(nn.Module):
    """Residual blocks, the first `halvings` of which halve the size, ReLU, sum over pixels, a linear unit, projection.

    32 pixels: widths (128,) * 4, 2 halvings, no last bias.  48: (64, 128, 256, 512, 1024), 4 halvings.  64: the same,
    5 halvings.  128: (64, 128, 256, 512, 1024, 1024), 5 halvings.
    """

    widths: Sequence[int] = (128, 128, 128, 128)
    halvings: int = 2
    classes: int = 0
    last_bias: bool = False
    dtype: Any = None

    @nn.compact
    def __call__(self, images: jax.Array, labels: jax.Array | None = None, train: bool = False) -> jax.Array:
        """Return scores float32[batch]; labels: int[batch] where there are classes."""
        x = images
        for block, features in enumerate(self.widths):
            x = DownBlock(features, Spectral, block < self.halvings, block == 0, self.dtype)(x)
        x = jnp.sum(nn.relu(x), (1, 2))
        score = wide(Dense(1, self.last_bias, Spectral(), self.dtype, name="SpectralDense_0")(x)[:, 0])
        if labels is not None and self.classes:
            rows = Embedding(self.classes, x.shape[-1], Spectral(), self.dtype, name="SpectralEmbed_0")(labels)
            score = score + jnp.sum(wide(rows * x), -1)
        return score


class PlainGenerator(nn.Module):
    """Dense to the smallest square, transposed 4x4 convolutions with batch norm and ReLU, 3x3 convolution, tanh."""

    size: int = 32
    channels: int = 3
    width: int = 512
    doublings: int = 3
    dtype: Any = None

    @nn.compact
    def __call__(self, latent: jax.Array, labels: jax.Array | None = None, train: bool = False) -> jax.Array:
        """Return float32[batch, size, size, channels]; `labels` is not used: one signature."""
        start = doublings(self.size, self.doublings)
        x = nn.Dense(start * start * self.width, kernel_init=NORMAL.kernel, dtype=self.dtype)(latent)
        x = nn.relu(BatchNorm(epsilon=2e-5, dtype=self.dtype)(x, train)).reshape(-1, start, start, self.width)
        for stage in range(1, self.doublings + 1):
            x = ConvTranspose(self.width // 2**stage, weight=Plain(NORMAL), dtype=self.dtype)(x)
            x = nn.relu(BatchNorm(epsilon=2e-5, dtype=self.dtype)(x, train))
        return nn.tanh(wide(Conv(self.channels, 3, 1, weight=Plain(NORMAL), dtype=self.dtype)(x)))


class PlainDiscriminator(nn.Module):
    """Pairs of a 3x3 and a strided 4x4 convolution, leaky ReLU, a last 3x3 convolution, and a linear unit.

    pairs: their channels.  slope: of the leaky ReLU.  The paper's table 3 has pairs (64, 64), (128, 128), (256, 256), a
    last convolution of 512 channels and slope 0.1.
    """

    pairs: Sequence[tuple[int, int]] = ((64, 128), (128, 256), (256, 512))
    last: int = 512
    slope: float = 0.2
    dtype: Any = None

    @nn.compact
    def __call__(self, images: jax.Array, labels: jax.Array | None = None, train: bool = False) -> jax.Array:
        """Return logits float32[batch]; `labels` is not used: one signature."""
        x, made = images, {"weight": Spectral(NORMAL), "dtype": self.dtype}
        pairs = [layer for flat, halving in self.pairs for layer in ((flat, 3, 1), (halving, 4, 2))]
        for index, layer in enumerate((*pairs, (self.last, 3, 1))):
            x = nn.leaky_relu(Conv(*layer, **made, name=f"SpectralConv_{index}")(x), self.slope)
        x = x.reshape(images.shape[0], -1)
        return wide(Dense(1, **made, name="SpectralDense_0")(x)[:, 0])


class DenseDiscriminator(nn.Module):
    """Spectrally normalised dense layers with ReLU, for points in the plane."""

    hidden: Sequence[int] = (64, 64)
    dtype: Any = None

    @nn.compact
    def __call__(self, images: jax.Array, labels: jax.Array | None = None, train: bool = False) -> jax.Array:
        """Return scores float32[batch]; `labels` is not used: one signature."""
        x = images.reshape(images.shape[0], -1)
        for index, features in enumerate((*self.hidden, 1)):
            x = nn.relu(x) if index else x
            x = Dense(features, weight=Spectral(), dtype=self.dtype, name=f"SpectralDense_{index}")(x)
        return wide(x[:, 0])


class Objective(NamedTuple):
    """discriminator: (real, fake) scores -> loss.  generator: fake scores -> loss."""

    discriminator: Callable[[jax.Array, jax.Array], jax.Array]
    generator: Callable[[jax.Array], jax.Array]


HINGE = Objective(adversarial.hinge_discriminator, adversarial.score_generator)
CROSS_ENTROPY = Objective(adversarial.discriminator, adversarial.non_saturating_generator)


def drawn(draw, classes: int, key: jax.Array, count: int) -> tuple[jax.Array, jax.Array | None]:
    """Return `count` latents and as many labels, drawn uniformly where there are classes."""
    latent_key, label_key = jax.random.split(key)

    def uniform_labels(key, shape):
        return jax.random.randint(key, shape, 0, classes)

    labels = parallel.rows(uniform_labels, label_key, (count,)) if classes else None
    return draw(latent_key, count), labels


def discriminator_loss(nets, state, batch, key, *, draw, classes, objective) -> tuple[jax.Array, Aux]:
    """Objective of images and samples, which pass the discriminator as one batch: one step of the power iteration."""
    images = batch["images"]
    latents, fake_labels = drawn(draw, classes, key, len(images))
    fake = nets.generator.output(latents, fake_labels)
    labels = None if fake_labels is None else jnp.concatenate([batch["labels"], fake_labels])
    scores, discriminator = nets.discriminator(jnp.concatenate([images, fake]), labels)
    real_scores, fake_scores = jnp.split(scores, 2)
    metrics = {"real": jnp.mean(real_scores), "fake": jnp.mean(fake_scores)}
    return objective.discriminator(real_scores, fake_scores), aux(discriminator, **metrics)


def generator_loss(nets, state, batch, key, *, draw, classes, objective, multiple) -> tuple[jax.Array, Aux]:
    """Objective of `multiple` times as many samples as images; the discriminator's power iteration stands still."""
    latents, labels = drawn(draw, classes, key, multiple * len(batch["images"]))
    fake, generator = nets.generator(latents, labels)
    return objective.generator(nets.discriminator.output(fake, labels)), aux(generator)


def game(
    generator: nn.Module,
    discriminator: nn.Module,
    *,
    generator_tx: optax.GradientTransformation,
    discriminator_tx: optax.GradientTransformation,
    classes: int = 0,
    discriminator_steps: int = 5,
    objective: Objective = HINGE,
    generator_batch: int = 1,
    **setting: Unpack[Setting],
) -> Game:
    """Return the game of "discriminator", `discriminator_steps` moves a step, and "generator".

    classes: of the batch's "labels", 0 for an unconditional model.  objective: `HINGE` or `CROSS_ENTROPY`.
    generator_batch: samples in a generator's move, as a multiple of the batch.
    setting: image_shape, latent, prior and ema, see `genjax.engine.adversarial`.
    """
    told = {"classes": classes, "objective": objective}
    judging = partial(discriminator_loss, **told)
    fooling = partial(generator_loss, multiple=generator_batch, **told)
    return adversarial_game(
        Side("discriminator", discriminator, judging, discriminator_tx, discriminator_steps),
        Side("generator", generator, fooling, generator_tx),
        labels=classes > 0,
        **setting,
    )
