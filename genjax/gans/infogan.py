"""InfoGAN: a generator's codes come to mean something, because a recognition network must read them off its samples.

Chen, Duan, Houthooft, Schulman, Sutskever & Abbeel 2016, InfoGAN, arXiv 1606.03657 (equations 3 to 6).
    min_{G,Q} max_D  E log D(x) + E log(1 - D(G(z, c))) - lambda L_I(G, Q)
    L_I(G, Q) = H(c) + E log Q(c | G(z, c)) <= I(c; G(z, c))
Noise z and codes c are one latent (`genjax.codes`). Q is a head on the discriminator's layers; it reads samples alone,
and has no part in how images are judged. Q(c|x) is a softmax for a categorical code, N(mean, variance) for a continuous
one. L_I, with a weight of its own for each kind, is in the losses of both players: through it the generator's move
changes G, the discriminator's move Q and the layers that it shares. The generator minimises -E log D(G(z, c)).

As in the authors' code, each move draws a latent of its own, images and samples pass batch norm in a batch each, all
layers have biases, and Q puts out mean and log-variance even where its variance is held at 1 (`learned=False`, their
MNIST), so that its last outputs do nothing there. Their log takes H of a continuous code under N(0, 1); here it is that
of U(-1, 1), ln 2, so that what is logged is a bound. They add 1e-8 inside logarithms; here logits are used. In their
code sampling goes by the batch's statistics, here by running ones. Their transposed convolutions pad as these do.

images: float[batch, height, width, channels] in the range of the generator's `output` (sigmoid: [0, 1], tanh: [-1, 1]).
Configurations (appendix C; width 64, leaky slope 0.1, in the authors' code 0.01)
    MNIST           28 pixels, Codes(62, (10,), 2)
    SVHN, CelebA    32 pixels, tanh, Codes(124, (10,) * 4, 4), Codes(128, (10,) * 10)
    Faces           32 pixels, grey, Codes(128, (), 5)
    Chairs          64 pixels, grey, Codes(128, (20,) * 3, 1)
"""

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from flax import linen as nn

from genjax.codes import Codes
from genjax.engine.adversarial import Side, adversarial_game
from genjax.engine.game import Aux, Game
from genjax.engine.network import aux
from genjax.engine.state import State
from genjax.losses import adversarial, information
from genjax.nn.conv import Conv, ConvTranspose
from genjax.nn.initializers import GLOROT, Initializer, normal
from genjax.nn.normalization import BatchNorm
from genjax.nn.weights import Plain
from genjax.nn.wide import wide

NORMAL = normal(0.02)
TRUNCATED = Initializer(nn.initializers.truncated_normal(0.02), NORMAL.bias)


class Layers(NamedTuple):
    """The layers of both networks, all features in multiples of a width.

    convolutions, growth: (features, stride, whether batch norm follows) of the discriminator's convolutions and of the
    generator's transposed ones, of which the last, to pixels, is left out.  hidden: of a dense layer behind the
    convolutions, 0 for none.  recognition: of Q's own dense layer, 0 for none.  dense: of the generator's first layer,
    0 for none.  start: channels of its smallest square.
    """

    convolutions: tuple[tuple[int, int, bool], ...]
    hidden: int
    recognition: int
    dense: int
    start: int
    growth: tuple[tuple[int, int, bool], ...]


MNIST = Layers(((1, 2, False), (2, 2, True)), 16, 2, 16, 2, ((1, 2, True),))
SVHN = Layers(
    ((1, 2, False), (2, 2, True), (4, 2, True)), 0, 2, 0, 7, ((4, 2, True), (2, 2, False), (1, 2, False))
)  # fmt: skip
FACES = MNIST._replace(recognition=0)
CHAIRS = Layers(
    ((1, 2, False), (2, 2, True), (4, 2, True), (4, 1, True), (4, 1, True)), 16, 0, 16, 4,
    ((4, 1, True), (4, 1, True), (2, 2, True), (1, 2, True)),
)  # fmt: skip


def _scale(key: jax.Array, shape: Any, dtype: Any = jnp.float32) -> jax.Array:
    return 1 + 0.02 * jax.random.normal(key, shape, dtype)


def _norm(dtype: Any) -> BatchNorm:
    return BatchNorm(scale_init=_scale, dtype=dtype)


