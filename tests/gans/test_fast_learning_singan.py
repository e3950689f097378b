"""What SinGAN is for, learned by its smallest game: patches of one image, and the image itself from one noise."""

import jax
import numpy as np
import optax

from genjax.engine import init_state, make_run, make_step
from genjax.gans import singan
from genjax.metrics.patches import patch_distance
from genjax.nn.pyramid import Pyramid

SIZE, COUNT = (14, 14), 8


def image():
    """Return an image that is bright above and dark below: float[1, 14, 14, 1]."""
    rows = np.where(np.arange(SIZE[0]) < SIZE[0] // 2, 0.7, -0.7)
    return np.broadcast_to(rows[:, None, None], (1, *SIZE, 1)).astype(np.float32)


def trained(steps, reconstruction):
    """Return what a coarsest scale draws from z* after its training, and samples, clipped to [-1, 1]."""
    scales = singan.Scales(Pyramid(1.0, 0.75, (SIZE,)), (singan.Generator(16, 1, 2),))
    rates = {name: optax.adam(3e-3, b1=0.5) for name in ("generator_tx", "discriminator_tx")}
    game = singan.game(scales, 0, singan.Discriminator(16, 2), **rates, reconstruction=reconstruction)
    state = jax.jit(lambda key: init_state(game, key))(jax.random.key(0))
    batches = {"images": np.broadcast_to(image(), (steps, 3, *image().shape))}
    state, _ = jax.jit(make_run(make_step(game)))(state, batches, None, jax.random.key(1))
    inputs = singan.sampled(scales, state.memory, 0, COUNT, jax.random.key(2))
    samples = singan.compiled(scales.generators[0])(state.variables_of("generator"), *inputs)
    drawn = singan.reconstructed(scales, state)
    return np.clip(np.asarray(drawn), -1, 1), np.clip(np.asarray(samples), -1, 1)


def test_the_image_itself_is_drawn_from_its_noise():
    drawn, _ = trained(60, 10.0)
    assert np.sqrt(np.mean((drawn - image()) ** 2)) < 0.35, "grey is 0.7 away"


def test_samples_differ_and_are_made_of_the_images_patches():
    _, samples = trained(100, 0.0)
    assert samples.std(0).mean() > 0.2
    assert patch_distance(samples, image()[0], 3) < 0.58, "0.67 before training, 0.79 of shuffled pixels"
