"""What autoencoders learn in seconds of noisy copies of three patterns, whose entropy is known.

A pattern is one of three, equally often, with a tenth of its sixteen bits flipped: an image has log 3 + 16 h nats, with
h = -0.1 log 0.1 - 0.9 log 0.9, and 16 h once its pattern is known. No bound of a model's may lie below.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax

from genjax.autoencoders import ae, cvae, vae
from genjax.engine import init_state, make_run, make_step
from genjax.nn.coders import DenseDecoder, DenseEncoder

SHAPE, COUNT, STEPS = (4, 4, 1), 4000, 1000
TRUTH = np.arange(COUNT) % 3
PATTERNS = np.random.default_rng(5).integers(0, 2, (3, *SHAPE))
IMAGES = jnp.asarray(PATTERNS[TRUTH] ^ (np.random.default_rng(6).random((COUNT, *SHAPE)) < 0.1), jnp.float32)
NOISE = -16 * (0.1 * np.log(0.1) + 0.9 * np.log(0.9))
"""Nats of an image whose pattern is known."""
MEANS = np.asarray(IMAGES.mean(0))
PIXELS_ALONE = -(MEANS * np.log(MEANS) + (1 - MEANS) * np.log(1 - MEANS)).sum()
"""Nats of an image by the means of its pixels."""


@functools.cache
def learned(package, **options):
    """Train on the first half, and return a function of the metrics that a loss on the second half gives."""
    coders = {"encoder": DenseEncoder((32,)), "decoder": DenseDecoder((32,)), "latent": 2, "image_shape": SHAPE}
    model = {ae: ae.AE, vae: vae.VAE, cvae: functools.partial(cvae.CVAE, classes=3, embedding=4)}[package](**coders)
    game = package.game(model, optax.adam(3e-3), **options)
    state = jax.jit(lambda key: init_state(game, key))(jax.random.key(0))
    half = COUNT // 2
    indices = jax.random.randint(jax.random.key(1), (STEPS, 1, 64), 0, half)
    source = {"images": IMAGES[:half], "labels": jnp.asarray(TRUTH[:half])}
    state, _ = jax.jit(make_run(make_step(game)))(state, source, indices, jax.random.key(2))

    def tested(shift=0):
        labels = jnp.asarray((TRUTH[half:] + shift) % 3)
        (player,) = game.players
        _, aux = jax.jit(player.loss)(state, {"images": IMAGES[half:], "labels": labels}, jax.random.key(3))
        return {name: float(value) for name, value in aux.metrics.items()}

    return tested


def test_the_autoencoder_keeps_the_pattern_and_some_of_its_noise():
    assert learned(ae)()["nll"] < NOISE - 0.3


def test_the_vae_bounds_the_entropy_and_tells_which_pattern():
    found = learned(vae)()
    entropy = np.log(3) + NOISE
    assert entropy - 0.1 < found["neg_elbo"] < min(entropy + 0.9, PIXELS_ALONE - 1)
    assert 0.8 * np.log(3) < found["kl"] < 2.5


def test_a_heavier_divergence_makes_the_latent_say_less():
    assert learned(vae, beta=4.0)()["kl"] < learned(vae)()["kl"] - 0.2


def test_the_cvae_is_told_the_pattern_and_needs_no_latent_for_it():
    right, wrong = learned(cvae)(), learned(cvae)(shift=1)
    assert NOISE - 0.1 < right["neg_elbo"] < NOISE + 0.3
    assert right["kl"] < 0.5
    assert wrong["neg_elbo"] > right["neg_elbo"] + 2
