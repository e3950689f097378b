"""What has no derivative, or no class, says so: infinite logits, overflow, unknown classes, one logit, dead units."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from genjax.saliency import (
    EXP,
    LOGIT,
    SIGMOID,
    SOFTMAX,
    Split,
    cam_from_weights,
    diagonal_derivatives,
    exp_trick,
    explain,
    forward_mode,
    grad_cam,
    grad_cam_pp,
    remarks,
    scale_by_max,
    scale_by_range,
)

A = jax.random.normal(jax.random.key(0), (3, 4, 6))
MATRIX = np.asarray(jax.random.normal(jax.random.key(1), (6, 5)))


def linear(a):
    return a.mean((0, 1)) @ MATRIX


def masked(a, infinity=-jnp.inf):
    return jnp.where(jnp.arange(5) == 3, infinity, linear(a))


@pytest.mark.parametrize("method", [None, forward_mode, exp_trick])
@pytest.mark.parametrize("curved", [False, True])
def test_a_class_that_is_ruled_out_changes_nothing_but_the_sum(method, curved):
    method = {} if method is None else {"method": method}
    enter = jnp.tanh if curved else (lambda a: a)
    found = jax.jit(lambda a: grad_cam_pp(lambda v: masked(enter(v)), a, 1, score=SOFTMAX, **method))(A)
    right = jax.jit(lambda a: grad_cam_pp(lambda v: masked(enter(v), -1e4), a, 1, score=SOFTMAX, **method))(A)
    assert np.any(found.map) and not remarks(found)
    np.testing.assert_allclose(found.raw, right.raw, rtol=1e-4, atol=1e-7)


def test_nan_stays_nan_and_says_so():
    for scale in (scale_by_max, scale_by_range):
        assert np.all(np.isnan(scale(jnp.array([[1.0, jnp.nan], [0.0, 2.0]]))))
        assert not np.any(scale(jnp.zeros((2, 2))))
    overflow = jax.jit(partial(grad_cam, lambda a: jnp.exp(1e3 * jnp.abs(linear(a)))))(A, 1)
    assert np.isnan(overflow.map).any() and "NaN or infinity" in remarks(overflow)[0]
    assert remarks(jax.jit(partial(grad_cam, linear))(A, 1)) == []


@pytest.mark.parametrize("class_index", [5, -1])
def test_an_unknown_class_under_jit_is_nan_and_not_the_last_class(class_index):
    given = partial(lambda _, a, c: cam_from_weights(MATRIX, a, c))
    methods = [grad_cam, grad_cam_pp, partial(grad_cam_pp, score=SOFTMAX), given]
    for method in methods:
        found = jax.jit(lambda a, c, method=method: method(linear, a, c))(A, class_index)
        assert np.all(np.isnan(found.map)), method
        assert np.all(np.isfinite(jax.jit(lambda a, c, method=method: method(linear, a, c))(A, 4).map))


@pytest.mark.parametrize("curved", [False, True])
def test_one_logit_is_explained_by_its_sigmoid(curved):
    def head(a):
        return (jnp.tanh(linear(a)) if curved else linear(a))[:1]

    with jax.enable_x64(True):
        a = jnp.asarray(A, jnp.float64)
        found = jax.jit(lambda a: diagonal_derivatives(head, a, SIGMOID, 0))(a)

        def probability(t):
            return jax.nn.sigmoid(head(a.at[1, 2, 3].add(t)))[0]

        first = jax.grad(probability)
        second = jax.grad(first)
        for value, right in zip(found[:3], (first(0.0), second(0.0), jax.grad(second)(0.0)), strict=True):
            np.testing.assert_allclose(value[1, 2, 3] * probability(0.0), right, rtol=1e-9)
        assert found.route.name == ("powers of one smooth layer" if curved else "powers of the gradient")
        with pytest.raises(ValueError, match="softmax of a single logit is always 1.*SIGMOID"):
            diagonal_derivatives(head, a, SOFTMAX, 0)


def test_sigmoid_of_one_logit_is_softmax_of_two():
    one = grad_cam_pp(lambda a: linear(a)[:1] - linear(a)[1:2], A, 0, score=SIGMOID)
    two = grad_cam_pp(lambda a: linear(a)[:2], A, 0, score=SOFTMAX)
    np.testing.assert_allclose(one.weights, two.weights, rtol=1e-4)


def test_dead_units_and_poles_are_counted_apart_and_a_blank_map_says_why():
    seen = jnp.array([0, 1, 1, 1, 1, 1.0])[None, None]
    found = grad_cam_pp(lambda a: linear(a * seen), A, 1, score=SOFTMAX, guard=1.0)
    assert int(found.dead) == 12 and int(found.guarded) == int(found.alpha.positions) > 0
    assert "zero everywhere" in remarks(found)[0] and "100% of the denominators cancelled" in remarks(found)[1]
    straight = grad_cam_pp(linear, A, 1, score=LOGIT)
    assert int(straight.dead) == int(straight.alpha.positions) > 0 and int(straight.guarded) == 0
    assert "vanish at every activation" in remarks(straight)[0]
    falling = grad_cam_pp(lambda a: -a.mean() * jnp.ones(5), A, 1, score=EXP)
    assert "no channel has a positive weight" in remarks(falling)[0]
    layer = Split(lambda x: x, lambda a, x: -a.mean() * jnp.ones(3))
    batch = explain(grad_cam_pp, layer, jnp.stack([A, A]), jnp.zeros(2, jnp.int32))
    assert [r[:6] for r in remarks(batch)] == ["map 0:", "map 1:"]
