"""The importance-weighted bound where log p(x) is known, active units, and the collapse alarm."""

import math
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from genjax.autoencoders import vae
from genjax.engine.state import init_state
from genjax.engine.step import make_run, make_step
from genjax.losses.divergence import kl_standard_normal
from genjax.metrics.latent import Collapse, active_units, collapse_alarm, mean_image_nll
from genjax.metrics.likelihood import iwae_bound
from genjax.nn.coders import DenseDecoder, DenseEncoder

# x = W z + noise of deviation 0.7, columns of W orthogonal, so that log p(x) and p(z|x) have closed forms.
W = np.array([[1.0, 0.5], [1.0, -0.5], [0.5, 0.0], [0.0, 1.5]])
W[3, 0] = 0.0
S2 = 0.49
X = np.random.default_rng(0).normal(size=(6, 4)) * 1.5


def log_evidence():
    covariance = W @ W.T + S2 * np.eye(4)
    quadratic = np.einsum("ni,ij,nj->n", X, np.linalg.inv(covariance), X)
    return -0.5 * (quadratic + np.linalg.slogdet(covariance)[1] + 4 * math.log(2 * math.pi))


def posterior():
    precision = np.diag(W.T @ W) / S2 + 1
    mean = (X @ W) / S2 / precision
    return jnp.asarray(mean, jnp.float32), jnp.asarray(np.broadcast_to(-np.log(precision), mean.shape), jnp.float32)


def decode_nll(z):
    difference = jnp.asarray(X, jnp.float32)[:, None] - z @ jnp.asarray(W.T, jnp.float32)
    return 0.5 * jnp.sum(difference**2 / S2 + math.log(2 * math.pi * S2), -1)


def test_bound_is_exact_for_any_k_under_the_true_posterior():
    assert abs((W.T @ W)[0, 1]) < 1e-12
    mean, log_variance = posterior()
    for samples, chunk in ((1, 1), (10, 5)):
        bound = iwae_bound(decode_nll, mean, log_variance, jax.random.key(0), samples, chunk)
        np.testing.assert_allclose(bound, log_evidence(), atol=2e-4)


def test_bound_rises_with_k_to_log_p():
    mean, log_variance = posterior()
    mean, log_variance = mean + 0.3, log_variance + 0.8  # a wrong encoder

    def average(samples, repeats):
        keys = jax.random.split(jax.random.key(1), repeats)
        bound = jax.jit(jax.vmap(lambda key: iwae_bound(decode_nll, mean, log_variance, key, samples, samples)))
        return float(jnp.mean(bound(keys)))

    bound = {1: average(1, 10_000), 10: average(10, 1000), 2000: average(2000, 20)}
    truth = log_evidence().mean()
    assert bound[1] < bound[10] - 0.1 < bound[2000]
    assert bound[10] < truth - 0.01
    assert bound[2000] == pytest.approx(truth, abs=0.01)
    negative_elbo = kl_standard_normal(mean, log_variance)  # plus the expected NLL, closed form:
    spread = 0.5 * np.sum(np.diag(W.T @ W) / S2 * np.exp(log_variance), -1)
    negative_elbo = float(np.mean(negative_elbo + decode_nll(mean[:, None])[:, 0] + spread))
    assert bound[1] == pytest.approx(-negative_elbo, abs=0.05)


def test_bound_survives_weights_that_underflow():
    bound = iwae_bound(lambda z: 1e4 + 0 * z[..., 0], jnp.zeros((2, 3)), jnp.zeros((2, 3)), jax.random.key(0), 4, 2)
    np.testing.assert_allclose(bound, [-1e4, -1e4])
    with pytest.raises(ValueError, match="chunk must divide"):
        iwae_bound(decode_nll, jnp.zeros((2, 3)), jnp.zeros((2, 3)), jax.random.key(0), 10, 3)


def test_active_units_and_the_floor():
    means = jnp.stack([jnp.linspace(-1, 1, 100), jnp.full(100, 3.0), jnp.linspace(0, 0.1, 100)], 1)
    np.testing.assert_array_equal(active_units(means), [True, False, False])
    images = jnp.asarray([[1.0, 0.0, 0.0], [0.0, 0.0, 1.0], [0.0, 0.0, 1.0], [0.0, 0.0, 0.0]]).reshape(4, 1, 3, 1)
    expected = -(0.25 * math.log(0.25) + 0.75 * math.log(0.75)) + math.log(2)
    assert float(mean_image_nll(images)) == pytest.approx(expected, rel=1e-6)


def test_one_sign_of_three_is_no_alarm():
    assert not Collapse(kl=0.001, active=3, nll=50.0, floor=100.0).collapsed
    assert Collapse(kl=0.001, active=0, nll=50.0, floor=100.0).collapsed


def shapes(count):
    """Four prototypes of 8x8 pixels with a little noise."""
    prototypes = jax.random.bernoulli(jax.random.key(5), 0.5, (4, 8, 8, 1)).astype(jnp.float32)
    images = prototypes[jnp.arange(count) % 4]
    flips = jax.random.bernoulli(jax.random.key(6), 0.05, images.shape)
    return jnp.abs(images - flips)


@pytest.mark.parametrize(("beta", "collapsed"), [(1.0, False), (784.0, True)])
def test_alarm_fires_on_a_collapsed_posterior_only(beta, collapsed):
    images = shapes(512)
    model = vae.VAE(DenseEncoder((32,)), DenseDecoder((32,)), latent=4, image_shape=(8, 8, 1))
    game = vae.game(model, optax.adam(5e-3), beta=beta)
    indices = jax.random.randint(jax.random.key(1), (600, 1, 64), 0, 512)
    state = init_state(game, jax.random.key(0))
    state, metrics = jax.jit(make_run(make_step(game)))(state, {"images": images}, indices, jax.random.key(2))
    assert np.isfinite(metrics["vae/loss"]).all()

    noise = jax.random.normal(jax.random.key(3), (512, 1, 4))
    outputs, mean, log_variance = jax.jit(partial(model.apply, state.variables_of("vae")))(images, noise)
    nll, kl = model.likelihood.nll(outputs[:, 0], images), kl_standard_normal(mean, log_variance)
    alarm = collapse_alarm(mean, kl, nll, images)
    assert set(alarm.signs.values()) == {collapsed}, alarm.message
    assert alarm.collapsed is collapsed
    assert ("has collapsed" in alarm.message) is collapsed
