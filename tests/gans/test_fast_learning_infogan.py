"""InfoGAN's codes come to mean something in seconds, classes and numbers; without information they do not."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from genjax.codes import Codes
from genjax.engine import init_state, make_run, make_step
from genjax.gans import gan, infogan
from genjax.metrics.clustering import code_agreement
from genjax.metrics.factors import explained

# One game in eight goes its own way, with or without information, so five are judged by their medians.
STEPS, BATCH, SEEDS, SHAPE = 800, 64, 5, (1, 1, 2)
CORNERS = np.array([[1, 0], [0, 1], [-1, 0], [0, -1]], np.float32)
RANDOM = np.random.default_rng(0)
NOISE = 0.05 * RANDOM.normal(size=(STEPS * BATCH, 2))
FOUR_POINTS = CORNERS[RANDOM.integers(0, 4, STEPS * BATCH)] + NOISE
SEGMENT = np.stack([RANDOM.uniform(-1, 1, STEPS * BATCH), np.zeros(STEPS * BATCH)], 1) + NOISE


@functools.cache
def learned(codes, weight):
    """Return SEEDS games' 1000 samples float[seeds, 1000, 2] each, their latents, and what Q knew of the codes."""
    points = FOUR_POINTS if codes.categorical else SEGMENT
    networks = gan.Generator((32, 32), SHAPE, output=lambda x: x), infogan.DenseDiscriminator(codes, (32, 32), 0.2)
    adam = optax.adam(1e-3, b1=0.5)
    game = infogan.game(
        *networks, codes=codes, generator_tx=adam, discriminator_tx=adam, image_shape=SHAPE,
        weights=infogan.Weights(weight, weight),
    )  # fmt: skip
    batches = {"images": jnp.asarray(points.reshape(STEPS, 1, BATCH, *SHAPE), jnp.float32)}
    latents = codes.prior().draw(jax.random.key(2), (1000, codes.size))

    @jax.jit
    @jax.vmap
    def play(key):
        state, metrics = make_run(make_step(game))(init_state(game, key), batches, None, key)
        return networks[0].apply(state.variables_of("generator"), latents).reshape(-1, 2), metrics

    samples, metrics = jax.device_get(play(jax.random.split(jax.random.key(0), SEEDS)))
    (told,) = (x[:, -50:] for name, x in metrics.items() if name.startswith("generator/") and "information" in name)
    return samples, codes.split(np.asarray(latents))["c1"], told.mean(1)


CLASSES, NUMBER = Codes(4, (4,)), Codes(6, (), 1)


def check_classes(weight):
    """Return the share of samples near a corner, how well c1 tells which one, and the information: medians of seeds."""
    samples, code, told = learned(CLASSES, weight)
    distances = np.linalg.norm(samples[:, :, None] - CORNERS, axis=-1)
    found = [code_agreement(code.argmax(1), each.argmin(1)).accuracy for each in distances]
    return np.median((distances.min(2) < 0.4).mean(1)), np.median(found), np.median(told)


def check_number(weight):
    """Return the share of the place on the segment that the number explains, and the information: medians of seeds."""
    samples, code, told = learned(NUMBER, weight)
    return np.median([explained(code[:, 0], each[:, 0]) for each in samples]), np.median(told)


def test_every_class_of_a_code_draws_a_point_of_its_own():
    near, accuracy, told = check_classes(1.0)
    assert near > 0.9 and accuracy > 0.9
    assert 0.9 * np.log(4) < told <= np.log(4)


@pytest.mark.slow
def test_without_information_classes_share_points():
    _, accuracy, told = check_classes(0.0)
    assert accuracy < 0.8 and told < 0.1


def test_a_number_moves_samples_along_the_segment():
    share, told = check_number(0.3)
    assert share > 0.8 and told > 1


@pytest.mark.slow
def test_without_information_a_number_is_one_of_many():
    share, told = check_number(0.0)
    assert share < 0.6 and told < 0
