"""Exact derivatives: every method against high-precision values, and the route each head is given."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn

from genjax.saliency import (
    EXP,
    LOGIT,
    SOFTMAX,
    Score,
    auto,
    class_probability,
    diagonal_derivatives,
    exp_trick,
    forward_mode,
    per_position,
    piecewise_linear,
    pooled,
    reverse_mode,
    taylor_mode,
)
from genjax.saliency.calculus.pooled import matrix_of
from genjax.saliency.calculus.widen import wide_logits
from tests.golden import FOLDER

SCORES = {"logit": LOGIT, "exp": EXP, "softmax": SOFTMAX}
# Which methods apply to which of the two reference heads.
METHODS = {
    "gelu": [forward_mode, reverse_mode, taylor_mode, auto],
    "relu": [forward_mode, reverse_mode, per_position, piecewise_linear, auto],
}


@pytest.fixture(scope="module")
def golden():
    with np.load(FOLDER / "higher_order_golden.npz") as file:
        return dict(file)


def gelu_head(golden):
    p = {k.removeprefix("gelu_param_"): v for k, v in golden.items() if k.startswith("gelu_param_")}

    def head(a):
        numbers = ("NHWC", "HWIO", "NHWC")
        a = jax.lax.conv_general_dilated(a[None], p["conv_w"], (1, 1), "SAME", dimension_numbers=numbers)[0]
        a = jax.nn.gelu(a + p["conv_b"][None, None], approximate=False).mean((0, 1))
        return jnp.tanh(a @ p["d1_w"] + p["d1_b"]) @ p["d2_w"] + p["d2_b"]

    return head


def relu_head(golden):
    p = {k.removeprefix("relu_param_"): v for k, v in golden.items() if k.startswith("relu_param_")}
    return lambda a: jax.nn.relu(a @ p["conv_w"] + p["conv_b"][None, None]).mean((0, 1)) @ p["d2_w"] + p["d2_b"]


HEADS = {"gelu": gelu_head, "relu": relu_head}


def cases():
    for name, methods in METHODS.items():
        for method in methods:
            for score in SCORES:
                # Triple gradients and Taylor series take long to compile: one score of them is enough by default.
                marks = [pytest.mark.slow] if method in (reverse_mode, taylor_mode) and score != "softmax" else []
                yield pytest.param(name, method, score, marks=marks)


@pytest.mark.parametrize(("name", "method", "score"), list(cases()))
def test_derivatives_match_seventy_digit_arithmetic(golden, name, method, score):
    with jax.enable_x64(True):
        head = HEADS[name](golden)
        found = jax.jit(
            lambda a: jax.vmap(lambda c: diagonal_derivatives(head, a, SCORES[score], c, method=method, chunk=48))(
                jnp.arange(3)
            )
        )(jnp.asarray(golden["A"]))
        scale = np.exp(found.log_score)[:, None, None, None] if score != "logit" else 1
        for order, value in zip(("d1", "d2", "d3"), found[:3], strict=True):
            expected = golden[f"{name}_{score}_{order}"]
            np.testing.assert_allclose(value * scale, expected, rtol=0, atol=1e-10 * np.abs(expected).max() + 1e-300)
        if score != "logit":
            np.testing.assert_allclose(scale[:, 0, 0, 0], golden[f"{name}_{score}_value"], rtol=1e-12)


def test_the_approximation_is_not_exact_for_a_curved_head(golden):
    with jax.enable_x64(True):
        head, a = gelu_head(golden), jnp.asarray(golden["A"])
        approximate = diagonal_derivatives(head, a, EXP, 1, method=exp_trick)
        exact = jax.jit(lambda a: diagonal_derivatives(head, a, EXP, 1, chunk=48))(a)
        np.testing.assert_allclose(approximate.first, exact.first, rtol=1e-12)
        assert np.abs(approximate.second - exact.second).max() > 0.3 * np.abs(exact.second).max()


MATRIX = np.asarray(jax.random.normal(jax.random.key(0), (6, 5)), np.float64)
SQUARE = np.asarray(jax.random.normal(jax.random.key(1), (6, 6)), np.float64)
KERNEL = np.asarray(jax.random.normal(jax.random.key(2), (3, 3, 6, 6)), np.float64)
NORM = {"scale": np.abs(MATRIX[:, 0]), "bias": MATRIX[:, 1]}
STATISTICS = {"batch_stats": {"mean": MATRIX[:, 2], "var": MATRIX[:, 3] ** 2 + 0.1}}


def conv(a, kernel):
    numbers = ("NHWC", "HWIO", "NHWC")
    return jax.lax.conv_general_dilated(a, kernel.astype(a.dtype), (1, 1), "SAME", dimension_numbers=numbers)


def attention(a):
    tokens = a.reshape(-1, 6)
    return (jax.nn.softmax(tokens @ tokens.T) @ tokens).mean(0) @ MATRIX


def batch_norm(a):
    return nn.BatchNorm(use_running_average=True).apply({"params": NORM} | STATISTICS, a)


def layer_norm(a):
    return nn.LayerNorm().apply({"params": NORM}, a)


@jax.custom_vjp
def reverse_only_tanh(x):
    return jnp.tanh(x)


reverse_only_tanh.defvjp(lambda x: (jnp.tanh(x), x), lambda x, g: (g * (1 - jnp.tanh(x) ** 2),))


@jax.custom_jvp
def tanh_with_a_global_rule(x):
    return jnp.tanh(x)


tanh_with_a_global_rule.defjvp(lambda p, t: (tanh_with_a_global_rule(p[0]), t[0] * jnp.cos(p[0].sum())))


def doubled(a):
    return jax.lax.while_loop(lambda v: jnp.sum(jnp.abs(v)) < 100, lambda v: 2 * v, jax.nn.relu(a))


# head, route for the softmax score
STRUCTURES = {
    "mean and dense": (lambda a: a.mean((0, 1)) @ MATRIX, "class moments, one matrix"),
    "with a batch axis": (lambda a: (a[None].mean((1, 2)) @ MATRIX)[0], "class moments, one matrix"),
    "full-window pooling": (
        lambda a: nn.avg_pool(a[None], (3, 4)).reshape(1, -1)[0] @ MATRIX,
        "class moments, one matrix",
    ),
    "dense before the mean": (lambda a: (a @ SQUARE).mean((0, 1)) @ MATRIX, "class moments, one matrix"),
    "batch norm, mean, dense": (lambda a: batch_norm(a).mean((0, 1)) @ MATRIX, "class moments, one matrix"),
    "mean, relu, dense": (lambda a: jax.nn.relu(a.mean((0, 1)) @ SQUARE) @ MATRIX, "class moments, one matrix"),
    "channels first": (lambda a: a.transpose(2, 0, 1).sum((1, 2)) @ MATRIX, "class moments, one matrix"),
    "1x1 conv, relu, mean": (
        lambda a: jax.nn.relu(conv(a[None], MATRIX[None, None]) + 0.1).mean((1, 2))[0],
        "class moments, matrix products",
    ),
    "1x1, relu6, flattened positions": (
        lambda a: jax.nn.relu6(a.reshape(12, 6) @ MATRIX[:, :5]).sum(0) / 12 + MATRIX[0],
        "class moments, streamed",
    ),
    "1x1 conv, relu, mean, dense": (
        lambda a: jax.nn.relu(a @ SQUARE).mean((0, 1)) @ MATRIX,
        "class moments, streamed",
    ),
    "3x3 conv, relu, mean, dense": (
        lambda a: jax.nn.relu(conv(a[None], KERNEL)).mean((1, 2))[0] @ MATRIX,
        "class moments, streamed",
    ),
    "flatten and dense": (lambda a: jax.nn.relu(a.reshape(-1) @ np.resize(KERNEL, (72, 5))), "class moments, streamed"),
    "mean, layer norm, dense": (lambda a: layer_norm(a.mean((0, 1))) @ MATRIX, "one direction per channel"),
    "1x1 conv, gelu, mean, dense": (
        lambda a: jax.nn.gelu(a @ SQUARE).mean((0, 1)) @ MATRIX,
        "powers of one smooth layer",
    ),
    "layer norm per position": (lambda a: layer_norm(a).mean((0, 1)) @ MATRIX, "all positions at once"),
    "two sums": (
        lambda a: jnp.concatenate([a.mean((0, 1)), jax.nn.silu(a).mean((0, 1))]) @ np.concatenate([MATRIX, MATRIX]),
        "powers of one smooth layer",
    ),
    "position embedding": (
        lambda a: jax.nn.gelu(a + KERNEL[:, :, :1, :][:, [0, 1, 2, 0], 0]).mean((0, 1)) @ MATRIX,
        "powers of one smooth layer",
    ),
    "different weights per position": (
        lambda a: (a * KERNEL[:, [0, 1, 2, 0], 0]).mean((0, 1)) @ MATRIX,
        "class moments, streamed",
    ),
    "squeeze and excite": (
        lambda a: (a * jax.nn.sigmoid(a.mean((0, 1), keepdims=True))).mean((0, 1)) @ MATRIX,
        "Taylor series",
    ),
    "attention": (attention, "Taylor series"),
    "3x3 conv, gelu": (
        lambda a: jax.nn.gelu(conv(a[None], KERNEL)).mean((1, 2))[0] @ MATRIX,
        "powers of one smooth layer",
    ),
    "half of the positions": (lambda a: a[:2].mean((0, 1)) @ MATRIX, "class moments, streamed"),
    "rolled by a relu": (lambda a: jax.nn.relu(jnp.roll(a, 1, 0) - a).mean((0, 1)) @ MATRIX, "class moments, streamed"),
    "minus the mean of the logits": (
        lambda a: (lambda s: s - s.mean())(jax.nn.relu(a @ MATRIX).mean((0, 1))),
        "class moments, streamed",
    ),
    "a rule that mixes positions": (lambda a: tanh_with_a_global_rule(a).mean((0, 1)) @ MATRIX, "Taylor series"),
    "a rule that mixes logits": (
        lambda a: tanh_with_a_global_rule(jax.nn.relu(a @ MATRIX).mean((0, 1))),
        "all positions at once",
    ),
    "sums over channels too": (
        lambda a: jax.nn.silu(jnp.stack([jnp.sum(a * KERNEL[:, [0, 1, 2, 0], 0]), a.mean(), a[..., 0].sum()])),
        "all positions at once",
    ),
    "the mean of everything as a feature": (
        lambda a: jnp.concatenate([a.mean((0, 1)), a.mean()[None]]) @ np.concatenate([MATRIX, MATRIX[:1]]),
        "class moments, one matrix",
    ),
    "divided by the mean square": (
        lambda a: (a.mean((0, 1)) @ MATRIX) / (1 + (a**2).mean()),
        "all positions at once",
    ),
    "cond on a mean": (
        lambda a: jax.lax.cond(a.mean() > 0, jnp.tanh, jnp.square, a.mean((0, 1)) @ MATRIX),
        "one direction per channel",
    ),
    "loop over the mean": (lambda a: doubled(a.mean((0, 1)) @ MATRIX), "one direction per channel"),
    "loop over the whole": (lambda a: doubled(jnp.abs(a))[0] @ MATRIX[:, 0] @ SQUARE[:4, :3], "Taylor series"),
    "custom reverse rule": (lambda a: reverse_only_tanh(a.mean((0, 1)) @ MATRIX), "reverse mode"),
}


@pytest.mark.parametrize(
    "linear",
    [
        lambda s: s @ MATRIX,
        lambda s: MATRIX.T @ (s / 12),
        lambda s: 2 * jnp.squeeze(s[None] @ MATRIX, 0),
        lambda s: jax.lax.dot_general(s.reshape(2, 3), MATRIX.reshape(2, 3, 5), (((1, 0), (1, 0)), ((), ()))),
    ],
)
def test_the_matrix_of_a_linear_map_is_read_off_its_program(linear):
    with jax.enable_x64(True):
        vector = jnp.ones(6)
        matrix = matrix_of(linear, vector)
        assert matrix is not None
        np.testing.assert_allclose(matrix, jax.jacobian(linear)(vector).T, rtol=1e-13)


@pytest.mark.parametrize(
    "linear",
    [
        lambda s: s @ SQUARE @ MATRIX,
        lambda s: s * MATRIX[:, 0],
        lambda s: s[::-1] @ MATRIX,
        lambda s: s.reshape(2, 3) @ MATRIX[:3],
        lambda s: s @ MATRIX + s[:5],
        lambda s: s.reshape(2, 3).T.reshape(6) @ MATRIX,
        lambda s: jnp.broadcast_to(s.reshape(1, 6), (2, 6)).reshape(12) @ np.concatenate([MATRIX, MATRIX]),
    ],
)
def test_no_matrix_is_read_off_what_is_no_single_product(linear):
    with jax.enable_x64(True):
        assert matrix_of(linear, jnp.ones(6)) is None


@pytest.mark.parametrize("name", STRUCTURES)
def test_the_route_follows_the_structure_and_is_exact(name):
    head, route = STRUCTURES[name]
    with jax.enable_x64(True):
        a = jax.random.normal(jax.random.key(3), (3, 4, 6), jnp.float64)
        reference = reverse_mode if route == "reverse mode" else forward_mode

        @jax.jit
        def both(a):
            return diagonal_derivatives(head, a, SOFTMAX, 2, chunk=6), diagonal_derivatives(
                head, a, SOFTMAX, 2, method=reference
            )

        found, expected = both(a)
        assert found.route.name == route, found.route
        for value, right in zip(found[:3], expected[:3], strict=True):
            np.testing.assert_allclose(value, right, rtol=0, atol=1e-11 * np.abs(right).max())
        np.testing.assert_allclose(found.log_score, jax.nn.log_softmax(head(a))[2], rtol=1e-11)


SHIFTED = {
    "two classes of a convolution": (
        lambda a: jax.nn.relu(conv(a[None], KERNEL[..., :2])).mean((1, 2))[0],
        jnp.zeros((2, 1, 6)),
    ),
    "1x1, relu, mean": (lambda a: jax.nn.relu(a @ MATRIX).mean((0, 1)), None),
    "mean and dense": (lambda a: a.mean((0, 1)) @ MATRIX, None),
    "1x1, gelu, mean": (lambda a: jax.nn.gelu(a @ MATRIX).mean((0, 1)), None),
    "3x3, relu, flattened": (lambda a: jax.nn.relu(conv(a[None], KERNEL)).reshape(-1)[:5], None),
}


@pytest.mark.parametrize("name", SHIFTED)
def test_softmax_does_not_see_a_shift_of_all_logits_even_one_that_depends_on_them(name):
    head, a = SHIFTED[name]
    with jax.enable_x64(True):
        a = jax.random.normal(jax.random.key(3), (3, 4, 6), jnp.float64) if a is None else a.astype(jnp.float64)

        @jax.jit
        def both(a):
            shifted = diagonal_derivatives(lambda v: head(v) - head(v).mean(), a, SOFTMAX, 0)
            return diagonal_derivatives(head, a, SOFTMAX, 0), shifted

        plain, shifted = both(a)
        for value, right in zip(shifted[:3], plain[:3], strict=True):
            np.testing.assert_allclose(value, right, rtol=0, atol=1e-12 * max(1e-3, np.abs(right).max()))


def test_two_classes_minus_their_mean_have_the_derivatives_of_two_classes():
    def head(a):
        s = jax.nn.relu(a @ jnp.array([[2.0, -2.0]])).mean((0, 1))
        return s - s.mean()

    found = diagonal_derivatives(head, jnp.full((2, 1, 1), 1e-30), SOFTMAX, 0)
    np.testing.assert_allclose(found.first, 0.5, rtol=1e-6)
    np.testing.assert_allclose(found.third, -0.25, rtol=1e-6)


def test_only_the_spatial_mean_is_taken_for_pooled():
    a = jnp.ones((3, 4, 6))
    for name in ("mean, layer norm, dense", "batch norm, mean, dense", "full-window pooling"):
        assert diagonal_derivatives(STRUCTURES[name][0], a, LOGIT, 0, method=pooled).first.shape == a.shape
    for name in ("different weights per position", "half of the positions", "attention", "layer norm per position"):
        with pytest.raises(ValueError, match="spatial mean alone"):
            diagonal_derivatives(STRUCTURES[name][0], a, LOGIT, 0, method=pooled)
    with pytest.raises(ValueError, match="before a spatial sum"):
        diagonal_derivatives(attention, a, LOGIT, 0, method=per_position)
    with pytest.raises(ValueError, match=r"piecewise linear head, and this one has logistic"):
        diagonal_derivatives(STRUCTURES["squeeze and excite"][0], a, EXP, 0, method=piecewise_linear)
    with pytest.raises(NotImplementedError, match="use forward_mode"):
        diagonal_derivatives(lambda a: jax.nn.relu(a.mean((0, 1))), a, EXP, 0, method=taylor_mode)


def test_float32_and_float64_agree_and_the_residual_completes_the_first_part():
    head = STRUCTURES["1x1 conv, relu, mean"][0]
    a = jax.random.normal(jax.random.key(3), (3, 4, 6))
    single = jax.jit(lambda a: diagonal_derivatives(lambda v: head(v).astype(v.dtype), a, SOFTMAX, 2))(a)
    assert single.first.dtype == jnp.float32
    with jax.enable_x64(True):
        wide = diagonal_derivatives(head, jnp.asarray(a, jnp.float64), SOFTMAX, 2)
        for value, residual, right in zip(single[:3], single.residual, wide[:3], strict=True):
            full = np.asarray(value, np.float64) + np.asarray(residual, np.float64)
            np.testing.assert_allclose(full, right, rtol=0, atol=3e-6 * np.abs(right).max())
            assert np.any(np.asarray(residual)) and np.abs(residual).max() <= 1e-7 * np.abs(value).max()


def test_derivatives_close_to_certainty_keep_their_digits():
    # p = 1 - 1e-13: 1 - p is lost in float32, and half of it in float64, unless the class is left out of the sums.
    matrix = np.zeros((6, 3), np.float32)
    matrix[0, 0], matrix[1, 1], matrix[2, 2] = 30.0, 1.0, 2.0
    a = jnp.ones((2, 2, 6))

    def head(a):
        return a.mean((0, 1)) @ matrix

    for method in (auto, forward_mode):
        found = diagonal_derivatives(head, a, SOFTMAX, 0, method=method)
        odds = np.exp([1.0 - 30, 2.0 - 30])
        np.testing.assert_allclose(found.first[0, 0, 0], odds.sum() * 30 / 4, rtol=1e-5)
        np.testing.assert_allclose(found.second[0, 0, 0], -odds.sum() * (30 / 4) ** 2, rtol=1e-5)


def test_all_transformations_agree():
    head = STRUCTURES["1x1 conv, relu, mean"][0]
    a = jax.random.normal(jax.random.key(3), (2, 3, 4, 6))

    def third(a, c):
        return diagonal_derivatives(lambda v: head(v).astype(v.dtype), a, SOFTMAX, c).third

    classes = jnp.array([0, 2])
    expected = jnp.stack([third(a[n], int(classes[n])) for n in range(2)])
    for transformed in (jax.vmap(third), jax.jit(jax.vmap(third)), jax.vmap(jax.jit(third))):
        np.testing.assert_allclose(transformed(a, classes), expected, rtol=1e-5)

    def loss(a):
        return jnp.sum(jax.vmap(jax.jit(third))(a, classes) ** 2)

    gradient = jax.jit(jax.grad(loss))(a)
    with jax.enable_x64(True):
        wide = jnp.asarray(a, jnp.float64)
        direction = jax.random.normal(jax.random.key(4), a.shape, jnp.float64)

        @jax.jit
        def wide_loss(t):
            moved = wide + t * direction
            return sum(
                jnp.sum(diagonal_derivatives(head, moved[n], SOFTMAX, c).third ** 2) for n, c in enumerate((0, 2))
            )

        numeric = (wide_loss(1e-5) - wide_loss(-1e-5)) / 2e-5
        np.testing.assert_allclose(jnp.sum(gradient * direction), numeric, rtol=1e-4)


def test_softmax_gradients_sum_to_zero_over_classes():
    head = STRUCTURES["3x3 conv, gelu"][0]
    with jax.enable_x64(True):
        a = jax.random.normal(jax.random.key(3), (3, 4, 6), jnp.float64)
        found = jax.jit(jax.vmap(lambda c: diagonal_derivatives(head, a, SOFTMAX, c)))(jnp.arange(5))
        for derivative in found[:3]:
            total = jnp.sum(derivative * jnp.exp(found.log_score)[:, None, None, None], 0)
            np.testing.assert_allclose(total, 0, atol=1e-13 * float(jnp.abs(derivative).max()))


def test_your_own_score_uses_the_structure_of_the_head():
    def margin(logits, class_index):
        others = jnp.where(jnp.arange(5) == class_index, -jnp.inf, logits)
        return logits[class_index] - jax.nn.logsumexp(others)

    head = STRUCTURES["mean and dense"][0]
    with jax.enable_x64(True):
        a = jax.random.normal(jax.random.key(3), (3, 4, 6), jnp.float64)
        find = jax.jit(diagonal_derivatives, static_argnums=(0, 2, 3), static_argnames="method")
        found = find(head, a, Score(margin), 1)
        assert found.route.name == "one direction per channel"
        expected = find(head, a, Score(margin), 1, method=reverse_mode)
        np.testing.assert_allclose(found.third, expected.third, rtol=1e-9, atol=1e-16)
        probability = find(head, a, Score(class_probability), 1)
        softmax = find(head, a, SOFTMAX, 1)
        np.testing.assert_allclose(
            probability.second, softmax.second * jnp.exp(softmax.log_score), rtol=1e-9, atol=1e-16
        )


@pytest.mark.parametrize("order", [1, 2, 3])
def test_orders_that_were_not_asked_for_are_none(order):
    found = diagonal_derivatives(STRUCTURES["mean and dense"][0], jnp.ones((2, 2, 6)), EXP, 0, order)
    assert [v is not None for v in found[:3]] == [n <= order for n in (1, 2, 3)]


def test_gradients_of_classes_come_in_blocks_of_bounded_memory():
    matrix = np.sin(np.arange(32)[:, None] * np.arange(1, 1001)[None]).astype(np.float32)

    def streamed(side, **options):
        def head(a):
            largest = jax.lax.reduce_window(a, -jnp.inf, jax.lax.max, (2, 2, 1), (1, 1, 1), "VALID")
            return jnp.abs(largest).mean((0, 1)) @ matrix

        a = jax.ShapeDtypeStruct((side, side, 32), jnp.float32)
        lowered = jax.jit(lambda a: diagonal_derivatives(head, a, SOFTMAX, 0, **options)).lower(a)
        return lowered.out_info.route.reason, lowered

    assert "1000 gradients, 64 at a time" in streamed(8)[0]
    assert "1000 gradients, 5 at a time" in streamed(8, chunk=5)[0]
    reason, lowered = streamed(80)
    assert "1000 gradients, 10 at a time" in reason
    assert lowered.compile().memory_analysis().temp_size_in_bytes < 3 * 2**26


def test_memory_is_bounded_by_the_chunk():
    head = STRUCTURES["3x3 conv, gelu"][0]
    a = jnp.ones((16, 16, 6))

    def bytes_used(chunk):
        options = {"method": forward_mode, "chunk": chunk}
        wrapped = jax.jit(lambda a: diagonal_derivatives(lambda v: head(v).astype(v.dtype), a, SOFTMAX, 0, **options))
        return wrapped.lower(a).compile().memory_analysis().temp_size_in_bytes

    small, large = bytes_used(8), bytes_used(64)
    assert small < 8 * 40 * a.size * 4 and 3 < large / small < 12


def test_logits_are_widened_through_every_kind_of_operation():
    matrix = np.asarray(MATRIX, np.float32)

    def head(a):
        a = jax.nn.relu(
            jax.lax.conv_general_dilated(
                a[None], np.float32(KERNEL), (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC")
            )[0]
        )
        a = jax.jit(lambda v: jax.nn.gelu(v) / 3.0)(nn.max_pool(a[None], (2, 2))[0])
        a = jax.lax.scan(lambda c, x: (0.9 * c + x, c), jnp.zeros(6), a.reshape(-1, 6))[0]
        return jax.checkpoint(jnp.tanh)(a / 10) @ matrix

    a = jax.random.normal(jax.random.key(3), (4, 4, 6))
    high, low = wide_logits(head, a)
    np.testing.assert_allclose(high, head(a), rtol=1e-5)

    def without_loop(a):
        return jax.nn.softplus(a.mean((0, 1)) * 3.0 + 1.0) @ matrix

    high, low = wide_logits(without_loop, a)
    v = np.asarray(a, np.float64).mean((0, 1)) * 3 + 1
    expected = np.log1p(np.exp(v)) @ np.asarray(matrix, np.float64)
    np.testing.assert_allclose(np.float64(high) + np.float64(low), expected, rtol=1e-13)


def test_bad_input_is_explained_in_one_sentence():
    head, a = STRUCTURES["mean and dense"][0], jnp.ones((2, 2, 6))
    with pytest.raises(ValueError, match=r"class 5 is out of range: the head has 5 logits \(0 to 4\)"):
        diagonal_derivatives(head, a, EXP, 5)
    with pytest.raises(TypeError, match="expected one integer"):
        diagonal_derivatives(head, a, EXP, 1.0)
    with pytest.raises(TypeError, match="int32, expected floating point"):
        diagonal_derivatives(head, a.astype(jnp.int32), EXP, 1)
    with pytest.raises(ValueError, match="1 values that are NaN"):
        diagonal_derivatives(head, a.at[0, 0, 0].set(jnp.nan), EXP, 1)
    with pytest.raises(ValueError, match="without a batch axis"):
        diagonal_derivatives(lambda v: v.mean((1, 2)), a[None], EXP, 1)
    with pytest.raises(ValueError, match="order is 4"):
        diagonal_derivatives(head, a, EXP, 1, 4)
    with pytest.raises(ValueError, match="EXP, SIGMOID, SOFTMAX and LOGIT"):
        diagonal_derivatives(head, a, Score(class_probability), 1, method=piecewise_linear)
