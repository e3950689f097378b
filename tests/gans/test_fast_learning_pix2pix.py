"""pix2pix learns in seconds what its losses are for, on images of 8 pixels.

What belongs to a light image is dark, and the other way round, with a texture of noise that nothing tells. A
discriminator that sees the input teaches tone and texture without any L1 distance; one that sees the output alone
leaves to chance which tone belongs to which, and with this seed it is the wrong one. The L1 distance alone teaches the
tone.
"""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from genjax.engine import init_state, make_run, make_step
from genjax.gans import pix2pix
from genjax.nn.initializers import GLOROT
from genjax.nn.patch import PatchDiscriminator, by_batch


def trained(game, data, *, steps, batch, seed=0):
    rows = np.random.default_rng(seed).integers(0, len(data["images"]), (steps, 1, batch))
    return jax.jit(make_run(make_step(game)))(init_state(game, jax.random.key(seed)), data, rows, jax.random.key(1))[0]


def pairs(count, seed):
    draw = np.random.default_rng(seed)
    tone = draw.choice([-0.5, 0.5], (count, 1, 1, 1))
    images = tone + 0.3 * draw.normal(size=(count, 8, 8, 1))
    targets = -tone + 0.4 * draw.uniform(-1, 1, (count, 8, 8, 1))
    return {"images": jnp.asarray(images, jnp.float32), "targets": jnp.asarray(targets, jnp.float32)}


def translated(steps, seed=1, **options):
    """Return the share of test images that get their tone, and the deviation of their texture over the targets'."""
    generator = pix2pix.Generator(1, 8, 2, dropped=(), initializer=GLOROT)
    discriminator = PatchDiscriminator(1, 8, by_batch, use_bias=False, initializer=GLOROT)
    adam = {f"{name}_tx": optax.adam(2e-3, b1=0.5) for name in ("generator", "discriminator")}
    game = pix2pix.game(generator, discriminator, **adam, image_shape=(8, 8, 1), target_channels=1, **options)
    state = trained(game, pairs(1024, 0), steps=steps, batch=16, seed=seed)
    test = pairs(200, 9)
    out, right = (
        np.asarray(x)[..., 0]
        for x in (
            pix2pix.translate(generator, state.variables_of("generator"), test["images"], jax.random.key(0)),
            test["targets"],
        )
    )
    agree = np.sign(out.mean((1, 2))) == np.sign(right.mean((1, 2)))
    return agree.mean(), out.std((1, 2)).mean() / right.std((1, 2)).mean()


def test_a_discriminator_that_sees_the_input_teaches_what_belongs_to_it():
    agree, texture = translated(200, l1=0.0)
    assert agree > 0.95
    assert 0.6 < texture < 2.5


def test_the_l1_loss_alone_finds_the_middle_and_no_texture():
    agree, texture = translated(100, l1=10.0, fooling=0.0)
    assert agree > 0.95
    assert texture < 0.8


@pytest.mark.slow
def test_a_discriminator_that_sees_the_output_alone_leaves_the_tone_to_chance():
    assert translated(200, l1=0.0, conditional=False)[0] < 0.5
