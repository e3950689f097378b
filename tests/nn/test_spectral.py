import jax
import jax.numpy as jnp
import numpy as np
import pytest

from genjax.nn.spectral import SpectralConv, SpectralDense, SpectralEmbed, power_iteration
from tests.engine.toy import same_bits

LAYERS = {
    "conv": (SpectralConv(7), jnp.ones((2, 6, 6, 5)), "kernel"),
    "dense": (SpectralDense(7), jnp.ones((2, 5)), "kernel"),
    "embed": (SpectralEmbed(10, 7), jnp.arange(3), "table"),
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
def test_the_state_moves_only_when_its_collection_is_mutable(layer):
    module, x, name = layer
    variables = module.init(jax.random.key(0), x)
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
def test_the_scale_of_the_weight_does_not_matter_and_gets_no_gradient(layer):
    module, x, name = layer
    variables = module.init(jax.random.key(0), x)

    def value(params):
        return jnp.sum(jnp.sin(module.apply({**variables, "params": params}, x)))

    gradient = jax.grad(value)(variables["params"])[name]
    kernel = variables["params"][name]
    assert abs(float(jnp.sum(gradient * kernel))) < 1e-5 * float(jnp.linalg.norm(gradient) * jnp.linalg.norm(kernel))
    scaled = {**variables["params"], name: 10 * kernel}
    np.testing.assert_allclose(value(scaled), value(variables["params"]), rtol=1e-5)
