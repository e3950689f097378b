"""Convolutional GANs learn tiny images in seconds: a bright column (DCGAN, PGGAN), its negative (CycleGAN)."""

import jax
import jax.numpy as jnp
import numpy as np
import optax

from genjax.engine import init_state, make_step
from genjax.gans import cyclegan, dcgan, pggan
from genjax.nn.initializers import GLOROT
from genjax.nn.patch import PatchDiscriminator

BATCH, COUNT, LATENT, SIZE = 32, 400, 4, 8
COLUMNS = np.full((4, SIZE, SIZE, 1), -0.8, np.float32)
for column in range(4):
    COLUMNS[column, :, 2 * column : 2 * column + 2] = 0.8


def noisy(draw, count=BATCH):
    """Return images float32[1, count, 8, 8, 1], each with one bright column."""
    images = COLUMNS[draw.integers(0, 4, (1, count))]
    return images + (0.05 * draw.normal(size=images.shape)).astype(np.float32)


def trained(game, steps, batch_of):
    """Return the state after so many steps."""
    state = jax.jit(lambda key: init_state(game, key))(jax.random.key(0))
    step, draw, key = jax.jit(make_step(game), donate_argnums=0), np.random.default_rng(0), jax.random.key(1)
    for _ in range(steps):
        state, _ = step(state, batch_of(draw), key)
    return state


def columns_of(images):
    """Return the share of images that are close to one of the columns, and how many show each."""
    away = np.sqrt(((np.asarray(images)[:, None] - COLUMNS[None]) ** 2).mean((2, 3, 4)))
    close = away.min(1) < 0.4
    return close.mean(), np.bincount(away.argmin(1)[close], minlength=4)


def check_columns(generator, variables):
    latents = jax.random.normal(jax.random.key(9), (COUNT, LATENT))
    close, counts = columns_of(jax.jit(generator.apply)(variables, latents))
    assert close > 0.6, close
    assert (counts > 0.04 * COUNT).sum() >= 3, counts


def test_the_dcgan_and_its_average_draw_columns():
    generator, tx = dcgan.Generator(SIZE, 1, 16), optax.adam(2e-3, b1=0.5)
    game = dcgan.game(
        generator, dcgan.Discriminator(SIZE, 16), generator_tx=tx, discriminator_tx=tx,
        image_shape=(SIZE, SIZE, 1), latent=LATENT, ema=0.95,
    )  # fmt: skip
    state = trained(game, 1200, lambda draw: {"images": noisy(draw)})
    for ema in (False, True):
        check_columns(generator, state.variables_of("generator", ema=ema))


def test_the_pggan_draws_columns_at_the_size_it_has_grown_to():
    steps, generator, tx = 400, pggan.Generator(SIZE, 1, 32, 8), optax.adam(5e-3, b1=0.0, b2=0.99)
    game = pggan.game(
        generator, pggan.Critic(SIZE, 32, 8), generator_tx=tx, critic_tx=tx, latent=LATENT, ema=0.95,
        fading=(0, steps // 2),
    )  # fmt: skip
    state = trained(game, steps, lambda draw: {"images": noisy(draw)})
    check_columns(generator, state.variables_of("generator", ema=True))


def test_the_cyclegan_turns_columns_into_their_negatives_and_back():
    networks = cyclegan.Generator(1, 4, 1, GLOROT), PatchDiscriminator(1, 8, initializer=GLOROT)
    tx = optax.adam(4e-3, b1=0.5)
    game = cyclegan.game(*networks, generators_tx=tx, discriminators_tx=tx, image_shape=(SIZE, SIZE, 1), identity=0.0)
    state = trained(game, 200, lambda draw: {"images": noisy(draw, 8), "targets": -noisy(draw, 8)})
    images = noisy(np.random.default_rng(5), 100)[0]
    forward, backward = (
        jax.jit(lambda x, net=net: networks[0].apply(state.variables_of(net), x)) for net in ("forward", "backward")
    )
    translated = forward(jnp.asarray(images))
    # A generator that leaves columns as they are would be 1.6 away.
    assert float(jnp.abs(translated + images).mean()) < 0.5
    assert float(jnp.abs(backward(translated) - images).mean()) < 0.3
