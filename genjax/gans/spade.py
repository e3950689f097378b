"""SPADE (GauGAN): images from label maps, which every layer of the generator sees through its normalisation.

Park, Liu, Wang & Zhu 2019, Semantic Image Synthesis with Spatially-Adaptive Normalization, arXiv 1903.07291.
G draws an image of a map m; D tells pairs (m, image) apart at two scales, patch by patch, and its inner layers compare:
    L_D = mean over scales of E max(0, 1 - D(m, x)) + E max(0, 1 + D(m, G(m)))
    L_G = -mean over scales of E D(m, G(m)) + 10 matching + 10 perceptual + kl KL(E(x) | N(0, I))
    matching = mean over scales, sum over inner layers of |D_i(m, x) - D_i(m, G(m))|
With an encoder E the generator starts from z ~ N(E(x)), the style of an image, instead of from the shrunk map; styles
of one image can then be drawn onto the map of another.

As in the authors' code (NVlabs/SPADE): G moves first and D after it, on other samples; images and samples pass D as one
batch; spectral norm has the residual blocks and D's middle layers only, where the text has it everywhere; Adam's second
decay is 0.9 there and 0.999 in the text. Deviations: the code sums the KL over the images of a device (4 there), here
it is a mean over the batch with a weight that many times as large; its power iterations also move on while it is the
other player's move, here they stand still. Its encoder takes images below 256 pixels only of a size at which its
shapes do not fit; here they are resized to `Encoder.size`.

images: float[batch, height, width, 3] in [-1, 1]; maps: int[batch, height, width, 1], classes.
"""

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from flax import linen as nn

from genjax import parallel
from genjax.engine.game import Aux, Game, Player
from genjax.engine.network import aux, with_networks
from genjax.losses import adversarial
from genjax.losses.divergence import kl_standard_normal
from genjax.nn.conv import Conv
from genjax.nn.initializers import Initializer, scaled_glorot
from genjax.nn.label_maps import Labels, nearest
from genjax.nn.normalization import instance_norm
from genjax.nn.residual import grow
from genjax.nn.spatial_norm import SpatialBlock
from genjax.nn.weights import Plain, Spectral, Weight
from genjax.nn.wide import wide

AUTHORS = scaled_glorot(0.02)
Distance = Callable[[jax.Array, jax.Array, Any], jax.Array]
"""(drawn, image, state) -> scalar: how far apart a classifier sees them."""
ONES = ((1, 1), (1, 1))
STYLE = 256
"""Numbers in a style."""


class Generator(nn.Module):
    """A start of 16 `width` channels, blocks with a doubling between them, leaky ReLU, 3x3 convolution, tanh.

    doublings: 5 ("normal"), 6 ("more") or 7 ("most") of the authors' code, or fewer, which leave its first blocks out;
    sides must divide by 2^doublings.
    hidden: channels that each norm reads the map through.  concatenate, weight: see `SpatialBlock`.
    """

    width: int = 64
    doublings: int = 5
    hidden: int = 128
    concatenate: bool = False
    weight: Callable[[Initializer], Weight] = Spectral
    initializer: Initializer = AUTHORS
    dtype: Any = None

    def stages(self) -> list[tuple[bool, float]]:
        """Return for each block, whether the size doubles in front of it, and its channels in widths."""
        if self.doublings not in range(1, 8):
            raise ValueError(f"SPADE doubles the size 1 to 7 times, not {self.doublings} times")
        full = [(True, 16), (self.doublings > 5, 16), (True, 8), (True, 4), (True, 2), (True, 1)]
        rest = full if self.doublings >= 5 else full[6 - self.doublings :]
        start = 16 if self.doublings >= 5 else 2 * rest[0][1]
        return [(False, start), *rest] + ([(True, 0.5)] if self.doublings == 7 else [])

    @nn.compact
    def __call__(self, maps: jax.Array, style: jax.Array | None = None, train: bool = False) -> jax.Array:
        """Return float32[b, h, w, 3] in [-1, 1] of maps float[b, h, w, c] and, with an encoder, styles float[b, n]."""
        height, width = (side >> self.doublings for side in maps.shape[1:3])
        if (height << self.doublings, width << self.doublings) != maps.shape[1:3] or not min(height, width):
            raise ValueError(
                f"SPADE with {self.doublings} doublings draws sides that are multiples of {2**self.doublings}, not "
                f"{maps.shape[1]} x {maps.shape[2]}; give another --image-size or --crop, or fewer --doublings"
            )
        stages = self.stages()
        first, plain = int(stages[0][1] * self.width), Plain(self.initializer)
        if style is None:
            x = Conv(first, 3, 1, weight=plain, dtype=self.dtype, name="start")(nearest(maps, height, width))
        else:
            made = {"kernel_init": self.initializer.kernel, "dtype": self.dtype, "name": "start"}
            x = nn.Dense(height * width * first, **made)(style).reshape(-1, height, width, first)
        for number, (doubled, channels) in enumerate(stages):
            features = int(channels * self.width)
            x = grow(x) if doubled else x
            block = partial(SpatialBlock, features, self.hidden, self.concatenate, self.weight, self.initializer)
            x = block(self.dtype, name=f"block{number}")(x, maps, train)
        return nn.tanh(wide(Conv(3, 3, 1, weight=plain, dtype=self.dtype, name="last")(nn.leaky_relu(x, 0.2))))


