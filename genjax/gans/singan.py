"""SinGAN: a pyramid of small patch GANs learns from one image, and draws others of any size like it.

Rott Shaham, Dekel & Michaeli 2019, SinGAN: Learning a Generative Model from a Single Natural Image, arXiv 1905.01164.
Scales are numbered here from the coarsest, 0 (the paper counts down from N). At scale n, with the scales below frozen,
    x_n = u_n + tanh(psi_n(sigma_n z_n + u_n)),   u_n = grow(x_{n-1}), u_0 = 0                    (equations 1 to 3)
    L_D = E D(x_n) - E D(y_n) + 0.1 E_pixels (|grad D| - 1)^2
    L_G = -E D(x_n) + 10 |G_n(z*) - y_n|^2                                                       (equations 4 and 5)
y_n: the image at this scale; D(x): the mean of a map, of which each place sees 11 x 11 pixels; z*: noise from which the
coarsest scale is to draw the image itself, and 0 above it. sigma_n = 0.1 |grow(reconstruction) - y_n|, the root of the
mean square, and sigma_0 = 1. Both networks start from those of the scale below where these are as wide.

As in the authors' code: the penalty takes the gradient's norm over the channels of each pixel, for which the sum of the
map is derived, at one point between image and sample; batch norm in the discriminator too; the coarsest noise is the
same in all channels; noise and image are framed by 5 zeros, so that maps keep their size; scales below are evaluated by
their running statistics; images between scales are resized by the bicubic filter and clipped. Otherwise than there:
    - each move of the generator draws a fake anew, where the code moves three times by one fake's stale graph, and each
      move draws its own noise;
    - images between the scales stay floats, where the code rounds what it resizes to bytes;
    - z* is drawn once, as the text has it; `redrawn`: in every move of the coarsest scale, as the code has it;
    - a network's running statistics follow its own moves alone.
Configurations
    Generator(32), (64), (128)       29,763, 114,819 and 450,819 parameters, for 3 channels
    Discriminator(32), (64), (128)   29,185, 113,665 and 448,513

images: float[batch, height, width, channels] in [-1, 1].
"""

from collections.abc import Callable, Mapping
from functools import cache, partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import linen as nn

from genjax import parallel, rng
from genjax.cpu import program
from genjax.engine.game import Aux, Game, Player
from genjax.engine.network import aux, with_networks
from genjax.engine.state import State
from genjax.losses import adversarial
from genjax.losses.penalties import safe_norm
from genjax.nn.conv import Conv
from genjax.nn.initializers import TORCH, Initializer
from genjax.nn.normalization import BatchNorm, around_one
from genjax.nn.scales import Scales, climb, framed, noisy
from genjax.nn.weights import Plain
from genjax.nn.wide import wide

FIRST_WEIGHTS = Initializer(nn.initializers.normal(0.02), TORCH.bias)


class Patches(nn.Module):
    """3x3 convolutions without padding, batch norm and leaky ReLU 0.2 behind all but the last one.

    width: channels of the layers.  features: of the last one.  layers: their number, so many pixels fewer on each side.
    """

    width: int
    features: int
    layers: int = 5
    initializer: Initializer = FIRST_WEIGHTS
    dtype: Any = None

    @nn.compact
    def __call__(self, x: jax.Array, train: bool) -> jax.Array:
        """Return float32[batch, height - 2 layers, width - 2 layers, features]."""
        made: dict[str, Any] = {"weight": Plain(self.initializer), "dtype": self.dtype, "padding": "VALID"}
        for layer in range(self.layers - 1):
            x = Conv(self.width, 3, 1, name=f"conv{layer}", **made)(x)
            x = BatchNorm(scale_init=around_one, dtype=self.dtype, name=f"norm{layer}")(x, train)
            x = nn.leaky_relu(x, 0.2)
        return wide(Conv(self.features, 3, 1, name="last", **made)(x))


class Generator(nn.Module):
    """Add detail to an image: image + tanh(patches(noise + image)). width, layers: see `Patches`."""

    width: int = 32
    channels: int = 3
    layers: int = 5
    initializer: Initializer = FIRST_WEIGHTS
    dtype: Any = None

    @nn.compact
    def __call__(self, noise: jax.Array, previous: jax.Array, train: bool = False) -> jax.Array:
        """Return float32[batch, height, width, channels] in [-2, 2].

        noise: float[batch, height + 2 layers, width + 2 layers, channels].  previous: the image of the scale below,
        enlarged.
        """
        patches = Patches(self.width, self.channels, self.layers, self.initializer, self.dtype, name="patches")
        return previous + nn.tanh(patches(noise + framed(previous, self.layers), train))