class Generator(nn.Module):
    """Dense layers to the smallest square, transposed 4x4 convolutions, batch norm and ReLU, `output` of the last one.

    Raises ValueError for an image that the doublings of `layers` do not reach.
    """

    image_shape: tuple[int, int, int] = (28, 28, 1)
    layers: Layers = MNIST
    width: int = 64
    output: Callable[[jax.Array], jax.Array] = nn.sigmoid
    dtype: Any = None

    @nn.compact
    def __call__(self, latent: jax.Array, labels: jax.Array | None = None, train: bool = False) -> jax.Array:
        """Return float32[batch, *image_shape]; latent: float[batch, size]; `labels` is not used: one signature."""
        height, width, channels = self.image_shape
        factor = 2 * math.prod(stride for _, stride, _ in self.layers.growth)
        if height % factor or width % factor:
            raise ValueError(
                f"these layers draw images whose sides are multiples of {factor}, not {height} x {width}; "
                f"give --image-size {max(1, round(height / factor)) * factor}"
            )
        start = (height // factor, width // factor, self.layers.start * self.width)
        x = latent
        for features in (self.layers.dense * self.width, math.prod(start)):
            if features:
                x = nn.Dense(features, kernel_init=NORMAL.kernel, dtype=self.dtype)(x)
                x = nn.relu(_norm(self.dtype)(x, train))
        x = x.reshape(-1, *start)
        make = partial(ConvTranspose, weight=Plain(NORMAL), dtype=self.dtype)
        for features, stride, norm in self.layers.growth:
            x = make(features * self.width, stride=stride)(x)
            x = nn.relu(_norm(self.dtype)(x, train) if norm else x)
        return self.output(wide(make(channels)(x)))


class Discriminator(nn.Module):
    """Convolutions and a dense layer with leaky ReLU, a linear unit for D, and for Q its own layer and its numbers."""

    codes: Codes
    layers: Layers = MNIST
    width: int = 64
    slope: float = 0.1
    dtype: Any = None

    @nn.compact
    def __call__(
        self, images: jax.Array, labels: jax.Array | None = None, train: bool = False, *, read: bool = True
    ) -> tuple[jax.Array, jax.Array | None]:
        """Return D's logits float32[batch] and Q's numbers float32[batch, numbers], of which see `recognised`.

        read: whether Q is asked at all; else None.  `labels` is not used: one signature.
        """
        activate = partial(nn.leaky_relu, negative_slope=self.slope)
        dense = partial(nn.Dense, kernel_init=NORMAL.kernel, dtype=self.dtype)
        x = images
        for features, stride, norm in self.layers.convolutions:
            x = Conv(features * self.width, stride=stride, weight=Plain(TRUNCATED), dtype=self.dtype)(x)
            x = activate(_norm(self.dtype)(x, train) if norm else x)
        x = x.reshape(x.shape[0], -1)
        if self.layers.hidden:
            x = activate(_norm(self.dtype)(dense(self.layers.hidden * self.width)(x), train))
        logits = wide(dense(1, name="judge")(x))[:, 0]
        if not read:
            return logits, None
        if self.layers.recognition:
            x = activate(_norm(self.dtype)(dense(self.layers.recognition * self.width, name="recognition")(x), train))
        return logits, wide(dense(_numbers(self.codes), name="codes")(x))


class DenseDiscriminator(nn.Module):
    """Dense layers with leaky ReLU and no batch norm, for points in the plane; D's unit and Q's numbers on the last."""

    codes: Codes
    units: Sequence[int] = (64, 64)
    slope: float = 0.1
    dtype: Any = None

    @nn.compact
    def __call__(
        self, images: jax.Array, labels: jax.Array | None = None, train: bool = False, *, read: bool = True
    ) -> tuple[jax.Array, jax.Array | None]:
        """Return what `Discriminator` returns."""
        dense = partial(nn.Dense, kernel_init=GLOROT.kernel, dtype=self.dtype)
        x = images.reshape(images.shape[0], -1)
        for features in self.units:
            x = nn.leaky_relu(dense(features)(x), self.slope)
        logits = wide(dense(1, name="judge")(x))[:, 0]
        return logits, wide(dense(_numbers(self.codes), name="codes")(x)) if read else None


def _numbers(codes: Codes) -> int:
    return sum(codes.categorical) + 2 * codes.continuous


class Recognised(NamedTuple):
    """Q(c|x): logits by name of the categorical codes, float[batch, classes]; mean and log-variance of the others."""

    logits: dict[str, jax.Array]
    mean: jax.Array
    log_variance: jax.Array


def recognised(codes: Codes, numbers: jax.Array) -> Recognised:
    """Return the parts of Q's numbers: logits of each categorical code, then all means, then all log-variances."""
    read, at = {}, 0
    for name, classes in codes.classes.items():
        read[name] = numbers[..., at : at + classes]
        at += classes
    mean, log_variance = jnp.split(numbers[..., at:], 2, -1)
    return Recognised(read, mean, log_variance)


def reading_of(discriminator: nn.Module) -> Callable[[State, Any], dict[str, jax.Array]]:
    """Return `read(state, images)`: most likely class int[count] or mean float[count] of every code by name."""
    codes = discriminator.codes

    @jax.jit
    def apply(variables, images):
        numbers: Any = discriminator.apply(variables, images)[1]
        found = recognised(codes, numbers)
        classes = {name: jnp.argmax(logits, -1) for name, logits in found.logits.items()}
        return classes | dict(zip(codes.names[len(classes) :], jnp.moveaxis(found.mean, -1, 0), strict=True))

    def read(state: State, images: Any) -> dict[str, jax.Array]:
        return apply(state.variables_of("discriminator"), images)

    return read


class Weights(NamedTuple):
    """lambda of the categorical codes, and of the continuous ones."""

    categorical: float
    continuous: float


ONE = Weights(1.0, 1.0)


class Reading(NamedTuple):
    """What both losses know of the codes: which there are, their weights, and whether Q's variances are learned."""

    codes: Codes
    weights: Weights
    learned: bool

    def information(self, latents: jax.Array, numbers: jax.Array) -> tuple[jax.Array, dict[str, jax.Array]]:
        """Return the weighted sum of L_I over both kinds of codes, and L_I of each kind in nats, to log."""
        codes, read = self.codes, recognised(self.codes, numbers)
        true, total, found = codes.split(latents), jnp.float32(0), {}
        if codes.categorical:
            each = [information.categorical(true[name], logits) for name, logits in read.logits.items()]
            found["categorical_information"] = sum(each[1:], each[0])
            total = total + self.weights.categorical * found["categorical_information"]
        if codes.continuous:
            values = latents[..., codes.size - codes.continuous :]
            log_variance = read.log_variance if self.learned else 0.0
            found["continuous_information"] = information.uniform(values, read.mean, log_variance)
            total = total + self.weights.continuous * found["continuous_information"]
        return total, found


def discriminator_loss(nets, state, batch, key, *, draw, reading: Reading) -> tuple[jax.Array, Aux]:
    """L = E softplus(-D(x)) + E softplus(D(G(z, c))) - lambda L_I, images and samples in a batch each."""
    images = batch["images"]
    latents = draw(key, len(images))
    fake = nets.generator.output(latents)
    (real_logits, _), discriminator = nets.discriminator(images, read=False)
    (fake_logits, numbers), discriminator = discriminator(fake)
    told, metrics = reading.information(latents, numbers)
    metrics |= adversarial.probabilities(real_logits, fake_logits)
    return adversarial.discriminator(real_logits, fake_logits) - told, aux(discriminator, **metrics)


def generator_loss(nets, state, batch, key, *, draw, reading: Reading) -> tuple[jax.Array, Aux]:
    """L = E softplus(-D(G(z, c))) - lambda L_I."""
    latents = draw(key, len(batch["images"]))
    fake, generator = nets.generator(latents)
    fake_logits, numbers = nets.discriminator.output(fake)
    told, metrics = reading.information(latents, numbers)
    return adversarial.non_saturating_generator(fake_logits) - told, aux(generator, **metrics)


def game(
    generator: nn.Module,
    discriminator: nn.Module,
    *,
    codes: Codes,
    generator_tx: optax.GradientTransformation,
    discriminator_tx: optax.GradientTransformation,
    image_shape: tuple[int, int, int],
    weights: Weights = ONE,
    learned: bool = True,
    ema: float | None = None,
) -> Game:
    """Return the game of "discriminator", which has Q too, and "generator", moving in turn.

    learned: whether Q's variances of continuous codes are learned, or held at 1.  image_shape, ema: see
    `genjax.engine.adversarial`.

    >>> codes, tx = Codes(62, (10,), 2), optax.adam(2e-4, b1=0.5)
    >>> made = game(Generator(), Discriminator(codes), codes=codes, generator_tx=tx, discriminator_tx=tx,
    ...             image_shape=(28, 28, 1))
    >>> [player.name for player in made.players]
    ['discriminator', 'generator']
    """
    reading = Reading(codes, weights, learned)
    return adversarial_game(
        Side("discriminator", discriminator, partial(discriminator_loss, reading=reading), discriminator_tx),
        Side("generator", generator, partial(generator_loss, reading=reading), generator_tx),
        image_shape=image_shape,
        latent=codes.size,
        prior=codes.prior(),
        ema=ema,
    )
