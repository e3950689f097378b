"""SPADE: counts, edges, norms without a map, spectral norm, styles, exchanged labels, and what is refused."""

import dataclasses
import math
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax.traverse_util import flatten_dict, unflatten_dict

from genjax.data.dataset import Arrays, Dataset
from genjax.data.drawn import scenes
from genjax.engine import init_state, move
from genjax.gans import spade
from genjax.nn.label_maps import edges, nearest
from genjax.nn.normalization import BatchNorm
from genjax.nn.spatial_norm import SpatialNorm
from genjax.run.run import recipe
from genjax.tasks.synthesis import exchanged, frequent

MAPS, WIDE, FACADES = (256, 256, 184), (256, 512, 36), (256, 256, 13)
COUNTS = (
    (spade.Generator(), (MAPS,), 97_480_899),
    (spade.Generator(), (MAPS, (256,)), 112_626_883),
    (spade.Discriminator(), (MAPS, (256, 256, 3)), 5_904_514),
    (spade.Encoder(), ((256, 256, 3),), 10_463_424),
    (spade.Generator(doublings=6), (WIDE,), 93_048_003),
    (spade.Discriminator(), (WIDE, (256, 512, 3)), 5_601_410),
    (spade.Generator(), (FACADES,), 92_359_107),
    (spade.Discriminator(), (FACADES, (256, 256, 3)), 5_554_306),
)


@pytest.mark.parametrize(("network", "shapes", "expected"), COUNTS)
def test_parameters(network, shapes, expected):
    inputs = [jnp.zeros((1, *shape)) for shape in shapes]
    variables = jax.eval_shape(network.init, jax.random.key(0), *inputs)
    assert sum(math.prod(x.shape) for x in jax.tree.leaves(variables["params"])) == expected


def test_the_discriminators_maps_have_the_authors_sizes():
    network = spade.Discriminator()
    inputs = [jnp.zeros((1, 256, 256, channels)) for channels in (13, 3)]
    found = jax.eval_shape(lambda *x: network.init_with_output(jax.random.key(0), *x)[0], *inputs)
    assert [[x.shape[1] for x in scale] for scale in found] == [[129, 65, 33, 34, 35], [65, 33, 17, 18, 19]]


@pytest.mark.parametrize(("doublings", "channels"), [(7, 0.5), (6, 1), (5, 1), (3, 1), (1, 1)])
def test_images_have_the_maps_size_whatever_doubles_them(doublings, channels):
    network = spade.Generator(2, doublings, 4)
    maps = jnp.zeros((1, 128, 256, 5))
    out, variables = jax.eval_shape(lambda x: network.init_with_output(jax.random.key(0), x), maps)
    assert out.shape == (1, 128, 256, 3)
    assert variables["params"]["last"]["kernel"].shape == (3, 3, 2 * channels, 3)
    start = (16, 16, 16, 16, 8, 4, 2)[::-1]
    assert variables["params"]["start"]["kernel"].shape == (3, 3, 5, 2 * start[doublings - 1] if doublings < 5 else 32)
    assert sum(doubled for doubled, _ in network.stages()) == doublings


def test_weights_do_not_depend_on_the_size_of_maps_without_a_style():
    network = spade.Generator(2, 2, 4)
    trees = [jax.eval_shape(network.init, jax.random.key(0), jnp.zeros((1, *size, 5))) for size in ((8, 8), (16, 32))]
    assert jax.tree.map(lambda x: x.shape, trees[0]) == jax.tree.map(lambda x: x.shape, trees[1])


def test_edges_lie_on_both_sides_of_every_border():
    assert not edges(jnp.full((2, 5, 6, 1), 7, jnp.uint8)).any()
    numbers = jnp.zeros((1, 5, 6, 1), jnp.uint8).at[0, 2, 3].set(255)
    expected = np.zeros((5, 6))
    for row, column in ((2, 3), (1, 3), (3, 3), (2, 2), (2, 4)):
        expected[row, column] = 1
    np.testing.assert_array_equal(edges(numbers)[0, ..., 0], expected)


def test_labels_that_are_no_class_have_a_channel_or_none():
    maps = jnp.array([0, 2, 3, 255], jnp.uint8).reshape(1, 2, 2, 1)
    read = spade.Labels(3, dont_care=True).read({"maps": maps})
    np.testing.assert_array_equal(read.reshape(4, 4), np.eye(4)[[0, 2, 3, 3]])
    read = spade.Labels(3).read({"maps": maps})
    np.testing.assert_array_equal(read.reshape(4, 3), np.eye(4)[[0, 2, 3, 3], :3])
    labels = spade.Labels(3, dont_care=True, edges=True)
    own = labels.read({"maps": maps})
    assert own.shape[-1] == labels.channels == 5
    flat = labels.read({"maps": maps, "instances": jnp.zeros_like(maps)})
    assert own[..., 4].all() and not flat[..., 4].any()


