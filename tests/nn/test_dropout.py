"""Dropout: what is kept, how it is scaled, and that devices which split a batch drop what one device drops."""

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn

from genjax import parallel
from genjax.nn.dropout import Dropout

KEY = jax.random.key(3)


def apply(x, rate=0.25, train=True, key=KEY):
    return Dropout(rate).apply({}, x, train, rngs={"dropout": key})


def test_it_is_flaxs_dropout():
    x = jax.random.normal(jax.random.key(1), (40, 50))
    expected = nn.Dropout(0.25, deterministic=False).apply({}, x, rngs={"dropout": KEY})
    np.testing.assert_array_equal(apply(x), expected)
    assert abs(float((expected == 0).mean()) - 0.25) < 0.03
    np.testing.assert_array_equal(apply(x, train=False), x)
    np.testing.assert_array_equal(apply(x, rate=0.0), x)


def test_devices_that_split_a_batch_drop_what_one_device_drops():
    x = jnp.ones((8, 30))
    whole = apply(x)
    parts = jax.pmap(apply, axis_name=parallel.DATA)(x.reshape(4, 2, 30))
    np.testing.assert_array_equal(parts.reshape(8, 30), whole)
    assert not np.array_equal(parts[0], parts[1])
