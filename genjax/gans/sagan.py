"""SAGAN: self-attention in both networks, spectral normalisation in both, and two time scales.

Zhang, Goodfellow, Metaxas & Odena 2019, Self-Attention Generative Adversarial Networks, arXiv 1805.08318.
    L_D = E max(0, 1 - D(x, y)) + E max(0, 1 + D(G(z, y'), y')),  L_G = -E D(G(z, y'), y')               (equation 4)
for uniform labels y', batch norm with a scale and a bias per class in G and a projection of the class in D, both as in
`genjax.gans.sngan`. The players move in turns, once each, the discriminator at four times the generator's rate.

After the block whose maps have `attention` pixels a side, every pixel looks at all others: `genjax.nn.self_attention`,
which tells how the authors' code (brain-research/self-attention-gan) differs from the paper's equations. The networks
are the code's generator_test and discriminator_test. Every kernel and table is spectrally normalised, those of the
attention too, and starts by Glorot's rule. The vector u of an embedding has here as many entries as features, there as
classes; the singular value is the same.

The power iteration moves on once in each of its owner's moves, in the discriminator's with images and samples as one
batch, and stands still in the other player's; evaluation makes one more step without keeping it. The code moves the
generator's with every evaluation, the discriminator's with those of images alone, and lets the generator move first.
Configurations
    128 pixels  Generator(classes=1000), Discriminator(classes=1000): the authors'; attention 64 in both: the one that
                BigGAN's authors compare with
    32 pixels   Generator(32, widths=(256,) * 3, first=256, attention=16), Discriminator((128,) * 4, 2, attention=16)
images: float[batch, height, width, channels] in [-1, 1].
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Unpack

import jax
import jax.numpy as jnp
import optax
from flax import linen as nn

from genjax.engine.adversarial import Setting, Side, adversarial_game
from genjax.engine.game import Aux, Game
from genjax.engine.network import Network
from genjax.gans import sngan
from genjax.nn.conv import Conv
from genjax.nn.dense import Dense, Embedding
from genjax.nn.initializers import GLOROT, Initializer
from genjax.nn.normalization import BatchNorm
from genjax.nn.residual import ClassNorm, DownBlock, UpBlock, doublings, grow
from genjax.nn.self_attention import SelfAttention
from genjax.nn.weights import Spectral, Weight
from genjax.nn.wide import wide


def from_glorot(initializer: Initializer) -> Weight:
    """Return a spectrally normalised weight that starts by Glorot's rule, whatever rule the layer asks for."""
    return Spectral(GLOROT)


class Generator(nn.Module):
    """Dense to the smallest square, a residual block per doubling, batch norm, ReLU, 3x3 convolution, tanh.

    attention: side of the maps that attend, after the block that makes them; None for none.
    full: see `SelfAttention`.  momenta: of the running statistics in the blocks, per class, and of the last norm.
    weight: of every layer, made of an initializer.  growth: of the blocks.
    """

    size: int = 128
    channels: int = 3
    widths: Sequence[int] = (1024, 512, 256, 128, 64)
    first: int = 1024
    classes: int = 0
    attention: int | None = 32
    full: bool = False
    momenta: tuple[float, float] = (0.9, 0.9)
    weight: Callable[[Initializer], Weight] = from_glorot
    growth: Callable[[jax.Array], jax.Array] = grow
    dtype: Any = None

    @nn.compact
    def __call__(self, latent: jax.Array, labels: jax.Array | None = None, train: bool = False) -> jax.Array:
        """Return float32[batch, size, size, channels]; labels: int[batch] where there are classes.

        Raises ValueError for attention at a size that no block makes.
        """
        start, weight = doublings(self.size, len(self.widths)), self.weight(GLOROT)
        sides = [start * 2 ** (block + 1) for block in range(len(self.widths))]
        place = place_of(self.attention, sides, "generator")

        def norm(y):
            return ClassNorm(self.classes, dtype=self.dtype, momentum=self.momenta[0])(y, labels, train)

        x = Dense(start * start * self.first, weight=weight, dtype=self.dtype)(latent)
        x = x.reshape(-1, start, start, self.first)
        for block, features in enumerate(self.widths):
            up = UpBlock(features, weight=self.weight, norm=norm, growth=self.growth, dtype=self.dtype)
            x = up(x, labels, train)
            if block == place:
                x = SelfAttention(weight, full=self.full, dtype=self.dtype, name="attention")(x)
        x = nn.relu(BatchNorm(self.momenta[1], dtype=self.dtype)(x, train))
        return nn.tanh(wide(Conv(self.channels, 3, 1, weight=weight, dtype=self.dtype)(x)))


