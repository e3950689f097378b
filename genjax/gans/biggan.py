"""BigGAN and BigGAN-deep: class-conditional GANs at scale, told their class in every layer.

Brock, Donahue & Simonyan 2019, Large Scale GAN Training for High Fidelity Natural Image Synthesis, arXiv 1809.11096.
    L_D = E max(0, 1 - D(x, y)) + E max(0, 1 + D(G(z, c), c)),  D(x, y) = w h + V_y h, h features summed over pixels
    L_G = -E D(G(z, c), c) + beta sum over kernels W of |W^T W * (1 - I)|_F^2                        (equation 3)
Spectral norm in both networks, attention, and in the generator:
    one embedding of the class, shared by all norms: y = (1 + c_i W_gain) norm(x) + c_i W_bias in block i;
    a hierarchical latent z = (z_0, z_1, ...): z_0 enters the first layer, c_i = (embedding, z_i) block i;
    BigGAN-deep: the whole c = (embedding, z) enters the first layer and every norm.
Sampling: `genjax.latent.truncated` draws numbers beyond a threshold again, `scaled` is what the released generators
expect; `genjax.nn.standing` takes batch norm's statistics for what is to be drawn.

Departures from the first author's PyTorch code: each move of the discriminator advances its power iteration once, the
generator's none of it (there every evaluation does), and samples for the discriminator leave the generator's own
statistics and vectors alone. Batch norm is over all devices, as in the paper and not in that code.
Configurations
    128 pixels  Generator(), Discriminator(), latent 120, two steps of the discriminator, batch 2048
    deep 128    DeepGenerator(), DeepDiscriminator(), latent 128
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
from genjax.gans import sagan
from genjax.losses.orthogonal import off_diagonal_of
from genjax.nn.bottleneck import DeepDownBlock, DeepUpBlock
from genjax.nn.conditional import ConditionalNorm
from genjax.nn.conv import Conv
from genjax.nn.dense import Dense, Embedding
from genjax.nn.initializers import ORTHOGONAL, Initializer
from genjax.nn.normalization import BatchNorm
from genjax.nn.residual import DownBlock, UpBlock, doublings
from genjax.nn.self_attention import SelfAttention
from genjax.nn.weights import Plain, Spectral, Weight
from genjax.nn.wide import wide


class Generator(nn.Module):
    """Dense to the smallest square, a residual block per doubling, attention, batch norm, ReLU, 3x3 convolution, tanh.

    128 pixels: first 1536, widths (1536, 768, 384, 192, 96): 16, 16, 8, 4, 2, 1 times 96 channels.
    attention: side of the maps behind whose block it stands, None for none.
    embedding: numbers that all norms share of a class; 0: every norm has a row of its own for each class.
    hierarchical: whether blocks are given parts of the latent, which is cut into one more than there are blocks.
    epsilon: of batch norm.  weight: of all layers but tables, made of an initializer.
    """

    size: int = 128
    channels: int = 3
    first: int = 1536
    widths: Sequence[int] = (1536, 768, 384, 192, 96)
    classes: int = 1000
    attention: int | None = 64
    embedding: int = 128
    hierarchical: bool = True
    epsilon: float = 1e-4
    initializer: Initializer = ORTHOGONAL
    dtype: Any = None
    weight: Callable[[Initializer], Weight] = Spectral

    @nn.compact
    def __call__(self, latent: jax.Array, labels: jax.Array, train: bool = False) -> jax.Array:
        """Return float32[batch, size, size, channels]; labels: int[batch].

        Raises ValueError for a hierarchical latent that cannot be cut into equal parts, or attention where no map is.
        """
        weight, (start, place) = self.weight(self.initializer), layout(self.size, len(self.widths), self.attention)
        given = class_condition(labels, self.classes, self.embedding, self.initializer, self.dtype)
        # Tables of classes are not spectrally normalised: the first author's code warns that it cripples a generator.
        told = weight if self.embedding else Plain(self.initializer)
        latent, *parts = cut(latent, len(self.widths) + 1) if self.hierarchical else (latent,)
        x = Dense(start * start * self.first, weight=weight, dtype=self.dtype, name="first")(latent)
        x = x.reshape(-1, start, start, self.first)
        for block, features in enumerate(self.widths):
            condition = jnp.concatenate([given, parts[block]], -1) if self.hierarchical else given
            norm = conditional(condition, told, self.epsilon, self.dtype, train)
            up = UpBlock(features, dtype=self.dtype, weight=lambda _: weight, norm=norm, name=f"block_{block}")
            x = attended(up(x, None, train), block == place, weight, self.dtype)
        return pixels(x, channels=self.channels, epsilon=self.epsilon, weight=weight, dtype=self.dtype, train=train)


class DeepGenerator(nn.Module):
    """BigGAN-deep's: two bottleneck blocks a size, the second of which doubles it; the whole latent enters every norm.

    128 pixels: first 2048, widths (2048, 1024, 512, 256, 128).  256: (2048, 1024, 1024, 512, 256, 128).
    Other fields as in `Generator`.
    """

    size: int = 128
    channels: int = 3
    first: int = 2048
    widths: Sequence[int] = (2048, 1024, 512, 256, 128)
    classes: int = 1000
    attention: int | None = 64
    embedding: int = 128
    epsilon: float = 1e-4
    initializer: Initializer = ORTHOGONAL
    dtype: Any = None
    weight: Callable[[Initializer], Weight] = Spectral

    @nn.compact
    def __call__(self, latent: jax.Array, labels: jax.Array, train: bool = False) -> jax.Array:
        """Return float32[batch, size, size, channels]; labels: int[batch]."""
        weight, (start, place) = self.weight(self.initializer), layout(self.size, len(self.widths), self.attention)
        given = class_condition(labels, self.classes, self.embedding, self.initializer, self.dtype)
        condition = jnp.concatenate([given, latent], -1)
        x = Dense(start * start * self.first, weight=weight, dtype=self.dtype, name="first")(condition)
        x = x.reshape(-1, start, start, self.first)
        norm = conditional(condition, weight, self.epsilon, self.dtype, train)
        for block, features in enumerate(self.widths):
            for part, (channels, up) in enumerate(((x.shape[-1], False), (features, True))):
                deep = DeepUpBlock(channels, norm, up, weight, self.dtype, name=f"block_{block}_{part}")
                x = deep(x)
            x = attended(x, block == place, weight, self.dtype)
        return pixels(x, channels=self.channels, epsilon=self.epsilon, weight=weight, dtype=self.dtype, train=train)


class Discriminator(nn.Module):
    """Residual blocks, the first `halvings` of which halve the size, attention, ReLU, sum over pixels, projection.

    128 pixels: widths 1, 2, 4, 8, 16, 16 times 96 channels, five halvings.
    attention: side of the maps behind whose block it stands, None for none.
    """

    widths: Sequence[int] = (96, 192, 384, 768, 1536, 1536)
    halvings: int = 5
    classes: int = 1000
    attention: int | None = 64
    initializer: Initializer = ORTHOGONAL
    dtype: Any = None

    @nn.compact
    def __call__(self, images: jax.Array, labels: jax.Array, train: bool = False) -> jax.Array:
        """Return scores float32[batch]; labels: int[batch]."""
        weight, x = Spectral(self.initializer), images
        place = judged_place(images, len(self.widths), self.halvings, self.attention)
        for block, features in enumerate(self.widths):
            down = DownBlock(
                features, lambda _: weight, block < self.halvings, block == 0, self.dtype, hidden=features,
                name=f"block_{block}",
            )  # fmt: skip
            x = attended(down(x), block == place, weight, self.dtype)
        return verdict(x, labels, self.classes, weight, self.dtype)


class DeepDiscriminator(nn.Module):
    """BigGAN-deep's: a 3x3 convolution, two bottleneck blocks a size, the first of which halves it; ends as the other.

    128 pixels: stem 128, widths (256, 512, 1024, 2048, 2048), five halvings.
    """

    stem: int = 128
    widths: Sequence[int] = (256, 512, 1024, 2048, 2048)
    halvings: int = 5
    classes: int = 1000
    attention: int | None = 64
    initializer: Initializer = ORTHOGONAL
    dtype: Any = None

    @nn.compact
    def __call__(self, images: jax.Array, labels: jax.Array, train: bool = False) -> jax.Array:
        """Return scores float32[batch]; labels: int[batch]."""
        weight = Spectral(self.initializer)
        place = judged_place(images, len(self.widths), self.halvings, self.attention)
        x = Conv(self.stem, 3, 1, weight=weight, dtype=self.dtype, name="stem")(images)
        for block, features in enumerate(self.widths):
            for part, down in enumerate((block < self.halvings, False)):
                x = DeepDownBlock(features, down, weight, self.dtype, name=f"block_{block}_{part}")(x)
            x = attended(x, block == place, weight, self.dtype)
        return verdict(x, labels, self.classes, weight, self.dtype)


# Parts, to be called in a network's compact method


def class_condition(labels: jax.Array, classes: int, embedding: int, initializer: Initializer, dtype: Any) -> jax.Array:
    """Return what norms are told of a class: its row of the shared table, or with `embedding` 0 a one-hot vector."""
    if not embedding:
        return jax.nn.one_hot(labels, classes)
    return Embedding(classes, embedding, Plain(initializer), dtype, name="embedding")(labels)


def cut(latent: jax.Array, parts: int) -> list[jax.Array]:
    """Return a latent in equal parts: float[batch, size / parts] each; ValueError where it cannot be cut so."""
    size = latent.shape[-1]
    if size % parts:
        near = max(1, round(size / parts)) * parts
        raise ValueError(
            f"a latent of {size} cannot be cut into {parts} equal parts, one for the first layer and one a block; "
            f"give --latent {near}, for example"
        )
    return jnp.split(latent, parts, -1)


def conditional(
    condition: jax.Array, weight: Weight, epsilon: float, dtype: Any, train: bool
) -> Callable[[jax.Array], jax.Array]:
    """Return a norm under `condition` which makes a layer of its own each time it is called."""
    return lambda x: ConditionalNorm(weight, epsilon, dtype)(x, condition, train)


def layout(size: int, blocks: int, attention: int | None) -> tuple[int, int | None]:
    """Return the side of a generator's smallest square, and the block behind which it attends."""
    start = doublings(size, blocks)
    return start, sagan.place_of(attention, [start * 2 ** (block + 1) for block in range(blocks)], "generator")