class Discriminator(nn.Module):
    """Judge each patch of 11 x 11 pixels, or 2 layers + 1 a side. width, layers: see `Patches`."""

    width: int = 32
    layers: int = 5
    initializer: Initializer = FIRST_WEIGHTS
    dtype: Any = None

    @nn.compact
    def __call__(self, images: jax.Array, train: bool = False) -> jax.Array:
        """Return scores float32[batch, height - 2 layers, width - 2 layers]; ValueError for less than a patch."""
        field = 2 * self.layers + 1
        if min(images.shape[1:3]) < field:
            raise ValueError(
                f"SinGAN's discriminator sees patches of {field} pixels a side, and an image has only "
                f"{images.shape[1]} x {images.shape[2]}; give a larger one, or a larger --min-size"
            )
        patches = Patches(self.width, 1, self.layers, self.initializer, self.dtype, name="patches")
        return patches(images, train)[..., 0]


def sampled(scales: Scales, memory: Mapping[str, Any], level: int, count: int, key: jax.Array) -> tuple[jax.Array, ...]:
    """Return what a scale's generator draws samples from: noise, and samples of the frozen scales below, enlarged."""
    sizes, amplitudes = scales.pyramid.sizes[: level + 1], memory["amplitudes"]
    *noises, own = scales.noise(key, count, sizes)
    start = jnp.zeros((count, *sizes[0], scales.generators[0].channels), own.dtype)
    frozen = [memory["lower"][str(scale)] for scale in range(level)]
    images = climb(scales, frozen, amplitudes, start, noises=noises, sizes=sizes)
    return noisy(images, own, amplitudes[level])


def discriminator_loss(nets, state, batch, key, *, scales, level, penalty) -> tuple[jax.Array, Aux]:
    """L = E D(x) - E D(y) + penalty E_pixels (|grad D| - 1)^2; metrics "distance" = E D(y) - E D(x), "penalty"."""
    fake_key, mix_key = jax.random.split(key)
    real = batch["images"]
    fake = nets.generator.output(*sampled(scales, state.memory, level, len(real), fake_key))
    real_scores, discriminator = nets.discriminator(real)
    fake_scores, discriminator = discriminator(fake)

    def summed(images):
        scores, moved = discriminator.at(None)(images)
        return jnp.sum(scores), moved

    mix = parallel.rows(partial(jax.random.uniform, dtype=real.dtype), mix_key, (len(real), 1, 1, 1))
    gradient, discriminator = jax.grad(summed, has_aux=True)(mix * real + (1 - mix) * fake)
    steepness = jnp.mean((safe_norm(jnp.sum(wide(gradient) ** 2, -1)) - 1) ** 2)
    gap = adversarial.wasserstein_critic(real_scores, fake_scores)
    return gap + penalty * steepness, aux(discriminator, distance=-gap, penalty=steepness)


def generator_loss(nets, state, batch, key, *, scales, level, reconstruction, redrawn) -> tuple[jax.Array, Aux]:
    """L = -E D(x) + reconstruction |G(z*) - y|^2; metric "square_error", that mean square."""
    fake_key, latent_key = jax.random.split(key)
    memory, latent = state.memory, state.memory["latent"]
    if redrawn and level == 0:  # the same on every device, as all of the memory is
        latent = jax.random.normal(latent_key, latent.shape, latent.dtype)
        memory = {**memory, "latent": latent}
    fake, generator = nets.generator(*sampled(scales, memory, level, len(batch["images"]), fake_key))
    drawn, generator = generator(*anchored(scales, memory, level))
    error = jnp.mean((drawn - batch["images"]) ** 2)
    loss = adversarial.score_generator(nets.discriminator.output(fake)) + reconstruction * error
    return loss, aux(generator, memory={"latent": latent}, square_error=error)


def anchored(scales: Scales, memory: Mapping[str, Any], level: int) -> tuple[jax.Array, jax.Array]:
    """Return the inputs from which a scale is to draw the image itself: z* at the coarsest, no noise above."""
    previous, latent = memory["previous"], memory["latent"]
    if level:
        frame = framed(jnp.zeros((1, *previous.shape[1:3], 1)), scales.border)
    else:
        frame = scales.in_frame(latent)
    return noisy(previous, frame, memory["amplitudes"][level])


