"""Unrolled GAN: the generator foresees K steps of the discriminator's optimizer, and differentiates through them.

Metz, Poole, Pfau & Sohl-Dickstein 2017, Unrolled Generative Adversarial Networks, arXiv 1611.02163.
    f_K(G, D) = f(G, D_K(G, D)),  D_0 = D,  D_(k+1) = one optimizer step of D_k on f(G, .)        (equations 5 and 9)
    df_K/dG = the partial derivative + df/dD_K dD_K/dG, with the moments of Adam in dD_K/dG        (equation 10)
The look-ahead is the generator's alone: the discriminator and its optimizer are afterwards what they were before, and
then take one ordinary step. All K steps see the images and the latent of the generator's own batch. The generator
minimises minus the discriminator's whole loss: its term for real images has no direct gradient, but one through D_K.

Adam's square root has an infinite derivative where a second moment is 0 (a dead unit): give the discriminator's Adam
its epsilon inside the root (`optax.adam(rate, b1=0.5, eps=0, eps_root=1e-16)`), or gradients are NaN.
images: float[batch, height, width, channels]; networks: any, without batch norm or dropout.
"""

from functools import partial

import jax
import optax
from flax import linen as nn

from genjax.engine.adversarial import Side, adversarial_game
from genjax.engine.game import Aux, Game, Player
from genjax.engine.network import aux, with_networks
from genjax.engine.step import move
from genjax.latent import NORMAL, Prior, sampler
from genjax.losses import adversarial
from genjax.parallel import bound_axis


def discriminator_loss(nets, state, batch, key, *, draw) -> tuple[jax.Array, Aux]:
    """f(G, D) = E softplus(-D(x)) + E softplus(D(G(z)))."""
    images, discriminator = batch["images"], nets.discriminator.output
    fake = nets.generator.output(draw(key, len(images)))
    real_logits, fake_logits = discriminator(images), discriminator(fake)
    metrics = adversarial.probabilities(real_logits, fake_logits)
    return adversarial.discriminator(real_logits, fake_logits), aux(**metrics)


def unrolled_loss(nets, state, batch, key, *, player: Player, steps: int) -> tuple[jax.Array, Aux]:
    """L = -f(G, D_K): `player`, the discriminator, moves K = `steps` times from `state`, whose generator stays.

    Every move uses this batch and this key, and so the same latent. The networks come from `state` alone.
    """

    def ahead(future, _):
        return move(player, future, batch, key, bound_axis())[0], None

    future, _ = jax.lax.scan(ahead, state, None, steps)
    foreseen = {**state.params, "discriminator": future.params["discriminator"]}
    loss, _ = player.loss(state.replace(params=foreseen), batch, key)
    return -loss, aux()


def game(
    generator: nn.Module,
    discriminator: nn.Module,
    *,
    generator_tx: optax.GradientTransformation,
    discriminator_tx: optax.GradientTransformation,
    image_shape: tuple[int, int, int],
    latent: int = 256,
    prior: Prior = NORMAL,
    ema: float | None = None,
    steps: int = 10,
) -> Game:
    """Return the game of "generator", who foresees `steps` steps, and "discriminator", moving in turn.

    image_shape: (height, width, channels).  latent: numbers that the generator starts from, drawn from `prior`.
    ema: decay of the generator's average, None for none.  steps: K; 0 is the minimax game.
    """
    judging = partial(discriminator_loss, draw=sampler(prior, latent))
    modules, owns = {"generator": generator, "discriminator": discriminator}, ("discriminator",)
    player = Player("discriminator", with_networks(judging, modules, owns), discriminator_tx, owns)
    return adversarial_game(
        Side("generator", generator, partial(unrolled_loss, player=player, steps=steps), generator_tx),
        Side("discriminator", discriminator, judging, discriminator_tx),
        latent=latent,
        image_shape=image_shape,
        ema=ema,
    )
