"""AE: an encoder and a decoder trained to repeat the image through a narrow latent.

Hinton & Salakhutdinov 2006, Reducing the dimensionality of data with neural networks, Science 313. Deterministic and
without a prior: nothing fixes the latent's origin or scale, so there is nothing to sample from. The loss is that of the
VAE's reconstruction, in logits, so that the numbers of AE, VAE and CVAE compare.

images: float[batch, height, width, channels] in [0, 1] (real values with the Gaussian likelihood).
Configurations: comparison article 784-128-Z, tanh, Glorot: `AE(DenseEncoder(), DenseDecoder(), latent=Z)`.
"""

import jax
import jax.numpy as jnp
import optax
from flax import linen as nn

from genjax.engine.game import Aux, Game, Player
from genjax.engine.network import aux, with_networks
from genjax.losses.reconstruction import BERNOULLI, Likelihood


class AE(nn.Module):
    """encoder: (images, condition, heads, train) -> a tensor per head.  decoder: (latent, condition, shape, train)."""

    encoder: nn.Module
    decoder: nn.Module
    latent: int = 16
    image_shape: tuple[int, int, int] = (28, 28, 1)
    likelihood: Likelihood = BERNOULLI

    def encode(self, images: jax.Array, labels: jax.Array | None = None, train: bool = False) -> jax.Array:
        """Return the latent, float[batch, latent]. `labels` is not used: one signature for all autoencoders."""
        return self.encoder(images, None, (self.latent,), train)[0]

    def decode(self, latent: jax.Array, labels: jax.Array | None = None, train: bool = False) -> jax.Array:
        """Return the likelihood's outputs (Bernoulli: logits), float[..., height, width, channels * outputs]."""
        height, width, channels = self.image_shape
        return self.decoder(latent, None, (height, width, channels * self.likelihood.outputs), train)

    def __call__(self, images: jax.Array, labels: jax.Array | None = None, train: bool = False) -> jax.Array:
        """Return decode(encode(images))."""
        return self.decode(self.encode(images, train=train), train=train)


def loss(nets, state, batch, key) -> tuple[jax.Array, Aux]:
    """L = -log p(x | decode(encode(x))), summed over pixels, mean over the batch, in nats."""
    images = batch["images"]
    outputs, ae = nets.ae(images, key=key)
    nll = jnp.mean(ae.module.likelihood.nll(outputs, images))
    return nll, aux(ae, nll=nll)


def game(ae: AE, tx: optax.GradientTransformation) -> Game:
    """Return the game of one player, "ae"."""
    owns = ("ae",)
    return Game(
        players=(Player("ae", with_networks(loss, {"ae": ae}, owns), tx, owns),),
        networks={"ae": lambda key: ae.init(key, jnp.zeros((1, *ae.image_shape)))},
    )
