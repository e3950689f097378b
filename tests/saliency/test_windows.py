"""Windows before a spatial sum: lattices of probes, against forward mode along every element and threefold `grad`."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn

from genjax.saliency import EXP, LOGIT, SOFTMAX, diagonal_derivatives, forward_mode, per_position, reverse_mode
from genjax.saliency.calculus.structure import flatten, read_structure
from tests.saliency import heads
from tests.saliency.heads import KERNEL, LOGITS, SQUARE, conv

ROUTE = "lattices of positions"
gelu, norm = jax.nn.gelu, heads.ANYWHERE["layer norm"]


def strided(a, padding=((2, 1), (0, 1)), dilation=(1, 2)):
    options = {"rhs_dilation": dilation, "dimension_numbers": heads.NUMBERS}
    return jax.lax.conv_general_dilated(a[None], jnp.asarray(KERNEL[:2], a.dtype), (2, 1), padding, **options)[0]


# Heads, and the window that they have along the two axes of 7 x 6 positions.
WINDOWS = {
    "two smooth layers": (lambda a: jnp.tanh(gelu(conv(a, KERNEL)) @ SQUARE).mean((0, 1)) @ LOGITS, (3, 3)),
    "layer norm after": (lambda a: norm(gelu(conv(norm(a), KERNEL))).mean((0, 1)) @ LOGITS, (3, 3)),
    "a skip": (lambda a: jnp.tanh(norm(a) + conv(norm(a), heads.DEPTHWISE, 4)).mean((0, 1)) @ LOGITS, (3, 3)),
    "stride and dilation": (lambda a: norm(strided(jnp.sin(a))).mean((0, 1)) ** 2 @ LOGITS, (2, 5)),
    "max pool": (lambda a: norm(nn.max_pool(jnp.tanh(a)[None], (2, 2), (2, 2))[0]).mean((0, 1)) @ LOGITS, (2, 2)),
    "average pool": (lambda a: norm(nn.avg_pool(jnp.tanh(a)[None], (2, 3), (1, 2))[0]).sum((0, 1)) @ LOGITS, (2, 3)),
    "cut and padded": (lambda a: norm(conv(jnp.pad(a[1:, ::2], ((2, 0), (1, 1), (0, 0))), KERNEL)).sum((0, 1)) @ LOGITS,
                       (3, 5)),
    "two windows, two sums": (
        lambda a: norm(conv(a, KERNEL)).mean((0, 1)) @ LOGITS * jnp.tanh(jnp.sin(a).mean((0, 1)) @ LOGITS), (3, 3),
    ),
    "summed over channels too": (lambda a: norm(conv(a, KERNEL)).mean() ** 2 * LOGITS[0], (3, 3)),
    "channels first": (lambda a: norm(conv(a, KERNEL)).transpose(2, 1, 0).mean((1, 2)) ** 2 @ LOGITS, (3, 3)),
    "wider than the grid": (lambda a: norm(conv(gelu(conv(norm(conv(a, KERNEL)), KERNEL)), KERNEL)).mean((0, 1))
                            @ LOGITS, (7, 6)),
}  # fmt: skip


@pytest.mark.parametrize("name", WINDOWS)
def test_a_lattice_of_probes_has_the_derivatives_of_forward_mode(name):
    head, window = WINDOWS[name]
    with jax.enable_x64(True), jax.numpy_rank_promotion("allow"):
        a = jax.random.normal(jax.random.key(3), (7, 6, 4), jnp.float64)
        structure = read_structure(flatten(head, a), a)
        assert structure is not None and structure.period((7, 6)) == window

        @jax.jit
        def both(a):
            return [diagonal_derivatives(head, a, SOFTMAX, 1, method=m, chunk=5) for m in (per_position, forward_mode)]

        found, right = both(a)
        for value, reference in zip(found[:3], right[:3], strict=True):
            np.testing.assert_allclose(value, reference, rtol=0, atol=1e-12 * max(1e-3, np.abs(reference).max()))
        assert found.route.name == ROUTE


@pytest.mark.parametrize("score", [SOFTMAX, *(pytest.param(score, marks=pytest.mark.slow) for score in (EXP, LOGIT))])
def test_auto_takes_lattices_and_agrees_with_three_gradients(score):
    head, _ = WINDOWS["layer norm after"]
    with jax.enable_x64(True), jax.numpy_rank_promotion("allow"):
        a = jax.random.normal(jax.random.key(4), (7, 6, 4), jnp.float64)
        found, right = (
            jax.jit(lambda a, m=m: diagonal_derivatives(head, a, score, 2, **m))(a)
            for m in ({}, {"method": reverse_mode})
        )
        assert found.route.name == ROUTE and "9 lattices x 4 channels, instead of 168" in found.route.reason
        for value, reference in zip(found[:3], right[:3], strict=True):
            np.testing.assert_allclose(value, reference, rtol=0, atol=1e-11 * np.abs(reference).max())


NO_WINDOW = {
    "transposed convolution": lambda a: (
        norm(
            jax.lax.conv_general_dilated(
                a[None], KERNEL, (1, 1), ((1, 1), (1, 1)), lhs_dilation=(2, 1), dimension_numbers=heads.NUMBERS
            )[0]
        ).mean((0, 1))
        @ LOGITS
    ),
    "two strides": lambda a: norm(nn.max_pool(a[None], (3, 1), (3, 1))[0] + a[:2]).mean((0, 1)) @ LOGITS,
    "cumulative sum": lambda a: norm(conv(jnp.cumsum(a, 0), KERNEL)).mean((0, 1)) @ LOGITS,
    "part of the positions is summed": lambda a: norm(conv(a, KERNEL)).mean(0)[2] @ LOGITS,
}


@pytest.mark.parametrize("name", NO_WINDOW)
def test_other_ways_to_mix_positions_are_no_windows(name):
    with jax.enable_x64(True), jax.numpy_rank_promotion("allow"):
        a = jax.random.normal(jax.random.key(5), (7, 6, 4), jnp.float64)
        assert read_structure(flatten(NO_WINDOW[name], a), a) is None


@pytest.mark.parametrize("side", [10, 12])
def test_the_passes_before_the_sum_do_not_grow_with_the_image(side):
    def head(v):
        kernel = KERNEL[:2, :2]
        return (gelu(conv(gelu(conv(v, kernel)), kernel)).mean((0, 1)) @ LOGITS).astype(v.dtype)

    with jax.numpy_rank_promotion("allow"):
        a = jax.ShapeDtypeStruct((side, side, 4), jnp.float32)
        route = jax.eval_shape(lambda a: diagonal_derivatives(head, a, EXP, 1), a).route
        assert f"9 lattices x 4 channels, instead of {4 * side**2} directions" in route.reason
