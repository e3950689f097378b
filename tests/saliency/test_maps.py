"""CAM, Grad-CAM, Grad-CAM++ and their relatives: reference values, properties, and input that cannot be explained."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from genjax.saliency import (
    SOFTMAX,
    Score,
    Split,
    cam,
    cam_from_weights,
    class_probability,
    exp_trick,
    explain,
    forward_mode,
    grad_cam,
    grad_cam_plus,
    grad_cam_pp,
    hires_cam,
    layer_cam,
    official_alpha,
    pytorch_alpha,
    pytorch_final_map,
    scale_by_max,
    scale_by_range,
    scale_like_pytorch,
)

NUMBERS = ("NHWC", "HWIO", "NHWC")
softmax_pp = partial(grad_cam_pp, score=SOFTMAX)
METHODS = [grad_cam, grad_cam_plus, layer_cam, hires_cam, grad_cam_pp, softmax_pp]


@pytest.fixture(scope="module")
def golden(reference_data):
    with np.load(reference_data / "gradcam_golden.npz") as file:
        return dict(file)


@pytest.fixture(scope="module")
def squeezenet(reference_data):
    """SqueezeNet 1.1 around the output of fire9, as (features, head), in the precision of the image."""
    with np.load(reference_data / "squeezenet1_1_imagenet.npz") as file:
        weights = {name: np.asarray(value, np.float32) for name, value in file.items()}

    def conv(x, name, stride=1, pad=0):
        kernel, bias = (jnp.asarray(weights[f"{name}.{part}"], x.dtype) for part in ("kernel", "bias"))
        x = jax.lax.conv_general_dilated(x, kernel, (stride,) * 2, ((pad, pad),) * 2, dimension_numbers=NUMBERS)
        return jax.nn.relu(x + bias[None, None, None])

    def pool(x):
        return jax.lax.reduce_window(x, -jnp.inf, jax.lax.max, (1, 3, 3, 1), (1, 2, 2, 1), "VALID")

    def fire(x, name):
        squeezed = conv(x, f"{name}.squeeze1x1")
        return jnp.concatenate([conv(squeezed, f"{name}.expand1x1"), conv(squeezed, f"{name}.expand3x3", pad=1)], -1)

    def features(image):
        x = pool(conv(image[None], "conv1", 2))
        x = pool(fire(fire(x, "fire2"), "fire3"))
        x = pool(fire(fire(x, "fire4"), "fire5"))
        for n in (6, 7, 8, 9):
            x = fire(x, f"fire{n}")
        return x[0]

    return Split(features, lambda a, image: conv(a[None], "conv10").mean((1, 2))[0])


REFERENCE_MAPS = {
    "gradcam": grad_cam,
    "gradcamplus": grad_cam_plus,
    "gradcampp_exp": grad_cam_pp,
    "gradcampp_exp_alphanorm": partial(grad_cam_pp, alpha=official_alpha),
    "gradcampp_softmax": softmax_pp,
    "gradcampp_softmax_alphanorm": partial(softmax_pp, alpha=official_alpha),
    "gradcampp_exptrick_on_softmax": partial(grad_cam_pp, score=Score(class_probability), method=exp_trick),
}


@pytest.mark.parametrize("name", REFERENCE_MAPS)
def test_maps_and_weights_match_the_float64_reference(golden, squeezenet, name):
    with jax.enable_x64(True):
        images = jnp.asarray(golden["input_nhwc_bgr"], jnp.float64)
        found = jax.jit(partial(explain, REFERENCE_MAPS[name], squeezenet))(images, jnp.asarray(golden["class_idx"]))
        raw = np.asarray(found.raw)
        if name != "gradcam":  # stored after the ReLU
            raw = np.maximum(raw, 0)
        for value, key in ((raw, "raw"), (found.weights, "weights")):
            expected = golden[f"ref64_fire9_{name}_{key}"]
            limit = np.abs(expected).max(tuple(range(1, expected.ndim)), keepdims=True)
            assert np.all(np.abs(value - expected) <= 1e-6 * np.maximum(np.abs(expected), 1e-3 * limit))
    if "softmax" in name and "trick" not in name:
        assert found.route.name == "class moments, matrix products"


def test_softmax_maps_from_float32_activations_are_as_good_as_those_activations(golden, squeezenet):
    head = partial(squeezenet.head, image=None)
    activations, classes = golden["act_fire9_f32"], golden["class_idx"].astype(np.int32)
    single = jax.jit(jax.vmap(partial(softmax_pp, head)))(activations, classes)
    with jax.enable_x64(True):
        wide = jax.jit(jax.vmap(partial(softmax_pp, head)))(jnp.asarray(activations, jnp.float64), classes)
    for n in (0, 1):
        np.testing.assert_allclose(single.raw[n], wide.raw[n], rtol=0, atol=1e-4 * np.abs(wide.raw[n]).max())
    expected = golden["ref64_fire9_gradcampp_softmax_raw"]
    np.testing.assert_allclose(np.maximum(single.raw, 0), expected, rtol=0, atol=3e-4 * expected.max())
    assert single.raw.dtype == jnp.float32 and single.guarded.tolist() == [0, 0]
    # The poles are real: alpha is negative, or above one half, at some positions with a positive derivative.
    assert single.alpha.minimum.min() < -10 and single.alpha.maximum.max() > 10
    assert 0.005 < single.alpha.negative_share[0] < 0.05 and single.alpha.above_half_share[0] > 0.1


PYTORCH_MAPS = {
    "gradcam": grad_cam,
    "gradcampp": partial(grad_cam_pp, method=exp_trick, alpha=pytorch_alpha, scale=scale_like_pytorch),
    "layercam": layer_cam,
    "hirescam": hires_cam,
}


@pytest.mark.parametrize("name", PYTORCH_MAPS)
def test_the_pytorch_package_is_reproduced(golden, squeezenet, name):
    head = partial(squeezenet.head, image=None)
    found = jax.jit(jax.vmap(partial(PYTORCH_MAPS[name], head)))(golden["act_fire9_f32"], golden["class_idx"])
    expected = golden[f"pgc_fire9_{name}_raw"]
    np.testing.assert_allclose(found.raw, expected, rtol=0, atol=1e-5 * np.abs(expected).max())
    if found.weights.ndim == 2:
        weights = golden[f"pgc_fire9_{name}_weights"]
        np.testing.assert_allclose(found.weights, weights, rtol=0, atol=1e-5 * np.abs(weights).max())
        final = jax.vmap(partial(pytorch_final_map, shape=(224, 224)))(found.raw)
        np.testing.assert_allclose(final, golden[f"pgc_fire9_{name}_final"], rtol=0, atol=1e-5)


def test_cam_from_the_weights_of_the_classifier(golden, reference_data):
    with np.load(reference_data / "squeezenet1_1_imagenet.npz") as file, jax.enable_x64(True):
        weights = np.asarray(file["conv10.kernel"][0, 0], np.float64)
        found = jax.vmap(partial(cam_from_weights, weights))(
            jnp.asarray(golden["act_fire9_f32"], jnp.float64), golden["class_idx"]
        )
    expected = golden["ref64_fire9_cam_raw"]
    np.testing.assert_allclose(found.raw, expected, rtol=0, atol=1e-6 * np.abs(expected).max())


MATRIX = np.asarray(jax.random.normal(jax.random.key(0), (6, 5)), np.float32)
KERNEL = np.asarray(jax.random.normal(jax.random.key(2), (3, 3, 6, 6)), np.float32)
ACTIVATIONS = np.maximum(np.asarray(jax.random.normal(jax.random.key(3), (3, 4, 6)), np.float32), 0)


def linear_head(a):
    return a.mean((0, 1)) @ MATRIX.astype(a.dtype)


def relu_head(a):
    a = jax.lax.conv_general_dilated(a[None], KERNEL.astype(a.dtype), (1, 1), "SAME", dimension_numbers=NUMBERS)
    return jax.nn.relu(a).mean((1, 2))[0] @ MATRIX.astype(a.dtype)


def curved_head(a):
    return jnp.tanh(jax.nn.gelu(a).mean((0, 1)) @ MATRIX.astype(a.dtype))


@pytest.mark.parametrize("method", METHODS)
def test_maps_are_the_weighted_channel_sum_scaled_to_one(method):
    found = jax.jit(partial(method, relu_head))(ACTIVATIONS, 2)
    weights = np.broadcast_to(found.weights, ACTIVATIONS.shape)
    np.testing.assert_allclose(found.raw, np.sum(ACTIVATIONS * weights, -1), rtol=1e-5, atol=1e-6)
    assert found.map.shape == (3, 4) and found.map.min() >= 0 and float(found.map.max()) == pytest.approx(1)


@pytest.mark.parametrize("method", [*METHODS, cam])
def test_vmap_and_jit_over_images_and_classes_agree(method):
    batch = jnp.stack([ACTIVATIONS, ACTIVATIONS[::-1] * 0.5])

    def one(a, c):
        return method(linear_head, a, c).raw

    every = jax.jit(jax.vmap(jax.vmap(one, (None, 0)), (0, None)))(batch, jnp.arange(5))
    assert every.shape == (2, 5, 3, 4)
    np.testing.assert_allclose(every[1, 3], one(batch[1], 3), rtol=2e-5, atol=1e-7)


def test_cam_is_the_weights_of_the_dense_layer_and_refuses_other_heads():
    np.testing.assert_allclose(cam(linear_head, ACTIVATIONS, 2).weights, MATRIX[:, 2], rtol=1e-5)
    for head in (relu_head, curved_head, lambda a: jax.nn.relu(linear_head(a))):
        with pytest.raises(ValueError, match="cam_from_weights"):
            cam(head, ACTIVATIONS, 2)
    with pytest.raises(ValueError, match=r"weights have shape \[5, 6\], expected \[6 channels, classes\]"):
        cam_from_weights(MATRIX.T, ACTIVATIONS, 2)


@pytest.mark.parametrize("head", [linear_head, relu_head])
def test_the_exp_trick_is_exact_for_piecewise_linear_heads(head):
    trick, exact = (grad_cam_pp(head, ACTIVATIONS, 1, method=m, chunk=36) for m in (exp_trick, forward_mode))
    np.testing.assert_allclose(trick.weights, exact.weights, rtol=1e-4, atol=1e-7)


def test_the_exp_trick_differs_for_curved_heads():
    trick, exact = (grad_cam_pp(curved_head, ACTIVATIONS, 1, method=m).weights for m in (exp_trick, forward_mode))
    assert np.abs(trick - exact).max() > 0.05 * np.abs(exact).max()


@pytest.mark.parametrize("head", [relu_head, curved_head])
def test_a_constant_added_to_all_logits_leaves_softmax_maps_unchanged(head):
    shifted = softmax_pp(lambda a: head(a) + 3.0, ACTIVATIONS, 1)
    np.testing.assert_allclose(shifted.raw, softmax_pp(head, ACTIVATIONS, 1).raw, rtol=1e-4, atol=1e-7)


@pytest.mark.parametrize("method", METHODS)
def test_permuting_channels_permutes_weights_and_keeps_the_map(method):
    order = np.array([3, 0, 5, 1, 4, 2])
    inverse = np.argsort(order)
    plain = method(curved_head, ACTIVATIONS, 2)
    permuted = method(lambda a: curved_head(a[..., inverse]), ACTIVATIONS[..., order], 2)
    np.testing.assert_allclose(permuted.weights, plain.weights[..., order], rtol=1e-4, atol=1e-8)
    np.testing.assert_allclose(permuted.map, plain.map, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("method", METHODS)
def test_a_zero_map_stays_zero_and_so_does_its_gradient(method):
    def total(a):
        return jnp.sum(method(linear_head, a, 2).map)

    zeros = jnp.zeros((3, 4, 6))
    assert float(total(zeros)) == 0
    assert np.all(np.isfinite(jax.grad(total)(zeros)))
    for scale in (scale_by_max, scale_by_range, scale_like_pytorch):
        for values in (jnp.zeros((3, 4)), -jnp.ones((3, 4))):
            np.testing.assert_array_equal(scale(values), 0)
            assert np.all(np.isfinite(jax.grad(lambda v, scale=scale: jnp.sum(scale(v)))(values)))


@pytest.mark.parametrize("method", [*METHODS[:-1], pytest.param(METHODS[-1], marks=pytest.mark.slow)])
def test_a_map_inside_a_loss_has_the_right_gradient(method):
    direction = jax.random.normal(jax.random.key(9), ACTIVATIONS.shape)
    target = jnp.linspace(0, 1, 12).reshape(3, 4)

    def loss(a):
        return jnp.sum(method(curved_head, a, 2).raw * target.astype(a.dtype))

    value, slope = jax.jit(loss), jax.jit(jax.grad(loss))
    gradient = slope(ACTIVATIONS)
    with jax.enable_x64(True):
        wide = jnp.asarray(ACTIVATIONS, jnp.float64) + 0.01
        numeric = (value(wide + 1e-6 * direction) - value(wide - 1e-6 * direction)) / 2e-6
        np.testing.assert_allclose(jnp.sum(slope(wide) * direction), numeric, rtol=1e-5)
        np.testing.assert_allclose(gradient, slope(jnp.asarray(ACTIVATIONS, jnp.float64)), rtol=2e-2, atol=1e-4)


def test_gradients_reach_the_parameters_of_the_head():
    def loss(matrix):
        found = softmax_pp(lambda a: a.mean((0, 1)) @ matrix, ACTIVATIONS, 2)
        return jnp.sum(found.map[0])

    gradient = jax.jit(jax.grad(loss))(MATRIX)
    step = 1e-2 * np.asarray(gradient) / np.abs(gradient).max()
    change = float(loss(MATRIX + step) - loss(MATRIX - step))
    np.testing.assert_allclose(change, 2 * np.sum(gradient * step), rtol=0.05)


def test_guarded_denominators_are_counted():
    # softmax of two logits: p''' and p'' cancel somewhere on the way; a guard of 1 takes every term for zero.
    everything = softmax_pp(linear_head, ACTIVATIONS, 1, guard=1.0)
    assert int(everything.guarded) == int(everything.alpha.positions) > 0 and float(jnp.abs(everything.raw).max()) == 0
    assert int(softmax_pp(linear_head, ACTIVATIONS, 1, guard=0.0).guarded) == 0
    dead = jax.jit(partial(grad_cam_pp, lambda a: linear_head(a * jnp.array([0, 1, 1, 1, 1, 1.0])[None, None])))
    assert (
        int(dead(ACTIVATIONS, 1).guarded) == 0 and int(dead(ACTIVATIONS, 1).dead) == 12
    )  # a channel without influence: 0 / 0
    assert dead(ACTIVATIONS, 1).weights[0] == 0


def test_alpha_statistics_for_a_positive_linear_head():
    found = grad_cam_pp(linear_head, ACTIVATIONS, 2)
    gradient = MATRIX[:, 2] / 12
    alpha = 1 / (2 + ACTIVATIONS.sum((0, 1)) * gradient)[gradient > 0]
    np.testing.assert_allclose(found.alpha.minimum, alpha.min(), rtol=1e-5)
    np.testing.assert_allclose(found.alpha.maximum, alpha.max(), rtol=1e-5)
    np.testing.assert_allclose(found.alpha.mean, alpha.mean(), rtol=1e-5)
    assert found.alpha.negative_share == 0 and found.alpha.above_half_share == 0


def test_several_layers_at_once():
    early = Split(lambda x: x * 2, lambda a, x: relu_head(a))
    late = Split(lambda x: jnp.maximum(x, 0), lambda a, x: linear_head(a))
    images = jnp.stack([ACTIVATIONS, ACTIVATIONS + 1])
    both = jax.jit(partial(explain, grad_cam_pp, (early, late)))(images, jnp.array([1, 2]))
    assert [len(both), both[0].map.shape, both[1].route.name] == [2, (2, 3, 4), "powers of the gradient"]
    alone = explain(grad_cam_pp, late, images, jnp.array([1, 2]))
    np.testing.assert_allclose(both[1].raw, alone.raw, rtol=1e-5)


def test_bfloat16_activations_give_finite_maps():
    found = softmax_pp(lambda a: linear_head(a.astype(jnp.float32)), jnp.asarray(ACTIVATIONS, jnp.bfloat16), 2)
    assert np.all(np.isfinite(np.asarray(found.map, np.float32)))


def test_bad_input_is_explained_in_one_sentence():
    layer = Split(lambda x: x, lambda a, x: linear_head(a))
    images, classes = jnp.ones((2, 3, 4, 6)), jnp.array([0, 1])
    for method in METHODS:
        with pytest.raises(ValueError, match=r"shape \[6\], expected \[height, width, channels\] of one image"):
            method(lambda a: a @ MATRIX, jnp.ones(6), 1)
        with pytest.raises(ValueError, match="class 7 is out of range"):
            method(linear_head, ACTIVATIONS, 7)
        with pytest.raises(ValueError, match="NaN"):
            method(linear_head, np.full((3, 4, 6), np.nan, np.float32), 1)
    with pytest.raises(ValueError, match="images hold 1 values that are NaN or infinite"):
        explain(grad_cam, layer, images.at[0, 0, 0, 0].set(jnp.inf), classes)
    with pytest.raises(ValueError, match=r"images are uint8\[2, 3, 4, 6\], expected float"):
        explain(grad_cam, layer, images.astype(jnp.uint8), classes)
    with pytest.raises(ValueError, match=r"images are float32\[3\]"):
        explain(grad_cam, layer, images[0, 0, :3, 0], classes)
    with pytest.raises(ValueError, match="class 9 is out of range"):
        explain(grad_cam, layer, images, jnp.array([0, 9]))
    with pytest.raises(ValueError, match=r"one class per image: \[2\]"):
        explain(grad_cam, layer, images, jnp.array([0]))
