"""Cutting networks at a layer: Flax Linen by name, other libraries by two functions."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn

from genjax.saliency import Split, explain, grad_cam, grad_cam_pp, layer_names, prove_piecewise_linear, split


class Block(nn.Module):
    width: int

    @nn.compact
    def __call__(self, x, train):
        y = nn.Conv(self.width, (3, 3))(x)
        y = nn.BatchNorm(use_running_average=not train, name="norm")(y)
        return nn.relu(y + nn.Conv(self.width, (1, 1), name="skip")(x))


class Network(nn.Module):
    def setup(self):
        self.stem = nn.Conv(4, (3, 3), strides=2)
        self.block1, self.block2 = Block(6), Block(6)
        self.shared = nn.Dense(6)
        self.classifier = nn.Dense(5)

    def __call__(self, x, train):
        x = self.block2(self.block1(self.stem(x), train), train)
        x = self.shared(nn.relu(self.shared(x)))
        return self.classifier(x.mean((1, 2)))


IMAGE = np.asarray(jax.random.normal(jax.random.key(0), (16, 12, 3)))


@pytest.fixture(scope="module")
def network():
    module = Network()
    return module, jax.jit(module.init, static_argnums=2)(jax.random.key(1), IMAGE[None], False)


LAYERS = ["stem", "block1", "block1/Conv_0", "block1/norm", "block1/skip", "block2", "block2/skip"]


@pytest.mark.parametrize("layer", LAYERS)
def test_head_of_features_is_the_network(network, layer):
    module, variables = network
    features, head = split(module, variables, layer, IMAGE, train=False)
    activations = features(IMAGE)
    assert activations.shape[:2] == (8, 6) and activations.ndim == 3
    np.testing.assert_allclose(head(activations, IMAGE), module.apply(variables, IMAGE[None], False)[0], rtol=1e-5)
    # The skip connection around the layer still sees the image, and the head is still proved piecewise linear.
    assert prove_piecewise_linear(lambda a: head(a, IMAGE), activations).piecewise_linear
    changed = head(activations + 1, IMAGE)
    assert float(jnp.abs(changed - head(activations, IMAGE)).max()) > 1e-3


def test_the_gradient_at_a_layer_around_which_there_is_a_skip(network):
    module, variables = network
    features, head = split(module, variables, "block1/Conv_0", IMAGE, False)
    direction = jax.random.normal(jax.random.key(5), (8, 6, 6))
    slope = jax.jvp(lambda a: head(a, IMAGE), (features(IMAGE),), (direction,))[1]
    bumped = {**variables, "params": jax.tree.map(lambda v: v, variables["params"])}
    # The same perturbation through the bias of the convolution, where it is constant over positions.
    bumped["params"]["block1"]["Conv_0"]["bias"] = variables["params"]["block1"]["Conv_0"]["bias"] + 1e-3
    numeric = (module.apply(bumped, IMAGE[None], False) - module.apply(variables, IMAGE[None], False))[0] / 1e-3
    constant = jax.jvp(lambda a: head(a, IMAGE), (features(IMAGE),), (jnp.ones((8, 6, 6)),))[1]
    np.testing.assert_allclose(constant, numeric, rtol=0.05, atol=1e-3)
    assert slope.shape == (5,)


def test_names_are_listed_in_calling_order(network):
    module, variables = network
    names = layer_names(module, variables, IMAGE, False)
    assert names[0] == "stem" and names[-1] == "classifier" and set(LAYERS) <= set(names)


def test_unknown_and_unsuitable_layers_are_explained(network):
    module, variables = network
    with pytest.raises(
        ValueError, match=r"no layer 'conv5' in Network; its layers are: stem, .*block1/Conv_0.*classifier"
    ):
        split(module, variables, "conv5", IMAGE, False)
    with pytest.raises(ValueError, match="called 2 times, so call=2 does not exist"):
        split(module, variables, "shared", IMAGE, False, call=2)
    layer = split(module, variables, "classifier", IMAGE, False)
    with pytest.raises(ValueError, match="choose a layer with spatial axes"):
        explain(grad_cam, layer, IMAGE[None], jnp.array([1]))


def test_either_call_of_a_shared_layer_can_be_cut(network):
    module, variables = network
    first, second = (split(module, variables, "shared", IMAGE, False, call=n) for n in (0, 1))
    assert float(jnp.abs(first.features(IMAGE) - second.features(IMAGE)).max()) > 1e-3
    for part in (first, second):
        logits = part.head(part.features(IMAGE), IMAGE)
        np.testing.assert_allclose(logits, module.apply(variables, IMAGE[None], False)[0], rtol=1e-5)


def test_a_batch_at_two_layers(network):
    module, variables = network
    layers = tuple(split(module, variables, layer, IMAGE, False) for layer in ("block1/skip", "block2"))
    images = jnp.stack([IMAGE, -IMAGE])
    both = jax.jit(lambda x, c: explain(grad_cam_pp, layers, x, c))(images, jnp.array([1, 4]))
    features, head = layers[0]
    alone = grad_cam_pp(lambda a: head(a, images[1]), features(images[1]), 4)
    np.testing.assert_allclose(both[0].raw[1], alone.raw, rtol=1e-4, atol=1e-6)


def check(layer, logits):
    """A pair of functions for the image works with every method, and is the network."""
    np.testing.assert_allclose(layer.head(layer.features(IMAGE), IMAGE), logits, rtol=1e-5, atol=1e-6)
    found = explain(grad_cam_pp, layer, IMAGE[None], jnp.array([2]))
    assert found.route.name == "powers of the gradient" and np.all(np.isfinite(found.map))


def test_flax_nnx():
    nnx = pytest.importorskip("flax.nnx")
    rngs = nnx.Rngs(0)
    trunk, classifier = nnx.Conv(3, 6, (3, 3), rngs=rngs), nnx.Linear(6, 5, rngs=rngs)
    layer = Split(
        lambda x: nnx.relu(trunk(x[None]))[0],
        lambda a, x: classifier(a.mean((0, 1))),
    )
    check(layer, classifier(nnx.relu(trunk(IMAGE[None])).mean((1, 2)))[0])


def test_equinox():
    eqx = pytest.importorskip("equinox")
    trunk = eqx.nn.Conv2d(3, 6, 3, padding=1, key=jax.random.key(0))
    classifier = eqx.nn.Linear(6, 5, key=jax.random.key(1))
    layer = Split(
        lambda x: jnp.moveaxis(jax.nn.relu(trunk(jnp.moveaxis(x, -1, 0))), 0, -1),
        lambda a, x: classifier(a.mean((0, 1))),
    )
    check(layer, classifier(jax.nn.relu(trunk(jnp.moveaxis(IMAGE, -1, 0))).mean((1, 2))))


def test_haiku():
    hk = pytest.importorskip("haiku")
    trunk = hk.without_apply_rng(hk.transform(lambda x: jax.nn.relu(hk.Conv2D(6, 3, name="trunk")(x))))
    classifier = hk.without_apply_rng(hk.transform(lambda a: hk.Linear(5, name="classifier")(a.mean((1, 2)))))
    params = trunk.init(jax.random.key(0), IMAGE[None])
    params = {**params, **classifier.init(jax.random.key(1), trunk.apply(params, IMAGE[None]))}
    layer = Split(
        lambda x: trunk.apply(params, x[None])[0],
        lambda a, x: classifier.apply(params, a[None])[0],
    )
    check(layer, classifier.apply(params, trunk.apply(params, IMAGE[None]))[0])
