"""VAE: an autoencoder whose latent is a distribution, trained on a bound of log p(x).

Kingma & Welling 2014, Auto-Encoding Variational Bayes, arXiv 1312.6114 (equation 7 and appendix C).
    -ELBO(x) = E_q(z|x)[-log p(x|z)] + KL(q(z|x) || N(0, I)),  z = mean + exp(log_variance / 2) * noise.
One reduction throughout: sums over pixels and over latents, mean over the batch. So `beta`, the weight on the KL, is a
weight per image, and 1 is the bound itself (other values: Higgins et al. 2017, beta-VAE). `samples` draws of z are
averaged *outside* the logarithm, which lowers the variance of the gradient and changes nothing else.

images: float[batch, height, width, channels] in [0, 1] for the Bernoulli likelihood, real values for the Gaussian one.
Grey pixels under a Bernoulli are scores, not likelihoods (they cannot fall below the entropy of the pixels).
Configurations (784 pixels)
    comparison article  VAE(DenseEncoder(), DenseDecoder(), latent=Z), beta=0.1, samples=5
    PyTorch article     VAE(DenseEncoder((20,), nn.relu, batch_norm=True, initializer=TORCH),
                            DenseDecoder((20,), nn.relu, dropout=0.2, initializer=TORCH), latent=10); there the loss was
                        log(y + 1e-8), which has no gradient at confident wrong pixels: here it is in logits
    Flax example        VAE(DenseEncoder((500,), nn.relu, initializer=LECUN), DenseDecoder(the same), latent=20)
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


class VAE(nn.Module):
    """encoder: (images, condition, heads, train) -> a tensor per head.  decoder: (latent, condition, shape, train)."""

    encoder: nn.Module
    decoder: nn.Module
    latent: int = 16
    image_shape: tuple[int, int, int] = (28, 28, 1)
    likelihood: Likelihood = BERNOULLI

    def encode(
        self, images: jax.Array, labels: jax.Array | None = None, train: bool = False
    ) -> tuple[jax.Array, jax.Array]:
        """Return mean and log-variance of q(z|x), float[batch, latent] each. `labels` is not used: one signature."""
        return self.encoder(images, None, (self.latent, self.latent), train)

    def decode(self, latent: jax.Array, labels: jax.Array | None = None, train: bool = False) -> jax.Array:
        """Return the likelihood's outputs (Bernoulli: logits), float[..., height, width, channels * outputs]."""
        height, width, channels = self.image_shape
        return self.decoder(latent, None, (height, width, channels * self.likelihood.outputs), train)

    def __call__(
        self, images: jax.Array, noise: jax.Array, labels: jax.Array | None = None, train: bool = False
    ) -> tuple[jax.Array, jax.Array, jax.Array]:
        """Return outputs [batch, samples, height, width, ...], mean and log-variance.

        noise: float[batch, samples, latent] from N(0, 1); zeros reconstruct at the posterior's mean.
        """
        mean, log_variance = self.encode(images, train=train)
        latent = mean[:, None] + jnp.exp(0.5 * log_variance)[:, None] * noise
        return self.decode(latent, train=train), mean, log_variance


def loss(nets, state, batch, key, *, beta: Weight, samples: int) -> tuple[jax.Array, Aux]:
    """L = mean over z of -log p(x|z) + beta KL(q(z|x) || N(0, I)), mean over the batch, in nats per image."""
    images, model = batch["images"], nets.vae.module
    noise = parallel.rows(jax.random.normal, rng.named(key, "noise"), (len(images), samples, model.latent))
    (outputs, mean, log_variance), vae = nets.vae(images, noise, key=rng.named(key, "dropout"))
    nll = jnp.mean(model.likelihood.nll(outputs, images[:, None]))
    kl = jnp.mean(kl_standard_normal(mean, log_variance))
    weight = weight_at(beta, state.step)
    return nll + weight * kl, aux(vae, nll=nll, kl=kl, neg_elbo=nll + kl, beta=weight)


def game(vae: VAE, tx: optax.GradientTransformation, *, beta: Weight = 1.0, samples: int = 1) -> Game:
    """Return the game of one player, "vae"; `beta` is a number or a schedule step -> weight."""
    owns = ("vae",)
    bound = with_networks(partial(loss, beta=beta, samples=samples), {"vae": vae}, owns)
    return Game(players=(Player("vae", bound, tx, owns),), networks={"vae": partial(_init, vae)})


def _init(vae, key):
    return vae.init(key, jnp.zeros((1, *vae.image_shape)), jnp.zeros((1, 1, vae.latent)))