def test_zeroed_heads_leave_plain_normalisation():
    layer, maps = SpatialNorm(4), jax.random.uniform(jax.random.key(0), (3, 8, 8, 5))
    x = 2 + 3 * jax.random.normal(jax.random.key(1), (3, 4, 4, 6))
    variables = layer.init(jax.random.key(2), x, maps, True)
    params = flatten_dict(variables["params"], sep="/")
    zeroed = {
        name: jnp.zeros_like(leaf) if name.startswith(("gamma", "beta")) else leaf for name, leaf in params.items()
    }
    assert any(name.startswith("gamma") for name in zeroed)
    plain = BatchNorm(use_bias=False, use_scale=False)
    expected, _ = plain.init_with_output(jax.random.key(0), x, True)
    apply = partial(layer.apply, mutable=["batch_stats"])
    found, _ = apply({**variables, "params": unflatten_dict(zeroed, sep="/")}, x, maps, True)
    np.testing.assert_allclose(found, expected, atol=1e-6)
    other, _ = apply(variables, x, maps, True)
    assert np.abs(np.asarray(other) - np.asarray(expected)).max() > 0.1


def test_nearest_copies_the_floor():
    maps = jnp.arange(8).reshape(1, 8, 1)
    np.testing.assert_array_equal(nearest(maps, 4, 1)[0, :, 0], [0, 2, 4, 6])
    np.testing.assert_array_equal(nearest(maps, 16, 1)[0, :, 0], np.repeat(np.arange(8), 2))


@pytest.fixture(scope="module")
def tiny():
    generator, discriminator = spade.Generator(2, 2, 4), spade.Discriminator(4, 3)
    return generator, discriminator


def batch(key=0):
    draw = np.random.default_rng(key)
    maps = draw.integers(0, 3, (4, 4, 4, 1)).repeat(4, 1).repeat(4, 2)
    return {
        "images": jnp.asarray(draw.uniform(-1, 1, (4, 16, 16, 3)), jnp.float32),
        "maps": jnp.asarray(maps, jnp.uint8),
    }


def game(generator, discriminator, encoder=None, **options):
    import optax

    tx = optax.sgd(0.0)
    return spade.game(
        generator,
        discriminator,
        encoder,
        generator_tx=tx,
        discriminator_tx=tx,
        image_shape=(16, 16, 3),
        labels=spade.Labels(3),
        **options,
    )


@pytest.fixture(scope="module")
def begun(tiny):
    """The first state of a game, and the moves of its players, compiled once."""
    played = game(*tiny)
    state = jax.jit(lambda key: init_state(played, key))(jax.random.key(0))
    return state, {player.name: jax.jit(partial(move, player)) for player in played.players}


def test_spectral_norm_settles_at_one_and_leaves_out_the_layers_that_the_authors_leave_out(begun):
    state, steps = begun
    for n in range(60):
        for step in steps.values():
            state, _ = step(state, batch(), jax.random.key(n))
    largest = []
    for net in ("generator", "discriminator"):
        vectors = flatten_dict(state.variables[net]["spectral"], sep="/")
        kernels = flatten_dict(state.params[net], sep="/")
        normed = {name.removesuffix("/norm/u") for name in vectors}
        for layer in normed:
            matrix = np.asarray(kernels[f"{layer}/kernel"]).reshape(-1, kernels[f"{layer}/kernel"].shape[-1])
            u = np.asarray(vectors[f"{layer}/norm/u"])
            v = matrix @ u / np.linalg.norm(matrix @ u)
            largest.append(np.linalg.norm(matrix, 2) / (v @ matrix @ u))
        plain = {name.removesuffix("/kernel") for name in kernels if name.endswith("kernel")} - normed
        allowed = (
            ("start", "last", "gamma", "beta", "shared", "conv0", "score") if net == "generator" else ("conv0", "score")
        )
        assert all(name.split("/")[-1].endswith(allowed) for name in plain), plain
    np.testing.assert_allclose(largest, 1, atol=0.02)


def test_the_losses_of_a_discriminator_that_says_nothing(begun):
    state, steps = begun
    silent = {
        layer: jax.tree.map(jnp.zeros_like, leaves) if layer.endswith("score") else leaves
        for layer, leaves in state.params["discriminator"].items()
    }
    state = state.replace(params={**state.params, "discriminator": silent})
    found = {}
    for step in steps.values():
        _, metrics = step(state, batch(), jax.random.key(0))
        found |= metrics
    assert float(found["discriminator/loss"]) == 2
    assert float(found["generator/adversarial"]) == 0
    same = [[jnp.ones((1, 2, 2, 3)), jnp.ones((1, 2, 2, 1))]]
    assert float(spade.matching(same, same)) == 0
    scores_differ = [[same[0][0], 5 * same[0][1]]]
    assert float(spade.matching(scores_differ, same)) == 0, "scores are not matched"
    assert float(spade.matching([[3 * same[0][0], same[0][1]]], same)) == 2


