"""M2: a VAE with a class as second latent, which predicts labels from few labelled images.

Kingma, Rezende, Mohamed & Welling 2014, Semi-supervised learning with deep generative models, arXiv 1406.5298, with
q(y|x), q(z|x,y), p(x|y,z), a uniform p(y) and p(z) = N(0, I) (section 3.1, equations 6 to 9), per image:
    L(x,y) = E_q(z|x,y)[-log p(x|y,z)] + beta KL(q(z|x,y) || N(0, I)) - log p(y)      where the label is known
    U(x)   = sum over y of q(y|x) L(x,y) - H(q(y|x))                                  where it is missing (-1)
    J      = mean over the batch of L or U  +  alpha * mean over its labelled images of -log q(y|x)
Every class is decoded for every image, all in one call: known labels are the case of a one-hot q without entropy.

The classification term is a mean over labelled images, so that `alpha` does not depend on how many a batch holds (0.1
is the paper's 0.1 N, per image). With few labels nearly all batches would hold none: draw them so that a good part of
each is labelled, see `balanced_rows`. The paper puts M2 on the latents of a first VAE (M1) for its best scores; this is
M2 on pixels. images: float[batch, height, width, channels] in [0, 1].
"""

import math
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import linen as nn

from genjax import parallel, rng
from genjax.engine.game import Aux, Game, Player
from genjax.engine.network import aux, with_networks
from genjax.losses.divergence import Weight, kl_standard_normal, weight_at
from genjax.losses.reconstruction import BERNOULLI, Likelihood


class M2(nn.Module):
    """classifier and encoder: (images, condition, heads, train) -> a tensor per head.  decoder: as in the VAE.

    classes: labels are 0 .. classes - 1, or -1 for none.
    """

    classifier: nn.Module
    encoder: nn.Module
    decoder: nn.Module
    latent: int = 16
    image_shape: tuple[int, int, int] = (28, 28, 1)
    likelihood: Likelihood = BERNOULLI
    classes: int = 10

    def classify(self, images: jax.Array, train: bool = False) -> jax.Array:
        """Return log q(y|x), float[batch, classes]."""
        return jax.nn.log_softmax(self.classifier(images, None, (self.classes,), train)[0])

    def predict(self, images: jax.Array) -> jax.Array:
        """Return label probabilities q(y|x), float[batch, classes]."""
        return jnp.exp(self.classify(images))

    def encode(
        self, images: jax.Array, labels: jax.Array | None = None, train: bool = False
    ) -> tuple[jax.Array, jax.Array]:
        """Return mean and log-variance of q(z|x,y), float[batch, latent] each; missing labels (-1) are predicted."""
        predicted = jnp.argmax(self.classify(images), -1)
        labels = predicted if labels is None else jnp.where(labels < 0, predicted, labels)
        return self.encoder(images, jax.nn.one_hot(labels, self.classes), (self.latent, self.latent), train)

    def decode(self, latent: jax.Array, labels: jax.Array, train: bool = False) -> jax.Array:
        """Return the likelihood's outputs, float[..., height, width, channels * outputs].

        labels: int[...] in [0, classes) that broadcast with latent[..., 0].
        """
        return self._decode(latent, jax.nn.one_hot(labels, self.classes), train)

    def __call__(
        self, images: jax.Array, noise: jax.Array, train: bool = False
    ) -> tuple[jax.Array, jax.Array, jax.Array, jax.Array]:
        """Return outputs [batch, classes, height, width, ...], mean and log-variance for each class, and log q(y|x).

        noise: float[batch, classes, latent] from N(0, 1).
        """
        every = jnp.eye(self.classes)[None]
        mean, log_variance = self.encoder(images[:, None], every, (self.latent, self.latent), train)
        latent = mean + jnp.exp(0.5 * log_variance) * noise
        return self._decode(latent, every, train), mean, log_variance, self.classify(images, train)

    def _decode(self, latent, condition, train):
        height, width, channels = self.image_shape
        return self.decoder(latent, condition, (height, width, channels * self.likelihood.outputs), train)


