"""The Inception network of the Frechet distance: size, pooling, scaling, resizing, and weights in PyTorch's names."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image

from genjax.classifiers import inception, weights
from tests.metrics.references import REFERENCES, pattern

SHAPES = jax.eval_shape(inception.InceptionV3().init, jax.random.key(0), jnp.zeros((1, 299, 299, 3)))


def test_it_has_the_parameters_of_the_published_network():
    count = sum(leaf.size for leaf in jax.tree.leaves(SHAPES["params"]))
    # torchvision's count without its auxiliary head, with 1008 classes instead of 1000
    assert count == 23_834_568 + 8 * 2049


@pytest.mark.parametrize("shape", [(40, 64), (350, 500)])
def test_images_are_resized_as_pillow_does_in_floating_point(shape):
    pixels = np.random.default_rng(0).integers(0, 256, (*shape, 3)).astype(np.float32)
    channels = [Image.fromarray(pixels[..., c], "F").resize((299, 299), Image.Resampling.BICUBIC) for c in range(3)]
    expected = (np.stack([np.asarray(channel) for channel in channels], -1) - 128) / 128
    got = np.asarray(inception.preprocess(jnp.asarray(pixels[None] / 255)))[0]
    assert np.abs(got - expected).max() < 1e-4
    grey = np.asarray(inception.preprocess(jnp.asarray(pixels[None, ..., :1] / 255)))[0]
    assert np.abs(grey - expected[..., :1]).max() < 1e-4


@pytest.mark.parametrize("shape", [(13, 40), (350, 411)])
def test_published_resizing_is_that_of_tensorflow_1(shape):
    image = pattern(*shape)
    got = np.asarray(inception.preprocess(jnp.asarray(image / 255), "published"))[0]
    assert got.shape == (299, 299, 3)
    assert np.abs(got[::23, ::31] - (REFERENCES[f"resized_{shape[0]}"] - 128) / 128).max() < 1e-4
    clean = np.asarray(inception.preprocess(jnp.asarray(image / 255)))[0]
    assert np.abs(got - clean).max() > 0.1
    with pytest.raises(ValueError, match="resizing 'nearest': choose one of clean, published"):
        inception.preprocess(jnp.asarray(image / 255), "nearest")


def random_tensors():
    """Tensors named and shaped as in the PyTorch file."""
    draw, tensors = np.random.default_rng(1), {}
    for path, leaf in jax.tree_util.tree_leaves_with_path(SHAPES):
        source = weights.torchvision_inception_names(tuple(key.key for key in path[1:]), leaf.shape)
        scale = np.sqrt(2 / max(np.prod(source.shape[1:]), 1)) if len(source.shape) > 1 else 0.1
        value = scale * draw.standard_normal(source.shape)
        offset = 1.0 if source.name.endswith(("running_var", "bn.weight")) else 0.0
        tensors[source.name] = (np.abs(value + offset) if offset else value).astype(np.float32)
    return tensors


def reference(tensors, images):
    """The same network written in PyTorch, from the layer list of the published one."""
    torch = pytest.importorskip("torch")
    functional = torch.nn.functional
    t = {name: torch.from_numpy(value) for name, value in tensors.items()}

    def unit(x, name, stride=1, padding=0):
        x = functional.conv2d(x, t[f"{name}.conv.weight"], None, stride, padding)
        stored = (t[f"{name}.bn.{kind}"] for kind in ("running_mean", "running_var", "weight", "bias"))
        return functional.relu(functional.batch_norm(x, *stored, False, 0.0, 1e-3))

    def average(x):
        return functional.avg_pool2d(x, 3, 1, 1, count_include_pad=False)

    def a(x, n):
        five = unit(unit(x, f"{n}.branch5x5_1"), f"{n}.branch5x5_2", 1, 2)
        double = unit(unit(x, f"{n}.branch3x3dbl_1"), f"{n}.branch3x3dbl_2", 1, 1)
        double = unit(double, f"{n}.branch3x3dbl_3", 1, 1)
        return torch.cat([unit(x, f"{n}.branch1x1"), five, double, unit(average(x), f"{n}.branch_pool")], 1)

    def b(x, n):
        double = unit(unit(x, f"{n}.branch3x3dbl_1"), f"{n}.branch3x3dbl_2", 1, 1)
        double = unit(double, f"{n}.branch3x3dbl_3", 2)
        return torch.cat([unit(x, f"{n}.branch3x3", 2), double, functional.max_pool2d(x, 3, 2)], 1)

    def c(x, n):
        row, column = (0, 3), (3, 0)
        once = unit(unit(unit(x, f"{n}.branch7x7_1"), f"{n}.branch7x7_2", 1, row), f"{n}.branch7x7_3", 1, column)
        twice = unit(x, f"{n}.branch7x7dbl_1")
        for i, padding in ((2, column), (3, row), (4, column), (5, row)):
            twice = unit(twice, f"{n}.branch7x7dbl_{i}", 1, padding)
        return torch.cat([unit(x, f"{n}.branch1x1"), once, twice, unit(average(x), f"{n}.branch_pool")], 1)

    def d(x, n):
        three = unit(unit(x, f"{n}.branch3x3_1"), f"{n}.branch3x3_2", 2)
        seven = unit(unit(x, f"{n}.branch7x7x3_1"), f"{n}.branch7x7x3_2", 1, (0, 3))
        seven = unit(unit(seven, f"{n}.branch7x7x3_3", 1, (3, 0)), f"{n}.branch7x7x3_4", 2)
        return torch.cat([three, seven, functional.max_pool2d(x, 3, 2)], 1)

    def e(x, n, pooled):
        once = unit(x, f"{n}.branch3x3_1")
        once = [unit(once, f"{n}.branch3x3_2a", 1, (0, 1)), unit(once, f"{n}.branch3x3_2b", 1, (1, 0))]
        twice = unit(unit(x, f"{n}.branch3x3dbl_1"), f"{n}.branch3x3dbl_2", 1, 1)
        twice = [unit(twice, f"{n}.branch3x3dbl_3a", 1, (0, 1)), unit(twice, f"{n}.branch3x3dbl_3b", 1, (1, 0))]
        return torch.cat([unit(x, f"{n}.branch1x1"), *once, *twice, unit(pooled, f"{n}.branch_pool")], 1)

    x = torch.from_numpy(images.transpose(0, 3, 1, 2).copy())
    x = unit(unit(unit(x, "Conv2d_1a_3x3", 2), "Conv2d_2a_3x3"), "Conv2d_2b_3x3", 1, 1)
    x = unit(unit(functional.max_pool2d(x, 3, 2), "Conv2d_3b_1x1"), "Conv2d_4a_3x3")
    x = functional.max_pool2d(x, 3, 2)
    for name in ("Mixed_5b", "Mixed_5c", "Mixed_5d"):
        x = a(x, name)
    x = b(x, "Mixed_6a")
    for name in ("Mixed_6b", "Mixed_6c", "Mixed_6d", "Mixed_6e"):
        x = c(x, name)
    x = d(x, "Mixed_7a")
    x = e(x, "Mixed_7b", average(x))
    x = e(x, "Mixed_7c", functional.max_pool2d(x, 3, 1, 1))
    features = x.mean((2, 3))
    return features.numpy(), functional.linear(features, t["fc.weight"], t["fc.bias"]).numpy()


def test_features_are_those_of_the_same_network_in_pytorch(tmp_path):
    pytest.importorskip("torch")
    tensors = random_tensors()
    np.savez(tmp_path / "weights.npz", **tensors)
    variables = weights.load(inception.InceptionV3(), tmp_path / "weights.npz", (299, 299, 3))
    images = np.asarray(inception.preprocess(jax.random.uniform(jax.random.key(0), (1, 32, 32, 3))))
    features, logits = jax.jit(inception.InceptionV3().apply)(variables, images)
    expected, expected_logits = reference(tensors, images)
    assert np.abs(features - expected).max() < 1e-4 * np.abs(expected).max()
    assert np.abs(logits - expected_logits).max() < 1e-4 * np.abs(expected_logits).max()


def test_weights_of_the_usual_network_are_refused(tmp_path):
    tensors = {**random_tensors(), "AuxLogits.fc.weight": np.zeros((1000, 768), np.float32)}
    np.savez(tmp_path / "weights.npz", **tensors)
    with pytest.raises(ValueError, match=r"weights of another network.*AuxLogits"):
        weights.load(inception.InceptionV3(), tmp_path / "weights.npz", (299, 299, 3))


def test_a_pytorch_file_becomes_one_that_needs_no_torch(tmp_path, capsys):
    torch = pytest.importorskip("torch")
    torch.save({"a.weight": torch.arange(6.0).reshape(2, 3)}, tmp_path / "some.pth")
    assert weights.main([str(tmp_path / "some.pth"), str(tmp_path / "some.npz")]) == 0
    assert np.array_equal(weights.read(tmp_path / "some.npz")["a.weight"], np.arange(6.0).reshape(2, 3))
    assert weights.main([str(tmp_path / "none.pth"), str(tmp_path / "some.npz")]) == 2
    assert "no weights at" in capsys.readouterr().err
