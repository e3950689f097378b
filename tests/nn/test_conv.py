import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from genjax.nn.conv import Conv, ConvTranspose, conv, conv_transpose
from tests.engine.toy import worst

LAYOUT = ("NHWC", "HWIO", "NHWC")


def reference_conv(x, kernel, stride):
    return lax.conv_general_dilated(x, kernel, (stride, stride), "SAME", dimension_numbers=LAYOUT)


def reference_transpose(x, kernel, stride):
    return lax.conv_transpose(x, kernel, (stride, stride), "SAME")


PAIRS = {"conv": (conv, reference_conv), "transpose": (conv_transpose, reference_transpose)}
over_pairs = pytest.mark.parametrize("pair", PAIRS.values(), ids=PAIRS)


def draw(k, size=(5, 6), channels=(4, 5)):
    keys = jax.random.split(jax.random.key(k), 4)
    x, kernel = jax.random.normal(keys[0], (2, *size, channels[0])), jax.random.normal(keys[1], (k, k, *channels))
    return x, kernel, jax.random.normal(keys[2], x.shape), jax.random.normal(keys[3], kernel.shape)


def second_order(function, stride):
    """Gradient to the kernel of the squared norm of the gradient to x: what a gradient penalty needs."""

    def penalty(kernel, x):
        return jnp.sum(jax.grad(lambda x: jnp.sum(jnp.tanh(function(x, kernel, stride))))(x) ** 2)

    return jax.grad(penalty)


@over_pairs
@pytest.mark.parametrize("shape", [(3, 1), (3, 2), (4, 2), (5, 2), (2, 3)], ids=lambda shape: f"k{shape[0]}s{shape[1]}")
@pytest.mark.parametrize("channels", [(4, 5), (8, 2), (3, 4), (2, 170)], ids=["many", "few", "light", "heavy"])
def test_values_and_derivatives_of_every_mode_are_those_of_the_direct_form(pair, shape, channels):
    k, stride = shape
    arguments = draw(k, channels=channels)

    def everything(function, x, kernel, dx, dkernel):
        def direct(x, kernel):
            return function(x, kernel, stride)

        y, tangent = jax.jvp(direct, (x, kernel), (dx, dkernel))
        twice = second_order(function, stride)(kernel, x) if k == 4 else ()
        return y, tangent, jax.vjp(direct, x, kernel)[1](jnp.cos(y)), twice

    ours, reference = (jax.jit(everything, static_argnums=0)(function, *arguments) for function in pair)
    for one, other in zip(jax.tree.leaves(ours), jax.tree.leaves(reference), strict=True):
        assert one.shape == other.shape
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-4 * float(jnp.max(jnp.abs(other))))


@over_pairs
def test_no_derivative_contains_a_dilated_or_strided_convolution(pair):
    x, kernel, *_ = draw(4, (6, 6))
    for function, expected in zip(pair, (False, True), strict=True):
        text = str(jax.make_jaxpr(second_order(function, 2))(kernel, x))
        assert ("lhs_dilation=(2, 2)" in text) is expected


@over_pairs
def test_other_backends_get_the_library_s_own_program(pair, monkeypatch):
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    x, kernel, *_ = draw(4, (6, 6), (8, 2))
    texts = [str(jax.make_jaxpr(lambda x, kernel, f=f: f(x, kernel, 2))(x, kernel)) for f in pair]
    assert texts[0] == texts[1]


@pytest.mark.parametrize("stride", [1, 2])
def test_without_padding_the_rim_is_lost(stride):
    for channels in ((4, 5), (8, 2), (3, 4)):
        x, kernel, *_ = draw(3, (7, 8), channels)
        expected = lax.conv_general_dilated(x, kernel, (stride, stride), "VALID", dimension_numbers=LAYOUT)
        assert worst(conv(x, kernel, stride, padding="VALID"), expected) < 1e-4


def test_few_channels_are_summed_in_float32():
    x, kernel, *_ = draw(7, (9, 9), (64, 1))
    exact = conv(x.astype(jnp.bfloat16).astype(jnp.float32), kernel.astype(jnp.bfloat16).astype(jnp.float32), 1)
    low = conv(x.astype(jnp.bfloat16), kernel.astype(jnp.bfloat16), 1)
    assert low.dtype == jnp.bfloat16
    assert worst(low, exact) <= 2**-8 * float(jnp.abs(exact).max())  # rounded once


@pytest.mark.parametrize("size", [(1, 1), (1, 4), (7, 2)])
def test_sizes_of_one_pixel_work(size):
    for channels in ((4, 5), (3, 4)):
        x, kernel, *_ = draw(4, size, channels)
        for ours, reference in PAIRS.values():
            assert worst(ours(x, kernel, 2), reference(x, kernel, 2)) < 1e-4


@pytest.mark.parametrize("stride", [1, 2])
def test_few_channels_become_products_of_patches_in_every_derivative(stride):
    x, kernel, *_ = draw(5, (8, 9), (3, 64))
    program = jax.make_jaxpr(second_order(conv, stride))(kernel, x)
    assert "conv_general_dilated" not in str(program)
    cost = jax.jit(lambda x, kernel: conv(x, kernel, stride)).lower(x, kernel).cost_analysis()
    outputs = 2 * -(-8 // stride) * (-(-9 // stride) + 1)  # in pairs
    assert cost["flops"] < 1.1 * 2 * outputs * 64 * 3 * 5 * (5 + stride), "a pair's common patch is stride wider"


@over_pairs
@pytest.mark.parametrize("size", [(1, 1), (1, 4), (3, 2)])
@pytest.mark.parametrize("stride", [1, 2, 3])
def test_a_heavy_kernel_meets_few_pixels_as_one_product_of_the_taps_that_meet_them(pair, size, stride):
    (ours, reference), (x, kernel, *_) = pair, draw(5, size, (3, 90))
    assert "conv_general_dilated" not in str(jax.make_jaxpr(lambda x, kernel: ours(x, kernel, stride))(x, kernel))
    assert worst(ours(x, kernel, stride), reference(x, kernel, stride)) < 1e-4
    if stride == 1 and size == (1, 1):
        cost = jax.jit(lambda x, kernel: ours(x, kernel, 1)).lower(x, kernel).cost_analysis()
        assert cost["flops"] < 3 * 2 * 2 * 3 * 90, "one tap of 25"


@pytest.mark.parametrize(("layer", "size"), [(Conv, 4), (ConvTranspose, 16)])
def test_layers_compute_in_the_type_asked_for_and_keep_float32_parameters(layer, size):
    module = layer(5, dtype=jnp.bfloat16)
    x = jnp.ones((2, 8, 8, 3))
    variables = module.init(jax.random.key(0), x)
    y = module.apply(variables, x)
    assert y.shape == (2, size, size, 5)
    assert y.dtype == jnp.bfloat16
    assert variables["params"]["kernel"].dtype == jnp.float32
    assert variables["params"]["bias"].shape == (5,)