class Discriminator(nn.Module):
    """Patch discriminators of the image and of its halves: 4x4 convolutions, `layers` - 1 of stride 2, then two of 1.

    Channels double from `width` to 8 times that. Padding is 2. Middle layers have spectral norm and instance norm.
    """

    width: int = 64
    layers: int = 4
    scales: int = 2
    initializer: Initializer = AUTHORS
    dtype: Any = None

    @nn.compact
    def __call__(self, maps: jax.Array, images: jax.Array, train: bool = False) -> list[list[jax.Array]]:
        """Return for every scale what its layers see, float[b, rows, columns, channels], and last its scores."""
        x, found = jnp.concatenate([maps, images.astype(maps.dtype)], -1), []
        for scale in range(self.scales):
            x = halved(x) if scale else x
            found.append(self._patches(x, f"scale{scale}"))
        return found

    def _patches(self, x: jax.Array, name: str) -> list[jax.Array]:
        found = []
        for layer in range(self.layers):
            features, stride = self.width * min(2**layer, 8), 2 if layer < self.layers - 1 else 1
            conv = partial(Conv, features, 4, stride, dtype=self.dtype, padding=((2, 2), (2, 2)))
            if layer:
                x = conv(use_bias=False, weight=Spectral(self.initializer), name=f"{name}_conv{layer}")(x)
                x = instance_norm(x)
            else:
                x = conv(weight=Plain(self.initializer), name=f"{name}_conv0")(x)
            x = nn.leaky_relu(x, 0.2)
            found.append(x)
        last = Conv(1, 4, 1, True, Plain(self.initializer), self.dtype, ((2, 2), (2, 2)), name=f"{name}_score")
        return [*found, wide(last(x))]


def halved(x: jax.Array) -> jax.Array:
    """Return means over 3x3 pixels at every other one, of those inside: float[b, ceil(h / 2), ceil(w / 2), c]."""
    return nn.avg_pool(x, (3, 3), (2, 2), ONES, count_include_pad=False)


