"""CVAE: a VAE whose encoder and decoder also see a label; images without one (label -1) take part as well.

Sohn, Lee & Yan 2015, Learning structured output representation using deep conditional generative models (NIPS), with
q(z|x,y), p(x|z,y) and the prior N(0, I) for every label:
    -ELBO(x|y) = E_q(z|x,y)[-log p(x|z,y)] + KL(q(z|x,y) || N(0, I)).
Encoder and decoder have a table of label embeddings each. Label -1 means none: its embedding is zero and images that
carry it give the tables no gradient. That makes training semi-supervised, but labels cannot be predicted: see `m2`.

The comparison article joins the embedding after the hidden layer (`late=True` in both DenseEncoder and DenseDecoder),
right before a linear map, where a label can only add a fixed template to the logits whatever the latent is. The default
joins it before the hidden layer. Reductions, `beta`, `samples`, images and configurations: as in `vae`.
"""

from functools import partial

import jax
import jax.numpy as jnp
import optax
from flax import linen as nn

from genjax import parallel, rng
from genjax.engine.game import Aux, Game, Player
from genjax.engine.network import aux, with_networks
from genjax.losses.divergence import Weight, kl_standard_normal, weight_at
from genjax.losses.reconstruction import BERNOULLI, Likelihood
from genjax.nn.dense import Embedding
from genjax.nn.initializers import GLOROT, Initializer
from genjax.nn.weights import Plain


class CVAE(nn.Module):
    """encoder: (images, condition, heads, train) -> a tensor per head.  decoder: (latent, condition, shape, train).

    classes: labels are 0 .. classes - 1, or -1 for none.  embedding: its size.
    """

    encoder: nn.Module
    decoder: nn.Module
    latent: int = 16
    image_shape: tuple[int, int, int] = (28, 28, 1)
    likelihood: Likelihood = BERNOULLI
    classes: int = 10
    embedding: int = 128
    initializer: Initializer = GLOROT

    def setup(self):
        """Make the two tables of label embeddings."""
        self.encoder_labels = Embedding(self.classes, self.embedding, Plain(self.initializer))
        self.decoder_labels = Embedding(self.classes, self.embedding, Plain(self.initializer))

    def encode(
        self, images: jax.Array, labels: jax.Array | None = None, train: bool = False
    ) -> tuple[jax.Array, jax.Array]:
        """Return mean and log-variance of q(z|x,y), float[batch, latent] each; no labels means -1 for all."""
        labels = jnp.full(images.shape[:-3], -1) if labels is None else labels
        return self.encoder(images, self.encoder_labels(labels), (self.latent, self.latent), train)

    def decode(self, latent: jax.Array, labels: jax.Array | None = None, train: bool = False) -> jax.Array:
        """Return the likelihood's outputs (Bernoulli: logits), float[..., height, width, channels * outputs].

        labels: int[...] that broadcast with latent[..., 0], or None for -1 everywhere.
        """
        labels = jnp.full(latent.shape[:-1], -1) if labels is None else labels
        height, width, channels = self.image_shape
        shape = (height, width, channels * self.likelihood.outputs)
        return self.decoder(latent, self.decoder_labels(labels), shape, train)

    def __call__(
        self, images: jax.Array, noise: jax.Array, labels: jax.Array, train: bool = False
    ) -> tuple[jax.Array, jax.Array, jax.Array]:
        """Return outputs [batch, samples, height, width, ...], mean and log-variance.

        noise: float[batch, samples, latent] from N(0, 1).  labels: int[batch].
        """
        mean, log_variance = self.encode(images, labels, train)
        latent = mean[:, None] + jnp.exp(0.5 * log_variance)[:, None] * noise
        return self.decode(latent, labels[:, None], train), mean, log_variance


def loss(nets, state, batch, key, *, beta: Weight, samples: int) -> tuple[jax.Array, Aux]:
    """L = mean over z of -log p(x|z,y) + beta KL(q(z|x,y) || N(0, I)), mean over the batch, in nats per image."""
    images, labels, model = batch["images"], batch["labels"], nets.cvae.module
    noise = parallel.rows(jax.random.normal, rng.named(key, "noise"), (len(images), samples, model.latent))
    (outputs, mean, log_variance), cvae = nets.cvae(images, noise, labels, key=rng.named(key, "dropout"))
    nll = jnp.mean(model.likelihood.nll(outputs, images[:, None]))
    kl = jnp.mean(kl_standard_normal(mean, log_variance))
    weight = weight_at(beta, state.step)
    return nll + weight * kl, aux(cvae, nll=nll, kl=kl, neg_elbo=nll + kl, beta=weight)


def game(cvae: CVAE, tx: optax.GradientTransformation, *, beta: Weight = 1.0, samples: int = 1) -> Game:
    """Return the game of one player, "cvae"; batches carry "labels", int32[batch] in [-1, classes)."""
    owns = ("cvae",)
    bound = with_networks(partial(loss, beta=beta, samples=samples), {"cvae": cvae}, owns)
    return Game(players=(Player("cvae", bound, tx, owns),), networks={"cvae": partial(_init, cvae)})


def _init(cvae, key):
    return cvae.init(key, jnp.zeros((1, *cvae.image_shape)), jnp.zeros((1, 1, cvae.latent)), jnp.full(1, -1))
