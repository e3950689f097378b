"""GAN: a generator learns to make a discriminator take its samples for data.

Goodfellow et al. 2014, Generative Adversarial Nets, arXiv 1406.2661 (algorithm 1).
    min_G max_D  E log D(x) + E log(1 - D(G(z))),  the generator in practice minimising -E log D(G(z)).
The authors' code moves both players at once, from one minibatch, one latent and the old parameters
(`simultaneous=True`); algorithm 1 moves them in turn (the default). It halves the discriminator's loss, which matters
under SGD: `weight=0.5`. In simultaneous moves both losses see the same samples under the same dropout of the
discriminator, as there.

images: float[batch, height, width, channels] in the range of the generator's `output` (tanh: [-1, 1], sigmoid: [0, 1]).
Any two-dimensional point is an image of shape (1, 1, 2), with `output` the identity.
Configurations
    authors' MNIST   Generator((1200, 1200), output=nn.sigmoid, initializer=uniform(0.05)), latent 100 uniform, the
                     output's bias at the logit of the data's mean: `biased`,
                     Discriminator((240, 240), pieces=5, input_dropout=0.2, dropout=0.5, initializer=uniform(0.005))
    authors' CIFAR   Generator((8000, 8000), last=nn.sigmoid, output=identity, initializer=uniform(0.05),
                     output_initializer=uniform(0.5)), latent 100 normal, Discriminator((1600, 1600), ...) as above
"""

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Unpack

import jax
import numpy as np
import optax
from flax import linen as nn

from genjax.engine.adversarial import Setting, Side, adversarial_game
from genjax.engine.game import Aux, Game
from genjax.engine.network import aux
from genjax.losses import adversarial
from genjax.nn.dropout import Dropout
from genjax.nn.initializers import GLOROT, Initializer
from genjax.nn.maxout import Maxout
from genjax.nn.wide import wide

GeneratorLoss = Callable[[jax.Array], jax.Array]


def biased(rule: Initializer, mean: np.ndarray) -> Initializer:
    """Return the rule with the biases log(p / (1 - p)) of an output in [0, 1] with the mean p, 1e-7 from its ends."""
    share = np.clip(np.asarray(mean, np.float64).ravel(), 1e-7, 1 - 1e-7)
    logits = np.log(share / (1 - share))

    def bias(key: jax.Array, shape: Any, dtype: Any = None) -> jax.Array:
        return jax.numpy.asarray(logits, dtype).reshape(shape)

    return Initializer(rule.kernel, lambda fan_in: bias)


class Generator(nn.Module):
    """Dense layers from latent to pixels.

    last: activation of the last hidden layer, if another.  output_initializer: of the output's layer, if another.
    """

    hidden: Sequence[int] = (128, 128)
    image_shape: tuple[int, int, int] = (28, 28, 1)
    activation: Callable[[jax.Array], jax.Array] = nn.relu
    output: Callable[[jax.Array], jax.Array] = nn.tanh
    initializer: Initializer = GLOROT
    dtype: Any = None
    last: Callable[[jax.Array], jax.Array] | None = None
    output_initializer: Initializer | None = None

    @nn.compact
    def __call__(self, latent: jax.Array, labels: jax.Array | None = None, train: bool = False) -> jax.Array:
        """Return float32[batch, *image_shape]; latent: float[batch, size]; `labels` is not used: one signature."""
        x = latent
        for index, features in enumerate(self.hidden, 1):
            activation = self.last if index == len(self.hidden) and self.last is not None else self.activation
            x = activation(_dense(self.initializer, self.dtype, features, x))
        rule = self.initializer if self.output_initializer is None else self.output_initializer
        x = wide(_dense(rule, self.dtype, math.prod(self.image_shape), x))
        return self.output(x).reshape(-1, *self.image_shape)


class Discriminator(nn.Module):
    """Dense layers from pixels to a logit; with `pieces` > 1 of maxout units instead of `activation`.

    scale: multiplies the images.  input_dropout, dropout: shares dropped of the pixels and of hidden units.
    output_initializer: of the last layer, if another.
    """

    hidden: Sequence[int] = (128, 128)
    pieces: int = 1
    activation: Callable[[jax.Array], jax.Array] = partial(nn.leaky_relu, negative_slope=0.2)
    scale: float = 1.0
    input_dropout: float = 0.0
    dropout: float = 0.0
    initializer: Initializer = GLOROT
    dtype: Any = None
    output_initializer: Initializer | None = None

    @nn.compact
    def __call__(self, images: jax.Array, labels: jax.Array | None = None, train: bool = False) -> jax.Array:
        """Return logits float32[batch]; `labels` is not used: one signature."""
        x = self.scale * images.reshape(images.shape[0], -1)
        x = Dropout(self.input_dropout)(x, train)
        for features in self.hidden:
            if self.pieces > 1:
                x = Maxout(features, self.pieces, self.initializer, self.dtype)(x)
            else:
                x = self.activation(_dense(self.initializer, self.dtype, features, x))
            x = Dropout(self.dropout)(x, train)
        rule = self.initializer if self.output_initializer is None else self.output_initializer
        return wide(_dense(rule, self.dtype, 1, x))[:, 0]


def _dense(rule: Initializer, dtype: Any, features: int, x: jax.Array) -> jax.Array:
    return nn.Dense(features, kernel_init=rule.kernel, bias_init=rule.bias(x.shape[-1]), dtype=dtype)(x)


def discriminator_loss(nets, state, batch, key, *, draw, weight) -> tuple[jax.Array, Aux]:
    """L = weight (E softplus(-D(x)) + E softplus(D(G(z))))."""
    latent_key, fake_key, real_drop, fake_drop = jax.random.split(key, 4)
    images, discriminator = batch["images"], nets.discriminator.output
    fake = nets.generator.output(draw(latent_key, len(images)), key=fake_key)
    real_logits, fake_logits = discriminator(images, key=real_drop), discriminator(fake, key=fake_drop)
    metrics = adversarial.probabilities(real_logits, fake_logits)
    return weight * adversarial.discriminator(real_logits, fake_logits), aux(**metrics)


def generator_loss(nets, state, batch, key, *, draw, objective) -> tuple[jax.Array, Aux]:
    """L = objective(D(G(z))): `adversarial.non_saturating_generator`, or the minimax one."""
    latent_key, fake_key, _, drop_key = jax.random.split(key, 4)  # as above: the same samples, the same dropout
    fake = nets.generator.output(draw(latent_key, len(batch["images"])), key=fake_key)
    return objective(nets.discriminator.output(fake, key=drop_key)), aux()


def game(
    generator: nn.Module,
    discriminator: nn.Module,
    *,
    generator_tx: optax.GradientTransformation,
    discriminator_tx: optax.GradientTransformation,
    objective: GeneratorLoss = adversarial.non_saturating_generator,
    weight: float = 1.0,
    **setting: Unpack[Setting],
) -> Game:
    """Return the game of "discriminator" and "generator", moving in turn or at once.

    objective: logits of samples -> what the generator minimises.  weight: of the discriminator's loss.
    setting: image_shape, latent, prior, ema and simultaneous, see `genjax.engine.adversarial`.
    """
    return adversarial_game(
        Side("discriminator", discriminator, partial(discriminator_loss, weight=weight), discriminator_tx),
        Side("generator", generator, partial(generator_loss, objective=objective), generator_tx),
        **setting,
    )