def balanced_rows(labels: np.ndarray, share: float = 0.5) -> np.ndarray:
    """Return row numbers of a data set in which labelled rows repeat until they are at least `share` of all.

    labels: int[count], -1 where missing. Raises ValueError where none is labelled, or `share` is not in [0, 1).
    """
    labelled, missing = np.flatnonzero(labels >= 0), np.flatnonzero(labels < 0)
    if not len(labelled) or not 0.0 <= share < 1.0:
        raise ValueError(
            f"{len(labelled)} labelled rows and share={share}; M2 needs at least one row with a label >= 0, and a "
            "share of at least 0 and below 1"
        )
    repeats = max(1, math.ceil(share * len(missing) / ((1 - share) * len(labelled))))
    return np.concatenate([missing, np.tile(labelled, repeats)])


def objective(
    nll: jax.Array, kl: jax.Array, log_q: jax.Array, labels: jax.Array, *, alpha: float, beta: jax.Array | float
) -> tuple[jax.Array, dict[str, jax.Array]]:
    """J of the module's docstring, and its parts.

    nll, kl: float[batch, classes], for each class that the image might have.  log_q: float[batch, classes], log q(y|x).
    labels: int[batch], -1 where missing.
    """
    classes = log_q.shape[-1]
    known, given = labels >= 0, jax.nn.one_hot(labels, classes)
    weights = jnp.where(known[:, None], given, jnp.exp(log_q))
    entropy = jnp.where(known, 0.0, -jnp.sum(jnp.exp(log_q) * log_q, -1))
    bound = jnp.sum(weights * (nll + beta * kl), -1) + jnp.log(classes) - entropy
    count = parallel.mean(jnp.sum(known, dtype=jnp.float32))  # so that uneven shares of labels weigh right
    count = jnp.where(count > 0, count, 1.0)
    cross_entropy = -jnp.sum(given * log_q) / count
    correct = jnp.sum(known & (jnp.argmax(log_q, -1) == labels)) / count
    metrics = {
        "nll": jnp.mean(jnp.sum(weights * nll, -1)),
        "kl": jnp.mean(jnp.sum(weights * kl, -1)),
        "cross_entropy": cross_entropy,
        "labelled_accuracy": correct,
    }
    return jnp.mean(bound) + alpha * cross_entropy, metrics


def loss(nets, state, batch, key, *, alpha: float, beta: Weight) -> tuple[jax.Array, Aux]:
    """J of the module's docstring, with one draw of z for every class of every image."""
    images, model = batch["images"], nets.m2.module
    noise = parallel.rows(jax.random.normal, rng.named(key, "noise"), (len(images), model.classes, model.latent))
    (outputs, mean, log_variance, log_q), m2 = nets.m2(images, noise, key=rng.named(key, "dropout"))
    nll, kl = model.likelihood.nll(outputs, images[:, None]), kl_standard_normal(mean, log_variance)
    total, metrics = objective(nll, kl, log_q, batch["labels"], alpha=alpha, beta=weight_at(beta, state.step))
    return total, aux(m2, **metrics)


def accuracy(m2: M2, variables, images: jax.Array, labels: jax.Array) -> jax.Array:
    """Return the share of images, float[], whose most probable label under q(y|x) is the given one."""
    log_q: Any = m2.apply(variables, images, method="classify")
    return jnp.mean(jnp.argmax(log_q, -1) == labels)


def game(m2: M2, tx: optax.GradientTransformation, *, alpha: float = 0.1, beta: Weight = 1.0) -> Game:
    """Return the game of one player, "m2"; batches carry "labels", int32[batch] in [-1, classes)."""
    owns = ("m2",)
    bound = with_networks(partial(loss, alpha=alpha, beta=beta), {"m2": m2}, owns)
    return Game(players=(Player("m2", bound, tx, owns),), networks={"m2": partial(_init, m2)})


def _init(m2, key):
    return m2.init(key, jnp.zeros((1, *m2.image_shape)), jnp.zeros((1, m2.classes, m2.latent)))
