"""Likelihoods, the KL term and its weights."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from genjax.losses.divergence import cyclic, kl_standard_normal, warm_up, weight_at
from genjax.losses.reconstruction import BERNOULLI, GAUSSIAN, MINIMUM_VARIANCE, bernoulli_nll, gaussian_nll


def image(*pixels):
    return jnp.asarray(pixels, jnp.float32).reshape(1, 1, -1, 1)


def test_bernoulli_nll_is_the_cross_entropy_summed_over_pixels():
    logits = jax.random.normal(jax.random.key(0), (5, 1, 4, 3, 2)) * 4
    images = jax.random.uniform(jax.random.key(1), (5, 7, 4, 3, 2))
    probability = 1 / (1 + np.exp(-np.asarray(logits, np.float64)))
    x = np.asarray(images, np.float64)
    expected = -(x * np.log(probability) + (1 - x) * np.log(1 - probability)).sum((-3, -2, -1))
    np.testing.assert_allclose(bernoulli_nll(logits, images), expected, rtol=2e-6)


def test_bernoulli_nll_keeps_value_and_gradient_where_a_sigmoid_is_saturated():
    logits, images = image(-100.0, -20.0, 0.0, 20.0, 100.0, 1e4), image(1, 1, 1, 0, 0, 1)
    value, gradient = jax.value_and_grad(lambda x: bernoulli_nll(x, images).sum())(logits)
    np.testing.assert_allclose(value, 100 + 20 + np.log(2) + 20 + 100, rtol=1e-6)
    np.testing.assert_allclose(gradient.ravel(), [-1, -1, -0.5, 1, 1, 0], atol=1e-6)


def test_bernoulli_nll_differentiates_twice_and_forwards():
    logits, images = image(-2.0, 0.0, 0.7), image(0.2, 0.5, 1.0)
    direction = image(1.0, -2.0, 0.5)
    slope = jax.jvp(lambda x: bernoulli_nll(x, images), (logits,), (direction,))[1]
    sigmoid = jax.nn.sigmoid(logits)
    np.testing.assert_allclose(slope, jnp.sum((sigmoid - images) * direction).reshape(1), rtol=1e-6)
    curvature = jax.jvp(jax.grad(lambda x: bernoulli_nll(x, images).sum()), (logits,), (direction,))[1]
    np.testing.assert_allclose(curvature, sigmoid * (1 - sigmoid) * direction, rtol=1e-6)


def test_grey_pixels_cannot_be_better_than_their_entropy():
    grey = image(0.1, 0.5, 0.9)
    entropy = -np.sum([p * np.log(p) + (1 - p) * np.log(1 - p) for p in (0.1, 0.5, 0.9)])
    best = bernoulli_nll(jnp.log(grey) - jnp.log1p(-grey), grey)
    np.testing.assert_allclose(best, [entropy], rtol=1e-6)


def test_gaussian_nll_is_the_normal_density():
    mean, log_variance = np.array([0.3, -1.0]), np.array([0.5, -2.0])
    x = np.array([1.0, -0.5])
    variance = np.exp(log_variance) + MINIMUM_VARIANCE
    density = np.exp(-0.5 * (x - mean) ** 2 / variance) / np.sqrt(2 * np.pi * variance)
    outputs = jnp.asarray(np.concatenate([mean, log_variance]), jnp.float32).reshape(1, 1, 1, 4)
    images = jnp.asarray(x, jnp.float32).reshape(1, 1, 1, 2)
    np.testing.assert_allclose(gaussian_nll(outputs, images), [-np.log(density).sum()], rtol=1e-6)
    np.testing.assert_allclose(GAUSSIAN.mean(outputs).ravel(), mean, rtol=1e-6)
    np.testing.assert_allclose(BERNOULLI.mean(image(0.0)).ravel(), [0.5])


def test_gaussian_nll_of_a_constant_pixel_is_bounded():
    outputs = jnp.asarray([0.0, -1e4]).reshape(1, 1, 1, 2)
    lowest = 0.5 * np.log(2 * np.pi * MINIMUM_VARIANCE)
    np.testing.assert_allclose(gaussian_nll(outputs, jnp.zeros((1, 1, 1, 1))), [lowest], rtol=1e-6)


def test_kl_agrees_with_monte_carlo():
    mean, log_variance = jnp.asarray([[0.5, -1.0, 2.0]]), jnp.asarray([[-1.0, 0.3, 0.0]])
    noise = jax.random.normal(jax.random.key(0), (200_000, 3))
    z = mean + jnp.exp(0.5 * log_variance) * noise
    log_ratio = 0.5 * jnp.sum(z**2 - noise**2 - log_variance, -1)  # log q(z) - log p(z)
    error = float(jnp.std(log_ratio)) / np.sqrt(len(noise))
    assert abs(float(jnp.mean(log_ratio)) - float(kl_standard_normal(mean, log_variance)[0])) < 5 * error
    assert error < 0.01


def test_kl_is_zero_at_the_prior_and_positive_elsewhere():
    assert float(kl_standard_normal(jnp.zeros(4), jnp.zeros(4))) == 0.0
    mean, log_variance = jax.random.normal(jax.random.key(0), (2, 1000, 4)) * 1e-2
    assert float(kl_standard_normal(mean, log_variance).min()) > 0.0
    np.testing.assert_allclose(kl_standard_normal(jnp.ones(2), jnp.zeros(2)), 1.0)


def test_weights_by_step():
    steps = jnp.arange(0, 50, 10)
    np.testing.assert_allclose(jax.vmap(warm_up(20, 2.0))(steps), [0, 1, 2, 2, 2])
    np.testing.assert_allclose(jax.vmap(cyclic(20, 0.5))(jnp.arange(0, 45, 5)), [0, 0.5, 1, 1, 0, 0.5, 1, 1, 0])
    assert float(weight_at(0.1, jnp.int32(7))) == pytest.approx(0.1)
    assert float(weight_at(warm_up(10), jnp.int32(5))) == pytest.approx(0.5)


@pytest.mark.parametrize("schedule", [lambda: warm_up(0), lambda: cyclic(0), lambda: cyclic(10, 0.0)])
def test_impossible_weights_are_refused(schedule):
    with pytest.raises(ValueError, match=r"expected|at least"):
        schedule()
