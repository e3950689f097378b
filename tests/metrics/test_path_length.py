import jax
import jax.numpy as jnp
import numpy as np
import pytest

from genjax.metrics.path_length import feature_distance, path_length, spherical
from tests.metrics.references import REFERENCES

KEY = jax.random.key(0)


def draw(key, count):
    return jax.random.normal(key, (count, 3))


def turn(images):
    """Unit vectors at an angle that is the image's first pixel: the squared distance of near ones is the angle's."""
    angle = images[:, 0]
    return 5 * jnp.stack([jnp.cos(angle), jnp.sin(angle)], -1)


def generate(latents):
    return 0.5 * latents + 1


def ends(pairs, batch):
    """The latents between which each walk goes, drawn as path_length draws them."""
    keys = [jax.random.split(jax.random.fold_in(KEY, i), 3) for i in range(-(-pairs // batch))]
    return (np.concatenate([draw(key[n], batch) for key in keys])[:pairs].astype(np.float64) for n in (0, 1))


def trimmed(values):
    low, high = np.sort(values)[[int(0.01 * (len(values) - 1)), int(np.ceil(0.99 * (len(values) - 1)))]]
    return values[(values >= low) & (values <= high)]


def test_straight_walks_have_the_length_of_a_linear_generator():
    # w = 2 z: the angle moves by 0.5 * 2 * (b - a) over the walk, wherever on it one looks.
    found = path_length(draw, generate, turn, KEY, mapping=lambda z: 2 * z, pairs=250, batch=64, epsilon=1e-3)
    first, second = ends(250, 64)
    values = trimmed((second - first)[:, 0] ** 2)
    assert found.kept == len(values) == 246
    np.testing.assert_allclose(found.mean, values.mean(), rtol=2e-3)
    np.testing.assert_allclose(found.error, values.std() / np.sqrt(246), rtol=2e-3)
    assert (found.pairs, found.epsilon) == (250, 1e-3)
    # The figure does not depend on epsilon, as a sum without the division would.
    again = path_length(draw, generate, turn, KEY, mapping=lambda z: 2 * z, pairs=250, batch=64, epsilon=4e-3)
    np.testing.assert_allclose(again.mean, found.mean, rtol=5e-3)


@pytest.mark.parametrize("endpoints", [False, True])
def test_walks_in_z_go_over_the_sphere(endpoints):
    def on_sphere(latents):
        return latents / jnp.linalg.norm(latents, axis=-1, keepdims=True)

    # On the sphere the speed of all three coordinates together is the arc's angle, at any t.
    arcs = path_length(draw, on_sphere, lambda x: x, KEY, pairs=200, batch=200, epsilon=1e-2, endpoints=endpoints)
    first, second = ends(200, 200)
    cosine = (first * second).sum(1) / np.linalg.norm(first, axis=1) / np.linalg.norm(second, axis=1)
    np.testing.assert_allclose(arcs.mean, trimmed(np.arccos(cosine) ** 2).mean(), rtol=1e-3)
    # One coordinate's speed does depend on where one looks.
    one = path_length(draw, generate, turn, KEY, pairs=200, batch=200, epsilon=1e-2, endpoints=endpoints)
    t = np.zeros(200) if endpoints else jax.random.uniform(jax.random.split(jax.random.fold_in(KEY, 0), 3)[2], (200,))
    step = spherical(first, second, np.asarray(t, np.float64) + 1e-2) - spherical(first, second, np.asarray(t))
    np.testing.assert_allclose(one.mean, trimmed((0.5 * step[:, 0] / 1e-2) ** 2).mean(), rtol=1e-3)


@pytest.mark.parametrize("method", ["lerp", "slerp_unit"])
def test_lengths_from_an_end_equal_those_of_torchmetrics(method):
    latents = iter(REFERENCES["latents"])

    def generate(z):
        return jnp.tanh(z / jnp.linalg.norm(z, axis=-1, keepdims=True) @ REFERENCES["to_image"])

    found = path_length(
        lambda key, count: jnp.asarray(next(latents)),
        generate,
        lambda images: images @ REFERENCES["to_features"],
        KEY,
        mapping=(lambda z: z) if method == "lerp" else None,
        endpoints=True,
        pairs=201,
        batch=201,
        epsilon=1e-2,
    )
    mean, kept = REFERENCES[method]
    np.testing.assert_allclose(found.mean, mean, rtol=1e-3)
    assert found.kept == kept


def test_the_arc_starts_and_ends_at_its_ends_and_parallel_ends_do_no_harm():
    a, b = np.array([[3.0, 0], [1, 1]]), np.array([[0.0, 1], [2, 2]])
    np.testing.assert_allclose(spherical(a, b, np.zeros(2)), a, atol=1e-12)
    np.testing.assert_allclose(spherical(a, b, np.ones(2)), b, atol=1e-12)
    np.testing.assert_allclose(spherical(a, b, np.full(2, 0.5)), [[2**0.5, 2**0.5], [1.5, 1.5]], atol=1e-12)


def test_the_distance_sums_layers_and_averages_places():
    random = np.random.default_rng(8)
    a, b = ({"one": random.normal(size=(2, 3, 3, 4)), "two": random.normal(size=(2, 5))} for _ in range(2))

    def unit(x):
        return x / np.linalg.norm(x, axis=-1, keepdims=True)

    one = ((unit(a["one"]) - unit(b["one"])) ** 2).sum(-1).mean((1, 2))
    two = ((unit(a["two"]) - unit(b["two"])) ** 2).sum(-1)
    np.testing.assert_allclose(feature_distance(a, b), one + two, rtol=1e-5)
    np.testing.assert_allclose(feature_distance(a, a), 0)


def test_bad_input_teaches():
    with pytest.raises(ValueError, match="1 pairs in batches of 64 with epsilon 0.0001"):
        path_length(draw, generate, turn, KEY, pairs=1)
    with pytest.raises(ValueError, match="64 of 64 distances are NaN"):
        path_length(draw, lambda z: z * jnp.nan, turn, KEY, pairs=64)
