"""Convolutions of whole programs in the layout that is fast in loops: none is missed, and numbers stay."""

from functools import partial

import jax
import jax.extend.core as jex
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from jax import lax

from genjax import parallel
from genjax.engine import init_state, step
from genjax.gans import dcgan
from genjax.nn.conv_layout import in_fast_layout
from tests.engine.toy import same_bits, worst

LAYOUT = ("NHWC", "HWIO", "NHWC")


def layouts(program):
    """Return the dimension numbers of all convolutions of a program and its sub-programs."""
    found = []
    for equation in program.eqns:
        if equation.primitive is lax.conv_general_dilated_p:
            found.append(equation.params["dimension_numbers"])
        for inner in jex.jaxprs_in_params(equation.params):
            found += layouts(inner)
    return found


IMAGES = lax.ConvDimensionNumbers((0, 3, 1, 2), (3, 2, 0, 1), (0, 3, 1, 2))


def penalised(kernels, x, stride=2):
    """Gradient of a loss with a penalty on its gradient to x: convolutions of every kind."""

    def score(x, kernels):
        for kernel in kernels:
            x = jnp.tanh(lax.conv_general_dilated(x, kernel, (stride, stride), "SAME", dimension_numbers=LAYOUT))
        return jnp.sum(x)

    def loss(kernels):
        return score(x, kernels) + jnp.sum(jax.grad(score)(x, kernels) ** 2)

    return jax.grad(loss)(kernels)


def looped(kernels, batches):
    """Two moves of a scan, in a branch, rematerialised."""

    def move(kernels, x):
        gradient = lax.cond(x.sum() > -1e9, jax.checkpoint(partial(penalised, stride=1)), penalised, kernels, x)
        return jax.tree.map(lambda w, g: w - 1e-3 * g, kernels, gradient), x.sum()

    return lax.scan(move, kernels, batches)


def draw(*shapes):
    return [jax.random.normal(jax.random.key(i), shape) for i, shape in enumerate(shapes)]


def test_gradients_of_first_and_second_order_in_loops_branches_and_rematerialised_losses():
    *kernels, batches = draw((3, 3, 2, 4), (4, 4, 4, 3), (2, 2, 6, 6, 2))
    fast = in_fast_layout(looped)
    assert set(layouts(jax.make_jaxpr(fast)(kernels, batches).jaxpr)) == {IMAGES}
    assert len(set(layouts(jax.make_jaxpr(looped)(kernels, batches).jaxpr))) > 2
    expected, actual = jax.jit(looped)(kernels, batches), jax.jit(fast)(kernels, batches)
    for one, other in zip(jax.tree.leaves(expected), jax.tree.leaves(actual), strict=True):
        np.testing.assert_allclose(other, one, rtol=1e-4, atol=1e-5 * float(jnp.abs(one).max()))


@pytest.mark.parametrize(
    ("dimensions", "options"),
    [
        (("NCHW", "OIHW", "NCHW"), {"rhs_dilation": (2, 1), "padding": ((1, 2), (0, 3))}),
        (("HWNC", "IHWO", "CWNH"), {"lhs_dilation": (1, 3), "padding": ((0, 1), (2, 0))}),
        (("NWC", "OWI", "WCN"), {"padding": "SAME"}),
    ],
)
def test_any_order_of_axes_and_any_rank(dimensions, options):
    numbers = lax.conv_dimension_numbers((0,) * len(dimensions[0]), (0,) * len(dimensions[1]), dimensions)
    sizes = {"N": 2, "C": 3, "I": 3, "O": 5, "H": 7, "W": 6}
    x, kernel = draw([sizes[axis] for axis in dimensions[0]], [min(sizes[axis], 3) for axis in dimensions[1]])

    def convolve(x, kernel):
        strides = (2,) * (x.ndim - 2)
        return lax.conv_general_dilated(x, kernel, strides, dimension_numbers=numbers, **options)

    (standard,) = layouts(jax.make_jaxpr(in_fast_layout(convolve))(x, kernel).jaxpr)
    assert standard.lhs_spec == (0, x.ndim - 1, *range(1, x.ndim - 1))
    np.testing.assert_allclose(in_fast_layout(convolve)(x, kernel), convolve(x, kernel), rtol=1e-5, atol=1e-5)


def test_a_kernel_larger_than_its_image_changes_places_with_it_in_a_loop():
    x, kernel = draw((3, 7, 9, 4), (3, 9, 10, 5))
    numbers = ("CHWN", "IHWO", "HWNC")

    def convolve(x, kernel):
        return lax.conv_general_dilated(x, kernel, (1, 1), ((3, 2), (1, 4)), dimension_numbers=numbers)

    def last_of_two(function):
        return jax.jit(lambda x, kernel: lax.map(lambda x: function(x, kernel), jnp.stack([x, -x]))[1])

    plain, fast = last_of_two(convolve), last_of_two(in_fast_layout(convolve))
    np.testing.assert_allclose(fast(x, kernel), plain(x, kernel), rtol=1e-4, atol=1e-4)
    # What XLA's fast routine does not take: it is what it makes of the plain one.
    assert "rhs_reversal" in plain.lower(x, kernel).compile().as_text()
    assert "rhs_reversal" not in fast.lower(x, kernel).compile().as_text()


def test_other_programs_and_other_backends_are_left_alone(monkeypatch):
    x, kernel, one_each = draw((2, 6, 6, 4), (3, 3, 4, 4), (3, 3, 1, 4))

    def plain(x, kernel, one_each, nothing):
        y = lax.conv_general_dilated(x, kernel, (1, 1), "SAME", dimension_numbers=LAYOUT)
        y = lax.conv_general_dilated(y, one_each, (1, 1), "SAME", dimension_numbers=LAYOUT, feature_group_count=4)
        return {"y": jnp.where(y > 0, y, 0.0), "nothing": nothing}

    def text(function, *arguments):
        return str(jax.make_jaxpr(function)(*arguments))

    assert text(in_fast_layout(plain), x, kernel, one_each, None) == text(plain, x, kernel, one_each, None)
    assert in_fast_layout(plain)(x, kernel, one_each, None)["nothing"] is None
    gradient = partial(penalised, [kernel])
    assert text(in_fast_layout(gradient), x) != text(gradient, x)
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    assert text(in_fast_layout(gradient), x) == text(gradient, x)


@pytest.mark.parametrize("make_plan", [parallel.jit_plan, parallel.pmap_plan])
def test_a_run_of_several_steps_on_two_devices(make_plan, monkeypatch):
    plan, tx = make_plan(jax.devices()[:2]), optax.sgd(0.01)
    networks = dcgan.Generator(8, 1, 2), dcgan.Discriminator(8, 2)
    game = dcgan.game(*networks, generator_tx=tx, discriminator_tx=tx, image_shape=(8, 8, 1), latent=3)
    source = plan.put_source({"images": draw((8, 8, 8, 1))[0]})
    indices = plan.put_batches(np.arange(2 * 4).reshape(2, 1, 4))
    ends = []
    for rewriting in (in_fast_layout, lambda step: step):
        monkeypatch.setattr(step, "in_fast_layout", rewriting)
        run = plan.compile(step.make_run(step.make_step(game, plan.axis)))
        state = plan.put_state(init_state(game, jax.random.key(0)))
        ends.append(plan.get_state(run(state, source, indices, jax.random.key(1))[0]))
    assert not same_bits(ends[0].params, init_state(game, jax.random.key(0)).params)
    assert worst(ends[0].params, ends[1].params) < 1e-5
