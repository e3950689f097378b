"""StyleGAN: a latent becomes a style, and the style tells every layer of a growing generator how to draw.

Karras, Laine & Aila 2019, A Style-Based Generator Architecture for Generative Adversarial Networks, arXiv 1812.04948;
its first version. Facts beyond the paper follow the authors' code (NVlabs/stylegan).
    w = mapping(z)                                       pixel norm and 8 dense layers, at 0.01 of the learning rate
    x <- AdaIN(leaky ReLU(conv(x) + strength * noise + bias), w)    for every layer, from a learned constant of 4x4
    w' = E w + psi (w - E w)                             truncation of the first layers, when sampling
    L_D = E softplus(-D(x)) + E softplus(D(G(z))) + gamma / 2 E |grad D(x)|^2,  L_G = E softplus(-D(G(z)))
or, for CelebA-HQ, the Wasserstein losses of PGGAN. Networks grow as PGGAN's do (`genjax.nn.growing`), but from 8x8.

Style mixing (section 3.1): with probability `mixing` the layers from a random one on take the w of a second latent;
one draw for a batch. E w is a running mean with decay 0.995, from 0; it follows w in the generator's moves, with the
trained weights and not their average (the authors' code: in the discriminator's moves too). The discriminator blurs
before it halves, pools before the activation, and compares groups of 4 images.
A layer's instance norm makes the constant, all ones at first, exactly 0: until noise has a strength, layer 0 draws what
its style says alone. Its gradient is large there (1e4), and Adam moves the constant slowly.
Not here: class labels (an entry for each in the discriminator's last layer, and labels beside z), LSUN's presets.

Configurations: sizes 8 to 1024; channels min(16384 / size, 512), latent and w of 512 numbers.
images: float[batch, size, size, channels] around [-1, 1], without tanh.
"""

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import linen as nn

from genjax import parallel
from genjax.engine.adversarial import Side, adversarial_game
from genjax.engine.game import Aux, Game
from genjax.engine.network import aux
from genjax.latent import NORMAL, Prior
from genjax.losses import adversarial
from genjax.losses.penalties import r1
from genjax.losses.wasserstein import PENALTIES, Penalties, Score, penalised_critic
from genjax.nn.growing import Critic, alpha_at, fade
from genjax.nn.styles import Mapping, Synthesis, layers, noise_shapes

GROUP = 4
"""Images that the discriminator compares."""
Discriminator = partial(Critic, group=GROUP, blurred=True)
"""The growing critic as StyleGAN has it."""
AVERAGE_DECAY = 0.995
"""Of the running mean of w, a step."""


class Generator(nn.Module):
    """z -> w by the mapping network, w -> image by the synthesis network, and the running mean of w.

    size, channels, base, limit: of the synthesis.  style: numbers in w.  depth, rate: of the mapping.
    The mean is the variable "w" of the collection "average"; it moves on in calls with `train` that may change it.
    """

    size: int = 1024
    channels: int = 3
    base: int = 8192
    limit: int = 512
    style: int = 512
    depth: int = 8
    rate: float = 0.01
    dtype: Any = None

    def setup(self) -> None:
        """Make both networks."""
        self.mapping = Mapping(self.style, self.depth, self.rate, self.dtype)
        self.synthesis = Synthesis(self.size, self.channels, self.base, self.limit, self.dtype)
        self.average = self.variable("average", "w", jnp.zeros, (self.style,), jnp.float32)

    def __call__(
        self,
        latent: jax.Array,
        labels: jax.Array | None = None,
        train: bool = False,
        *,
        alpha: jax.Array | None = None,
        noise: Sequence[jax.Array] | None = None,
        second: jax.Array | None = None,
        crossover: jax.Array | None = None,
    ) -> jax.Array:
        """Return float32[batch, size, size, channels]; `labels` is not used: one signature.

        alpha, noise: as in `Synthesis`.  second: latents float[batch, size], whose styles go to layer
        `crossover`, int[], and those behind it.
        """
        w = self.mapping(latent)
        if train and self.is_mutable_collection("average") and not self.is_initializing():
            mean = jnp.mean(w.astype(self.average.value.dtype), 0)
            self.average.value = AVERAGE_DECAY * self.average.value + (1 - AVERAGE_DECAY) * mean
        styles = repeated(w, layers(self.size))
        if second is not None:
            styles = crossed(styles, repeated(self.mapping(second), layers(self.size)), crossover)
        return self.synthesis(styles, noise, alpha)

    def styles_of(self, latent: jax.Array) -> jax.Array:
        """Return w, float[batch, style], of latents."""
        return self.mapping(latent)

    def drawn(
        self, styles: jax.Array, noise: Sequence[jax.Array] | None = None, alpha: jax.Array | None = None
    ) -> jax.Array:
        """Return the images of styles float[batch, layers, style]."""
        return self.synthesis(styles, noise, alpha)


def repeated(w: jax.Array, count: int) -> jax.Array:
    """Return w, float[batch, style], for each of `count` layers: float[batch, count, style]."""
    return jnp.repeat(w[:, None], count, 1)


def crossed(first: jax.Array, second: jax.Array, crossover: Any) -> jax.Array:
    """Return the styles of `first` in the layers before `crossover`, int[], and those of `second` from it on."""
    return jnp.where(jnp.arange(first.shape[1])[None, :, None] < crossover, first, second)


