"""PresGAN: noise of learned scale on a generator's output gives a density, whose entropy is then maximised too.

Dieng, Ruiz, Blei & Titsias 2019, Prescribed Generative Adversarial Networks, arXiv 1910.04302.
    x = mu(z) + sigma * eta,  z, eta ~ N(0, I):  p(x|z) = N(mu(z), diag sigma^2),  p(x) = E_z p(x|z)
    L_D = E softplus(-D(x_data + sigma eta)) + E softplus(D(x)),  L_G = E softplus(-D(x)) - lambda H(p)
    grad H(p) = -E grad_x log p(x) . dx,  grad_x log p(x) = -E_{p(z|x)} (x - mu(z)) / sigma^2
The posterior's expectation is a mean over samples of Hamiltonian chains (`genjax.hmc`) that start where x came from, at
z itself, so that they are in the posterior from the first. They have to leave z, though: a chain that stays gives the
entropy of the noise alone, sum log sigma, and no gradient to mu. sigma is softplus of one number a pixel, shared by its
channels, and kept between bounds: without, the adversarial loss alone drives it to 0 and the density to infinity.

What the authors' code (adjidieng/PresGANs) does otherwise
    - Its chains follow the prior's gradient alone, for mu(z) is computed without gradients: samples still come from the
      posterior, but hardly move. `prior_only` reproduces it.
    - A transition that exactly one chain of the batch accepts is lost, and a kept sample then is z = 0; the batch
      shrinks after the first epoch to what the last one held (MNIST 32, CIFAR-10 16). Neither is reproduced.
    - Chains pass through batch norm as a batch, which couples them and moves the running statistics. Here the
      statistics are those of the batch that drew x, held fixed, so that p(z|x) is a density of one z.
    - The step size follows the share of accepted ends, here the mean probability of accepting them, which has the
      same mean and less noise. As there it moves during burn-in only, and is remembered from step to step.
    - Bounds of sigma are off unless asked for.
As there, real and generated images get the same eta in the discriminator's move, and pictures show mu(z).
Where lambda is 0 there are no chains. The generator's move computes mu in the parameters' own precision whatever the
layers' is, for (x - mu) / sigma^2 magnifies what half precision rounds off.

images: float[batch, height, width, channels]. mu and D: the networks of `genjax.gans.dcgan` and `genjax.gans.gan`.
Configurations
    authors  dcgan.Generator(), dcgan.Discriminator() at 64 pixels, latent 100, lambda 0.01, hmc.CHAINS, first step 0.01
"""

import math
from collections.abc import Callable
from dataclasses import replace
from functools import partial

import jax
import jax.numpy as jnp
import optax
from flax import linen as nn

from genjax import hmc, parallel
from genjax.engine.game import Aux, Game, Player
from genjax.engine.network import Network, aux, with_networks
from genjax.latent import NORMAL, sampler
from genjax.losses import adversarial
from genjax.nn.normalization import MOMENTUM
from genjax.nn.wide import wide
from genjax.optim import clip_between


class Noise(nn.Module):
    """The scale of the noise, sigma = softplus(raw), a number a pixel.

    start: its first value, brought within the bounds.  least, most: the bounds, None for none.
    """

    height: int
    width: int
    start: float = 0.3133
    least: float | None = 0.01
    most: float | None = 0.3

    @property
    def bounds(self) -> tuple[float, float]:
        """The bounds of raw."""
        low = -math.inf if self.least is None else raw_of(self.least)
        return low, math.inf if self.most is None else raw_of(self.most)

    @nn.compact
    def __call__(self, train: bool = False) -> jax.Array:
        """Return sigma, float32[1, height, width, 1]."""
        low, high = self.bounds
        first = min(max(raw_of(self.start), low), high)
        raw = self.param("raw", nn.initializers.constant(first), (self.height, self.width))
        return jax.nn.softplus(wide(raw))[None, :, :, None]


def raw_of(sigma: float) -> float:
    """Return log(exp(sigma) - 1), of which softplus is sigma > 0."""
    return math.log(math.expm1(sigma))


def log_likelihood(images: jax.Array, means: jax.Array, sigma: jax.Array) -> jax.Array:
    """Return log p(x|z) = log N(x; mu(z), diag sigma^2) in nats, summed over pixels and channels: float[batch].

    images, means: float[batch, height, width, channels].  sigma: float[1, height, width, 1].
    """
    scaled = (wide(images) - means) / sigma
    return jnp.sum(-0.5 * scaled**2 - jnp.log(sigma) - 0.5 * math.log(2 * math.pi), (-3, -2, -1))


def posterior(
    mean_of: Callable[[jax.Array], jax.Array], images: jax.Array, sigma: jax.Array, prior_only: bool = False
) -> hmc.Target:
    """Return the target p(z|x) of chains, one an image: log p(z) + log p(x|z), up to constants.

    mean_of: latents float[batch, size] -> mu.  prior_only: the force is the prior's alone, -z.
    """

    def log_joint(latents: jax.Array) -> jax.Array:
        return log_likelihood(images, mean_of(latents), sigma) - 0.5 * jnp.sum(latents**2, -1)

    if prior_only:
        return lambda latents: hmc.Point(latents, log_joint(latents), -latents)
    return hmc.from_log_density(log_joint)


