"""Transposed convolutions of volumes as sums of 2-D ones, against `jax.lax`."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from genjax.nn.conv3d import LAYOUT, ConvTranspose3D, conv3d_by_taps, conv3d_transpose


@pytest.fixture(autouse=True)
def in_double():
    """Compute in float64."""
    with jax.enable_x64(True):
        yield


def normal(seed, *shape):
    return jax.random.normal(jax.random.key(seed), shape)


def library(x, kernel, stride):
    return lax.conv_transpose(x, kernel, (stride,) * 3, "SAME", dimension_numbers=LAYOUT)


@pytest.mark.parametrize(("taken", "stride"), [(3, 2), (3, 1), (4, 2), (2, 1), (2, 3)])
def test_values_and_derivatives_are_the_librarys(taken, stride):
    x, kernel = normal(0, 2, 3, 4, 2, 3), normal(1, taken, taken, taken, 3, 2)
    expected = library(x, kernel, stride)
    np.testing.assert_allclose(conv3d_by_taps(x, kernel, stride), expected, atol=1e-12)
    g, w = normal(2, *expected.shape), normal(3, *x.shape)

    def derivatives(form):
        def first(x):
            return jax.vjp(lambda x, kernel: form(x, kernel, stride), x, kernel)[1](g)

        # The gradient's own derivative: a convolution is linear in its input, its kernel's gradient is too.
        return first(x), jax.jvp(lambda x: first(x)[1], (x,), (w,))[1]

    for ours, theirs in zip(*(jax.tree.leaves(derivatives(form)) for form in (conv3d_by_taps, library)), strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-11)


@pytest.mark.parametrize("backend", ["cpu", "gpu"])
def test_cpus_sum_2d_convolutions_and_others_keep_the_librarys(monkeypatch, backend):
    x, kernel = normal(0, 1, 3, 3, 3, 2), normal(1, 3, 3, 3, 2, 2)
    monkeypatch.setattr(jax, "default_backend", lambda: backend)
    program = str(jax.make_jaxpr(lambda x, kernel: conv3d_transpose(x, kernel, 2))(x, kernel))
    volumes = "lhs_spec=(0, 4, 1, 2, 3)" in program
    assert volumes == (backend == "gpu")


def test_the_layer_doubles_every_side_and_adds_its_bias():
    layer, x = ConvTranspose3D(5), normal(0, 2, 3, 4, 5, 1)
    variables = layer.init(jax.random.key(0), x)
    bias = variables["params"]["bias"] + jnp.arange(5.0)
    out = layer.apply({"params": {**variables["params"], "bias": bias}}, 0 * x)
    assert out.shape == (2, 6, 8, 10, 5)
    np.testing.assert_array_equal(out, jnp.broadcast_to(jnp.arange(5.0), out.shape))
