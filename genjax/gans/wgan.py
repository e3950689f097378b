"""WGAN: a critic with clipped weights estimates the Wasserstein distance, and the generator lowers it.

Arjovsky, Chintala & Bottou 2017, Wasserstein GAN, arXiv 1701.07875 (algorithm 1).
    max_w in [-c, c]  E f_w(x) - E f_w(G(z));  the generator minimises -E f_w(G(z)).
A critic's output is linear: no sigmoid, no logarithm. `game` appends the clipping of *every* parameter of the critic,
batch norm's scale included, as the last link of its optimizer, so that it holds after every critic step (algorithm 1;
the authors' code clips before the step). Five critic steps a generator step, and 100 in each of the first 25 and, in
the code alone, in every 500th: phases of their own, see `train.wgan`.
RMSProp with decay 0.99, PyTorch's, is what the code uses: `optax.rmsprop(5e-5, decay=0.99)`.

Networks: any pair of generator and critic; the paper's are DCGAN's, with or without batch norm, and dense ones.
images: float[batch, height, width, channels] in the generator's range.
"""

from collections.abc import Callable
from functools import partial

import jax
import jax.numpy as jnp
import optax
from flax import linen as nn

from genjax.engine.game import Aux, Game, Player
from genjax.losses import adversarial
from genjax.nn.forward import forward
from genjax.optim import clip_weights

Prior = Callable[[jax.Array, tuple[int, ...]], jax.Array]


def critic_loss(generator, critic, draw, params, state, batch, key) -> tuple[jax.Array, Aux]:
    """L = E f(G(z)) - E f(x), images and samples in a batch each; metric "distance" is -L."""
    images, own, variables = batch["images"], params["critic"], state.variables
    fake, _ = forward(generator, params["generator"], variables["generator"], draw(key, images.shape[0]))
    real, after = forward(critic, own, variables["critic"], images, own=True)
    fake, after = forward(critic, own, after, fake, own=True)
    loss = adversarial.wasserstein_critic(real, fake)
    return loss, Aux({"critic": after}, metrics={"distance": -loss})


def generator_loss(generator, critic, draw, params, state, batch, key) -> tuple[jax.Array, Aux]:
    """L = -E f(G(z))."""
    latent, variables = draw(key, batch["images"].shape[0]), state.variables
    fake, after = forward(generator, params["generator"], variables["generator"], latent, own=True)
    scores, _ = forward(critic, params["critic"], variables["critic"], fake)
    return adversarial.score_generator(scores), Aux({"generator": after})


def game(
    generator: nn.Module,
    critic: nn.Module,
    generator_tx: optax.GradientTransformation,
    critic_tx: optax.GradientTransformation,
    image_shape: tuple[int, int, int],
    latent: int = 100,
    critic_steps: int = 5,
    limit: float = 0.01,
    prior: Prior = jax.random.normal,
    ema: float | None = None,
) -> Game:
    """Return the game of "critic", `critic_steps` moves a step, and "generator".

    limit: c, the bound on every weight of the critic.  prior: `(key, shape) -> latent`.  ema: decay of the generator's
    average, None for none.
    """

    def draw(key, count):
        return prior(key, (count, latent))

    first = partial(critic_loss, generator, critic, draw)
    tx = optax.chain(critic_tx, clip_weights(limit))
    return Game(
        players=(
            Player("critic", first, tx, ("critic",), repeats=critic_steps),
            Player("generator", partial(generator_loss, generator, critic, draw), generator_tx, ("generator",)),
        ),
        networks={
            "generator": lambda key: generator.init(key, jnp.zeros((1, latent))),
            "critic": lambda key: critic.init(key, jnp.zeros((1, *image_shape))),
        },
        ema={} if ema is None else {"generator": ema},
    )
