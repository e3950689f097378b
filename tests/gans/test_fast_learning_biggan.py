"""BigGAN learns to draw the class that it is told, and what only its latent tells, in seconds.

Images of 8 x 8 pixels: the upper half is light or dark at random, the class is which of four columns below is light.
The class reaches the generator through the conditions of its norms alone.
"""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import optax

from genjax.engine import init_state, make_step
from genjax.gans import biggan
from genjax.nn.standing import standing_statistics


def batch_of(draw, count=64):
    labels, tone = draw.integers(0, 4, (2, count)), 0.7 * draw.choice([-1, 1], (2, count))
    images = np.full((2, count, 8, 8, 1), -0.5)
    images[:, :, :4] = tone[..., None, None, None]
    columns = np.arange(8) // 2 == labels[..., None]
    images[:, :, 4:] = np.where(columns, 0.7, -0.7)[:, :, None, :, None]
    images += draw.normal(0, 0.05, images.shape)
    return {"images": images.astype(np.float32), "labels": labels.astype(np.int32)}


def learned(steps, seed=0):
    """Train, and return the generator, its state, and latents and labels to draw from."""
    generator = biggan.Generator(8, 1, 16, (16,), 4, None, 8)
    discriminator = biggan.Discriminator((16,), 1, 4, None)
    txs = {"generator_tx": optax.adam(2e-3, b1=0.0, b2=0.9), "discriminator_tx": optax.adam(8e-3, b1=0.0, b2=0.9)}
    setting = {"image_shape": (8, 8, 1), "latent": 8, "ema": 0.95, "ema_start": 20}
    game = biggan.game(generator, discriminator, **txs, classes=4, **setting)
    key, draw = jax.random.key(seed), np.random.default_rng(seed)
    state, step = jax.jit(lambda key: init_state(game, key))(key), jax.jit(make_step(game))
    for _ in range(steps):
        state, _ = step(state, batch_of(draw), key)
    return generator, state, jax.random.normal(jax.random.key(9), (400, 8)), jnp.arange(400) % 4


def seen(images):
    """Return whether the upper half is light, and which column below is lightest."""
    images = np.asarray(images)[..., 0]
    return images[:, :4].mean((1, 2)) > 0, images[:, 4:].mean(1).reshape(-1, 4, 2).mean(-1).argmax(-1)


def test_it_draws_the_class_it_is_told_and_both_tones_and_its_average_does():
    generator, state, latents, labels = learned(600)
    averaged = state.variables_of("generator", ema=True)
    standing = standing_statistics(generator, averaged, [(latents, labels)])
    trained, _ = jax.jit(partial(generator.apply, train=True, mutable=["batch_stats"]))(averaged, latents, labels)
    draw = jax.jit(generator.apply)
    for variables in (averaged, standing):
        drawn = draw(variables, latents, labels)
        light, columns = seen(drawn)
        assert (columns == labels).mean() > 0.9
        assert 0.15 < light.mean() < 0.85
    np.testing.assert_allclose(drawn, trained, atol=1e-4)
