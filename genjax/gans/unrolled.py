"""Unrolled GAN: the generator foresees K steps of the discriminator's optimizer, and differentiates through them.

Metz, Poole, Pfau & Sohl-Dickstein 2017, Unrolled Generative Adversarial Networks, arXiv 1611.02163.
    f_K(G, D) = f(G, D_K(G, D)),  D_0 = D,  D_(k+1) = one optimizer step of D_k on f(G, .)        (equations 5 and 9)
    df_K/dG = the partial derivative + df/dD_K dD_K/dG, with the moments of Adam in dD_K/dG        (equation 10)
The look-ahead is the generator's alone: the discriminator and its optimizer are afterwards what they were before, and
then take one ordinary step. All K steps see the images and the latent of the generator's own batch. The generator
minimises minus the discriminator's whole loss: its term for real images has no direct gradient, but one through D_K.

Adam's square root has an infinite derivative where a second moment is 0 (a dead unit): give the discriminator's Adam
its epsilon inside the root (`optax.adam(rate, b1=0.5, eps=0, eps_root=1e-12)`), or gradients are NaN.
images: float[batch, height, width, channels]; networks: any, without batch norm or dropout.
"""

from collections.abc import Callable
from functools import partial

import jax
import jax.numpy as jnp
import optax
from flax import linen as nn

from genjax.engine.game import Aux, Game, Player
from genjax.engine.step import move
from genjax.losses import adversarial
from genjax.parallel import bound_axis

Prior = Callable[[jax.Array, tuple[int, ...]], jax.Array]


def discriminator_loss(generator, discriminator, draw, params, state, batch, key) -> tuple[jax.Array, Aux]:
    """f(G, D) = E softplus(-D(x)) + E softplus(D(G(z)))."""
    latent = draw(key, batch["images"].shape[0])
    fake = generator.apply({"params": params["generator"]}, latent)
    real, fake = (discriminator.apply({"params": params["discriminator"]}, x) for x in (batch["images"], fake))
    metrics = {"real": jnp.mean(jax.nn.sigmoid(real)), "fake": jnp.mean(jax.nn.sigmoid(fake))}
    return adversarial.discriminator(real, fake), Aux(metrics=metrics)


def unrolled_loss(player: Player, steps: int, params, state, batch, key) -> tuple[jax.Array, Aux]:
    """L = -f(G, D_K): `player`, the discriminator, moves K = `steps` times from `state` with the generator of `params`.

    Every move uses this batch and this key, and so the same latent.
    """

    def ahead(future, _):
        return move(player, future, batch, key, bound_axis())[0], None

    future, _ = jax.lax.scan(ahead, state.replace(params=dict(params)), None, steps)
    loss, _ = player.loss({**params, "discriminator": future.params["discriminator"]}, state, batch, key)
    return -loss, Aux()


def game(
    generator: nn.Module,
    discriminator: nn.Module,
    generator_tx: optax.GradientTransformation,
    discriminator_tx: optax.GradientTransformation,
    image_shape: tuple[int, int, int],
    latent: int = 256,
    steps: int = 10,
    prior: Prior = jax.random.normal,
    ema: float | None = None,
) -> Game:
    """Return the game of "generator", who foresees `steps` steps, and "discriminator", moving in turn.

    steps: K; 0 is the minimax game.  prior: `(key, shape) -> latent`.  ema: decay of the generator's average.
    """

    def draw(key, count):
        return prior(key, (count, latent))

    player = Player(
        "discriminator", partial(discriminator_loss, generator, discriminator, draw), discriminator_tx,
        ("discriminator",),
    )  # fmt: skip
    return Game(
        players=(Player("generator", partial(unrolled_loss, player, steps), generator_tx, ("generator",)), player),
        networks={
            "generator": lambda key: generator.init(key, jnp.zeros((1, latent))),
            "discriminator": lambda key: discriminator.init(key, jnp.zeros((1, *image_shape))),
        },
        ema={} if ema is None else {"generator": ema},
    )
