"""Taylor series along all elements: exact as forward mode for every operation, and no work that no map needs."""

import math
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from genjax.saliency import EXP, SOFTMAX, diagonal_derivatives, explain, forward_mode, grad_cam_pp, series_mode
from genjax.saliency.calculus.structure import flatten
from genjax.saliency.calculus.sums import sums_first
from genjax.saliency.split import Split
from tests.saliency import heads
from tests.saliency.heads import KERNEL, LOGITS, SQUARE, conv


def strided(a, groups):
    kernel = jnp.asarray(KERNEL if groups == 1 else heads.DEPTHWISE, a.dtype)
    options = {"rhs_dilation": (1, 2), "dimension_numbers": ("NHWC", "HWIO", "NCHW"), "feature_group_count": groups}
    return jax.lax.conv_general_dilated(a[None], kernel, (2, 1), [(2, 1), (1, 2)], **options)[0].transpose(1, 2, 0)


HEADS = {
    "attention block": lambda a: heads.ON_GRIDS["attention block"](a).mean((0, 1)) @ LOGITS,
    "norms and gates": lambda a: (
        heads.ON_GRIDS["squeeze and excite"](heads.ON_GRIDS["instance norm"](a)).mean((0, 1)) @ LOGITS
    ),
    "two convolutions": lambda a: jnp.tanh(conv(jax.nn.gelu(conv(a, KERNEL)), KERNEL)).mean((0, 1)) @ LOGITS,
    "stride, dilation, channels first": lambda a: jnp.tanh(jnp.sin(strided(a, 1)) ** 2).mean((0, 1)) @ LOGITS,
    "depthwise": lambda a: jnp.tanh(jnp.sin(strided(a, 4)) ** 2).mean((0, 1)) @ LOGITS,
    "quotients and powers": lambda a: (
        (jnp.exp(a) / (1 + a**2) + jnp.abs(a + 3) ** (1 + a)).mean((0, 1)) @ LOGITS / (2 + a.mean()) ** 3
    ),
    "loops": lambda a: heads.loop(heads.ANYWHERE["scan"](a)).mean((0, 1)) @ LOGITS,
    "sorted, cumulated, chosen": lambda a: (
        jnp.sin(jnp.cumprod(jnp.sort(a, 0), 0) + jnp.cumsum(a, 1)).max((0, 1)) @ LOGITS
    ),
    "branches": lambda a: heads.ANYWHERE["switch"](heads.ANYWHERE["cond"](a)).mean((0, 1)) ** 2 @ LOGITS,
    "does not depend on all": lambda a: jnp.tanh(a[0, 1] * a[0, 0]) @ LOGITS,
}


@pytest.mark.parametrize("name", HEADS)
def test_the_series_are_those_of_forward_mode(name):
    with jax.enable_x64(True), jax.numpy_rank_promotion("allow"):
        a = jax.random.normal(jax.random.key(3), (4, 3, 4), jnp.float64)

        @jax.jit
        def both(a):
            return [
                diagonal_derivatives(HEADS[name], a, SOFTMAX, 1, method=m, chunk=7) for m in (series_mode, forward_mode)
            ]

        found, right = both(a)
        for value, reference in zip(found[:3], right[:3], strict=True):
            np.testing.assert_allclose(value, reference, rtol=0, atol=1e-12 * max(1e-3, np.abs(reference).max()))
        assert found.route.name == "Taylor series" and "48 directions, 7 at a time" in found.route.reason


def curved(a):
    return (heads.attention(a * jnp.array([1, 0, 1, 1.0])).mean((0, 1)) @ LOGITS).astype(a.dtype)


