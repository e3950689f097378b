"""The jaxpr proof of piecewise linearity: never fooled, and checked against numbers."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn
from jax import lax

from genjax.saliency import prove_piecewise_linear

SHAPE = (4, 4, 4)
KERNEL = np.asarray(jax.random.normal(jax.random.key(0), (3, 3, 4, 4)))
MATRIX = np.asarray(jax.random.normal(jax.random.key(1), (4, 4)))
NORM = {"params": {"scale": MATRIX[0], "bias": MATRIX[1]}}
STATISTICS = {"batch_stats": {"mean": MATRIX[2], "var": MATRIX[3] ** 2}}


def conv(a):
    return lax.conv_general_dilated(
        a[None], KERNEL.astype(a.dtype), (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC")
    )[0]


def self_conv(a):
    return lax.conv_general_dilated(
        a[None], a[:2, :2, :, None], (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC")
    )


@jax.custom_jvp
def straight_through_round(x):
    return jnp.round(x)


straight_through_round.defjvp(lambda p, t: (jnp.round(p[0]), t[0]))


@jax.custom_jvp
def linear_with_a_curved_rule(x):
    return 2 * x


linear_with_a_curved_rule.defjvp(lambda p, t: (2 * p[0], t[0] * p[0]))


@jax.custom_vjp
def relu_without_forward_mode(x):
    return jnp.maximum(x, 0)


relu_without_forward_mode.defvjp(lambda x: (jnp.maximum(x, 0), x), lambda x, g: (g * (x > 0),))


PIECEWISE_LINEAR = {
    "identity": lambda a: a,
    "scale": lambda a: 2 * a,
    "divide by a constant": lambda a: a / 3,
    "negate": lambda a: -a,
    "bias": lambda a: a + MATRIX[None],
    "conv": conv,
    "dense": lambda a: a @ MATRIX,
    "flatten and dense": lambda a: a.reshape(-1) @ jnp.ones((64, 3)),
    "relu": jax.nn.relu,
    "relu6": jax.nn.relu6,
    "leaky relu": jax.nn.leaky_relu,
    "prelu": lambda a: jnp.where(a >= 0, a, 0.2 * a),
    "maximum": lambda a: jnp.maximum(a, 0.3 * a),
    "minimum": lambda a: jnp.minimum(a, 1.0),
    "clip": lambda a: jnp.clip(a, -1, 1),
    "hard tanh": jax.nn.hard_tanh,
    "hard sigmoid": jax.nn.hard_sigmoid,
    "abs": jnp.abs,
    "max pool": lambda a: nn.max_pool(a[None], (2, 2), (2, 2))[0],
    "average pool": lambda a: nn.avg_pool(a[None], (2, 2), (2, 2))[0],
    "spatial mean": lambda a: a.mean((0, 1)),
    "spatial max": lambda a: a.max((0, 1)),
    "min over channels": lambda a: a.min(-1),
    "sort": lambda a: jnp.sort(a, 0),
    "top k": lambda a: lax.top_k(a, 2)[0],
    "median": lambda a: jnp.median(a, (0, 1)),
    "median filter": lambda a: jnp.sort(jnp.stack([a, 2 * a, -a]), 0)[1],
    "cumulative sum": lambda a: jnp.cumsum(a, 0),
    "sign": jnp.sign,
    "round": jnp.round,
    "floor times a": lambda a: jnp.floor(a) * a,
    "remainder": lambda a: a % 0.7,
    "mask": lambda a: a * (a > 0),
    "predicate of a square": lambda a: jnp.where(a * a > 1, a, -a),
    "remat": jax.checkpoint(lambda a: jax.nn.relu(a @ MATRIX)),
    "scan": lambda a: lax.scan(lambda c, x: (jax.nn.relu(c + x @ MATRIX), c), jnp.zeros((4, 4)), a)[1],
    "cond": lambda a: lax.cond(a.sum() > 0, lambda x: 2 * x, lambda x: -x, a),
    "loop": lambda a: lax.fori_loop(0, 3, lambda i, x: jax.nn.relu(x @ MATRIX), a),
    "while": lambda a: lax.while_loop(lambda s: s.sum() < 1e3, lambda s: s * 2, jnp.abs(a) + 0.1),
    "resize": lambda a: jax.image.resize(a, (8, 8, 4), "linear"),
    "concatenate": lambda a: jnp.concatenate([a, jax.nn.relu(a)]),
    "crelu": lambda a: jnp.concatenate([jax.nn.relu(a), jax.nn.relu(-a)], -1),
    "pad": lambda a: jnp.pad(a, 1),
    "gather": lambda a: a[jnp.array([1, 0])],
    "gather at the argmax": lambda a: a[jnp.argmax(a[:, 0, 0])],
    "one-hot of the argmax": lambda a: jax.nn.one_hot(jnp.argmax(a, -1), 4) * a,
    "batch norm": lambda a: nn.BatchNorm(use_running_average=True).apply(NORM | STATISTICS, a),
    "residual": lambda a: a + jax.nn.relu(conv(a)),
    "maxout": lambda a: a.reshape(4, 4, 2, 2).max(-1),
    "straight-through round": straight_through_round,
    "stop gradient": lambda a: lax.stop_gradient(a) + a,
    "depth to space": lambda a: a.reshape(2, 2, 2, 2, 4).transpose(0, 2, 1, 3, 4),
    "dropout, off": lambda a: nn.Dropout(0.5, deterministic=True).apply({}, a),
    "exponential of a step": lambda a: jnp.exp(jnp.sign(a)) * a,
    "three pieces": lambda a: jnp.where(a > 1, a, jnp.where(a > -1, 0.5 * a, 0)),
}

CURVED = {
    "square": lambda a: a * a,
    "cube": lambda a: a**3,
    "exp": jnp.exp,
    "log": lambda a: jnp.log(jnp.abs(a) + 1),
    "sin": jnp.sin,
    "tanh": jnp.tanh,
    "sigmoid": jax.nn.sigmoid,
    "gelu, tanh": jax.nn.gelu,
    "gelu, erf": lambda a: jax.nn.gelu(a, approximate=False),
    "silu": jax.nn.silu,
    "elu": jax.nn.elu,
    "selu": jax.nn.selu,
    "celu": jax.nn.celu,
    "glu": jax.nn.glu,
    "softplus": jax.nn.softplus,
    "mish": jax.nn.mish,
    "hard swish": jax.nn.hard_swish,
    "softmax": jax.nn.softmax,
    "log softmax": jax.nn.log_softmax,
    "log-sum-exp": lambda a: jax.nn.logsumexp(a, -1),
    "layer norm": lambda a: nn.LayerNorm().apply(NORM, a),
    "group norm": lambda a: nn.GroupNorm(2).apply(NORM, a),
    "l2 norm": lambda a: a / jnp.linalg.norm(a),
    "rsqrt": lambda a: lax.rsqrt(jnp.abs(a) + 1),
    "sqrt": lambda a: jnp.sqrt(jnp.abs(a) + 1),
    "reciprocal": lambda a: 1 / (a + 5),
    "erf": jax.scipy.special.erf,
    "arctan": jnp.arctan,
    "arctan2": lambda a: jnp.arctan2(a, 1 + a),
    "sinc": jnp.sinc,
    "variance": lambda a: a.var((0, 1)),
    "squeeze and excite": lambda a: a * jax.nn.hard_sigmoid(a.mean((0, 1), keepdims=True)),
    "bilinear pooling": lambda a: jnp.einsum("hwc,hwd->cd", a, a),
    "generalised mean": lambda a: jnp.mean(jax.nn.relu(a) ** 3, (0, 1)) ** (1 / 3),
    "local response norm": lambda a: a / (1 + lax.reduce_window(a * a, 0.0, lax.add, (1, 1, 3), (1, 1, 1), "SAME")),
    "attention": lambda a: jax.nn.softmax(a[0] @ a[0].T) @ a[0],
    "convolution with itself": self_conv,
    "product": lambda a: a.prod(-1),
    "cumulative product": lambda a: jnp.cumprod(a, -1),
    "cumulative log-sum-exp": lambda a: lax.cumlogsumexp(a),
    "scan of products": lambda a: lax.scan(lambda c, x: (c * x, c), jnp.ones((4, 4)), a)[1],
    "loop of squares": lambda a: lax.fori_loop(0, 2, lambda i, x: x * x, a),
    "cond with a square": lambda a: lax.cond(a.sum() > -1e9, lambda x: x * x, lambda x: x, a),
    "where with a square": lambda a: jnp.where(a > 0, a * a, a),
    "maximum with a square": lambda a: jnp.maximum(a * a, a),
    "relu of a square": lambda a: jax.nn.relu(a * a - 0.01),
    "weighted by its relu": lambda a: jax.nn.relu(a) * a,
    "polynomial": lambda a: jnp.polyval(jnp.ones(3), a),
    "softmax of the top k": lambda a: jax.nn.softmax(lax.top_k(a, 2)[0]),
    "remat of tanh": jax.checkpoint(jnp.tanh),
    "a curved rule for a linear function": linear_with_a_curved_rule,
    "a gate rounded straight through": lambda a: a * straight_through_round(a),
}


def largest_second_derivative(function):
    """By automatic differentiation, along random directions at random points."""

    def second(key):
        point, direction = jax.random.normal(key, (2, *SHAPE))
        return jax.jvp(lambda a: jax.jvp(function, (a,), (direction,))[1], (point,), (direction,))[1]

    return float(jnp.max(jnp.abs(jax.vmap(second)(jax.random.split(jax.random.key(7), 3)))))


@pytest.mark.parametrize("name", PIECEWISE_LINEAR)
def test_piecewise_linear_is_proved_and_has_no_second_derivative(name):
    function = PIECEWISE_LINEAR[name]
    proof = prove_piecewise_linear(function, jax.ShapeDtypeStruct(SHAPE, jnp.float32))
    assert proof.piecewise_linear and not proof.obstacle
    assert largest_second_derivative(function) == 0


@pytest.mark.parametrize("name", CURVED)
def test_curved_is_refused_and_has_a_second_derivative(name):
    function = CURVED[name]
    proof = prove_piecewise_linear(function, jax.ShapeDtypeStruct(SHAPE, jnp.float32))
    assert not proof.piecewise_linear and not proof.affine
    assert proof.obstacle and proof.obstacle != "a combination of operations", "one operation is curved by itself"
    assert largest_second_derivative(function) > 1e-4


@pytest.mark.parametrize("name", ["conv", "relu", "max pool", "sort", "median", "scan", "clip", "batch norm"])
def test_proved_functions_are_linear_between_close_points(name):
    # Independent of automatic differentiation: the midpoint of a short segment lies on its chord.
    with jax.enable_x64(True):
        point, direction = jax.random.normal(jax.random.key(5), (2, *SHAPE), jnp.float64)
        step = 1e-7 * direction
        low, middle, high = (PIECEWISE_LINEAR[name](a) for a in (point - step, point, point + step))
        np.testing.assert_allclose(low + high - 2 * middle, 0, atol=1e-13)


def test_affine_is_told_from_piecewise_linear():
    spec = jax.ShapeDtypeStruct(SHAPE, jnp.float32)
    affine = {n for n, f in PIECEWISE_LINEAR.items() if prove_piecewise_linear(f, spec).affine}
    assert {"conv", "dense", "bias", "batch norm", "spatial mean", "resize", "cumulative sum"} <= affine
    assert not affine & {"relu", "max pool", "abs", "sort", "clip", "mask", "remainder", "cond"}


def test_a_head_without_forward_mode_is_proved_from_its_gradient():
    spec = jax.ShapeDtypeStruct(SHAPE, jnp.float32)
    assert prove_piecewise_linear(relu_without_forward_mode, spec) == (True, False, "", True)
    assert prove_piecewise_linear(lambda a: relu_without_forward_mode(jnp.tanh(a)), spec) == (
        False,
        False,
        "tanh",
        True,
    )
    assert not prove_piecewise_linear(lambda a: relu_without_forward_mode(a) * a, spec).piecewise_linear


def test_one_curved_operation_anywhere_in_a_head_is_found():
    spec = jax.ShapeDtypeStruct(SHAPE, jnp.float32)

    def head(activation):
        return lambda a: jax.nn.relu(activation(conv(jax.nn.relu(a)))).mean((0, 1)) @ MATRIX

    assert prove_piecewise_linear(jax.jit(head(jax.nn.relu)), spec).piecewise_linear
    proof = prove_piecewise_linear(jax.jit(head(jnp.tanh)), spec)
    assert not proof.piecewise_linear and proof.obstacle == "tanh"
