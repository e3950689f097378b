"""StyleGAN learns, in seconds: its styles decide which of four columns of 4x4 pixels is bright."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from genjax.engine import init_state, make_step
from genjax.gans import stylegan

STEPS, BATCH, COUNT, LATENT = 1200, 32, 400, 4
COLUMNS = np.full((4, 4, 4, 1), -0.8, np.float32)
for column in range(4):
    COLUMNS[column, :, column] = 0.8
GENERATOR = stylegan.Generator(4, 1, 16, 8, style=6, depth=2)


def columns_of(images):
    """Return the share of images that are close to one of the columns, and how many show each."""
    away = np.sqrt(((np.asarray(images)[:, None] - COLUMNS[None]) ** 2).mean((2, 3, 4)))
    close = away.min(1) < 0.4
    return close.mean(), np.bincount(away.argmin(1)[close], minlength=4)


@pytest.fixture(scope="module")
def learnt():
    tx = optax.adam(0.012, 0.0, 0.99)
    game = stylegan.game(
        GENERATOR, stylegan.Discriminator(4, 16, 8), generator_tx=tx, discriminator_tx=tx, latent=LATENT, ema=0.98,
        objective=stylegan.logistic(0.5), styling=stylegan.Styling(0.5),
    )  # fmt: skip
    state = jax.jit(lambda key: init_state(game, key))(jax.random.key(0))
    step, random, key = jax.jit(make_step(game)), np.random.default_rng(0), jax.random.key(1)
    for _ in range(STEPS):
        images = COLUMNS[random.integers(0, 4, (1, BATCH))]
        images = images + (0.05 * random.normal(size=images.shape)).astype(np.float32)
        state, _ = step(state, {"images": images}, key)
    return state


@jax.jit
def styles_of(variables, latents):
    return stylegan.repeated(GENERATOR.apply(variables, latents, method="styles_of"), 2)


draw = jax.jit(lambda variables, styles: GENERATOR.apply(variables, styles, method="drawn"))


def test_styles_decide_which_column_is_bright(learnt):
    variables = learnt.variables_of("generator", ema=True)
    styles = styles_of(variables, jax.random.normal(jax.random.key(9), (COUNT, LATENT)))
    close, counts = columns_of(draw(variables, styles))
    assert close > 0.7  # seeds 0 to 3 end at 0.94 to 0.96, with 57 samples or more of each column
    assert counts.min() >= 0.04 * COUNT
    # Samples gather as their styles are moved to the mean style, which training has followed.
    average = learnt.variables["generator"]["average"]["w"]
    assert float(jnp.abs(average - styles[:, 0].mean(0)).max()) < 0.3 * float(styles[:, 0].std(0).max())
    near, none = (np.asarray(draw(variables, stylegan.truncated(styles, average, psi, 2))) for psi in (0.1, 0.0))
    assert near.std(0).mean() < 0.7 * np.asarray(draw(variables, styles)).std(0).mean()
    assert none.std(0).max() < 1e-5