class Encoder(nn.Module):
    """3x3 convolutions of stride 2 down to 4 pixels a side, with spectral and instance norm; mean and log-variance.

    size: pixels a side that images are resized to, 4 times a power of 2.  Channels double from `width` to 8 times that.
    """

    width: int = 64
    size: int = 256
    style: int = STYLE
    initializer: Initializer = AUTHORS
    dtype: Any = None

    @nn.compact
    def __call__(self, images: jax.Array, train: bool = False) -> tuple[jax.Array, jax.Array]:
        """Return mean and log-variance of the style, each float32[batch, style]."""
        batch, *_, channels = images.shape
        x = jax.image.resize(images, (batch, self.size, self.size, channels), "linear", antialias=False)
        for layer in range(int(math.log2(self.size // 4))):
            x = nn.leaky_relu(x, 0.2) if layer else x
            features, made = self.width * min(2**layer, 8), {"weight": Spectral(self.initializer), "dtype": self.dtype}
            x = instance_norm(Conv(features, 3, 2, False, padding=ONES, name=f"conv{layer}", **made)(x))
        x = nn.leaky_relu(x, 0.2).reshape(batch, -1)
        dense = partial(nn.Dense, self.style, kernel_init=self.initializer.kernel, dtype=self.dtype)
        return wide(dense(name="mean")(x)), wide(dense(name="log_variance")(x))


def drawn_style(encoder: Any, images: jax.Array, key: jax.Array) -> tuple[jax.Array, jax.Array, Any]:
    """Return styles z = mean + deviation e with e ~ N(0, I), the mean of their KL to N(0, I), and the encoder after."""
    (mean, log_variance), encoder = encoder(images)
    noise = parallel.rows(partial(jax.random.normal, dtype=mean.dtype), key, mean.shape)
    z = mean + jnp.exp(0.5 * log_variance) * noise
    return z, jnp.mean(kl_standard_normal(mean, log_variance)), encoder


def judged(discriminator: Any, maps: jax.Array, drawn: jax.Array, images: jax.Array) -> tuple[Any, Any, Any]:
    """Return what all layers see of drawn images and of real ones, which pass as one batch, and the discriminator."""
    twice = jnp.concatenate([maps, maps])
    found, discriminator = discriminator(twice, jnp.concatenate([drawn, images.astype(drawn.dtype)]))
    drawn_side, real_side = ([[jnp.split(x, 2)[half] for x in scale] for scale in found] for half in (0, 1))
    return drawn_side, real_side, discriminator


def matching(drawn: Sequence[Sequence[jax.Array]], real: Sequence[Sequence[jax.Array]]) -> jax.Array:
    """Return the mean over scales of the sum over layers of E |drawn - real|; the scores, which are last, are left out.

    Source: Wang et al. 2018, High-Resolution Image Synthesis and Semantic Manipulation with Conditional GANs,
    arXiv 1711.11585, equation 4.
    """
    gaps = [jnp.mean(jnp.abs(wide(a) - wide(b))) for x, y in zip(drawn, real, strict=True)
            for a, b in zip(x[:-1], y[:-1], strict=True)]  # fmt: skip
    return sum(gaps, jnp.float32(0)) / len(drawn)


def generator_loss(nets, state, batch, key, *, labels, weights, perceptual) -> tuple[jax.Array, Aux]:
    """L = -mean E D + w_m matching + w_p perceptual + w_kl KL: see the module."""
    maps, images = labels.read(batch), batch["images"]
    moved, metrics, loss, style = [], {}, jnp.float32(0), None
    if hasattr(nets, "encoder"):
        style, divergence, encoder = drawn_style(nets.encoder, images, key)
        moved.append(encoder)
        metrics["kl"], loss = divergence, weights.kl * divergence
    drawn, generator = nets.generator(maps, style)
    drawn_side, real_side, _ = judged(nets.discriminator, maps, drawn, images)
    fooling = jnp.mean(jnp.stack([adversarial.score_generator(scale[-1]) for scale in drawn_side]))
    match = matching(drawn_side, real_side)
    metrics |= {"adversarial": fooling, "matching": match}
    loss = loss + fooling + weights.matching * match
    if perceptual is not None:
        metrics["perceptual"] = perceptual(drawn, images, state)
        loss = loss + weights.perceptual * metrics["perceptual"]
    return loss, aux(generator, *moved, **metrics)


def discriminator_loss(nets, state, batch, key, *, labels) -> tuple[jax.Array, Aux]:
    """L = mean over scales of E max(0, 1 - D(m, x)) + E max(0, 1 + D(m, G(m)))."""
    maps, images = labels.read(batch), batch["images"]
    style = drawn_style(nets.encoder, images, key)[0] if hasattr(nets, "encoder") else None
    drawn = nets.generator.output(maps, style)
    drawn_side, real_side, discriminator = judged(nets.discriminator, maps, drawn, images)
    pairs = [(real[-1], fake[-1]) for real, fake in zip(real_side, drawn_side, strict=True)]
    loss = jnp.mean(jnp.stack([adversarial.hinge_discriminator(real, fake) for real, fake in pairs]))
    real, fake = (jnp.mean(jnp.stack([jnp.mean(pair[i]) for pair in pairs])) for i in (0, 1))
    return loss, aux(discriminator, real=real, fake=fake)


class Weights(NamedTuple):
    """Weights of the generator's loss; the adversarial loss has 1."""

    matching: float = 10.0
    perceptual: float = 10.0
    kl: float = 0.2


WEIGHTS = Weights()


def game(
    generator: Generator,
    discriminator: Discriminator,
    encoder: Encoder | None = None,
    *,
    generator_tx: optax.GradientTransformation,
    discriminator_tx: optax.GradientTransformation,
    image_shape: tuple[int, int, int],
    labels: Labels,
    weights: Weights = WEIGHTS,
    perceptual: Distance | None = None,
    memory: dict[str, Any] | None = None,
) -> Game:
    """Return the game of "generator", which owns the encoder too where there is one, and "discriminator", in turn.

    image_shape: (height, width, 3).  labels: what maps mean.  perceptual: see `Distance`, None for none.
    memory: what `perceptual` reads of the state, such as weights of a classifier.
    """
    modules: dict[str, Any] = {"generator": generator, "discriminator": discriminator}
    owned: tuple[str, ...] = ("generator",)
    maps, image = jnp.zeros((1, *image_shape[:2], labels.channels)), jnp.zeros((1, *image_shape))
    inputs: dict[str, tuple[jax.Array, ...]] = {"generator": (maps,), "discriminator": (maps, image)}
    if encoder is not None:
        modules["encoder"], owned = encoder, ("generator", "encoder")
        inputs |= {"generator": (maps, jnp.zeros((1, encoder.style))), "encoder": (image,)}
    drawing = partial(generator_loss, labels=labels, weights=weights, perceptual=perceptual)
    judging = partial(discriminator_loss, labels=labels)
    return Game(
        players=(
            Player("generator", with_networks(drawing, modules, owned), generator_tx, owned),
            Player(
                "discriminator", with_networks(judging, modules, ("discriminator",)), discriminator_tx,
                ("discriminator",),
            ),
        ),
        networks={net: partial(_begun, module, inputs[net]) for net, module in modules.items()},
        memory=memory or {},
    )  # fmt: skip


def _begun(module: nn.Module, inputs: tuple[jax.Array, ...], key: jax.Array) -> Any:
    return module.init(key, *inputs)
