"""Plain, spectral and equalised weights in every layer that has one."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from genjax.nn.conv import Conv, ConvTranspose, conv, conv_transpose
from genjax.nn.dense import Dense, Embedding
from genjax.nn.initializers import TORCH
from genjax.nn.weights import Equalised, Plain, Spectral, power_iteration
from tests.engine.toy import same_bits

KEY = jax.random.key(2)
WEIGHTS = {"plain": Plain(TORCH), "spectral": Spectral(TORCH), "equalised": Equalised(rate=0.1)}
PRODUCTS = {
    "conv": (Conv(7, 3, 2), (2, 6, 6, 5), lambda x, kernel: conv(x, kernel, 2)),
    "transpose": (ConvTranspose(7, 3), (2, 6, 6, 5), lambda x, kernel: conv_transpose(x, kernel, 2)),
    "dense": (Dense(7), (2, 4, 5), jnp.matmul),
}


def effective(weight, kernel, u):
    """Return the kernel that a layer computes with, worked out from the stored one in float64."""
    kernel = np.asarray(kernel, np.float64)
    if isinstance(weight, Equalised):
        return kernel * math.sqrt(2) * 0.1 / math.sqrt(kernel[..., 0].size)
    if isinstance(weight, Plain):
        return kernel
    matrix = kernel.reshape(-1, 7)
    v = matrix @ u / np.linalg.norm(matrix @ u)
    return kernel / np.linalg.norm(v @ matrix)


@pytest.mark.parametrize("product", PRODUCTS.values(), ids=PRODUCTS)
@pytest.mark.parametrize("weight", WEIGHTS.values(), ids=WEIGHTS)
def test_a_layer_computes_with_what_its_weight_makes_of_the_stored_parameters(weight, product):
    layer, shape, compute = product
    layer, x = layer.clone(weight=weight), jax.random.normal(KEY, shape)
    variables = jax.jit(layer.init)(jax.random.key(0), x)
    params = {**variables["params"], "bias": jnp.arange(7.0)}
    u = np.asarray(variables["spectral"]["norm"]["u"]) if "spectral" in variables else None
    kernel = jnp.asarray(effective(weight, params["kernel"], u), jnp.float32)
    bias = (0.1 if isinstance(weight, Equalised) else 1.0) * np.arange(7.0)
    y = layer.apply({**variables, "params": params}, x)
    np.testing.assert_allclose(y, compute(x, kernel) + bias.reshape((1,) * (y.ndim - 1) + (7,)), atol=1e-5)
    without = layer.clone(use_bias=False)
    assert "bias" not in jax.jit(without.init)(jax.random.key(0), x)["params"]
    np.testing.assert_allclose(without.apply({**variables, "params": params}, x), compute(x, kernel), atol=1e-5)


def test_biases_are_drawn_by_the_fan_in_of_the_kernel():
    x = jnp.zeros((1, 4, 4, 4))
    for weight in (Plain(TORCH), Spectral(TORCH)):
        bias = Conv(500, 5, weight=weight).init(KEY, x)["params"]["bias"]
        assert 0.095 < float(jnp.abs(bias).max()) <= 0.1  # U[-a, a] with a = 1 / sqrt(5 * 5 * 4)


def test_gradients_to_images_through_a_spectral_convolution_take_its_fast_form():
    layer, x = Conv(4, 4, 2, weight=Spectral()), jnp.ones((1, 8, 8, 3))
    variables = jax.jit(layer.init)(KEY, x)
    text = str(jax.make_jaxpr(jax.grad(lambda x: jnp.sum(layer.apply(variables, x))))(x))
    assert "lhs_dilation=(2, 2)" not in text


# Spectral normalisation

LAYERS = {
    "conv": (Conv(7, 3, 1, weight=Spectral()), jnp.ones((2, 6, 6, 5)), "kernel"),
    "transpose": (ConvTranspose(7, weight=Spectral()), jnp.ones((2, 6, 6, 5)), "kernel"),
    "dense": (Dense(7, weight=Spectral()), jnp.ones((2, 5)), "kernel"),
    "embedding": (Embedding(10, 7, Spectral()), jnp.arange(3), "table"),
}
over_layers = pytest.mark.parametrize("layer", LAYERS.values(), ids=LAYERS)


def steps(module, variables, x, count):
    @jax.jit
    def once(variables):
        return {**variables, **module.apply(variables, x, mutable=["spectral"])[1]}

    for _ in range(count):
        variables = once(variables)
    return variables


def test_one_iteration_against_a_vector_worked_by_hand():
    sigma, u = power_iteration(jnp.diag(jnp.array([3.0, 4.0])), jnp.array([1.0, 1.0]) / jnp.sqrt(2.0))
    np.testing.assert_allclose(sigma, 3.671512, rtol=1e-6)
    np.testing.assert_allclose(u, [0.490261, 0.871576], rtol=1e-5)


def test_it_follows_a_float64_power_iteration_and_ends_at_the_largest_singular_value():
    matrix = np.random.default_rng(0).normal(size=(64, 20))
    u = start = np.random.default_rng(1).normal(size=20)
    ours = jnp.asarray(start, jnp.float32)
    for _ in range(100):
        v = matrix @ u / np.linalg.norm(matrix @ u)
        u = matrix.T @ v / np.linalg.norm(matrix.T @ v)
        sigma, ours = power_iteration(jnp.asarray(matrix, jnp.float32), ours)
        np.testing.assert_allclose(sigma, v @ matrix @ u, rtol=1e-5)
    np.testing.assert_allclose(ours, u, atol=1e-4)
    np.testing.assert_allclose(sigma, np.linalg.svd(matrix)[1][0], rtol=1e-3)


@over_layers
def test_the_power_iteration_moves_only_when_its_collection_is_mutable(layer):
    module, x, name = layer
    variables = jax.jit(module.init)(jax.random.key(0), x)
    out = module.apply(variables, x)
    assert same_bits(out, module.apply(variables, x))
    moved = steps(module, variables, x, 1)
    assert not same_bits(moved["spectral"], variables["spectral"])
    assert variables["spectral"]["norm"]["u"].shape == (7,)
    settled = steps(module, variables, x, 200)
    kernel = np.asarray(settled["params"][name]).reshape(-1, 7)
    sigma, _ = power_iteration(jnp.asarray(kernel), settled["spectral"]["norm"]["u"])
    np.testing.assert_allclose(np.linalg.svd(kernel / sigma)[1][0], 1, atol=1e-3)


@over_layers
def test_the_scale_of_a_spectral_weight_does_not_matter_and_gets_no_gradient(layer):
    module, x, name = layer
    variables = jax.jit(module.init)(jax.random.key(0), x)

    def value(params):
        return jnp.sum(jnp.sin(module.apply({**variables, "params": params}, x)))

    gradient = jax.grad(value)(variables["params"])[name]
    kernel = variables["params"][name]
    assert abs(float(jnp.sum(gradient * kernel))) < 1e-5 * float(jnp.linalg.norm(gradient) * jnp.linalg.norm(kernel))
    scaled = {**variables["params"], name: 10 * kernel}
    np.testing.assert_allclose(value(scaled), value(variables["params"]), rtol=1e-5)


# Equalised learning rate


@pytest.mark.parametrize(
    ("weight", "fan_in", "expected"),
    [
        (Equalised(), 9 * 512, 0.0208333),
        (Equalised(gain=1.0), 16, 0.25),
        (Equalised(), 8192, 0.015625),
        (Equalised(gain=math.sqrt(2) / 4), 512, 0.015625),
        (Equalised(rate=0.01), 512, 6.25e-4),
    ],
)
def test_coefficients(weight, fan_in, expected):
    assert weight.coefficient(fan_in) == pytest.approx(expected, rel=1e-5)


def test_equalised_weights_are_stored_with_deviation_one_over_their_rate_and_give_the_same_outputs():
    x = jax.random.normal(KEY, (3, 256))
    slow, plain = Dense(128, weight=Equalised(rate=0.01)), Dense(128, weight=Equalised())
    params = jax.jit(slow.init)(KEY, x)["params"]
    assert float(jnp.std(plain.init(KEY, x)["params"]["kernel"])) == pytest.approx(1.0, abs=0.02)
    assert float(jnp.std(params["kernel"])) == pytest.approx(100.0, rel=0.02)
    assert not params["bias"].any()
    scaled = {"kernel": params["kernel"] / 100, "bias": params["bias"] + 2.0}
    y = slow.apply({"params": {**params, "bias": params["bias"] + 200.0}}, x)
    np.testing.assert_allclose(y, plain.apply({"params": scaled}, x), rtol=1e-4, atol=1e-5)
