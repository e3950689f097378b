"""The randomisation check: similarity measures against SciPy and scikit-image, and a trained network that passes."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from genjax.classifiers import classify, convnet
from genjax.engine.state import init_state
from genjax.engine.step import make_step
from genjax.saliency import explain, grad_cam, sanity, split


def test_rank_correlation_against_scipy_with_ties():
    from scipy import stats

    rng = np.random.default_rng(0)
    a, b = np.round(rng.normal(size=(2, 3, 6, 5)), 1)
    expected = [stats.spearmanr(x.ravel(), y.ravel()).statistic for x, y in zip(a, b, strict=True)]
    np.testing.assert_allclose(sanity.rank_correlation(jnp.asarray(a), jnp.asarray(b)), expected, atol=1e-5)
    constant = jnp.ones((1, 4, 4))
    np.testing.assert_array_equal(sanity.rank_correlation(constant, jnp.asarray(a[:1, :4, :4])), [0.0])


def test_ssim_against_scikit_image():
    metrics = pytest.importorskip("skimage.metrics")
    rng = np.random.default_rng(0)
    a = rng.uniform(size=(2, 13, 11))
    b = np.clip(a + 0.2 * rng.normal(size=a.shape), 0, 1)

    def scale(x):
        return (x - x.min()) / (x.max() - x.min())

    expected = [
        metrics.structural_similarity(scale(x), scale(y), win_size=5, data_range=1) for x, y in zip(a, b, strict=True)
    ]
    np.testing.assert_allclose(sanity.map_ssim(jnp.asarray(a), jnp.asarray(b)), expected, atol=1e-5)
    np.testing.assert_allclose(sanity.map_ssim(jnp.asarray(a[:, :3, :2]), jnp.asarray(a[:, :3, :2])), [1, 1], atol=1e-6)


def test_randomised_takes_layers_from_the_logits_down():
    old = {"params": {"a": 0, "b": 0, "head": 0}, "batch_stats": {"a": 0, "b": 0}}
    new = {"params": {"a": 1, "b": 1, "head": 1}, "batch_stats": {"a": 1, "b": 1}}
    cascade = sanity.randomised(old, new, ("head", "b"))
    assert [step["params"] for step in cascade] == [{"a": 0, "b": 0, "head": 1}, {"a": 0, "b": 1, "head": 1}]
    assert [step["batch_stats"] for step in cascade] == [{"a": 0, "b": 0}, {"a": 0, "b": 1}]
    single = sanity.randomised(old, new, ("head", "b"), cascading=False)
    assert single[1]["params"] == {"a": 0, "b": 1, "head": 0}
    with pytest.raises(
        ValueError, match=r"no layers \['conv'\] to re-initialise; the network has \['a', 'b', 'head'\]"
    ):
        sanity.randomised(old, new, ("conv",))


def test_grad_cam_of_a_trained_network_changes_and_an_edge_detector_does_not():
    from sklearn.datasets import load_digits

    data = load_digits()
    images, labels = (data.images[..., None] / 8 - 1).astype(np.float32), data.target.astype(np.int32)
    network = convnet.ConvNet()
    game = classify.game(network, optax.adam(3e-3), image_shape=(8, 8, 1))
    state, step = jax.jit(lambda key: init_state(game, key))(jax.random.key(0)), jax.jit(make_step(game))
    for i in range(40):
        rows = np.arange(64) + 40 * i
        state, _ = step(state, {"images": images[rows][None], "labels": labels[rows][None]}, jax.random.key(1))
    trained, fresh = state.variables_of("classifier"), jax.jit(network.init)(jax.random.key(9), images[:1])
    shown, classes = jnp.asarray(images[:16]), jnp.asarray(labels[:16])

    @jax.jit
    def maps(variables):
        layer = split(network, variables, "stage2", shown[0], train=False)
        return explain(grad_cam, layer, shown, classes).raw

    def edges(variables):
        return jnp.abs(jnp.diff(shown[..., 0], axis=1, append=shown[:, -1:, :, 0]))

    layers = ("head", "stage3", "stage2", "stage1")
    for cascading, limit in ((True, 0.4), (False, 0.7)):
        found = sanity.randomisation_check(maps, trained, fresh, layers, cascading)
        assert found.rank.shape == found.absolute_rank.shape == found.ssim.shape == (4, 16)
        assert np.all(np.mean(found.rank, axis=1) < limit)
        assert np.all(np.mean(found.ssim, axis=1) < limit)
    blind = sanity.randomisation_check(edges, trained, fresh, layers)
    np.testing.assert_allclose(blind.rank, 1, atol=1e-6)
    np.testing.assert_allclose(blind.ssim, 1, atol=1e-6)
