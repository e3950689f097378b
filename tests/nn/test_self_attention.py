"""The attention block of GANs against its equations, written out pixel by pixel."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from genjax.nn.self_attention import SelfAttention
from genjax.nn.weights import Spectral

X = jax.random.normal(jax.random.key(0), (2, 4, 6, 16))


def opened(block, gamma):
    """Return the block's variables with this gamma, and with biases that are not 0."""
    variables = jax.jit(block.init)(jax.random.key(1), X)
    variables = {**variables, "params": {**variables["params"], "gamma": jnp.float32(gamma)}}
    for index, name in enumerate(("query", "key", "value", "output") if block.use_bias else ()):
        layer = variables["params"][name]
        variables["params"][name] = {**layer, "bias": jax.random.normal(jax.random.key(index), layer["bias"].shape)}
    return variables


def written_out(params, full):
    """Return x + gamma o with a loop over queries, in float64."""
    x, out = np.asarray(X, np.float64), np.empty(X.shape)
    kernels = {name: np.asarray(params[name]["kernel"], np.float64)[0, 0] for name in params if name != "gamma"}
    biases = {name: np.asarray(params[name].get("bias", 0.0), np.float64) for name in kernels}
    for image in range(2):
        query, key, value = (x[image] @ kernels[name] + biases[name] for name in ("query", "key", "value"))
        if not full:
            key, value = (
                np.array([[y[r : r + 2, c : c + 2].max((0, 1)) for c in (0, 2, 4)] for r in (0, 2)])
                for y in (key, value)
            )
        keys, values = key.reshape(-1, key.shape[-1]), value.reshape(-1, value.shape[-1])
        for row, column in np.ndindex(4, 6):
            exponential = np.exp(keys @ query[row, column])
            seen = values.T @ (exponential / exponential.sum())
            out[image, row, column] = seen @ kernels["output"] + biases["output"]
    return x + float(params["gamma"]) * out


@pytest.mark.parametrize("full", [False, True], ids=["pooled", "full"])
@pytest.mark.parametrize("use_bias", [False, True], ids=["without bias", "with bias"])
def test_it_computes_the_equations(full, use_bias):
    block = SelfAttention(use_bias=use_bias, full=full)
    variables = opened(block, 0.7)
    np.testing.assert_allclose(block.apply(variables, X), written_out(variables["params"], full), atol=1e-5)


def test_with_gamma_0_it_is_the_identity_and_gamma_has_a_gradient():
    block = SelfAttention(weight=Spectral())
    variables = jax.jit(block.init)(jax.random.key(1), X)
    assert variables["params"]["gamma"].shape == () and not variables["params"]["gamma"]
    assert np.array_equal(block.apply(variables, X), X)
    gradients = jax.grad(lambda params: jnp.sum(block.apply({**variables, "params": params}, X) ** 2))(
        variables["params"]
    )
    assert abs(gradients["gamma"]) > 1e-2
    assert not np.any(gradients["query"]["kernel"])


def test_parameters_as_many_as_the_form_says():
    def count(**fields):
        shapes = jax.eval_shape(SelfAttention(**fields).init, jax.random.key(0), jnp.zeros((1, 2, 2, 64)))
        return sum(x.size for x in jax.tree.leaves(shapes["params"]))

    assert count() == 5121 and count(full=True) == 64**2 // 2 + 1
    assert count(use_bias=True) == 5121 + 8 + 8 + 32 + 64


def test_every_convolution_is_made_of_the_weight():
    variables = SelfAttention(weight=Spectral()).init(jax.random.key(1), X)
    assert sorted(variables["spectral"]) == ["key", "output", "query", "value"]


def test_the_map_is_kept_on_demand():
    block = SelfAttention()
    _, kept = block.apply(opened(block, 0.7), X, mutable=["intermediates"])
    (attention,) = kept["intermediates"]["attention"]
    assert attention.shape == (2, 24, 6)
    np.testing.assert_allclose(attention.sum(-1), 1.0, rtol=1e-6)


def test_half_precision_keeps_the_softmax_in_float32():
    block = SelfAttention(dtype=jnp.bfloat16)
    variables = opened(block, 0.7)
    y, kept = block.apply(variables, X.astype(jnp.bfloat16), mutable=["intermediates"])
    assert y.dtype == jnp.bfloat16 and kept["intermediates"]["attention"][0].dtype == jnp.float32
    np.testing.assert_allclose(np.float32(y), block.apply(variables, X), atol=0.1)


def test_maps_that_cannot_be_halved_and_too_few_channels_are_refused():
    with pytest.raises(ValueError, match="3 x 4 pixels cannot be halved"):
        SelfAttention().init(jax.random.key(0), jnp.zeros((1, 3, 4, 8)))
    SelfAttention(full=True).init(jax.random.key(0), jnp.zeros((1, 3, 4, 8)))
    with pytest.raises(ValueError, match="7 channels; attention compares an eighth"):
        SelfAttention().init(jax.random.key(0), jnp.zeros((1, 4, 4, 7)))
