"""Heads drawn from a grammar: every verdict and every route against `jax.grad` taken three times, in float64."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from genjax.saliency import (
    EXP,
    LOGIT,
    SOFTMAX,
    diagonal_derivatives,
    prove_piecewise_linear,
    reverse_mode,
)
from genjax.saliency.calculus.jaxpr import contains
from tests.saliency import heads

QUICK = heads.draw(4, seed=1)
MANY = heads.draw(220, seed=2)
# At level 0 XLA gives NaN for a few heads that it computes rightly at level 1 and by default.
FAST = {"xla_backend_optimization_level": 1, "xla_llvm_disable_expensive_passes": True}


def logits_along_every_element(head, a, differentiate):
    """Three derivatives of each logit along each element, float[3, classes, elements]."""

    def of(n, q):
        direction = (jnp.arange(a.size) == n).astype(a.dtype).reshape(a.shape)
        first = differentiate(lambda t: head(a + t * direction)[q])
        second = differentiate(first)
        return jnp.stack([first(0.0), second(0.0), differentiate(second)(0.0)])

    found = jax.vmap(lambda q: jax.vmap(lambda n: of(n, q))(jnp.arange(a.size)))(jnp.arange(heads.CLASSES))
    return jnp.moveaxis(found, -1, 0)


def expected(along, logits, class_index):
    """Derivatives of exp(logit) and of the probability, over their values, from those of the logits."""
    s1, s2, _ = along
    c1, c2, c3 = (s[class_index] for s in along)
    p = jax.nn.softmax(logits)[:, None]
    e1, e2, e3 = ((p * s).sum(0) for s in along)
    x = s1 - e1
    u1 = c1 - e1
    u2 = c2 - e2 - (p * x**2).sum(0)
    u3 = c3 - e3 - 3 * (p * x * s2).sum(0) - (p * x**3).sum(0)
    return [(v1, v1**2 + v2, v1**3 + 3 * v1 * v2 + v3) for v1, v2, v3 in ((c1, c2, c3), (u1, u2, u3))]


def check(name, head):
    with jax.enable_x64(True), jax.numpy_rank_promotion("allow"):
        a = jnp.asarray(np.random.default_rng(5).normal(size=heads.SHAPE))
        proof = prove_piecewise_linear(head, a)
        loops = contains(jax.make_jaxpr(head)(a).eqns, "while")
        if loops and proof.reverse_only:
            pytest.skip("neither forward nor reverse mode can differentiate this head")

        def forward(f):
            return lambda t: jax.jvp(f, (t,), (jnp.ones_like(t),))[1]

        def everything(a):
            along = logits_along_every_element(head, a, forward if loops else jax.grad)
            found = {s: diagonal_derivatives(head, a, score, 1) for s, score in (("exp", EXP), ("softmax", SOFTMAX))}
            return along, head(a), found

        along, logits, found = jax.jit(everything, compiler_options=FAST)(a)
        exp, softmax = expected(along, logits, 1)
        if proof.piecewise_linear:
            np.testing.assert_allclose(along[1:], 0, atol=1e-12, err_msg=name)
        for kind, right in (("exp", exp), ("softmax", softmax)):
            for value, reference in zip(found[kind][:3], right, strict=True):
                scale = max(float(np.abs(reference).max()), 1e-3)
                message = f"{name}, {kind}, {found[kind].route}"
                np.testing.assert_allclose(value.ravel(), reference, rtol=0, atol=1e-10 * scale, err_msg=message)


@pytest.mark.parametrize("name", QUICK)
def test_drawn_heads_have_the_derivatives_of_grad(name):
    check(name, QUICK[name])


@pytest.mark.slow
@pytest.mark.parametrize("name", MANY)
def test_many_drawn_heads_have_the_derivatives_of_grad(name):
    check(name, MANY[name])


def test_a_clipped_cotangent_is_not_taken_for_a_derivative():
    def head(a):
        return heads.CLIPPED["backward clip"](a).mean((0, 1)) @ heads.LOGITS

    with jax.enable_x64(True), jax.numpy_rank_promotion("allow"):
        a = jnp.asarray(np.random.default_rng(5).normal(size=heads.SHAPE))
        proof = prove_piecewise_linear(head, a)
        assert not proof.piecewise_linear and proof.obstacle == "a custom_vjp that is not linear in the cotangent"
        # The gradient of the score, not the sum of the classes' gradients: they differ where gradients are clipped.
        for score in (LOGIT, SOFTMAX):
            found = jax.jit(lambda a, score=score: diagonal_derivatives(head, a, score, 1))(a)
            right = jax.jit(lambda a, score=score: diagonal_derivatives(head, a, score, 1, method=reverse_mode))(a)
            assert found.route.name == "reverse mode"
            np.testing.assert_allclose(found.first, right.first, rtol=1e-12)
