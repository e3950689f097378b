"""What StackGAN is for, learned by its smallest game: colours that follow a word, and a judge that knows which word."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import linen as nn

from genjax.engine import init_state, make_run, make_step
from genjax.gans import stackgan
from genjax.nn import stages
from genjax.nn.dense import Embedding
from genjax.nn.initializers import Initializer, normal
from genjax.nn.weights import Plain

COLOURS = np.array([[0.8, -0.8, -0.8], [-0.8, 0.8, -0.8], [-0.8, -0.8, 0.8]])
LAYERS = stages.Layers(initializer=normal(0.1))


class Table(nn.Module):
    """A sentence of one word, whose embedding is a row of random numbers; nobody trains it."""

    @nn.compact
    def __call__(self, tokens, train=False):
        return Embedding(3, 4, Plain(Initializer(nn.initializers.orthogonal(2.0), normal(1.0).bias)))(tokens[:, 0])


def coloured(step, count=24):
    """Return images of one colour each, with noise, and the word that says which."""
    draw = np.random.default_rng(step)
    words = draw.integers(0, 3, count)
    images = COLOURS[words][:, None, None] + draw.normal(0, 0.1, (count, 8, 8, 3))
    return {"images": images.astype(np.float32), "captions": words[:, None, None].astype(np.int32)}


@pytest.fixture(scope="module")
def learned():
    modules = {
        "text": Table(),
        "generator1": stages.Sketcher(8, 3, 2, 4, LAYERS),
        "discriminator1": stages.Discriminator(8, 8, layers=LAYERS),
    }
    rules = stackgan.Rules(latent=2)
    txs = {"generator_tx": optax.adam(5e-3, 0.5), "discriminator_tx": optax.adam(5e-3, 0.5)}
    game = stackgan.game(modules, words=1, rules=rules, **txs)
    state = jax.jit(lambda key: init_state(game, key))(jax.random.key(0))
    batches = jax.tree.map(lambda *rows: np.stack(rows)[:, None], *(coloured(step) for step in range(200)))
    return modules, rules, jax.jit(make_run(make_step(game)))(state, batches, None, jax.random.key(0))[0]


def test_colours_follow_the_word(learned):
    modules, rules, state = learned
    words = np.arange(60) % 3
    variables = {net: state.variables_of(net) for net in ("text", "generator1")}
    draw = jax.jit(lambda *given: stackgan.draw(modules, rules, *given))
    (images,) = draw(variables, jnp.asarray(words)[:, None, None], jax.random.key(1))
    nearest = np.abs(np.asarray(images)[..., None, :] - COLOURS).sum(-1).argmin(-1)
    assert (nearest == words[:, None, None]).mean() > 0.85


def test_the_discriminator_knows_which_word_an_image_belongs_to(learned):
    modules, _, state = learned
    batch = coloured(1000, 60)
    words = batch["captions"][:, 0]
    text = [modules["text"].apply(state.variables_of("text"), jnp.asarray(w)) for w in (words, (words + 1) % 3)]
    judge = jax.jit(modules["discriminator1"].apply)
    (right, wrong), _ = judge(state.variables_of("discriminator1"), batch["images"], text)
    assert float((right > wrong).mean()) > 0.95 and float((right - wrong).mean()) > 1
