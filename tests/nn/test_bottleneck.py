"""Bottleneck blocks of deep residual networks: what their shortcuts keep."""

import jax
import jax.numpy as jnp
import numpy as np

from genjax.nn.bottleneck import DeepUpBlock


def test_a_shortcut_to_fewer_channels_keeps_the_first_ones():
    block = DeepUpBlock(4, norm=lambda y: y, up=False)
    x = jax.random.normal(jax.random.key(0), (2, 3, 3, 8))
    variables = jax.jit(block.init)(jax.random.key(1), x)
    silent = jax.tree.map(jnp.zeros_like, variables)
    np.testing.assert_array_equal(jax.jit(block.apply)(silent, x), x[..., :4])