def truncated(styles: jax.Array, average: jax.Array, psi: float, cutoff: int) -> jax.Array:
    """Return average + psi (w - average) in the layers before `cutoff`, and w in the others.

    styles: float[batch, layers, style].  average: float[style].  Source: arXiv 1812.04948, appendix B; there and in the
    authors' code psi is 0.7 and the cutoff 8, the layers up to 32 pixels.
    """
    average = average[None, None]
    return crossed(average + psi * (styles - average), styles, cutoff)


def noise_images(key: jax.Array, count: int, size: int) -> tuple[jax.Array, ...]:
    """Return what a synthesis network of `size` pixels takes as noise: N(0, 1), images of their own for each layer."""
    shapes = noise_shapes(size, count)
    pixels = [math.prod(shape[1:]) for shape in shapes]
    # Drawn as one array, because XLA takes a second to compile a draw.
    whole = parallel.rows(jax.random.normal, key, (count, sum(pixels)))
    parts = jnp.split(whole, np.cumsum(pixels)[:-1].tolist(), axis=1)
    return tuple(part.reshape(shape) for part, shape in zip(parts, shapes, strict=True))


class Objective(NamedTuple):
    """What both sides minimise.

    discriminator: (score, the score in full precision, real, fake, key) -> (loss, metrics).  generator: fake scores ->
    loss.
    """

    discriminator: Callable[[Score, Score, jax.Array, jax.Array, jax.Array], tuple[jax.Array, dict[str, jax.Array]]]
    generator: Callable[[jax.Array], jax.Array]


def _logistic(score, precise, real, fake, key, *, gamma):
    real_logits, fake_logits, penalty = score(real), score(fake), r1(precise, real)
    loss = adversarial.discriminator(real_logits, fake_logits) + gamma * penalty
    return loss, {**adversarial.probabilities(real_logits, fake_logits), "penalty": penalty}


def logistic(gamma: float = 10.0) -> Objective:
    """Return the non-saturating losses with the penalty R1 on images; metrics "real", "fake", "penalty"."""
    return Objective(partial(_logistic, gamma=gamma), adversarial.non_saturating_generator)


def wasserstein(penalties: Penalties = PENALTIES) -> Objective:
    """Return PGGAN's losses: see `genjax.losses.wasserstein`."""
    return Objective(partial(penalised_critic, penalties=penalties), adversarial.score_generator)


class Styling(NamedTuple):
    """How samples are drawn in training: mixing, the probability of two styles in a batch; noise, whether there is."""

    mixing: float = 0.9
    noise: bool = True


STYLING, LOGISTIC = Styling(), logistic()


def drawn(draw, key: jax.Array, count: int, size: int, styling: Styling) -> dict[str, Any]:
    """Return what the generator takes for `count` samples: latents, noise and, with mixing, second latents."""
    latent_key, second_key, mixing_key, noise_key = jax.random.split(key, 4)
    inputs: dict[str, Any] = {"latent": draw(latent_key, count)}
    if styling.noise:
        inputs["noise"] = noise_images(noise_key, count, size)
    if styling.mixing:
        whether_key, where_key = jax.random.split(mixing_key)
        mixed = jax.random.bernoulli(whether_key, styling.mixing)
        crossover = jnp.where(mixed, jax.random.randint(where_key, (), 1, layers(size)), layers(size))
        inputs |= {"second": draw(second_key, count), "crossover": crossover}
    return inputs


def discriminator_loss(nets, state, batch, key, *, draw, fading, styling, objective) -> tuple[jax.Array, Aux]:
    """The objective's loss of images and samples, both faded; metric "alpha" too during a fade."""
    sample_key, penalty_key = jax.random.split(key)
    alpha = alpha_at(fading, state.step)
    images = fade(batch["images"], alpha)
    fake = nets.generator.output(**drawn(draw, sample_key, len(images), images.shape[1], styling), alpha=alpha)
    score, precise = (partial(net.output, alpha=alpha) for net in (nets.discriminator, nets.discriminator.at(None)))
    loss, metrics = objective.discriminator(score, precise, images, fake, penalty_key)
    return loss, aux(**metrics, **({} if alpha is None else {"alpha": alpha}))


def generator_loss(nets, state, batch, key, *, draw, fading, styling, objective) -> tuple[jax.Array, Aux]:
    """The objective's loss of samples; the running mean of w moves on."""
    alpha, (count, size) = alpha_at(fading, state.step), batch["images"].shape[:2]
    fake, generator = nets.generator(**drawn(draw, key, count, size, styling), alpha=alpha)
    return objective.generator(nets.discriminator.output(fake, alpha=alpha)), aux(generator)


def game(
    generator: Generator,
    discriminator: Critic,
    *,
    generator_tx: optax.GradientTransformation,
    discriminator_tx: optax.GradientTransformation,
    latent: int,
    prior: Prior = NORMAL,
    ema: float | None = None,
    fading: tuple[int, int] | None = None,
    styling: Styling = STYLING,
    objective: Objective = LOGISTIC,
) -> Game:
    """Return the game of one phase, of "discriminator" and "generator", moving in turn.

    latent, prior, ema: see `genjax.engine.adversarial`.
    fading: (first step, steps) of a phase in which the finest layers fade in, None where they are in.
    objective: `logistic(gamma)` or `wasserstein(penalties)`.
    """
    told = {"fading": fading, "styling": styling, "objective": objective}
    return adversarial_game(
        Side("discriminator", discriminator, partial(discriminator_loss, **told), discriminator_tx),
        Side("generator", generator, partial(generator_loss, **told), generator_tx),
        image_shape=(generator.size, generator.size, generator.channels),
        latent=latent,
        prior=prior,
        ema=ema,
    )
