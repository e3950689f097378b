"""WGAN: a critic with clipped weights estimates the Wasserstein distance, and the generator lowers it.

Arjovsky, Chintala & Bottou 2017, Wasserstein GAN, arXiv 1701.07875 (algorithm 1).
    max_w in [-c, c]  E f_w(x) - E f_w(G(z));  the generator minimises -E f_w(G(z)).
A critic's output is linear: no sigmoid, no logarithm. `game` appends the clipping of *every* parameter of the critic,
batch norm's scale included, as the last link of its optimizer, so that it holds after every critic step (algorithm 1;
the authors' code clips before the step). Five critic steps a generator step, and 100 in each of the first 25 and, in
the code alone, in every 500th: phases of their own, see `train.wgan`.
RMSProp with decay 0.99 in PyTorch's form g / (sqrt(v) + 1e-8) is what the code uses:
`optax.rmsprop(5e-5, decay=0.99, eps_in_sqrt=False)`.

Networks: any pair of generator and critic; the code's are DCGAN's, without biases, the generator with or without batch
norm, and dense ones.
images: float[batch, height, width, channels] in the generator's range.
"""

from typing import Unpack

import jax
import optax
from flax import linen as nn

from genjax.engine.adversarial import Setting, Side, adversarial_game
from genjax.engine.game import Aux, Game
from genjax.engine.network import aux
from genjax.losses import adversarial
from genjax.optim import clip_weights


def critic_loss(nets, state, batch, key, *, draw) -> tuple[jax.Array, Aux]:
    """L = E f(G(z)) - E f(x), images and samples in a batch each; metric "distance" is -L."""
    images = batch["images"]
    fake = nets.generator.output(draw(key, len(images)))
    real_scores, critic = nets.critic(images)
    fake_scores, critic = critic(fake)
    loss = adversarial.wasserstein_critic(real_scores, fake_scores)
    return loss, aux(critic, distance=-loss)


def generator_loss(nets, state, batch, key, *, draw) -> tuple[jax.Array, Aux]:
    """L = -E f(G(z))."""
    fake, generator = nets.generator(draw(key, len(batch["images"])))
    return adversarial.score_generator(nets.critic.output(fake)), aux(generator)


def game(
    generator: nn.Module,
    critic: nn.Module,
    *,
    generator_tx: optax.GradientTransformation,
    critic_tx: optax.GradientTransformation,
    critic_steps: int = 5,
    limit: float = 0.01,
    **setting: Unpack[Setting],
) -> Game:
    """Return the game of "critic", `critic_steps` moves a step, and "generator".

    limit: c, the bound on every weight of the critic.
    setting: image_shape, latent, prior and ema, see `genjax.engine.adversarial`.
    """
    clipped_tx = optax.chain(critic_tx, clip_weights(limit))
    return adversarial_game(
        Side("critic", critic, critic_loss, clipped_tx, critic_steps),
        Side("generator", generator, generator_loss, generator_tx),
        **setting,
    )