def entropy_surrogate(images: jax.Array, posterior_means: jax.Array, sigma: jax.Array) -> jax.Array:
    """E sum c x with c = (x - E_{p(z|x)} mu(z)) / sigma^2 held constant: its gradient estimates that of the entropy.

    images: x = mu(z) + sigma eta, with the gradient to mu and sigma.  posterior_means: of mu, as large as x. The value
    itself is no entropy. Returns float[].
    """
    score = jax.lax.stop_gradient((images - posterior_means) / sigma**2)
    return jnp.mean(jnp.sum(score * images, (-3, -2, -1)))


def held(generator: Network, latents: jax.Array) -> tuple[jax.Array, Network, Callable[[jax.Array], jax.Array]]:
    """Return mu(z) of a batch, the generator after it, and mu of one latent at a time under this batch's statistics.

    The last is held fixed: no gradient reaches the generator through it. A generator's variables are batch norm's.
    """
    started = replace(generator, variables=jax.tree.map(jnp.zeros_like, generator.variables))
    means, after = started(latents)  # from running statistics of 0, what is left is the share of the batch's own
    running = jax.tree.map(lambda old, share: MOMENTUM * old + share, generator.variables, after.variables)
    own = jax.tree.map(lambda share: share / (1 - MOMENTUM), after.variables)
    fixed = jax.lax.stop_gradient({"params": generator.params, **own})
    return means, replace(generator, variables=running), partial(generator.module.apply, fixed)


def discriminator_loss(nets, state, batch, key, *, draw) -> tuple[jax.Array, Aux]:
    """L = E softplus(-D(x_data + sigma eta)) + E softplus(D(mu(z) + sigma eta)), the same eta in both."""
    images, (latent_key, noise_key) = batch["images"], jax.random.split(key)
    noise = nets.noise.output() * parallel.rows(jax.random.normal, noise_key, images.shape)
    fake = nets.generator.output(draw(latent_key, len(images))) + noise
    real_logits, discriminator = nets.discriminator(images + noise)
    fake_logits, discriminator = discriminator(fake)
    metrics = adversarial.probabilities(real_logits, fake_logits)
    return adversarial.discriminator(real_logits, fake_logits), aux(discriminator, **metrics)


def generator_loss(nets, state, batch, key, *, draw, weight, chains, prior_only) -> tuple[jax.Array, Aux]:
    """L = E softplus(-D(x)) - weight H, x = mu(z) + sigma eta, H as in `entropy_surrogate`.

    Metrics "sigma", its mean, and of the chains "acceptance" and "step_size".
    """
    latent_key, noise_key, chain_key = jax.random.split(key, 3)
    latents, sigma = draw(latent_key, len(batch["images"])), nets.noise.output()
    means, generator, mean_of = held(nets.generator.at(None), latents)
    fake = means + sigma * parallel.rows(jax.random.normal, noise_key, means.shape)
    fooling = adversarial.non_saturating_generator(nets.discriminator.output(fake))
    metrics = {"sigma": jnp.mean(sigma)}
    if weight == 0:
        return fooling, aux(generator, **metrics)
    target = posterior(mean_of, *jax.lax.stop_gradient((fake, sigma)), prior_only)
    found = hmc.sample(target, latents, chain_key, state.memory["step_size"], chains)
    posterior_means = jnp.mean(jax.lax.map(mean_of, found.positions), 0)
    entropy = entropy_surrogate(fake, posterior_means, sigma)
    metrics |= {"fooling": fooling, "acceptance": found.acceptance, "step_size": found.step_size}
    return fooling - weight * entropy, aux(generator, memory={"step_size": found.step_size}, **metrics)


def game(
    generator: nn.Module,
    discriminator: nn.Module,
    noise: Noise,
    *,
    generator_tx: optax.GradientTransformation,
    discriminator_tx: optax.GradientTransformation,
    noise_tx: optax.GradientTransformation,
    image_shape: tuple[int, int, int],
    latent: int,
    ema: float | None = None,
    weight: float = 0.01,
    chains: hmc.Chains = hmc.CHAINS,
    step_size: float = 0.01,
    prior_only: bool = False,
) -> Game:
    """Return the game of "discriminator" and "generator", which owns the networks "generator" (mu) and "noise" (sigma).

    latent: its size, N(0, I).  ema: decay of the averages of mu and sigma, None for none.
    weight: lambda, of the entropy.  chains, step_size: of the posterior's samples, and the first size of their steps.
    prior_only: chains follow the prior's gradient alone, as in the authors' code.
    """
    modules = {"generator": generator, "discriminator": discriminator, "noise": noise}
    draw, owned = sampler(NORMAL, latent), ("generator", "noise")
    judging = partial(discriminator_loss, draw=draw)
    fooling = partial(generator_loss, draw=draw, weight=weight, chains=chains, prior_only=prior_only)
    bounded = optax.chain(noise_tx, clip_between(*noise.bounds))
    generator_and_noise_tx = optax.partition(
        {"generator": generator_tx, "noise": bounded}, {name: name for name in owned}
    )
    return Game(
        players=(
            Player(
                "discriminator", with_networks(judging, modules, ("discriminator",)), discriminator_tx,
                ("discriminator",),
            ),
            Player("generator", with_networks(fooling, modules, owned), generator_and_noise_tx, owned),
        ),
        networks={
            "generator": lambda key: generator.init(key, jnp.zeros((1, latent))),
            "discriminator": lambda key: discriminator.init(key, jnp.zeros((1, *image_shape))),
            "noise": noise.init,
        },
        ema={} if ema is None else dict.fromkeys(owned, ema),
        memory={"step_size": jnp.float32(step_size)},
    )  # fmt: skip
