"""SRGAN: super-resolution of single images by a residual network, trained to look real instead of for its mean error.

Ledig et al. 2017, Photo-Realistic Single Image Super-Resolution Using a Generative Adversarial Network, 1609.04802.
G enlarges a small image x to G(x), near the large one y; D tells large images from enlarged ones. Two phases:
    SRResNet   L_G = |G(x) - y|^2, the mean over pixels and channels                                    (equation 4)
    SRGAN      L_D = -log D(y) - log(1 - D(G(x)))                                                       (equation 2)
               L_G = content(G(x), y) + 10^-3 (-log D(G(x)))                                            (equations 3, 6)
with content = |phi(G(x)) - phi(y)|^2 on features phi of a classifier (equation 5, `genjax.losses.perceptual`), or the
mean square error itself, which the paper calls SRGAN-MSE.

The authors published no code. Stated by the text: layers, PReLU, two pixel shuffles, the discriminator, Adam (0.9),
one move of each network a step, batch norm with its running statistics at test. Not stated, and chosen here: PyTorch's
default first weights, one slope for all channels of a PReLU (starting from 0.25), the discriminator moves first, and
means over the batch where the text sums. The text's 2x and 8x are ours: one shuffle, or three.
Configurations
    SRResNet   Generator(), 4x: 1,549,462 parameters
    D          Discriminator() for crops of 96 pixels: 23,565,505; `pooled` takes images of any size instead

lows: float[batch, height, width, channels] in [0, 1]; images: the same times the factor, in [-1, 1].
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import optax
from flax import linen as nn

from genjax.engine.game import Aux, Game, Player
from genjax.engine.network import aux, with_networks
from genjax.losses import adversarial
from genjax.nn.conv import Conv
from genjax.nn.initializers import TORCH
from genjax.nn.normalization import BatchNorm
from genjax.nn.pixel_shuffle import pixel_shuffle
from genjax.nn.weights import Plain
from genjax.nn.wide import wide

Content = Callable[[jax.Array, jax.Array, Any], jax.Array]
"""(enlarged, large, state) -> scalar: how far an enlarged image's content is from the right one's."""
FACTORS = (2, 4, 8)


class Generator(nn.Module):
    """9x9 convolution, `blocks` residual blocks, 3x3, a shuffle per doubling, 9x9 to colours without an activation.

    factor: 2, 4 or 8.  use_bias: in the convolutions in front of a batch norm, which cancels it.
    """

    factor: int = 4
    channels: int = 3
    width: int = 64
    blocks: int = 16
    use_bias: bool = True
    dtype: Any = None

    @nn.compact
    def __call__(self, lows: jax.Array, train: bool = False) -> jax.Array:
        """Return float32[batch, factor height, factor width, channels] around [-1, 1] of lows in [0, 1]."""
        if self.factor not in FACTORS:
            raise ValueError(f"images are enlarged by a factor of {FACTORS}, not {self.factor}")
        made: dict[str, Any] = {"stride": 1, "weight": Plain(TORCH), "dtype": self.dtype}
        inner = partial(Conv, self.width, 3, use_bias=self.use_bias, **made)
        norm = partial(BatchNorm, dtype=self.dtype)
        first = x = _prelu("first_slope")(Conv(self.width, 9, name="first", **made)(lows))
        for block in range(self.blocks):
            y = norm(name=f"block{block}_norm1")(inner(name=f"block{block}_conv1")(x), train)
            y = inner(name=f"block{block}_conv2")(_prelu(f"block{block}_slope")(y))
            x = x + norm(name=f"block{block}_norm2")(y, train)
        x = first + norm(name="after_norm")(inner(name="after")(x), train)
        for doubling in range(self.factor.bit_length() - 1):
            x = pixel_shuffle(Conv(4 * self.width, 3, name=f"up{doubling}", **made)(x), 2)
            x = _prelu(f"up{doubling}_slope")(x)
        return wide(Conv(self.channels, 9, name="last", **made)(x))

    @property
    def reach(self) -> int:
        """How many pixels of a small image away another one can be and still enter an enlarged pixel, rounded up."""
        grown = sum(-(-1 // 2**doubling) for doubling in range(self.factor.bit_length() - 1))
        return 4 + 2 * self.blocks + 1 + grown + -(-4 // self.factor)


def _prelu(name: str) -> nn.Module:
    return nn.PReLU(negative_slope_init=0.25, name=name)


class Discriminator(nn.Module):
    """3x3 convolutions in pairs, the second of which halves the size, batch norm, leaky ReLU 0.2; two dense layers.

    width: of the first pair, doubled to 8 times that.  hidden: units of the first dense layer, 16 widths if None.
    pooled: dense layers on means over all pixels, so that any size is taken, as in some ports; the paper's are on all
    pixels of a fixed size.
    """

    width: int = 64
    hidden: int | None = None
    pooled: bool = False
    use_bias: bool = True
    dtype: Any = None

    @nn.compact
    def __call__(self, images: jax.Array, train: bool = False) -> jax.Array:
        """Return logits float32[batch]; ValueError for images below 16 pixels a side."""
        if min(images.shape[1:3]) < 16:
            raise ValueError(
                f"SRGAN's discriminator halves images four times, so it needs 16 pixels a side, not {images.shape[1]} "
                f"x {images.shape[2]}; give a larger --crop or --image-size"
            )
        x = images
        for layer in range(8):
            features, stride = self.width * 2 ** (layer // 2), 1 + layer % 2
            bias = self.use_bias or layer == 0
            padding = ((1, 1), (1, 1))
            x = Conv(features, 3, stride, bias, Plain(TORCH), self.dtype, padding, name=f"conv{layer}")(x)
            if layer:
                x = BatchNorm(dtype=self.dtype, name=f"norm{layer}")(x, train)
            x = nn.leaky_relu(x, 0.2)
        x = jnp.mean(x, (1, 2)) if self.pooled else x.reshape(len(x), -1)
        dense = partial(nn.Dense, kernel_init=TORCH.kernel, dtype=self.dtype)
        hidden = self.hidden or 16 * self.width
        x = nn.leaky_relu(dense(hidden, bias_init=TORCH.bias(x.shape[-1]), name="hidden")(x), 0.2)
        return wide(dense(1, bias_init=TORCH.bias(hidden), name="score")(x)[:, 0])


def square_error(enlarged: jax.Array, images: jax.Array, state: Any = None) -> jax.Array:
    """Return E |enlarged - image|^2, the mean over pixels, channels and the batch (equation 4)."""
    return jnp.mean((wide(enlarged) - images) ** 2)


def pretraining_loss(nets, state, batch, key) -> tuple[jax.Array, Aux]:
    """L = |G(x) - y|^2 (equation 4)."""
    enlarged, generator = nets.generator(batch["lows"])
    return square_error(enlarged, batch["images"]), aux(generator)


def discriminator_loss(nets, state, batch, key) -> tuple[jax.Array, Aux]:
    """L = -log D(y) - log(1 - D(G(x))), large and enlarged images in batches of their own (equation 2)."""
    enlarged = nets.generator.output(batch["lows"])
    real_logits, discriminator = nets.discriminator(batch["images"])
    fake_logits, discriminator = discriminator(enlarged)
    metrics = adversarial.probabilities(real_logits, fake_logits)
    return adversarial.discriminator(real_logits, fake_logits), aux(discriminator, **metrics)


def generator_loss(nets, state, batch, key, *, content, weight) -> tuple[jax.Array, Aux]:
    """L = content(G(x), y) - weight log D(G(x)) (equations 3 and 6)."""
    enlarged, generator = nets.generator(batch["lows"])
    distance = content(enlarged, batch["images"], state)
    fooling = adversarial.non_saturating_generator(nets.discriminator.output(enlarged))
    error = square_error(enlarged, batch["images"])
    return distance + weight * fooling, aux(generator, content=distance, adversarial=fooling, square_error=error)


def pretraining(
    generator: Generator, *, generator_tx: optax.GradientTransformation, image_shape: tuple[int, int, int]
) -> Game:
    """Return the game of the first phase: "generator" alone, by its mean square error.

    image_shape: (height, width, channels) of large images.
    """
    modules = {"generator": generator}
    player = Player("generator", with_networks(pretraining_loss, modules, ("generator",)), generator_tx, ("generator",))
    return Game((player,), {"generator": _starting(generator, low_shape(image_shape, generator.factor))})


def game(
    generator: Generator,
    discriminator: Discriminator,
    *,
    generator_tx: optax.GradientTransformation,
    discriminator_tx: optax.GradientTransformation,
    image_shape: tuple[int, int, int],
    content: Content = square_error,
    weight: float = 1e-3,
    memory: dict[str, Any] | None = None,
) -> Game:
    """Return the game of the second phase, of "discriminator" and "generator", in turn.

    image_shape: (height, width, channels) of large images.  content: see `Content`.
    weight: of the adversarial loss.  memory: what `content` reads of the state, such as weights of a classifier.
    """
    modules: dict[str, Any] = {"generator": generator, "discriminator": discriminator}
    judging = with_networks(discriminator_loss, modules, ("discriminator",))
    fooling = partial(generator_loss, content=content, weight=weight)
    return Game(
        players=(
            Player("discriminator", judging, discriminator_tx, ("discriminator",)),
            Player("generator", with_networks(fooling, modules, ("generator",)), generator_tx, ("generator",)),
        ),
        networks={
            "generator": _starting(generator, low_shape(image_shape, generator.factor)),
            "discriminator": _starting(discriminator, image_shape),
        },
        memory=memory or {},
    )


def low_shape(image_shape: tuple[int, int, int], factor: int) -> tuple[int, int, int]:
    """Return the shape of the small images of large ones; ValueError where the factor does not divide their sides."""
    height, width, channels = image_shape
    if height % factor or width % factor:
        raise ValueError(
            f"{height} x {width} pixels are no {factor} times as many as others; give a --crop or an --image-size that "
            f"is a multiple of {factor}"
        )
    return height // factor, width // factor, channels


def _starting(network: nn.Module, shape: tuple[int, int, int]) -> Callable[[jax.Array], Any]:
    return lambda key: network.init(key, jnp.zeros((1, *shape)))