def test_a_map_needs_positive_derivatives_and_channels_that_are_not_zero_only():
    with jax.numpy_rank_promotion("allow"):
        a = jax.random.normal(jax.random.key(3), (4, 3, 4)).at[..., 3].set(0)
        part = jax.jit(lambda a: diagonal_derivatives(curved, a, EXP, 1, for_map=True, chunk=1))(a)
        whole = jax.jit(lambda a: diagonal_derivatives(curved, a, EXP, 1))(a)
        needed = np.array(whole.first > 0)
        needed[..., 3] = False
        np.testing.assert_allclose(part.first, whole.first, rtol=1e-3, atol=1e-6)
        np.testing.assert_allclose(
            np.asarray(part.second)[needed], np.asarray(whole.second)[needed], rtol=1e-3, atol=1e-6
        )
        assert not np.any(np.asarray(part.third)[~needed]) and np.any(np.asarray(whole.third)[~needed])
        assert "the map needs" in part.route.reason


def with_rule(rule):
    """tanh with a derivative rule of one's own."""
    tanh = jax.custom_jvp(jnp.tanh)
    tanh.defjvp(lambda point, tangent: (jnp.tanh(point[0]), rule(tangent[0])))
    return lambda a: tanh(a).std((0, 1)) @ LOGITS


WITHOUT_GRADIENT = {
    "a loop of unknown length": lambda a: heads.loop(jnp.tanh(a)).std((0, 1)) @ LOGITS,
    "a rule without a transpose": with_rule(jnp.abs),
    "a rule that branches on tangents": with_rule(lambda t: jax.lax.cond(t.sum() > 0, lambda: t, lambda: 2 * t)),
}


def route_of(head):
    def derivatives(a):
        return diagonal_derivatives(lambda a: head(a).astype(a.dtype), a, EXP, 1, for_map=True)

    with jax.numpy_rank_promotion("allow"):
        return jax.eval_shape(derivatives, jax.ShapeDtypeStruct((4, 3, 4), jnp.float32)).route


@pytest.mark.parametrize("name", WITHOUT_GRADIENT)
def test_heads_without_gradients_leave_no_direction_out(name):
    assert "the map needs" in route_of(with_rule(lambda t: 2 * t)).reason
    route = route_of(WITHOUT_GRADIENT[name])
    assert route.name == "Taylor series" and "the map needs" not in route.reason


def test_an_error_that_says_nothing_about_gradients_is_not_hidden(monkeypatch):
    def broken(*_):
        raise RuntimeError("a mistake in a head")

    monkeypatch.setattr(jax, "vjp", broken)
    with pytest.raises(RuntimeError, match="a mistake in a head"):
        route_of(with_rule(lambda t: 2 * t))


@pytest.mark.parametrize("score", [EXP, pytest.param(SOFTMAX, marks=pytest.mark.slow)])
def test_maps_do_not_change_by_what_is_left_out(score):
    layer = Split(lambda x: x, lambda a, x: curved(a))
    with jax.numpy_rank_promotion("allow"):
        images = jax.random.normal(jax.random.key(4), (2, 4, 3, 4)).at[0, ..., 3].set(0)
        run = [
            jax.jit(partial(explain, partial(grad_cam_pp, score=score, **m), layer))
            for m in ({}, {"method": series_mode})
        ]
        found, right = (f(images, jnp.array([0, 2])) for f in run)
        np.testing.assert_allclose(found.raw, right.raw, rtol=1e-4, atol=1e-6)
        np.testing.assert_allclose(found.map, right.map, rtol=1e-4, atol=1e-6)
        assert found.dead.tolist() == right.dead.tolist() and found.guarded.tolist() == right.guarded.tolist()
        gradient = jax.jit(jax.grad(lambda x: jnp.sum(run[0](x, jnp.array([0, 2])).raw ** 2)))(images)
        assert np.all(np.isfinite(gradient)) and np.any(gradient)