def judged_place(images: jax.Array, blocks: int, halvings: int, attention: int | None) -> int | None:
    """Return the block of a discriminator behind which it attends."""
    sides = [images.shape[1] >> min(block + 1, halvings) for block in range(blocks)]
    return sagan.place_of(attention, sides, "discriminator")


def attended(x: jax.Array, here: bool, weight: Weight, dtype: Any) -> jax.Array:
    """Return x behind attention if it is `here`, else x."""
    return SelfAttention(weight, dtype=dtype, name="attention")(x) if here else x


def pixels(x: jax.Array, *, channels: int, epsilon: float, weight: Weight, dtype: Any, train: bool) -> jax.Array:
    """Return float32[batch, height, width, channels] in [-1, 1] of a generator's last features."""
    x = nn.relu(BatchNorm(epsilon=epsilon, dtype=dtype, name="norm")(x, train))
    return nn.tanh(wide(Conv(channels, 3, 1, weight=weight, dtype=dtype, name="last")(x)))


def verdict(x: jax.Array, labels: jax.Array, classes: int, weight: Weight, dtype: Any) -> jax.Array:
    """Return scores float32[batch] of a discriminator's last features: w h + V_y h + b, h their sum over pixels."""
    x = jnp.sum(nn.relu(x), (1, 2))
    score = wide(Dense(1, weight=weight, dtype=dtype, name="last")(x)[:, 0])
    rows = Embedding(classes, x.shape[-1], weight, dtype, name="embedding")(labels)
    return score + jnp.sum(wide(rows * x), -1)