def game(
    scales: Scales,
    level: int,
    discriminator: Discriminator,
    *,
    generator_tx: optax.GradientTransformation,
    discriminator_tx: optax.GradientTransformation,
    generator_steps: int = 3,
    discriminator_steps: int = 3,
    reconstruction: float = 10.0,
    penalty: float = 0.1,
    redrawn: bool = False,
    begins: bool = True,
    seed: int = 0,
) -> Game:
    """Return the game of one scale, of "discriminator" and "generator", in turn.

    generator_steps, discriminator_steps: moves a step.  redrawn: see above.  seed: of z*.
    begins: draw first weights; False leaves that out (zeros) where `entered` brings those of the scale below.
    Its memory holds "lower", the frozen generators' variables by scale (zeros until `entered` brings them),
    "amplitudes" float[scale + 1], "latent" z*, and "previous", what the scale adds detail to for the image itself.
    """
    sizes, own = scales.pyramid.sizes, scales.generators[level]
    modules: dict[str, Any] = {"generator": own, "discriminator": discriminator}
    images = np.zeros((1, *sizes[level], own.channels), np.float32)  # jax would compile a program for each size
    latent = jax.random.normal(rng.named(jax.random.key(seed), "z*"), (1, *scales.noise_shape(0, sizes[0])))
    judging = partial(discriminator_loss, scales=scales, level=level, penalty=penalty)
    fooling = partial(generator_loss, scales=scales, level=level, reconstruction=reconstruction, redrawn=redrawn)
    losses = {"discriminator": judging, "generator": fooling}
    moves = {
        "discriminator": (discriminator_tx, discriminator_steps), "generator": (generator_tx, generator_steps)
    }  # fmt: skip
    first: dict[str, Any] = {
        "generator": partial(_begin, own),
        "discriminator": lambda key: discriminator.init(key, images),
    }
    return Game(
        players=tuple(
            Player(name, with_networks(loss, modules, (name,)), moves[name][0], (name,), moves[name][1])
            for name, loss in losses.items()
        ),
        networks=first if begins else {name: partial(_zeros, init) for name, init in first.items()},
        memory={
            "lower": {str(scale): _frozen(scales.generators[scale]) for scale in range(level)},
            "amplitudes": np.ones(level + 1, np.float32),
            "latent": latent,
            "previous": images,
        },
    )


def _begin(generator: Generator, key: jax.Array) -> Any:
    side = 1 + 2 * generator.layers
    return generator.init(key, jnp.zeros((1, side, side, generator.channels)), jnp.zeros((1, 1, 1, generator.channels)))


@cache
def _frozen(generator: Generator) -> Any:
    return _zeros(partial(_begin, generator))


def _zeros(init: Callable[[jax.Array], Any], key: Any = None) -> Any:
    shapes = jax.eval_shape(init, jax.random.key(0))
    return jax.tree.map(lambda x: np.zeros(x.shape, x.dtype), shapes)


@cache
def compiled(generator: Generator) -> Callable[..., jax.Array]:
    """Return a generator's `apply` compiled, once for every shape that it is given."""
    return program(generator.apply)


def reconstructed(scales: Scales, state: State) -> jax.Array:
    """Return the image as the newest scale of a state draws it from z*: float[1, height, width, channels]."""
    level = len(state.memory["lower"])
    drawn = compiled(scales.generators[level])
    return drawn(state.variables_of("generator"), *anchored(scales, state.memory, level))


def entered(old: State, fresh: State, *, scales: Scales, image: Any, amplitude: float) -> State:
    """Return the state from which a scale starts: the one below frozen, its networks handed on if they are as wide.

    image: the right one at the new scale, float[1, height, width, channels].  amplitude: of noise, over the error of
    the enlarged reconstruction; both are computed here once and for all.
    """
    level = len(old.memory["lower"])
    same = scales.generators[level] == scales.generators[level + 1]
    previous = scales.grown(reconstructed(scales, old), scales.pyramid.sizes[level + 1])
    error = jnp.sqrt(jnp.mean((previous - image) ** 2))
    # A copy: what is frozen must not be donated with the parameters that go on from it.
    frozen = jax.tree.map(jnp.copy, old.variables_of("generator"))
    memory = {
        "lower": {**old.memory["lower"], str(level): frozen},
        "amplitudes": jnp.append(old.memory["amplitudes"], amplitude * error),
        "latent": old.memory["latent"],
        "previous": previous,
    }
    networks = {"params": old.params, "variables": old.variables} if same else {}
    return fresh.replace(step=old.step, memory=memory, **networks)