class Discriminator(nn.Module):
    """Residual blocks, the first `halvings` of which halve the size, ReLU, sum over pixels, a linear unit, projection.

    attention: side of the maps that attend, after the first block that makes them; None for none.
    full: see `SelfAttention`.  weight: of every layer, made of an initializer.
    """

    widths: Sequence[int] = (64, 128, 256, 512, 1024, 1024)
    halvings: int = 5
    classes: int = 0
    attention: int | None = 32
    full: bool = False
    weight: Callable[[Initializer], Weight] = from_glorot
    dtype: Any = None

    @nn.compact
    def __call__(self, images: jax.Array, labels: jax.Array | None = None, train: bool = False) -> jax.Array:
        """Return scores float32[batch]; labels: int[batch] where there are classes.

        Raises ValueError for attention at a size that no block makes.
        """
        x, weight = images, self.weight(GLOROT)
        sides = [images.shape[1] >> min(block + 1, self.halvings) for block in range(len(self.widths))]
        place = place_of(self.attention, sides, "discriminator")
        for block, features in enumerate(self.widths):
            down = block < self.halvings
            x = DownBlock(features, self.weight, down, block == 0, hidden=features, dtype=self.dtype)(x)
            if block == place:
                x = SelfAttention(weight, full=self.full, dtype=self.dtype, name="attention")(x)
        x = jnp.sum(nn.relu(x), (1, 2))
        score = wide(Dense(1, weight=weight, dtype=self.dtype)(x)[:, 0])
        if labels is not None and self.classes:
            rows = Embedding(self.classes, x.shape[-1], weight, self.dtype)(labels)
            score = score + jnp.sum(wide(rows * x), -1)
        return score


def place_of(attention: int | None, sides: Sequence[int], network: str) -> int | None:
    """Return the first block whose maps have `attention` pixels a side; ValueError where no block has."""
    if attention is None:
        return None
    if attention not in sides:
        known = ", ".join(map(str, dict.fromkeys(sides)))
        raise ValueError(f"attention at {attention} pixels: the {network}'s blocks make maps of {known}")
    return sides.index(attention)


def with_gamma(found: Aux, network: Network) -> Aux:
    """Return what a loss gives back with the network's gamma among its metrics, where it attends."""
    attention = network.params.get("attention")
    return found if attention is None else found._replace(metrics={**found.metrics, "gamma": attention["gamma"]})


def discriminator_loss(nets, state, batch, key, *, draw, classes) -> tuple[jax.Array, Aux]:
    """Hinge loss of images and samples, which pass the discriminator as one batch, and its gamma."""
    told = {"draw": draw, "classes": classes, "objective": sngan.HINGE}
    loss, found = sngan.discriminator_loss(nets, state, batch, key, **told)
    return loss, with_gamma(found, nets.discriminator)


def generator_loss(nets, state, batch, key, *, draw, classes) -> tuple[jax.Array, Aux]:
    """L = -E D(G(z, y'), y') over as many samples as images, and the generator's gamma."""
    told = {"draw": draw, "classes": classes, "objective": sngan.HINGE, "multiple": 1}
    loss, found = sngan.generator_loss(nets, state, batch, key, **told)
    return loss, with_gamma(found, nets.generator)


def game(
    generator: nn.Module,
    discriminator: nn.Module,
    *,
    generator_tx: optax.GradientTransformation,
    discriminator_tx: optax.GradientTransformation,
    classes: int = 0,
    discriminator_steps: int = 1,
    **setting: Unpack[Setting],
) -> Game:
    """Return the game of "discriminator", `discriminator_steps` moves a step, and "generator".

    classes: of the batch's "labels", 0 for an unconditional model.
    setting: image_shape, latent, prior and ema, see `genjax.engine.adversarial`.
    """
    judging, fooling = partial(discriminator_loss, classes=classes), partial(generator_loss, classes=classes)
    return adversarial_game(
        Side("discriminator", discriminator, judging, discriminator_tx, discriminator_steps),
        Side("generator", generator, fooling, generator_tx),
        labels=classes > 0,
        **setting,
    )
