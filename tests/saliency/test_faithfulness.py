"""Faithfulness metrics against golden curves, hand-computed cases, and independent NumPy or SciPy solutions."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from genjax.classifiers import classify, squeezenet, weights
from genjax.saliency import faithfulness


@pytest.fixture(scope="module")
def golden(reference_data):
    return np.load(reference_data / "gradcam_golden.npz", allow_pickle=False)


@pytest.fixture(scope="module")
def photos(reference_data, golden):
    network = squeezenet.SqueezeNet()
    variables = weights.load(network, reference_data / "squeezenet1_1_imagenet.npz", (224, 224, 3))
    return (
        classify.predictor(network, variables),
        jnp.asarray(golden["input_nhwc_bgr"]),
        jnp.asarray(golden["class_idx"]),
    )


MAPS = {"gradcam": "pgc_fire9_gradcam_final", "gradcampp_exact": "ref64_fire9_gradcampp_exp_final"}


@pytest.mark.parametrize("method", MAPS)
def test_masked_probabilities_match_golden(golden, photos, method):
    predict, images, classes = photos
    full = faithfulness.probability_of(predict, images, classes)
    masked = faithfulness.masked_probability(predict, images, jnp.asarray(golden[MAPS[method]]), classes)
    np.testing.assert_allclose(full, golden["metric_prob_full"], rtol=2e-5)
    np.testing.assert_allclose(masked, golden[f"metric_{method}_prob_masked"], rtol=2e-5)


@pytest.mark.parametrize("method", [pytest.param("gradcam", marks=pytest.mark.slow), "gradcampp_exact"])
def test_deletion_and_insertion_curves_match_golden(golden, photos, method):
    maps = jnp.asarray(golden[MAPS[method]])
    counts = golden["metric_counts"]
    np.testing.assert_array_equal(faithfulness.pixel_counts(224 * 224, 28), counts)
    for name, curve in (("deletion", faithfulness.deletion_curve), ("insertion", faithfulness.insertion_curve)):
        computed = jax.jit(curve, static_argnums=0)(*photos[:2], maps, photos[2], counts)
        expected = golden[f"metric_{method}_{name}_curve"]
        np.testing.assert_allclose(computed, expected, rtol=1e-4, atol=1e-7)


@pytest.mark.slow
def test_road_matches_golden(golden, photos):
    predict, images, classes = photos
    maps = jnp.asarray(golden["pgc_fire9_gradcam_final"])
    computed = jax.jit(lambda x: faithfulness.road(predict, x, maps, classes, (60, 80), noise=0))(images)
    np.testing.assert_allclose(computed, golden["metric_gradcam_road_prob"], rtol=2e-3)
    keep = maps[:1] < jnp.percentile(maps[0], 80)
    np.testing.assert_allclose(keep.mean(), golden["road_mask_chelsea_morf80_keep_fraction"], atol=1e-6)
    imputed = faithfulness.impute(images[:1], keep)[0]
    np.testing.assert_allclose(
        imputed.transpose(2, 0, 1)[:, ::8, ::8], golden["road_imputed_chelsea_morf80"], atol=2e-2
    )


def test_imputation_solves_the_linear_system_of_a_sparse_direct_solver():
    from scipy import sparse
    from scipy.sparse.linalg import spsolve

    rng = np.random.default_rng(0)
    image = rng.normal(size=(9, 7, 2))
    keep = rng.uniform(size=(9, 7)) > 0.7
    keep[0, 0] = False  # a corner, where three neighbours remain
    rows, right = sparse.lil_matrix((63, 63)), np.zeros((63, 2))
    for y, x in np.ndindex(9, 7):
        i = 7 * y + x
        if keep[y, x]:
            rows[i, i], right[i] = 1, image[y, x]
            continue
        for dy, dx in np.ndindex(3, 3):
            v, u = y + dy - 1, x + dx - 1
            if (dy, dx) != (1, 1) and 0 <= v < 9 and 0 <= u < 7:
                weight = 1 / 6 if dy == 1 or dx == 1 else 1 / 12
                rows[i, i] += weight
                rows[i, 7 * v + u] -= weight
    expected = spsolve(rows.tocsr(), right).reshape(9, 7, 2)
    images = jnp.asarray(np.stack([image, image]), jnp.float32)
    both = jnp.stack([jnp.asarray(keep), jnp.ones_like(keep)])
    imputed = faithfulness.impute(images, both)
    np.testing.assert_allclose(imputed[0], expected, atol=2e-6)
    np.testing.assert_array_equal(imputed[1], images[1])
    noisy = faithfulness.impute(images, both, noise=0.1, key=jax.random.key(0))
    np.testing.assert_array_equal(noisy[1], images[1])
    change = np.asarray(noisy - imputed)[0]
    assert np.all(change[keep] == 0)
    np.testing.assert_allclose(change[~keep].std(), 0.1, rtol=0.3)


def test_imputation_without_any_known_pixel_is_zero_and_noise_needs_a_key():
    images = jnp.ones((1, 5, 5, 3))
    np.testing.assert_array_equal(faithfulness.impute(images, jnp.zeros((1, 5, 5), bool)), jnp.zeros_like(images))
    with pytest.raises(ValueError, match=r"noise 0\.01 needs a random key"):
        faithfulness.road(lambda x: x[:, 0, 0], images, jnp.ones((1, 5, 5)), jnp.array([0]))


def brightness(images):
    """A network that sees two things: how bright the left and the right half are."""
    left, right = jnp.mean(images[:, :, :2], axis=(1, 2, 3)), jnp.mean(images[:, :, 2:], axis=(1, 2, 3))
    return jax.nn.softmax(4 * jnp.stack([left, right], axis=-1))


HALVES = jnp.stack([jnp.concatenate([jnp.ones((4, 2)), jnp.zeros((4, 2))], 1)] * 2)
UNEVEN = jnp.stack([jnp.tile(jnp.array([[2.0, 1.0, 0.5, 0.2]]), (4, 1))[..., None]] * 2)


def test_curves_go_by_falling_value_with_ties_in_reading_order():
    images = jnp.arange(1.0, 5.0).reshape(1, 2, 2, 1)
    maps = jnp.array([[[0.5, 0.9], [0.5, 0.5]]])

    def sums(x):
        return jnp.sum(x, axis=(1, 2, 3))[:, None]

    classes = jnp.array([0])
    counts = faithfulness.pixel_counts(4, 4)
    np.testing.assert_array_equal(faithfulness.deletion_curve(sums, images, maps, classes, counts)[0], [10, 8, 7, 4, 0])
    np.testing.assert_array_equal(
        faithfulness.insertion_curve(sums, images, maps, classes, counts)[0], [0, 2, 3, 6, 10]
    )
    shown = faithfulness.insertion_curve(sums, images, maps, classes, counts, baseline=jnp.full_like(images, 10))
    np.testing.assert_array_equal(shown[0], [40, 32, 23, 16, 10])


def test_a_map_of_the_evidence_beats_its_opposite():
    images, classes = UNEVEN, jnp.array([0, 0])
    counts = faithfulness.pixel_counts(16, 8)
    area = faithfulness.area_under_curve
    good, bad = HALVES, 1 - HALVES
    full = faithfulness.probability_of(brightness, images, classes)
    kept_good = faithfulness.masked_probability(brightness, images, good, classes)
    kept_bad = faithfulness.masked_probability(brightness, images, bad, classes)
    assert faithfulness.average_drop(full, kept_good) == 0
    assert faithfulness.average_drop(full, kept_bad) > 50
    assert faithfulness.increase_in_confidence(full, kept_good) == 100
    assert faithfulness.win_rate(kept_good, kept_bad) == 100
    assert faithfulness.win_rate(kept_bad, kept_good) == 0
    deletion, insertion = faithfulness.deletion_curve, faithfulness.insertion_curve
    assert np.all(
        area(deletion(brightness, images, good, classes, counts))
        < area(deletion(brightness, images, bad, classes, counts))
    )
    assert np.all(
        area(insertion(brightness, images, good, classes, counts))
        > area(insertion(brightness, images, bad, classes, counts))
    )
    smooth = jnp.tile(jnp.array([[1.0, 0.8, 0.3, 0.0]]), (4, 1))[None].repeat(2, 0)
    scores = [
        faithfulness.road_score(faithfulness.road(brightness, images, m, classes, (40, 60), noise=0))
        for m in (smooth, 1 - smooth)
    ]
    assert np.all(scores[0] > 0)
    np.testing.assert_allclose(scores[0], -scores[1], atol=1e-6)


def test_percentages_by_hand():
    full, masked = jnp.array([0.5, 0.8, 0.4, 0.0]), jnp.array([0.25, 0.9, 0.4, 0.0])
    np.testing.assert_allclose(faithfulness.average_drop(full, masked), 100 * 0.5 / 4)
    np.testing.assert_allclose(faithfulness.increase_in_confidence(full, masked), 25)
    other = jnp.array([0.3, 0.1, 0.4, 0.0])
    np.testing.assert_allclose(faithfulness.win_rate(masked, other), 50)
    np.testing.assert_allclose(faithfulness.win_rate(other, masked) + faithfulness.win_rate(masked, other), 100)
    np.testing.assert_allclose(faithfulness.area_under_curve(jnp.array([1.0, 1.0, 0.0])), 0.75)
    np.testing.assert_allclose(faithfulness.complexity(HALVES), [0.5, 0.5])


def test_blur_against_scipy():
    from scipy import ndimage

    images = np.random.default_rng(0).normal(size=(1, 20, 17, 2)).astype(np.float32)
    taps = np.exp(-(np.arange(-5, 6) ** 2) / 50.0)
    expected = images[0].astype(float)
    for axis in (0, 1):
        expected = ndimage.correlate1d(expected, taps / taps.sum(), axis=axis, mode="nearest")
    np.testing.assert_allclose(faithfulness.blur(jnp.asarray(images))[0], expected, atol=1e-6)


def test_pointing_game():
    maps = jnp.zeros((3, 40, 50)).at[0, 10, 10].set(1.0).at[1, 10, 10].set(1.0)
    regions = jnp.zeros((3, 40, 50), bool).at[0, 19:30, 22:30].set(True).at[1, 20:30, 22:30].set(True)
    hits = faithfulness.pointing_hits(maps, regions)  # distances 15 and 15.6; an empty region
    np.testing.assert_array_equal(hits, [True, False, False])
    np.testing.assert_array_equal(faithfulness.pointing_hits(maps, regions, tolerance=16), [True, True, False])
    accuracy = faithfulness.pointing_accuracy(jnp.array([True, False, True]), jnp.array([4, 4, 1]), 6)
    np.testing.assert_allclose(accuracy, (0.5 + 1) / 2)
    energy = faithfulness.pointing_energy(
        jnp.ones((2, 4, 4)).at[1].set(0), jnp.zeros((2, 4, 4), bool).at[:, 0].set(True)
    )
    np.testing.assert_allclose(energy, [0.25, 0])


def test_maps_of_another_size_are_refused():
    with pytest.raises(ValueError, match=r"maps have shape \(2, 3, 3\).*resize the maps"):
        faithfulness.masked_probability(brightness, UNEVEN, jnp.ones((2, 3, 3)), jnp.array([0, 0]))
