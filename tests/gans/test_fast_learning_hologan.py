"""HoloGAN learns in seconds, from images without poses, that its azimuth moves an object as a camera's does."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from genjax.engine import init_state, make_step
from genjax.gans import hologan
from genjax.latent import SYMMETRIC
from genjax.nn.rotation import IDENTITY
from genjax.tasks.posed import around, turning

SIZE, ORBIT, LATENT, STEPS = 8, 2.5, 4, 250


def orbiting(count):
    """Return images of a bright and a pale blob that stand opposite each other, from anywhere, at any height."""
    random = np.random.default_rng(0)
    angles, height = random.uniform(0, 2 * np.pi, count), random.uniform(-1.5, 1.5, count)[:, None]
    ticks = np.arange(SIZE) - (SIZE - 1) / 2
    down = np.exp(-(((ticks - height) / 0.7) ** 2) / 2)
    image = 0
    for brightness, angle in ((1.0, angles), (0.4, angles + np.pi)):
        across = np.exp(-(((ticks - ORBIT * np.cos(angle)[:, None]) / 0.7) ** 2) / 2)
        image = image + brightness * down[:, :, None] * across[:, None]
    return (2 * np.clip(image, 0, 1) - 1)[..., None].astype(np.float32)


@pytest.mark.slow  # its margin is too small for other processors
def test_the_azimuth_moves_the_object_and_the_latent_does_not():
    """After 100, 150, 200, 250 steps: from one to the next it swings, so that their median is asked for."""
    generator = hologan.Generator(
        SIZE, 1, start=2, template=8, volumes=(8,), flat=16, images=(16,), slope=0.2, rectified=False
    )
    discriminator = hologan.Discriminator(LATENT, 16, 2, 16, normalised=False)
    adam = optax.adam(2e-3, b1=0.5, b2=0.99)
    game = hologan.game(
        generator, discriminator, generator_tx=adam, discriminator_tx=adam, image_shape=(SIZE, SIZE, 1),
        latent=LATENT, prior=SYMMETRIC, weights=hologan.Weights(identity=1.0), generator_steps=1,
    )  # fmt: skip
    state = jax.jit(lambda key: init_state(game, key))(jax.random.key(0))
    step = jax.jit(make_step(game), donate_argnums=0)
    images, random = orbiting(4096), np.random.default_rng(0)
    azimuths, latents = around(16), np.repeat(SYMMETRIC.draw(jax.random.key(5), (12, LATENT)), 16, 0)
    poses = np.tile(np.array(IDENTITY, np.float32), (12 * 16, 1))
    poses[:, 0] = np.tile(azimuths, 12)
    apply, found = jax.jit(generator.apply), []
    for number in range(1, STEPS + 1):
        batch = {"images": jnp.asarray(images[random.integers(0, len(images), (1, 32))])}
        state, _ = step(state, batch, jax.random.key(0))
        if number >= 100 and number % 50 == 0:
            drawn = apply(state.variables_of("generator"), latents, poses)
            pictures = (np.asarray(drawn).reshape(12, 16, SIZE, SIZE, 1) + 1) / 2
            found.append(turning(np.radians(azimuths), pictures))
    assert np.median([each.azimuth_fit for each in found]) > 0.6
    assert np.median([each.amplitude for each in found]) > 0.4
