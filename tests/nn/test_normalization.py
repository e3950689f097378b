"""Pixel norm and the minibatch standard deviation against numbers worked out elsewhere."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from genjax.nn.minibatch import minibatch_stddev
from genjax.nn.normalization import pixel_norm

KEY = jax.random.key(2)


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
