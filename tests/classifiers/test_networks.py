"""The networks that get explained: parameter counts, shapes, gradients through named layers, input conventions."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from genjax.classifiers import convnet, convnext, resnet, squeezenet, vgg, vit
from genjax.saliency import prove_piecewise_linear, split

TINY_RESNET = resnet.ResNet(resnet.Bottleneck, (1, 1, 1, 1), classes=5, width=4)
SMALL = {
    "convnet": (convnet.ConvNet(classes=5, features=(4, 8), depth=2), 8, 1, "stage2"),
    "convnext": (convnext.ConvNeXt(5, (8, 16), (1, 2), patch=1, layer_scale=0.1), 8, 1, "stage2"),
    "vit": (vit.ViT(5, patch=2, features=16, depth=2, heads=2), 8, 1, "block1"),
    "resnet": (TINY_RESNET, 64, 3, "layer4"),
    "vgg": (vgg.VGG16(5, (2, 3, 4, 4, 4), (1, 1, 1, 1, 2), hidden=8), 32, 3, "stage5"),
    "squeezenet": (squeezenet.SqueezeNet(5), 47, 3, "fire9"),
}


def count(network, image_shape):
    shapes = jax.eval_shape(network.init, jax.random.key(0), jnp.zeros((1, *image_shape)))
    return sum(leaf.size for leaf in jax.tree.leaves(shapes["params"]))


@pytest.mark.parametrize(
    ("network", "expected"),
    [
        (resnet.ResNet18(), 11_689_512),
        (resnet.ResNet50(), 25_557_032),
        (vgg.VGG16(), 138_357_544),
        (squeezenet.SqueezeNet(), 1_235_496),
        (convnext.ConvNeXt(), 28_589_128),
    ],
)
def test_published_parameter_counts(network, expected):
    assert count(network, (224, 224, 3)) == expected


@functools.cache
def small(name):
    network, size, channels, layer = SMALL[name]
    images = jax.random.uniform(jax.random.key(1), (2, size, size, channels))
    variables = jax.jit(network.init)(jax.random.key(0), images)
    return network, variables, images, layer


@functools.cache
def captured(name):
    """Return logits and the activations of the named layer."""
    network, variables, images, layer = small(name)

    @jax.jit
    def capture(variables, images):
        found, mutated = network.apply(
            variables, images, capture_intermediates=lambda module, _: module.name == layer, mutable=["intermediates"]
        )
        return found, mutated["intermediates"][layer]["__call__"][0]

    return capture(variables, images)


@pytest.mark.parametrize("name", SMALL)
def test_logits_and_named_spatial_layer(name):
    logits, activations = captured(name)
    assert logits.shape == (2, 5)
    assert activations.ndim == 4
    assert activations.shape[0] == 2
    assert np.all(np.isfinite(logits))
    assert not np.allclose(logits[0], logits[1], atol=1e-7), "different images give different logits"


@pytest.mark.parametrize("name", ["convnet", "resnet", "vgg", "squeezenet"])
def test_relu_networks_keep_their_target_layer_non_negative(name):
    _, activations = captured(name)
    assert float(jnp.min(activations)) >= 0


@pytest.mark.parametrize("name", SMALL)
def test_heads_can_be_cut_off_and_relu_heads_are_proved_piecewise_linear(name):
    network, variables, images, layer = small(name)
    features, head = split(network, variables, layer, images[0], train=False)
    activations = jax.eval_shape(features, images[0])
    proof = prove_piecewise_linear(lambda a: head(a, images[0]), jnp.zeros(activations.shape))
    assert proof.piecewise_linear == (name not in ("convnext", "vit"))


@pytest.mark.parametrize("name", SMALL)
def test_dtype_field_sets_the_compute_type_and_leaves_parameters_alone(name):
    network, variables, images, _ = small(name)
    low = network.clone(dtype=jnp.bfloat16)
    logits = jax.eval_shape(low.apply, variables, images)
    assert logits.dtype == jnp.bfloat16
    parameters = jax.eval_shape(low.init, jax.random.key(0), images)["params"]
    assert {leaf.dtype for leaf in jax.tree.leaves(parameters)} == {jnp.dtype(jnp.float32)}


@pytest.mark.parametrize("name", ["convnet", "resnet"])
def test_training_mode_updates_statistics_and_uses_no_bias_before_batch_norm(name):
    network, variables, images, _ = small(name)
    train = jax.jit(functools.partial(network.apply, train=True, mutable=["batch_stats"]))
    _, updated = train(variables, images)
    assert not np.allclose(
        jax.tree.leaves(updated["batch_stats"])[0], jax.tree.leaves(variables["batch_stats"])[0], atol=1e-9
    )
    paths = [[key.key for key in path] for path, _ in jax.tree_util.tree_leaves_with_path(variables["params"])]
    assert [path for path in paths if "conv" in path[-2] and path[-1] == "bias"] == []


def test_ceil_mode_pooling_adds_a_partial_window():
    x = jnp.arange(36.0).reshape(1, 6, 6, 1)
    assert squeezenet.ceil_max_pool(x).shape == (1, 3, 3, 1)
    np.testing.assert_array_equal(squeezenet.ceil_max_pool(x)[0, :, :, 0], [[14, 16, 17], [26, 28, 29], [32, 34, 35]])
    assert squeezenet.ceil_max_pool(jnp.zeros((1, 7, 7, 1))).shape == (1, 3, 3, 1)


def test_adaptive_mean_pool_windows():
    x = jnp.arange(5.0).reshape(1, 5, 1, 1) * jnp.ones((1, 5, 2, 1))
    np.testing.assert_allclose(vgg.adaptive_mean_pool(x, 3)[0, :, 0, 0], [0.5, 2.0, 3.5])  # [0,2), [1,4), [3,5)


def test_input_conventions():
    rgb = np.array([[[[255, 0, 10]]]], np.uint8)
    np.testing.assert_allclose(squeezenet.preprocess(rgb)[0, 0, 0], [10 - 104, 0 - 117, 255 - 123])
    expected = [(1 - 0.485) / 0.229, -0.456 / 0.224, (10 / 255 - 0.406) / 0.225]
    np.testing.assert_allclose(resnet.preprocess(rgb)[0, 0, 0], expected, rtol=1e-5)


def test_transformer_names_sizes_that_do_not_fit():
    with pytest.raises(ValueError, match="9x8 do not divide into patches of 2"):
        vit.ViT().init(jax.random.key(0), jnp.zeros((1, 9, 8, 1)))
    with pytest.raises(ValueError, match="32 channels cannot be shared by 5 heads"):
        vit.ViT(heads=5).init(jax.random.key(0), jnp.zeros((1, 8, 8, 1)))