def test_nothing_is_broadcast_silently():
    def head(a):
        a = jnp.tanh(conv(jax.nn.gelu(conv(a, heads.DEPTHWISE, 4)), KERNEL))
        return (a * jax.nn.sigmoid(a.mean((0, 1), keepdims=True))).mean((0, 1)) @ jnp.asarray(LOGITS, a.dtype)

    found = jax.jit(lambda a: diagonal_derivatives(head, a, SOFTMAX, 1, for_map=True))(jnp.ones((4, 3, 4)))
    assert found.route.name == "Taylor series" and np.any(found.third)


def test_the_point_is_evaluated_once_and_not_for_every_direction():
    # The error function of 4 x 4 x 4 entries: forward mode computes it (and its derivatives) 64 times more.
    def head(a):
        return jax.nn.gelu(a @ SQUARE @ SQUARE.T, approximate=False).std((0, 1)) @ LOGITS

    def transcendentals(method):
        run = jax.jit(
            lambda a: diagonal_derivatives(lambda v: head(v).astype(v.dtype), a, EXP, 1, method=method, chunk=64)
        )
        return run.lower(jnp.ones((4, 4, 4))).compile().cost_analysis()["transcendentals"]

    with jax.numpy_rank_promotion("allow"):
        assert transcendentals(series_mode) * 10 < transcendentals(forward_mode)


EARLY = {
    "block and mean": lambda a: jnp.tanh(conv(conv(a, KERNEL), KERNEL) @ SQUARE) @ SQUARE.T + 0.1,
    "residual, layer scale": lambda a: a + (jnp.tanh(conv(conv(a, KERNEL), KERNEL)) @ SQUARE - SQUARE[0]) * SQUARE[1],
    "weights per position": lambda a: (jnp.tanh(conv(a, KERNEL)) @ SQUARE) * heads.PER_POSITION[:, [0, 1, 1]],
    "divided, turned": lambda a: ((jnp.sin(conv(a, KERNEL)) @ SQUARE) / 3).transpose(1, 0, 2).reshape(3, 3, 2, 2),
    "layer norm": lambda a: heads.ANYWHERE["layer norm"](a + jnp.tanh(conv(a, KERNEL)) @ SQUARE),
    "divided, one number a position": lambda a: jnp.tanh(conv(a, KERNEL)) / 6 * jnp.sin(a).sum(-1, keepdims=True),
    "one number a position": lambda a: (
        0.5 * (jnp.tanh(conv(a, KERNEL)) * (jnp.sin(a).sum(-1, keepdims=True) * SQUARE[0]))
    ),
    "twice": lambda a: (jnp.tanh(a @ SQUARE) @ SQUARE) * (jnp.tanh(a @ SQUARE) @ SQUARE).mean((0, 1)),
}


@pytest.mark.parametrize(("name", "saved"), [(n, n != "weights per position") for n in EARLY])
def test_sums_are_taken_before_linear_layers(name, saved):
    def head(a):
        return jnp.tanh(EARLY[name](a).mean((0, 1)).reshape(-1)) @ LOGITS

    with jax.enable_x64(True), jax.numpy_rank_promotion("allow"):
        a = jax.random.normal(jax.random.key(3), (3, 3, 4), jnp.float64)
        flat = flatten(head, a)
        early = sums_first(flat, a)
        assert (early is not flat) == saved
        # Compiled: called one by one, jax takes a program for NumPy's numbers that it kept from float32 tests.
        np.testing.assert_allclose(jax.jit(early.call)(a), jax.jit(head)(a), rtol=1e-12)
        sizes = [
            max(math.prod(e.outvars[0].aval.shape) for e in f.equations if e.primitive.name == "dot_general")
            for f in (flat, early)
        ]
        assert name not in ("residual, layer scale", "divided, turned") or sizes == [36, 4]
        found, right = (
            jax.jit(lambda a, m=m: diagonal_derivatives(head, a, SOFTMAX, 1, method=m))(a)
            for m in (series_mode, forward_mode)
        )
        for value, reference in zip(found[:3], right[:3], strict=True):
            np.testing.assert_allclose(value, reference, rtol=0, atol=1e-12 * np.abs(reference).max())
