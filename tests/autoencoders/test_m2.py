"""M2: the objective against an explicit loop over classes, and learning to predict labels from a few."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from genjax.autoencoders import m2
from genjax.engine.state import init_state
from genjax.engine.step import make_run, make_step
from genjax.losses.divergence import kl_standard_normal
from genjax.losses.reconstruction import bernoulli_nll
from genjax.nn.coders import DenseDecoder, DenseEncoder

SHAPE = (4, 4, 1)


def model(classes=3):
    networks = (DenseEncoder((16,)), DenseEncoder((16,)), DenseDecoder((16,)))
    return m2.M2(*networks, latent=2, image_shape=SHAPE, classes=classes)


def start(net):
    game = m2.game(net, optax.adam(1e-2))
    return game, jax.jit(partial(init_state, game))(jax.random.key(0))


def test_marginalising_all_classes_at_once_equals_a_loop_over_them():
    net = model()
    _, state = start(net)
    apply = partial(net.apply, state.variables_of("m2"))
    images = jax.random.uniform(jax.random.key(1), (5, *SHAPE))
    labels = np.array([-1, 2, -1, 0, -1])
    noise = jax.random.normal(jax.random.key(2), (5, 3, 2))
    outputs, mean, log_variance, log_q = apply(images, noise)
    nll, kl = bernoulli_nll(outputs, images[:, None]), kl_standard_normal(mean, log_variance)
    total, _ = m2.objective(nll, kl, log_q, jnp.asarray(labels), alpha=0.7, beta=0.5)

    bound = np.zeros((5, 3))
    for y in range(3):
        label = jnp.full(5, y)
        mean, log_variance = apply(images, label, method="encode")
        logits = apply(mean + jnp.exp(0.5 * log_variance) * noise[:, y], label, method="decode")
        bound[:, y] = bernoulli_nll(logits, images) + 0.5 * kl_standard_normal(mean, log_variance) + np.log(3)
    q = np.asarray(apply(images, method="predict"))
    np.testing.assert_allclose(q.sum(1), 1, rtol=1e-6)
    expected = 0.0
    for image, y in enumerate(labels):
        if y >= 0:
            expected += bound[image, y] / 5 + 0.7 * -np.log(q[image, y]) / 2
        else:
            expected += sum(q[image, c] * (bound[image, c] + np.log(q[image, c])) for c in range(3)) / 5
    np.testing.assert_allclose(total, expected, rtol=1e-5)


def test_known_labels_leave_the_classifier_to_its_own_term():
    log_q = jax.nn.log_softmax(jax.random.normal(jax.random.key(0), (4, 3)))
    nll, kl, labels = jnp.arange(12.0).reshape(4, 3), jnp.ones((4, 3)), jnp.array([0, 1, 2, 1])
    gradient = jax.grad(lambda q: m2.objective(nll, kl, q, labels, alpha=0.0, beta=1.0)[0])(log_q)
    np.testing.assert_array_equal(gradient, np.zeros((4, 3)))
    unlabelled = jax.grad(lambda q: m2.objective(nll, kl, q, jnp.full(4, -1), alpha=0.0, beta=1.0)[0])(log_q)
    assert float(jnp.abs(unlabelled).min()) > 0


def test_a_batch_without_labels_is_finite():
    nll = jnp.ones((2, 3))
    total, metrics = m2.objective(nll, nll, jnp.log(jnp.full((2, 3), 1 / 3)), jnp.full(2, -1), alpha=1.0, beta=1.0)
    np.testing.assert_allclose(total, 2.0, rtol=1e-6)  # log p(y) and the entropy of q(y|x) cancel
    assert float(metrics["cross_entropy"]) == 0.0


def test_balanced_rows_repeat_the_labelled_ones():
    labels = np.full(1000, -1)
    labels[[3, 500, 999]] = [1, 2, 0]
    rows = m2.balanced_rows(labels, 0.5)
    assert 0.5 <= np.mean(labels[rows] >= 0) < 0.502
    assert set(rows) == set(range(1000))
    np.testing.assert_array_equal(np.bincount(rows)[[3, 500, 999]], np.bincount(rows)[3])
    np.testing.assert_array_equal(np.sort(m2.balanced_rows(labels, 0.0)), np.arange(1000))
    with pytest.raises(ValueError, match="at least one row"):
        m2.balanced_rows(np.full(4, -1))


def test_labels_of_a_few_are_enough_to_predict_the_rest():
    prototypes = jax.random.bernoulli(jax.random.key(5), 0.5, (3, *SHAPE)).astype(jnp.float32)
    truth = np.arange(600) % 3
    images = jnp.abs(prototypes[truth] - jax.random.bernoulli(jax.random.key(6), 0.1, (600, *SHAPE)))
    labels = np.where(np.arange(600) < 6, truth, -1)
    rows = m2.balanced_rows(labels)
    net = model()
    game, state = start(net)
    before = m2.accuracy(net, state.variables_of("m2"), images[300:], jnp.asarray(truth[300:]))
    indices = jax.random.randint(jax.random.key(1), (300, 1, 64), 0, len(rows))
    source = {"images": images[rows], "labels": jnp.asarray(labels[rows])}
    state, _ = jax.jit(make_run(make_step(game)))(state, source, indices, jax.random.key(2))
    after = m2.accuracy(net, state.variables_of("m2"), images[300:], jnp.asarray(truth[300:]))
    assert float(before) < 0.8 < 0.95 < float(after)