def test_the_encoder_learns_and_keys_draw_other_styles(tiny):
    played = game(*tiny, spade.Encoder(4, 16, 5), weights=spade.Weights(kl=1.0))
    assert played.players[0].owns == ("generator", "encoder")
    state = jax.jit(lambda key: init_state(played, key))(jax.random.key(0))
    objective = jax.jit(played.players[0].loss)
    (first, aux), (second, _), (third, _) = (objective(state, batch(), jax.random.key(key)) for key in (0, 1, 0))
    assert first == third != second
    assert float(aux.metrics["kl"]) > 0


def small(**changes):
    """Return a tiny run on a few drawn scenes of two solids."""
    options = {"steps": 2, "width": 2, "hidden": 4, "discriminator_width": 2, **changes}
    hyper = dataclasses.replace(recipe("spade").presets["small"], **options)
    factors = scenes.draw_factors(range(24), objects=2)
    drawing = scenes.render(factors, hyper.image_size)
    arrays = {"images": drawing.images, "maps": drawing.masks[..., None], "instances": drawing.objects[..., None]}
    arrays = {name: x for name, x in arrays.items() if hyper.data != "scenes" or name == "images"}
    splits = (Arrays({name: x[rows] for name, x in arrays.items()}) for rows in (slice(16), slice(16, 24)))
    return recipe("spade").build(hyper, Dataset(hyper.data, *splits, map_names=("ground", *scenes.SHAPES)))


def first(run):
    return jax.jit(lambda key: init_state(run.phases[0].game, key))(jax.random.key(0))


@pytest.mark.parametrize("style", [False, True])
def test_pictures_are_drawn_of_maps_and_of_styles(style):
    run = small(style=style, encoder_size=16)
    state, task = first(run), run.task
    maps = np.zeros((2, 32, 32, 1), np.uint8)
    maps[1, 8:20, 8:20] = 3
    draw = partial(task.sample, state, count=2, maps=maps)
    out = draw(key=jax.random.key(0))
    assert out.shape == (2, 32, 32, 3) and out.dtype == np.uint8
    assert (out[0] != out[1]).any()
    if not style:
        np.testing.assert_array_equal(out, draw(key=jax.random.key(1)))
        assert task.sample(state, jax.random.key(0), 1, maps=maps[:1, :30, :21]).shape == (1, 30, 21, 3)
        with pytest.raises(ValueError, match="takes no style"):
            draw(key=jax.random.key(0), style=out)
        return
    assert (out != draw(key=jax.random.key(1))).any()
    images = run.phases[0].feed.split.take([0, 1])["images"]
    styled = draw(key=jax.random.key(0), style=images)
    np.testing.assert_array_equal(styled, draw(key=jax.random.key(1), style=images))
    swapped = draw(key=jax.random.key(0), style=images[::-1])
    assert (styled != swapped).any(), "the style of one image on the map of another"
    with pytest.raises(ValueError, match="draws 32 x 32 pixels"):
        task.sample(state, jax.random.key(0), 1, maps=np.zeros((1, 40, 32, 1), np.uint8))


def test_prepared_maps_move_with_their_images():
    run = small(crop=16)
    split = run.phases[0].feed.split
    rows = split.take(np.arange(6))
    rows["images"] = np.repeat(rows["maps"], 3, -1)
    out = run.phases[0].feed.prepare(jax.tree.map(jnp.asarray, rows), jax.random.key(3))
    assert out["images"].shape == (6, 16, 16, 3) and out["maps"].shape == out["instances"].shape == (6, 16, 16, 1)
    np.testing.assert_allclose(255 * (out["images"][..., :1] + 1) / 2, out["maps"], atol=1e-4)
    np.testing.assert_array_equal(out["maps"] > 0, out["instances"] > 0)


def test_classes_are_counted_and_exchanged():
    maps = np.array([[0, 0, 0, 4, 4, 2, 255, 255, 255, 255, 255]], np.uint8)
    assert frequent(maps, 6) == [0, 4, 2]
    np.testing.assert_array_equal(exchanged(maps, 4, 2)[0, 3:7], [2, 2, 4, 255])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"data": "scenes"}, "SPADE draws label maps, and scenes has none"),
        ({"crop": 64}, "does not fit into images of 32 x 32"),
        ({"image_size": 36}, "multiples of 8, not 36 x 36"),
        ({"doublings": 9}, "or fewer --doublings"),
        ({"seen": 1.0, "perceptual": "nothing"}, "--perceptual nothing: give scenes"),
    ],
)
def test_what_does_not_fit_is_refused_with_the_cure(changes, message):
    with pytest.raises(ValueError, match=message):
        first(small(**changes))
