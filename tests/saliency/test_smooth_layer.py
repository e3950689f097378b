"""Heads with one smooth layer: backward passes with powers of the kernel, against forward mode along every element."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn

from genjax.saliency import EXP, LOGIT, SIGMOID, SOFTMAX, diagonal_derivatives, forward_mode
from tests.saliency import heads
from tests.saliency.heads import KERNEL, LOGITS, SQUARE, conv

ROUTE = "powers of one smooth layer"
WIDE = np.random.default_rng(1).normal(size=(80, 6))
LAST = np.random.default_rng(2).normal(size=(6, 3))


def strided(a, kernel):
    numbers = ("NHWC", "HWIO", "NHWC")
    kernel = jnp.asarray(kernel, a.dtype)
    return jax.lax.conv_general_dilated(
        a[None], kernel, (2, 2), "VALID", rhs_dilation=(2, 1), dimension_numbers=numbers
    )[0]


ONE_LAYER = {
    "conv, gelu, mean, dense": lambda a: jax.nn.gelu(conv(a, KERNEL)).mean((0, 1)) @ LOGITS,
    "batch norms and silu": lambda a: (
        jax.nn.silu(conv(a * SQUARE[0] + 1, KERNEL) * SQUARE[1] - 2).mean((0, 1)) @ LOGITS
    ),
    "strides and dilation": lambda a: jnp.tanh(strided(a, KERNEL[:2])).sum((0, 1)) @ LOGITS,
    "mean and a hidden layer": lambda a: jnp.tanh(a.mean((0, 1)) @ SQUARE) @ LOGITS,
    "flattened, hidden layer": lambda a: jax.nn.gelu(a.reshape(-1) @ WIDE + 0.1) @ LAST,
    "dense, silu, flattened": lambda a: jax.nn.silu(a @ SQUARE).reshape(-1) @ np.resize(WIDE, (80, 3)),
    "residual": lambda a: (a + conv(jax.nn.gelu(conv(a, KERNEL)), KERNEL)).mean((0, 1)) @ LOGITS,
    "depthwise, then dense": lambda a: jnp.tanh(conv(a, heads.DEPTHWISE, 4) @ SQUARE).mean((0, 1)) @ LOGITS,
    "leaky relu before": lambda a: jnp.tanh(conv(jax.nn.leaky_relu(a), KERNEL)).mean((0, 1)) @ LOGITS,
    "relu and convolution after": lambda a: jax.nn.relu(conv(jnp.tanh(conv(a, KERNEL)), KERNEL)).mean((0, 1)) @ LOGITS,
    "max pool before": lambda a: jnp.tanh(nn.max_pool(a[None], (2, 2))[0] @ SQUARE).mean((0, 1)) @ LOGITS,
    "average pool before": lambda a: jnp.tanh(nn.avg_pool(a[None], (2, 2))[0] @ SQUARE).mean((0, 1)) @ LOGITS,
    "two layers side by side": lambda a: (
        jax.nn.gelu(conv(a, KERNEL)).mean((0, 1)) @ LOGITS + jnp.sin(a).sum((0, 1))[:3]
    ),
    "one logit per channel": lambda a: jax.nn.softplus(conv(a, KERNEL)).mean((0, 1))[:3],
}
# More than one path to an entry, or more than one layer: not of this form, and not to be taken for it.
OTHERS = {
    "two convolutions": lambda a: jnp.tanh(conv(conv(a, KERNEL), KERNEL)).mean((0, 1)) @ LOGITS,
    "convolution and its sum": lambda a: jax.nn.sigmoid(conv(a, KERNEL).mean((0, 1)) @ LOGITS),
    "two layers": lambda a: jnp.tanh(jax.nn.gelu(conv(a, KERNEL)).mean((0, 1)) @ SQUARE) @ LOGITS,
    "a skip before": lambda a: jnp.tanh(a + conv(a, KERNEL)).mean((0, 1)) @ LOGITS,
    "a product of two": lambda a: (jnp.tanh(conv(a, KERNEL)) * conv(a, KERNEL[::-1])).mean((0, 1)) @ LOGITS,
    "cumulative sum, twice": lambda a: jnp.tanh(jnp.cumsum(jnp.cumsum(a, 0), 0)).mean((0, 1)) @ LOGITS,
    "a rule that mixes": lambda a: heads.tanh_with_a_mixing_rule(conv(a, KERNEL)).mean((0, 1)) @ LOGITS,
}


def both(head, score):
    with jax.enable_x64(True), jax.numpy_rank_promotion("allow"):
        a = jax.random.normal(jax.random.key(3), (5, 4, 4), jnp.float64)

        @jax.jit
        def run(a):
            return [diagonal_derivatives(head, a, score, 1, chunk=2, **m) for m in ({}, {"method": forward_mode})]

        found, right = run(a)
        for value, reference in zip(found[:3], right[:3], strict=True):
            close = max(1e-12 * np.abs(reference).max(), 16 * np.finfo(float).eps)  # beside terms of about one
            np.testing.assert_allclose(value, reference, rtol=0, atol=close)
        np.testing.assert_allclose(found.log_score, right.log_score, rtol=1e-12)
        return found.route.name


@pytest.mark.parametrize("name", ONE_LAYER)
def test_one_smooth_layer_needs_backward_passes_only(name):
    assert both(ONE_LAYER[name], SOFTMAX) == ROUTE


@pytest.mark.parametrize("score", [EXP, LOGIT, SIGMOID])
def test_scores_of_one_logit_need_three_backward_passes(score):
    assert both(ONE_LAYER["conv, gelu, mean, dense"], score) == ROUTE


@pytest.mark.parametrize("name", OTHERS)
def test_other_heads_are_not_taken_for_one_smooth_layer(name):
    assert both(OTHERS[name], EXP) != ROUTE


def test_float32_has_the_digits_of_forward_mode():
    head = ONE_LAYER["batch norms and silu"]
    with jax.numpy_rank_promotion("allow"):
        a = jax.random.normal(jax.random.key(3), (5, 4, 4))
        found = jax.jit(lambda a: diagonal_derivatives(lambda v: head(v).astype(v.dtype), a, SOFTMAX, 1))(a)
        assert found.first.dtype == jnp.float32
        with jax.enable_x64(True):
            right = jax.jit(lambda a: diagonal_derivatives(head, a, SOFTMAX, 1))(jnp.asarray(a, jnp.float64))
        for value, reference in zip(found[:3], right[:3], strict=True):
            np.testing.assert_allclose(value, reference, rtol=0, atol=5e-6 * np.abs(reference).max())


def test_the_work_does_not_grow_with_the_activations():
    def flops(side, **method):
        def run(a):
            return diagonal_derivatives(
                lambda v: (jax.nn.gelu(conv(v, KERNEL)).mean((0, 1)) @ LOGITS).astype(v.dtype), a, EXP, 1, **method
            )

        compiled = jax.jit(run).lower(jax.ShapeDtypeStruct((side, side, 4), jnp.float32)).compile()
        return compiled.cost_analysis()["flops"] / side**2

    assert flops(32) < 1.2 * flops(16)
