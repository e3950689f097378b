"""CGAN: generator and discriminator are both told the class.

Mirza & Osindero 2014, Conditional Generative Adversarial Nets, arXiv 1411.1784 (section 4.1).
    min_G max_D  E log D(x | y) + E log(1 - D(G(z | y) | y)),  the generator minimising -E log D(G(z | y) | y).
Labels enter through a branch of their own in both networks. A sample's label is that of the image at its place in the
batch. The text leaves open whether the joint layer of 1200 units has weights; here it has.
On MNIST: SGD, batch 100, rate 0.1 divided by 1.00004 per step down to 1e-6, momentum 0.5 to 0.7, dropout 0.5 in both
networks, latent uniform in [0, 1]. Momentum is fixed here.

images: float[batch, height, width, channels] in the range of the generator's `output`.  labels: int[batch].
"""

import math
from collections.abc import Callable
from functools import partial
from typing import Any, Unpack

import jax
import jax.numpy as jnp
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


class Generator(nn.Module):
    """latent -> `latent_units`, label -> `label_units`, joined -> `joint_units` -> pixels; ReLU between, dropout."""

    image_shape: tuple[int, int, int] = (28, 28, 1)
    classes: int = 10
    latent_units: int = 200
    label_units: int = 1000
    joint_units: int = 1200
    dropout: float = 0.5
    output: Callable[[jax.Array], jax.Array] = nn.sigmoid
    initializer: Initializer = GLOROT
    dtype: Any = None

    @nn.compact
    def __call__(self, latent: jax.Array, labels: jax.Array, train: bool = False) -> jax.Array:
        """Return float32[batch, *image_shape]; latent: float[batch, size], labels: int[batch]."""
        drop = partial(Dropout(self.dropout), train=train)

        def dense(features: int, x: jax.Array) -> jax.Array:
            kernel, bias = self.initializer.kernel, self.initializer.bias(x.shape[-1])
            return nn.Dense(features, kernel_init=kernel, bias_init=bias, dtype=self.dtype)(x)

        z = nn.relu(dense(self.latent_units, latent))
        y = nn.relu(dense(self.label_units, jax.nn.one_hot(labels, self.classes)))
        x = nn.relu(dense(self.joint_units, drop(jnp.concatenate([z, y], -1))))
        x = wide(dense(math.prod(self.image_shape), drop(x)))
        return self.output(x).reshape(-1, *self.image_shape)


class Discriminator(nn.Module):
    """image -> maxout, label -> maxout, joined -> maxout -> logit; pairs are (units, pieces), dropout before joints."""

    classes: int = 10
    image_units: tuple[int, int] = (240, 5)
    label_units: tuple[int, int] = (50, 5)
    joint_units: tuple[int, int] = (240, 4)
    dropout: float = 0.5
    initializer: Initializer = GLOROT
    dtype: Any = None

    @nn.compact
    def __call__(self, images: jax.Array, labels: jax.Array, train: bool = False) -> jax.Array:
        """Return logits float32[batch]; labels: int[batch]."""
        drop = partial(Dropout(self.dropout), train=train)
        rest = {"initializer": self.initializer, "dtype": self.dtype}
        x = Maxout(*self.image_units, **rest)(images.reshape(images.shape[0], -1))
        y = Maxout(*self.label_units, **rest)(jax.nn.one_hot(labels, self.classes))
        joint = Maxout(*self.joint_units, **rest)(drop(jnp.concatenate([x, y], -1)))
        kernel = self.initializer.kernel
        return wide(nn.Dense(1, kernel_init=kernel, dtype=self.dtype)(drop(joint)))[:, 0]


def discriminator_loss(nets, state, batch, key, *, draw) -> tuple[jax.Array, Aux]:
    """L = E softplus(-D(x | y)) + E softplus(D(G(z | y) | y))."""
    latent_key, fake_key, real_drop, fake_drop = jax.random.split(key, 4)
    images, labels, discriminator = batch["images"], batch["labels"], nets.discriminator.output
    fake = nets.generator.output(draw(latent_key, len(images)), labels, key=fake_key)
    real_logits = discriminator(images, labels, key=real_drop)
    fake_logits = discriminator(fake, labels, key=fake_drop)
    metrics = adversarial.probabilities(real_logits, fake_logits)
    return adversarial.discriminator(real_logits, fake_logits), aux(**metrics)


def generator_loss(nets, state, batch, key, *, draw) -> tuple[jax.Array, Aux]:
    """L = E softplus(-D(G(z | y) | y))."""
    latent_key, fake_key, drop_key = jax.random.split(key, 3)
    labels = batch["labels"]
    fake = nets.generator.output(draw(latent_key, len(labels)), labels, key=fake_key)
    fake_logits = nets.discriminator.output(fake, labels, key=drop_key)
    return adversarial.non_saturating_generator(fake_logits), aux()


def game(
    generator: nn.Module,
    discriminator: nn.Module,
    *,
    generator_tx: optax.GradientTransformation,
    discriminator_tx: optax.GradientTransformation,
    **setting: Unpack[Setting],
) -> Game:
    """Return the game of "discriminator" and "generator" on batches with "labels", moving in turn.

    setting: image_shape, latent, prior and ema, see `genjax.engine.adversarial`.
    """
    return adversarial_game(
        Side("discriminator", discriminator, discriminator_loss, discriminator_tx),
        Side("generator", generator, generator_loss, generator_tx),
        labels=True,
        **setting,
    )
