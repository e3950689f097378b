"""GAN: a generator learns to make a discriminator take its samples for data.

Goodfellow et al. 2014, Generative Adversarial Nets, arXiv 1406.2661 (algorithm 1).
    min_G max_D  E log D(x) + E log(1 - D(G(z))),  the generator in practice minimising -E log D(G(z)).
The authors' code moves both players at once, from one minibatch, one latent and the old parameters
(`simultaneous=True`); algorithm 1 moves them in turn (the default). It halves the discriminator's loss; here it is not
halved, so at equal learning rates the discriminator's is twice as large as there.

images: float[batch, height, width, channels] in the range of the generator's `output` (tanh: [-1, 1], sigmoid: [0, 1]).
Any two-dimensional point is an image of shape (1, 1, 2), with `output` the identity.
Configurations
    authors' MNIST   Generator((1200, 1200), output=nn.sigmoid, initializer=uniform(0.05)), latent 100 uniform,
                     Discriminator((240, 240), pieces=5, input_dropout=0.2, dropout=0.5, initializer=uniform(0.005))
    authors' CIFAR   Generator((8000, 8000), last=nn.sigmoid, output=identity, initializer=uniform(0.05),
                     output_initializer=uniform(0.5)), latent 100 normal, Discriminator((1600, 1600), ...) as above
"""

import math
from collections.abc import Callable, Sequence
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
GeneratorLoss = Callable[[jax.Array], jax.Array]


def uniform(bound: float) -> Initializer:
    """Return the rule: kernels U[-bound, bound], zero biases."""

    def draw(key: jax.Array, shape: Any, dtype: Any = jnp.float32) -> jax.Array:
        return jax.random.uniform(key, shape, dtype, -bound, bound)

    return Initializer(draw, GLOROT.bias)


def unit_uniform(key: jax.Array, shape: tuple[int, ...]) -> jax.Array:
    """Return U[-sqrt 3, sqrt 3], which has variance 1: the authors' latent on MNIST."""
    return jax.random.uniform(key, shape, minval=-math.sqrt(3), maxval=math.sqrt(3))


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
        x = _wide(_dense(rule, self.dtype, math.prod(self.image_shape), x))
        return self.output(x).reshape(-1, *self.image_shape)


class Discriminator(nn.Module):
    """Dense layers from pixels to a logit; with `pieces` > 1 of maxout units instead of `activation`.

    scale: multiplies the images.  input_dropout, dropout: shares dropped of the pixels and of hidden units.
    """

    hidden: Sequence[int] = (128, 128)
    pieces: int = 1
    activation: Callable[[jax.Array], jax.Array] = partial(nn.leaky_relu, negative_slope=0.2)
    scale: float = 1.0
    input_dropout: float = 0.0
    dropout: float = 0.0
    initializer: Initializer = GLOROT
    dtype: Any = None

    @nn.compact
    def __call__(self, images: jax.Array, labels: jax.Array | None = None, train: bool = False) -> jax.Array:
        """Return logits float32[batch]; `labels` is not used: one signature."""
        x = self.scale * images.reshape(images.shape[0], -1)
        x = nn.Dropout(self.input_dropout, deterministic=not train)(x)
        for features in self.hidden:
            if self.pieces > 1:
                x = Maxout(features, self.pieces, self.initializer, self.dtype)(x)
            else:
                x = self.activation(_dense(self.initializer, self.dtype, features, x))
            x = nn.Dropout(self.dropout, deterministic=not train)(x)
        return _wide(_dense(self.initializer, self.dtype, 1, x))[:, 0]


def _dense(rule: Initializer, dtype: Any, features: int, x: jax.Array) -> jax.Array:
    return nn.Dense(features, kernel_init=rule.kernel, bias_init=rule.bias(x.shape[-1]), dtype=dtype)(x)


def _wide(x: jax.Array) -> jax.Array:
    return x.astype(jnp.promote_types(x.dtype, jnp.float32))


def discriminator_loss(generator, discriminator, draw, params, state, batch, key) -> tuple[jax.Array, Aux]:
    """L = E softplus(-D(x)) + E softplus(D(G(z)))."""
    latent_key, fake_key, real_drop, fake_drop = jax.random.split(key, 4)
    images, own, variables = batch["images"], params["discriminator"], state.variables
    latent = draw(latent_key, images.shape[0])
    fake, _ = forward(generator, params["generator"], variables["generator"], latent, key=fake_key)
    real, _ = forward(discriminator, own, variables["discriminator"], images, key=real_drop)
    fake, _ = forward(discriminator, own, variables["discriminator"], fake, key=fake_drop)
    metrics = {"real": jnp.mean(jax.nn.sigmoid(real)), "fake": jnp.mean(jax.nn.sigmoid(fake))}
    return adversarial.discriminator(real, fake), Aux(metrics=metrics)


def generator_loss(generator, discriminator, draw, objective, params, state, batch, key) -> tuple[jax.Array, Aux]:
    """L = objective(D(G(z))): `adversarial.non_saturating_generator`, or the minimax one."""
    latent_key, fake_key, drop_key = jax.random.split(key, 3)
    latent, variables = draw(latent_key, batch["images"].shape[0]), state.variables
    fake, _ = forward(generator, params["generator"], variables["generator"], latent, key=fake_key)
    logits, _ = forward(discriminator, params["discriminator"], variables["discriminator"], fake, key=drop_key)
    return objective(logits), Aux()


def both_losses(discriminator_move, generator_move, params, state, batch, key) -> tuple[jax.Array, Aux]:
    """Return the sum of both losses, each with the other network held: one gradient for both, at the old parameters."""
    held = jax.lax.stop_gradient(params)
    first, aux = discriminator_move({**params, "generator": held["generator"]}, state, batch, key)
    second, _ = generator_move({**params, "discriminator": held["discriminator"]}, state, batch, key)
    return first + second, Aux(metrics={**aux.metrics, "discriminator": first, "generator": second})


def game(
    generator: nn.Module,
    discriminator: nn.Module,
    generator_tx: optax.GradientTransformation,
    discriminator_tx: optax.GradientTransformation,
    image_shape: tuple[int, int, int],
    latent: int = 100,
    prior: Prior = jax.random.normal,
    objective: GeneratorLoss = adversarial.non_saturating_generator,
    simultaneous: bool = False,
    ema: float | None = None,
) -> Game:
    """Return the game of "discriminator" and "generator".

    prior: `(key, shape) -> latent`.  objective: logits of samples -> what the generator minimises.
    simultaneous: both move at once, as one player called "both".  ema: decay of the generator's average, None for none.
    """

    def draw(key, count):
        return prior(key, (count, latent))

    first = partial(discriminator_loss, generator, discriminator, draw)
    second = partial(generator_loss, generator, discriminator, draw, objective)
    names = ("discriminator", "generator")
    if simultaneous:
        tx = optax.partition(dict(zip(names, (discriminator_tx, generator_tx), strict=True)), {n: n for n in names})
        players: tuple[Player, ...] = (Player("both", partial(both_losses, first, second), tx, names),)
    else:
        players = (
            Player("discriminator", first, discriminator_tx, ("discriminator",)),
            Player("generator", second, generator_tx, ("generator",)),
        )
    return Game(
        players=players,
        networks={
            "generator": lambda key: generator.init(key, jnp.zeros((1, latent))),
            "discriminator": lambda key: discriminator.init(key, jnp.zeros((1, *image_shape))),
        },
        ema={} if ema is None else {"generator": ema},
    )
