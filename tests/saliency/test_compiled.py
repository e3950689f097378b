"""Programs that do not hold the weights, and loops that leave no program behind."""

import gc
import re
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from genjax.classifiers.convnet import ConvNet
from genjax.saliency import SOFTMAX, Split, compiled, explain, grad_cam_pp, hoisted, split

KERNEL = np.random.default_rng(0).normal(size=(6, 5)).astype(np.float32)
IMAGES = jnp.asarray(np.random.default_rng(1).normal(size=(2, 8, 8, 1)), jnp.float32)


def programs():
    gc.collect()
    return len(jax.devices()[0].client.live_executables())


CALLS = {
    "grad_cam_pp": lambda head, a: grad_cam_pp(head, a, 1, score=SOFTMAX),
    "explain, a batch": lambda head, a: explain(
        partial(grad_cam_pp, score=SOFTMAX), Split(jnp.tanh, lambda a, _: head(a)), jnp.stack([a, a]), 1
    ),
}


@pytest.mark.parametrize("name", CALLS)
def test_calls_outside_of_jit_leave_no_program_behind(name):
    a = jnp.asarray(np.random.default_rng(2).normal(size=(3, 4, 6)), jnp.float32)

    def call(factor):  # a new head each time, as in a loop over images
        return CALLS[name](lambda a: jax.nn.relu(a * factor @ KERNEL).mean((0, 1)), a).raw.block_until_ready()

    call(1.0)
    before = programs()
    for n in range(2):
        call(1.5 + n)
    assert programs() == before


def constants(lowered):
    """The bytes of the array constants of a program, as hexadecimal digits."""
    return sum(len(digits) // 2 for digits in re.findall(r'dense<"0x([0-9A-F]+)"', lowered.as_text()))


def test_the_weights_are_no_constants_of_the_program():
    network = ConvNet(classes=5, features=(16, 128))
    variables = jax.jit(network.init)(jax.random.key(0), IMAGES)
    size = sum(v.nbytes for v in jax.tree.leaves(variables))
    layer = split(network, variables, "stage1", IMAGES[0], train=False)
    run = partial(explain, partial(grad_cam_pp, score=SOFTMAX), layer)
    pure, arrays = hoisted(run, IMAGES, 1)
    assert sum(v.nbytes for v in arrays) >= size
    assert constants(jax.jit(run).lower(IMAGES, 1)) > 0.9 * size
    assert constants(jax.jit(pure).lower(arrays, IMAGES, 1)) < size / 50


def test_a_compiled_function_is_the_function_for_every_shape_and_type():
    run = compiled(lambda pair, factor: {"sum": pair[0] @ KERNEL * factor, "other": pair[1]})
    for size, factor in ((1, 2), (3, 2), (3, 2.5)):
        a = np.full((size, 6), 0.5, np.float32)
        found = run((a, None), factor)
        np.testing.assert_allclose(found["sum"], a @ KERNEL * factor, rtol=1e-6)
        assert found["other"] is None
    with jax.enable_x64(True):
        assert run((np.ones((3, 6)), None), 2.0)["sum"].dtype == np.float64
    gradient = jax.jit(jax.grad(lambda a: compiled(lambda b: jnp.sum((b * a) ** 2))(a)))(jnp.float32(2.0))
    assert gradient == 32.0
