"""Equalised layers, pixel norm and the minibatch standard deviation against numbers worked out elsewhere."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from genjax.nn.equalized import EqualizedConv, EqualizedDense, coefficient, pixel_norm
from genjax.nn.minibatch import minibatch_stddev

KEY = jax.random.key(2)
MAPPING = {"fan_in": 512, "rate": 0.01}


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"fan_in": 9 * 512}, 0.0208333),
        ({"fan_in": 16, "gain": 1.0}, 0.25),
        ({"fan_in": 8192}, 0.015625),
        ({"fan_in": 512, "gain": math.sqrt(2) / 4}, 0.015625),
        (MAPPING, 6.25e-4),
    ],
)
def test_coefficients(options, expected):
    assert coefficient(**options) == pytest.approx(expected, rel=1e-5)


def test_weights_are_stored_with_deviation_one_and_scaled_without_their_bias():
    x = jax.random.normal(KEY, (2, 5, 5, 64))
    layer = EqualizedConv(32)
    params = layer.init(KEY, x)["params"]
    assert float(jnp.std(params["kernel"])) == pytest.approx(1.0, abs=0.02)
    assert not params["bias"].any()
    plain = layer.apply({"params": params}, x)
    shifted = layer.apply({"params": {**params, "bias": params["bias"] + 3.0}}, x)
    np.testing.assert_allclose(shifted - plain, 3.0, rtol=1e-5)
    expected = jax.lax.conv_general_dilated(
        x, params["kernel"] * math.sqrt(2 / (9 * 64)), (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC")
    )
    np.testing.assert_allclose(plain, expected, rtol=1e-4, atol=1e-5)


def test_a_rate_stores_larger_weights_and_gives_the_same_outputs():
    x = jax.random.normal(KEY, (3, 256))
    slow, plain = EqualizedDense((4, 4, 8), rate=0.01), EqualizedDense((4, 4, 8))
    params = slow.init(KEY, x)["params"]
    assert float(jnp.std(params["kernel"])) == pytest.approx(100.0, rel=0.02)
    scaled = {"kernel": params["kernel"] / 100, "bias": params["bias"] + 2.0}
    y = slow.apply({"params": {**params, "bias": params["bias"] + 200.0}}, x)
    assert y.shape == (3, 4, 4, 8)
    np.testing.assert_allclose(y, plain.apply({"params": scaled}, x), rtol=1e-4, atol=1e-5)


def test_pixel_norm():
    np.testing.assert_allclose(pixel_norm(jnp.array([[3.0, 4.0]])), [[0.848528, 1.131371]], rtol=1e-6)


VALUES = jnp.array([0.0, 0, 0, 0, 1, 2, 3, 4, 100, 200, 300, 400]).reshape(12, 1, 1, 1)


def test_the_minibatch_statistic_of_strided_groups():
    y = minibatch_stddev(VALUES, 4)
    np.testing.assert_array_equal(y[..., 0], VALUES[..., 0])
    np.testing.assert_allclose(y[:, 0, 0, 1], [86.1782, 129.1905, 163.5566] * 4, rtol=1e-5)


def test_the_minibatch_statistic_of_the_whole_batch():
    x = jax.random.normal(KEY, (6, 3, 5, 4))
    y = minibatch_stddev(x)
    assert y.shape == (6, 3, 5, 5)
    np.testing.assert_allclose(y[..., 4], np.full((6, 3, 5), np.std(np.asarray(x), 0).mean()), rtol=1e-5)
    np.testing.assert_allclose(minibatch_stddev(jnp.ones((4, 2, 2, 3)))[..., 3], np.full((4, 2, 2), 1e-4), rtol=1e-5)


def test_groups_that_do_not_divide_the_batch_are_refused():
    with pytest.raises(ValueError, match="a batch of 14 does not fall into groups of 4"):
        minibatch_stddev(jnp.zeros((14, 1, 1, 1)), 4)
