"""The classification game: loss values, learning on digits, accuracy."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from genjax.classifiers import classify, convnet, convnext, squeezenet, vit
from genjax.engine.state import init_state
from genjax.engine.step import make_step


def test_cross_entropy_against_numpy():
    logits = np.random.default_rng(0).normal(size=(6, 4)).astype(np.float32)
    labels = np.array([0, 1, 2, 3, 0, 1])
    log_p = logits - np.log(np.exp(logits).sum(1, keepdims=True))
    target = 0.9 * np.eye(4)[labels] + 0.1 / 4
    expected = -(target * log_p).sum(1).mean()
    np.testing.assert_allclose(
        classify.cross_entropy(jnp.asarray(logits), jnp.asarray(labels), 0.1), expected, rtol=1e-6
    )


def test_smoothing_outside_its_range_is_an_error():
    with pytest.raises(ValueError, match=r"label smoothing is 1\.0; it must be in"):
        classify.game(convnet.ConvNet(), optax.sgd(0.1), image_shape=(8, 8, 1), smoothing=1.0)


@pytest.fixture(scope="module")
def digits():
    from sklearn.datasets import load_digits

    data = load_digits()
    order = np.random.default_rng(0).permutation(len(data.target))
    images = (data.images[order, :, :, None] / 8 - 1).astype(np.float32)
    return images, data.target[order].astype(np.int32)


@pytest.mark.parametrize(
    ("network", "rate", "least"),
    [
        (convnet.ConvNet(features=(16, 32)), 5e-3, 0.7),
        pytest.param(convnext.tiny(features=(8, 16), patch=2), 1e-2, 0.6, marks=pytest.mark.slow),
        (vit.ViT(depth=1), 5e-3, 0.5),
    ],
)
def test_a_small_network_learns_digits(digits, network, rate, least):
    images, labels = digits
    game = classify.game(network, optax.adam(rate), image_shape=(8, 8, 1), smoothing=0.05, ema=0.9)
    state = jax.jit(lambda key: init_state(game, key))(jax.random.key(0))
    step = jax.jit(make_step(game))
    held_images, held_labels = images[1500:], labels[1500:]

    @jax.jit
    def probabilities(variables, images):
        return classify.predictor(network, variables)(images)

    untrained = classify.accuracy(partial(probabilities, state.variables_of("classifier")), held_images, held_labels)
    for i in range(60):
        rows = (np.arange(32) + 32 * i) % 1500
        batch = {"images": images[rows][None], "labels": labels[rows][None]}
        state, metrics = step(state, batch, jax.random.key(1))
    assert set(metrics) == {"classifier/loss", "classifier/accuracy"}
    for ema in (False, True):
        predict = partial(probabilities, state.variables_of("classifier", ema=ema))
        trained = classify.accuracy(predict, held_images, held_labels)
        assert trained >= least
        assert trained > untrained + 0.3
    np.testing.assert_allclose(jnp.sum(predict(held_images[:3]), axis=-1), 1.0, rtol=1e-5)


def test_dropout_gets_its_key_from_the_step():
    network = squeezenet.SqueezeNet(classes=3)
    game = classify.game(network, optax.sgd(0.0), image_shape=(31, 31, 3))
    state = jax.jit(lambda key: init_state(game, key))(jax.random.key(0))
    batch = {"images": jax.random.normal(jax.random.key(2), (2, 31, 31, 3)), "labels": jnp.array([0, 2])}
    loss = jax.jit(lambda key: game.players[0].loss(state, batch, key)[0])
    assert loss(jax.random.key(0)) == loss(jax.random.key(0))
    assert loss(jax.random.key(0)) != loss(jax.random.key(1))