# Losses


def generator_loss(nets, state, batch, key, *, draw, classes, orthogonal) -> tuple[jax.Array, Aux]:
    """L_G = -E D(G(z, c), c) + orthogonal |W^T W * (1 - I)|^2 over all kernels but the shared embedding."""
    loss, found = sagan.generator_loss(nets, state, batch, key, draw=draw, classes=classes)
    if not orthogonal:
        return loss, found
    penalty = off_diagonal_of(nets.generator.params, exempt=("embedding",))
    return loss + orthogonal * penalty, found._replace(metrics={**found.metrics, "orthogonal": penalty})


def game(
    generator: nn.Module,
    discriminator: nn.Module,
    *,
    generator_tx: optax.GradientTransformation,
    discriminator_tx: optax.GradientTransformation,
    classes: int,
    discriminator_steps: int = 2,
    orthogonal: float = 1e-4,
    **setting: Unpack[Setting],
) -> Game:
    """Return the game of "discriminator", `discriminator_steps` moves a step, and "generator".

    classes: of the batch's "labels".  orthogonal: strength beta of the off-diagonal regularisation of the generator.
    setting: image_shape, latent, prior, ema and ema_start, see `genjax.engine.adversarial`.
    """
    judging = partial(sagan.discriminator_loss, classes=classes)
    fooling = partial(generator_loss, classes=classes, orthogonal=orthogonal)
    return adversarial_game(
        Side("discriminator", discriminator, judging, discriminator_tx, discriminator_steps),
        Side("generator", generator, fooling, generator_tx),
        labels=True,
        **setting,
    )
