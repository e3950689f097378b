"""Networks that return records, hide layers in remat and scan, have tokens, or are NNX; images and classes."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn
from flax import nnx, struct

from genjax.saliency import explain, grad_cam, layer_names, split, split_tokens

IMAGE = np.asarray(jax.random.normal(jax.random.key(0), (8, 6, 3)))


@struct.dataclass
class Output:
    logits: jax.Array
    hidden: jax.Array


class Block(nn.Module):
    @nn.compact
    def __call__(self, x):
        return nn.relu(nn.Conv(4, (3, 3), name="conv")(x)), x.mean()


class Network(nn.Module):
    output: str = "array"
    loop: bool = False

    @nn.compact
    def __call__(self, x):
        x, _ = Block(name="plain")(x)
        x, _ = nn.remat(Block)(name="remat")(x)
        x = jax.jit(lambda v: v)(x)

        def body(block, x):
            x, mean = block(x)
            return x, mean

        x, _ = nn.scan(body, {"params": 0}, split_rngs={"params": True}, length=3)(Block(name="scanned"), x)
        dense = nn.Dense(4, name="looped")
        if self.loop:
            x = nn.while_loop(lambda m, c: c[1] < 2, lambda m, c: (m(c[0]), c[1] + 1), dense, (x, 0))[0]
        logits = nn.Dense(5, name="classifier")(x.mean((1, 2)))
        return {
            "array": logits,
            "tuple": (x, logits),
            "dict": {"logits": logits, "x": x},
            "record": Output(logits, x),
        }[self.output]


@pytest.fixture(scope="module")
def variables():
    class Start(Network):
        @nn.compact
        def __call__(self, x):
            x, _ = Block(name="plain")(x)
            x, _ = Block(name="remat")(x)

            def body(block, x):
                return block(x)

            nn.scan(body, {"params": 0}, split_rngs={"params": True}, length=3)(Block(name="scanned"), x)
            nn.Dense(4, name="looped")(x)
            return nn.Dense(5, name="classifier")(x.mean((1, 2)))

    return jax.jit(Start().init)(jax.random.key(1), IMAGE[None])


RECORDS = [("array", None), ("tuple", 1), ("dict", "logits"), ("record", "logits")]


@pytest.mark.parametrize(("output", "logits"), RECORDS)
@pytest.mark.parametrize("layer", ["plain", "plain/conv", "remat", "remat/conv"])
def test_records_and_remat(variables, output, logits, layer):
    module = Network(output)
    activation = None if "/" in layer else 0
    part = split(module, variables, layer, IMAGE, logits=logits, activation=activation)
    a = part.features(IMAGE)
    right = Network().apply(variables, IMAGE[None])[0]
    assert a.shape == (8, 6, 4)
    np.testing.assert_allclose(part.head(a, IMAGE), right, rtol=1e-5)
    assert np.abs(part.head(a + 1, IMAGE) - right).max() > 1e-4
    assert np.any(jax.jit(lambda x: explain(grad_cam, part, x, 1).raw)(IMAGE))


@pytest.mark.parametrize("call", [0, 1, 2])
def test_an_iteration_of_a_scan(variables, call):
    part = split(Network(), variables, "scanned/conv", IMAGE, call=call)
    a = part.features(IMAGE)
    params = jax.tree.map(lambda v: v, variables["params"])
    x = IMAGE[None]
    for name in ("plain", "remat"):
        x, _ = Block().apply({"params": params[name]}, x)
    for n in range(call + 1):
        own = {"params": jax.tree.map(lambda v, n=n: v[n], params["scanned"])}
        before, (x, _) = x, Block().apply(own, x)
    np.testing.assert_allclose(nn.relu(a), x[0], rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(part.head(a, IMAGE), Network().apply(variables, IMAGE[None])[0], rtol=1e-5)
    assert before.shape == x.shape


def test_what_cannot_be_cut_is_said_at_split(variables):
    with pytest.raises(ValueError, match="layer 'looped' is inside a while and cannot be cut: choose a layer around"):
        split(Network(loop=True), variables, "looped", IMAGE)
    with pytest.raises(ValueError, match=r"layer 'plain' returns tuple of 2, expected one array.*activation=0"):
        split(Network(), variables, "plain", IMAGE)
    with pytest.raises(ValueError, match=r"the network returns Output of logits, hidden, expected.*logits='logits'"):
        split(Network("record"), variables, "plain/conv", IMAGE)
    with pytest.raises(ValueError, match="there is no 'score' in dict of logits, x"):
        split(Network("dict"), variables, "plain/conv", IMAGE, logits="score")
    with pytest.raises(ValueError, match="called 3 times, so call=3 does not exist"):
        split(Network(), variables, "scanned/conv", IMAGE, call=3)
    with pytest.raises(TypeError, match=r"function is neither a Flax Linen nor an NNX module: .*Split\(features"):
        split(lambda x: x, variables, "plain", IMAGE)


class Tokens(nn.Module):
    @nn.compact
    def __call__(self, x):
        x = nn.Conv(4, (2, 2), (2, 2), name="patches")(x).reshape(1, 12, 4)
        x = jnp.concatenate([self.param("cls", nn.initializers.normal(), (1, 1, 4)), x], 1)
        x = nn.Dense(4, name="block")(x)
        return nn.Dense(5)(x[:, 0] * x.mean(1))


def test_tokens_become_a_grid():
    module = Tokens()
    variables = module.init(jax.random.key(0), IMAGE[None])
    part = split_tokens(module, variables, "block", IMAGE, grid=(4, 3))
    a = part.features(IMAGE)
    assert a.shape == (4, 3, 4)
    np.testing.assert_allclose(part.head(a, IMAGE), module.apply(variables, IMAGE[None])[0], rtol=1e-5)
    tokens = split(module, variables, "block", IMAGE).features(IMAGE)
    np.testing.assert_array_equal(a[1, 2], tokens[1 + 1 * 3 + 2])
    assert explain(grad_cam, part, IMAGE, 2).map.shape == (4, 3)
    with pytest.raises(ValueError, match=r"returns \[13, 4\] for an image, expected 0 \+ 4 x 3 tokens"):
        split_tokens(module, variables, "block", IMAGE, grid=(4, 3), skip=0)


class Nnx(nnx.Module):
    def __init__(self, rngs):
        self.stem = nnx.Conv(3, 4, (3, 3), rngs=rngs)
        self.norm = nnx.BatchNorm(4, rngs=rngs)
        self.again = nnx.Conv(4, 4, (3, 3), rngs=rngs)
        self.classifier = nnx.Linear(4, 5, rngs=rngs)

    def __call__(self, x):
        x = nnx.relu(self.norm(self.stem(x)))
        return self.classifier(self.again(x).mean((1, 2)))


@pytest.mark.parametrize("layer", ["stem", "norm", "again"])
def test_nnx_modules_are_taken_as_they_are(layer):
    module = Nnx(nnx.Rngs(0))
    module.eval()
    part = split(module, None, layer, IMAGE)
    a = part.features(IMAGE)
    np.testing.assert_allclose(part.head(a, IMAGE), module(IMAGE[None])[0], rtol=1e-5)
    assert float(jnp.abs(part.head(a + jnp.arange(4.0)[None, None], IMAGE) - module(IMAGE[None])[0]).max()) > 1e-4
    assert layer_names(module, None, IMAGE) == ["stem", "norm", "again", "classifier"]
    with pytest.raises(TypeError, match="has its own variables: pass None"):
        split(module, {}, layer, IMAGE)


def test_one_image_a_batch_a_list_of_classes_and_no_class(variables):
    part = split(Network(), variables, "remat/conv", IMAGE)
    images = jnp.stack([IMAGE, -IMAGE])
    both = explain(grad_cam, part, images, [1, 3])
    one = explain(grad_cam, part, IMAGE, 1)
    np.testing.assert_allclose(one.map, both.map[0], rtol=1e-5)
    several = explain(grad_cam, part, IMAGE, [0, 1, 4])
    assert several.map.shape == (3, 8, 6)
    np.testing.assert_allclose(several.map[1], one.map, rtol=1e-5)
    np.testing.assert_allclose(explain(grad_cam, part, images, 3).map[1], both.map[1], rtol=1e-5)
    top = int(Network().apply(variables, IMAGE[None])[0].argmax())
    np.testing.assert_allclose(explain(grad_cam, part, IMAGE).map, explain(grad_cam, part, IMAGE, top).map, rtol=1e-5)
    assert jax.jit(lambda x: explain(grad_cam, part, x))(images).map.shape == (2, 8, 6)
    with pytest.raises(ValueError, match=r"one class per image: \[2\]"):
        explain(grad_cam, part, images, [0, 1, 2])
