"""What PresGAN learns in seconds: where the data are, and a wider noise with the entropy than without."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax

from genjax.engine import init_state, make_run, make_step
from genjax.gans import gan, presgan
from genjax.hmc import Chains

CENTRE, DEVIATION = np.array([1.5, -1.0]), 0.2
POINT, LATENT, STEPS = (1, 1, 2), 2, 400


@functools.cache
def learnt(weight):
    """Return sigma, 2000 samples of mu and the chains' acceptances of a game for one Gaussian in the plane."""
    generator = gan.Generator((16,), POINT, output=lambda x: x)
    discriminator, noise = gan.Discriminator((16,), activation=jax.nn.relu), presgan.Noise(1, 1, 0.15)
    tx = optax.adam(5e-3, b1=0.5)
    game = presgan.game(
        generator, discriminator, noise, generator_tx=tx, discriminator_tx=tx, noise_tx=tx, image_shape=POINT,
        latent=LATENT, weight=weight, chains=Chains(2, 2, 5), step_size=0.1,
    )  # fmt: skip
    state = jax.jit(lambda key: init_state(game, key))(jax.random.key(0))
    draws = np.random.default_rng(0).normal(CENTRE, DEVIATION, (STEPS, 1, 64, 2)).reshape(STEPS, 1, 64, *POINT)
    run = jax.jit(make_run(make_step(game)))
    state, metrics = run(state, {"images": jnp.asarray(draws, jnp.float32)}, None, jax.random.key(0))
    latents = jax.random.normal(jax.random.key(1), (2000, LATENT))
    points = generator.apply(state.variables_of("generator"), latents).reshape(-1, 2)
    return float(noise.apply(state.variables_of("noise")).mean()), np.asarray(points), metrics


def test_samples_come_to_where_the_data_are():
    for weight in (0.0, 0.1):
        _, points, _ = learnt(weight)
        assert np.linalg.norm(points.mean(0) - CENTRE) < 0.4


def test_the_entropy_widens_the_noise_and_chains_accept_two_thirds():
    (narrow, _, _), (wide, _, metrics) = learnt(0.0), learnt(0.1)
    assert wide > 1.3 * narrow
    assert abs(float(np.mean(metrics["generator/acceptance"][-100:])) - 0.67) < 0.1
