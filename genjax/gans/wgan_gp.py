"""WGAN-GP: the critic is kept 1-Lipschitz by a penalty on the norm of its gradient.

Gulrajani, Ahmed, Arjovsky, Dumoulin & Courville 2017, Improved Training of Wasserstein GANs, arXiv 1704.00028.
    L = E f(G(z)) - E f(x) + weight E (|grad f(e x + (1 - e) G(z))| - 1)^2,  e ~ U[0, 1] per image      (equation 3)
Two-sided; the norm runs over all pixels and channels of an image; the critic has no batch norm, which would tie the
images of a batch together. Weight 10 for images; the authors' code for points in the plane uses 0.1. Adam (1e-4, 0, .9)
in algorithm 1, with beta1 0.5 in several of the code's scripts, five critic steps.

Residual networks for 32 pixels (appendix F, unconditional): latent 128, Generator(), Critic(), Adam 2e-4 decaying
linearly to 0 in 100,000 steps; images with noise U(0, 1/128) added. The code's generator moves on a batch of twice the
critic's size: `generator_batch=2`. Dense networks for points in the
plane: 3 layers of 512 ReLU each.
images: float[batch, height, width, channels] in [-1, 1].
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import optax
from flax import linen as nn

from genjax.engine.game import Aux, Game, Player
from genjax.losses import adversarial
from genjax.losses.penalties import gradient_penalty
from genjax.nn.conv import Conv
from genjax.nn.forward import forward
from genjax.nn.normalization import BatchNorm
from genjax.nn.residual import DownBlock, UpBlock, doublings

Prior = Callable[[jax.Array, tuple[int, ...]], jax.Array]


class Generator(nn.Module):
    """Dense to the smallest square, a residual block per doubling, batch norm, ReLU, 3x3 convolution, tanh."""

    size: int = 32
    channels: int = 3
    widths: Sequence[int] = (128, 128, 128)
    dtype: Any = None

    @nn.compact
    def __call__(self, latent: jax.Array, labels: jax.Array | None = None, train: bool = False) -> jax.Array:
        """Return float32[batch, size, size, channels]; `labels` is not used: one signature."""
        start, first = doublings(self.size, len(self.widths)), self.widths[0]
        x = nn.Dense(start * start * first, kernel_init=nn.initializers.glorot_uniform(), dtype=self.dtype)(latent)
        x = x.reshape(-1, start, start, first)
        for features in self.widths:
            x = UpBlock(features, dtype=self.dtype)(x, None, train)
        x = nn.relu(BatchNorm(dtype=self.dtype)(x, train))
        return nn.tanh(Conv(self.channels, 3, 1, dtype=self.dtype)(x).astype(jnp.float32))


class Critic(nn.Module):
    """Residual blocks without normalisation, the first two halving the size, mean over pixels, a linear unit."""

    widths: Sequence[int] = (128, 128, 128, 128)
    halvings: int = 2
    dtype: Any = None

    @nn.compact
    def __call__(self, images: jax.Array, labels: jax.Array | None = None, train: bool = False) -> jax.Array:
        """Return scores float32[batch]; `labels` is not used: one signature."""
        x = images
        for block, features in enumerate(self.widths):
            x = DownBlock(features, down=block < self.halvings, first=block == 0, dtype=self.dtype)(x)
        x = jnp.mean(nn.relu(x), (1, 2))
        return nn.Dense(1, kernel_init=nn.initializers.glorot_uniform(), dtype=self.dtype)(x).astype(jnp.float32)[:, 0]


def critic_loss(generator, critic, draw, weight, params, state, batch, key) -> tuple[jax.Array, Aux]:
    """L = E f(G(z)) - E f(x) + weight * penalty; metrics "distance" = E f(x) - E f(G(z)) and "penalty"."""
    latent_key, mix_key = jax.random.split(key)
    images, variables = batch["images"], state.variables
    fake, _ = forward(generator, params["generator"], variables["generator"], draw(latent_key, images.shape[0]))

    def score(x):
        return forward(critic, params["critic"], variables["critic"], x)[0]

    gap = adversarial.wasserstein_critic(score(images), score(fake))
    penalty = gradient_penalty(score, images, fake, mix_key)
    return gap + weight * penalty, Aux(metrics={"distance": -gap, "penalty": penalty})


def generator_loss(generator, critic, draw, multiple, params, state, batch, key) -> tuple[jax.Array, Aux]:
    """L = -E f(G(z))."""
    latent, variables = draw(key, multiple * batch["images"].shape[0]), state.variables
    fake, after = forward(generator, params["generator"], variables["generator"], latent, own=True)
    scores, _ = forward(critic, params["critic"], variables["critic"], fake)
    return adversarial.score_generator(scores), Aux({"generator": after})


def game(
    generator: nn.Module,
    critic: nn.Module,
    generator_tx: optax.GradientTransformation,
    critic_tx: optax.GradientTransformation,
    image_shape: tuple[int, int, int],
    latent: int = 128,
    critic_steps: int = 5,
    weight: float = 10.0,
    generator_batch: int = 1,
    prior: Prior = jax.random.normal,
    ema: float | None = None,
) -> Game:
    """Return the game of "critic", `critic_steps` moves a step, and "generator".

    weight: of the penalty.  generator_batch: samples in a generator's move, as a multiple of the critic's batch.
    prior: `(key, shape) -> latent`.  ema: decay of the generator's average, None for none.
    """

    def draw(key, count):
        return prior(key, (count, latent))

    first = partial(critic_loss, generator, critic, draw, weight)
    second = partial(generator_loss, generator, critic, draw, generator_batch)
    return Game(
        players=(
            Player("critic", first, critic_tx, ("critic",), repeats=critic_steps),
            Player("generator", second, generator_tx, ("generator",)),
        ),
        networks={
            "generator": lambda key: generator.init(key, jnp.zeros((1, latent))),
            "critic": lambda key: critic.init(key, jnp.zeros((1, *image_shape))),
        },
        ema={} if ema is None else {"generator": ema},
    )
