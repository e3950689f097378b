"""Perceptual losses: layers by the papers' names, the user's VGG-19, the network that comes with the library."""

from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from genjax.classifiers import vgg
from genjax.classifiers.resnet import MEAN_RGB, STD_RGB
from genjax.losses import perceptual

FEATURES = (2, 3, 2, 3, 2)


def variables(depths=vgg.VGG19, features=FEATURES):
    network = vgg.VGG16(3, features, depths, hidden=2)
    return network, jax.jit(network.init)(jax.random.key(0), jnp.zeros((1, 32, 32, 3)))


def test_layers_have_the_papers_names_and_are_the_networks_own_maps():
    network, made = variables()
    names = vgg.relu_names(made["params"])
    assert (names[0], names[-1], len(names)) == ("relu1_1", "relu5_4", 16)
    images = jax.random.normal(jax.random.key(1), (2, 32, 32, 3))
    seen = network.apply(made, images, capture_intermediates=lambda module, _: isinstance(module, vgg.Stage))[1]
    found = vgg.relu_maps(made["params"], images, ("relu5_4", "relu2_2"))
    assert list(found) == ["relu5_4", "relu2_2"]
    for layer, stage in (("relu5_4", "stage5"), ("relu2_2", "stage2")):
        np.testing.assert_allclose(found[layer], seen["intermediates"][stage]["__call__"][0], rtol=1e-5, atol=1e-5)
    with pytest.raises(ValueError, match="8 x 8 end before relu5_1; take larger ones"):
        vgg.relu_maps(made["params"], images[:, :8, :8], ("relu5_1",))


@pytest.fixture
def file(tmp_path, monkeypatch):
    """Return a tiny VGG-19 under torchvision's names, dense layers and all, and its parameters."""
    _, made = variables()
    stages = {name: tree for name, tree in made["params"].items() if name.startswith("stage")}
    monkeypatch.setattr(perceptual, "_conv_shapes", lambda: stages)
    places = [0, 2, 5, 7, 10, 12, 14, 16, 19, 21, 23, 25, 28, 30, 32, 34]
    layers = [stages[f"stage{name[4]}"][f"conv{name[6]}"] for name in vgg.relu_names(stages)]
    tensors = {"classifier.6.weight": np.zeros((4, 4))}
    for place, layer in zip(places, layers, strict=True):
        tensors[f"features.{place}.weight"] = np.asarray(layer["kernel"]).transpose(3, 2, 0, 1)
        tensors[f"features.{place}.bias"] = np.asarray(layer["bias"])
    np.savez(tmp_path / "vgg19.npz", **tensors)
    return tmp_path / "vgg19.npz", stages


def test_a_vgg_19_file_is_read_and_named(file):
    path, stages = file
    sight = perceptual.open_sight(f"vgg19:{path}")
    jax.tree.map(np.testing.assert_array_equal, dict(sight.parameters), stages)
    assert sight.name.startswith("VGG-19 of vgg19.npz (")
    assert list(perceptual.shares_of(sight)) == list(perceptual.FIVE)
    assert (sight.mean, sight.deviation) == (MEAN_RGB, STD_RGB)


def test_the_two_distances_are_their_equations(file):
    path, stages = file
    sight = perceptual.open_sight(f"vgg19:{path}")

    state = SimpleNamespace(memory={perceptual.MEMORY: stages})

    x, y = (jax.random.uniform(jax.random.key(n), (2, 32, 32, 3), minval=-1.0) for n in (1, 2))
    normed = [((np.asarray(z) + 1) / 2 - np.array(MEAN_RGB)) / np.array(STD_RGB) for z in (x, y)]
    a, b = (np.asarray(vgg.relu_maps(stages, jnp.asarray(z, jnp.float32), ("relu5_4",))["relu5_4"]) for z in normed)
    found = perceptual.squared(sight, ("relu5_4",), 0.5)(x, y, state)
    np.testing.assert_allclose(found, 0.5 * ((a - b) ** 2).mean(), rtol=1e-4)
    maps = [vgg.relu_maps(stages, z, list(perceptual.FIVE)) for z in (x, y)]
    expected = sum(share * np.abs(np.asarray(maps[0][n] - maps[1][n])).mean() for n, share in perceptual.FIVE.items())
    np.testing.assert_allclose(perceptual.absolute(sight, perceptual.FIVE)(x, y, state), expected, rtol=1e-4)


def test_without_the_file_a_finished_run_knows_the_shapes_and_a_new_one_is_told_what_to_do(tmp_path):
    sight = perceptual.open_sight(f"vgg19:{tmp_path / 'none.npz'}", absent=True)
    assert sum(np.prod(x.shape) for x in jax.tree.leaves(dict(sight.parameters))) == 20_024_384
    with pytest.raises(ValueError, match="there is no file .*none.npz; put torchvision's VGG-19 there"):
        perceptual.open_sight(f"vgg19:{tmp_path / 'none.npz'}")
    np.savez(tmp_path / "other.npz", **{"features.0.weight": np.zeros((1, 1, 1, 1))})
    with pytest.raises(ValueError, match="another network"):
        perceptual.open_sight(f"vgg19:{tmp_path / 'other.npz'}")


def test_the_network_that_comes_with_the_library_sees_shapes_and_colours():
    sight = perceptual.open_sight("scenes")
    assert sight.layers() == ["relu1_1", "relu1_2", "relu2_1", "relu2_2", "relu3_1", "relu3_2"]
    assert perceptual.shares_of(sight) == {"relu1_1": 1 / 8, "relu2_1": 1 / 4, "relu3_1": 1.0}
    assert "trained on drawn scenes (" in sight.name
