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
from typing import Unpack

import jax
import optax
from flax import linen as nn

from genjax.engine.adversarial import Setting, Side, adversarial_game
from genjax.engine.game import Aux, Game, Player
from genjax.engine.network import aux, with_networks
from genjax.engine.step import move
from genjax.losses import adversarial
from genjax.parallel import bound_axis


def discriminator_loss(nets, state, batch, key, *, draw) -> tuple[jax.Array, Aux]:
    """f(G, D) = E softplus(-D(x)) + E softplus(D(G(z)))."""
    images, discriminator = batch["images"], nets.discriminator.output
    fake = nets.generator.output(draw(key, len(images)))
    real_logits, fake_logits = discriminator(images), discriminator(fake)
    metrics = adversarial.probabilities(real_logits, fake_logits)
    return adversarial.discriminator(real_logits, fake_logits), aux(**metrics)


def unrolled_loss(nets, state, batch, key, *, draw, tx, steps) -> tuple[jax.Array, Aux]:
    """L = -f(G, D_K): the discriminator moves K = `steps` times by `tx` from `state`, whose generator stays.

    Every move uses this batch and this key, and so the same latent.
    """
    modules, owns = {name: net.module for name, net in vars(nets).items()}, ("discriminator",)
    judge = Player("discriminator", with_networks(partial(discriminator_loss, draw=draw), modules, owns), tx, owns)

    def ahead(future, _):
        return move(judge, future, batch, key, axis=bound_axis())[0], None

    future, _ = jax.lax.scan(ahead, state, None, steps)
    foreseen = {**state.params, "discriminator": future.params["discriminator"]}
    loss, _ = judge.loss(state.replace(params=foreseen), batch, key)
    return -loss, aux()


def game(
    generator: nn.Module,
    discriminator: nn.Module,
    *,
    generator_tx: optax.GradientTransformation,
    discriminator_tx: optax.GradientTransformation,
    steps: int = 10,
    **setting: Unpack[Setting],
) -> Game:
    """Return the game of "generator", who foresees `steps` steps, and "discriminator", moving in turn.

    steps: K; 0 is the minimax game.  setting: image_shape, latent, prior and ema, see `genjax.engine.adversarial`.
    """
    foreseeing = partial(unrolled_loss, tx=discriminator_tx, steps=steps)
    return adversarial_game(
        Side("generator", generator, foreseeing, generator_tx),
        Side("discriminator", discriminator, discriminator_loss, discriminator_tx),
        **setting,
    )
