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
from typing import Any

import jax
import jax.numpy as jnp
import optax
from flax import linen as nn

from genjax.engine.game import Aux, Game, Player
from genjax.losses import adversarial
from genjax.nn.forward import forward
from genjax.nn.initializers import GLOROT, Initializer
from genjax.nn.maxout import Maxout

Prior = Callable[[jax.Array, tuple[int, ...]], jax.Array]


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
        drop = partial(nn.Dropout(self.dropout), deterministic=not train)

        def dense(features: int, x: jax.Array) -> jax.Array:
            kernel, bias = self.initializer.kernel, self.initializer.bias(x.shape[-1])
            return nn.Dense(features, kernel_init=kernel, bias_init=bias, dtype=self.dtype)(x)

        z = nn.relu(dense(self.latent_units, latent))
        y = nn.relu(dense(self.label_units, jax.nn.one_hot(labels, self.classes)))
        x = nn.relu(dense(self.joint_units, drop(jnp.concatenate([z, y], -1))))
        x = dense(math.prod(self.image_shape), drop(x)).astype(jnp.float32)
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
        drop = partial(nn.Dropout(self.dropout), deterministic=not train)
        rest = {"initializer": self.initializer, "dtype": self.dtype}
        x = Maxout(*self.image_units, **rest)(images.reshape(images.shape[0], -1))
        y = Maxout(*self.label_units, **rest)(jax.nn.one_hot(labels, self.classes))
        joint = Maxout(*self.joint_units, **rest)(drop(jnp.concatenate([x, y], -1)))
        kernel = self.initializer.kernel
        return nn.Dense(1, kernel_init=kernel, dtype=self.dtype)(drop(joint)).astype(jnp.float32)[:, 0]


def discriminator_loss(generator, discriminator, draw, params, state, batch, key) -> tuple[jax.Array, Aux]:
    """L = E softplus(-D(x | y)) + E softplus(D(G(z | y) | y))."""
    latent_key, fake_key, real_drop, fake_drop = jax.random.split(key, 4)
    images, labels, variables = batch["images"], batch["labels"], state.variables
    latent, own = draw(latent_key, images.shape[0]), params["discriminator"]
    fake, _ = forward(generator, params["generator"], variables["generator"], latent, labels, key=fake_key)
    real, _ = forward(discriminator, own, variables["discriminator"], images, labels, key=real_drop)
    fake, _ = forward(discriminator, own, variables["discriminator"], fake, labels, key=fake_drop)
    metrics = {"real": jnp.mean(jax.nn.sigmoid(real)), "fake": jnp.mean(jax.nn.sigmoid(fake))}
    return adversarial.discriminator(real, fake), Aux(metrics=metrics)


def generator_loss(generator, discriminator, draw, params, state, batch, key) -> tuple[jax.Array, Aux]:
    """L = E softplus(-D(G(z | y) | y))."""
    latent_key, fake_key, drop_key = jax.random.split(key, 3)
    labels, variables = batch["labels"], state.variables
    latent = draw(latent_key, labels.shape[0])
    fake, _ = forward(generator, params["generator"], variables["generator"], latent, labels, key=fake_key)
    logits, _ = forward(discriminator, params["discriminator"], variables["discriminator"], fake, labels, key=drop_key)
    return adversarial.non_saturating_generator(logits), Aux()


def game(
    generator: nn.Module,
    discriminator: nn.Module,
    generator_tx: optax.GradientTransformation,
    discriminator_tx: optax.GradientTransformation,
    image_shape: tuple[int, int, int],
    latent: int = 100,
    prior: Prior = jax.random.uniform,
    ema: float | None = None,
) -> Game:
    """Return the game of "discriminator" and "generator" on batches with "labels".

    prior: `(key, shape) -> latent`.  ema: decay of the generator's average, None for none.
    """

    def draw(key, count):
        return prior(key, (count, latent))

    first = partial(discriminator_loss, generator, discriminator, draw)
    second = partial(generator_loss, generator, discriminator, draw)
    label = jnp.zeros((1,), jnp.int32)
    return Game(
        players=(
            Player("discriminator", first, discriminator_tx, ("discriminator",)),
            Player("generator", second, generator_tx, ("generator",)),
        ),
        networks={
            "generator": lambda key: generator.init(key, jnp.zeros((1, latent)), label),
            "discriminator": lambda key: discriminator.init(key, jnp.zeros((1, *image_shape)), label),
        },
        ema={} if ema is None else {"generator": ema},
    )
