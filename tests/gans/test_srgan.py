"""SRGAN: sizes, reach, the two phases, degradation, tiles, and what is refused."""

import dataclasses
import math
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import linen as nn

from genjax import parallel
from genjax.data.dataset import Arrays, Dataset
from genjax.data.drawn import scenes
from genjax.data.ranges import TANH, UNIT
from genjax.data.resize import shrunk
from genjax.engine import init_state, make_run, make_step
from genjax.engine.loop import Settings, train
from genjax.gans import srgan
from genjax.losses import perceptual
from genjax.run.run import recipe
from genjax.tasks.tiles import in_tiles
from tests.engine.toy import same_bits, worst

COUNTS = (
    (srgan.Generator(), (24, 24, 3), 1_549_462),
    (srgan.Generator(use_bias=False), (24, 24, 3), 1_547_350),
    (srgan.Generator(blocks=5), (24, 24, 3), 734_219),
    (srgan.Generator(width=24, blocks=3), (8, 8, 3), 90_153),
    (srgan.Discriminator(), (96, 96, 3), 23_565_505),
    (srgan.Discriminator(use_bias=False), (96, 96, 3), 23_563_649),
    (srgan.Discriminator(), (384, 384, 3), 306_681_025),
    (srgan.Discriminator(pooled=True), (64, 80, 3), 5_215_425),
)


@pytest.mark.parametrize(("network", "shape", "expected"), COUNTS)
def test_parameters(network, shape, expected):
    variables = jax.eval_shape(network.init, jax.random.key(0), jnp.zeros((1, *shape)))
    assert sum(math.prod(x.shape) for x in jax.tree.leaves(variables["params"])) == expected


@pytest.mark.parametrize("factor", srgan.FACTORS)
def test_images_grow_by_the_factor_and_nothing_reaches_farther_than_said(factor):
    network = srgan.Generator(factor, 1, 2, 1)
    side = 2 * network.reach + 5
    variables = jax.jit(network.init)(jax.random.key(0), jnp.zeros((1, 8, 8, 1)))
    lows = jax.random.uniform(jax.random.key(1), (1, side, side, 1))
    out = jax.jit(network.apply)(variables, lows)
    assert out.shape == (1, factor * side, factor * side, 1)
    middle = factor * (side // 2) + factor // 2
    slope = jax.jit(jax.grad(lambda x: network.apply(variables, x)[0, middle, middle, 0]))(lows)[0, ..., 0]
    rows = np.flatnonzero(np.abs(slope).sum(1))
    found = max(side // 2 - rows.min(), rows.max() - side // 2)
    assert network.reach - 2 <= found <= network.reach


def test_tiles_join_without_seams():
    network = srgan.Generator(2, 3, 4, 1)
    variables = jax.jit(network.init)(jax.random.key(0), jnp.zeros((1, 8, 8, 3)))
    lows = np.random.default_rng(0).random((2, 61, 47, 3)).astype(np.float32)
    shapes = set()

    @jax.jit
    def enlarge(x):
        shapes.add(x.shape[1:3])
        return network.apply(variables, x)

    whole = np.asarray(enlarge(lows))
    shapes.clear()
    tiled = in_tiles(lambda x: np.asarray(enlarge(x)), lows, tile=9, reach=network.reach, scale=2)
    np.testing.assert_allclose(tiled, whole, atol=2e-6)
    assert len(shapes) == 1, "every window has one size, so that one program serves all"
    near = in_tiles(lambda x: np.asarray(enlarge(x)), lows, tile=9, reach=network.reach - 3, scale=2)
    assert np.abs(near - whole).max() > 1e-4


@pytest.mark.parametrize("factor", srgan.FACTORS)
def test_small_images_are_pillows(factor):
    from PIL import Image

    images = scenes.render(scenes.draw_factors(range(8)), 64).images
    found = np.asarray(shrunk(jnp.asarray(images), factor)).astype(int)
    size = (64 // factor, 64 // factor)
    pillow = [np.asarray(Image.fromarray(image).resize(size, Image.Resampling.BICUBIC)) for image in images]
    assert np.abs(found - np.stack(pillow)).max() <= 1
    assert (found == np.stack(pillow)).mean() > 0.999
    flat = np.full((1, 16, 16, 3), 77, np.uint8)
    np.testing.assert_array_equal(shrunk(jnp.asarray(flat), factor), flat[:, ::factor, ::factor])


def test_the_content_of_an_image_is_no_distance_from_itself():
    sight = perceptual.open_sight("scenes")
    state = dataclasses.make_dataclass("Held", ["memory"])({perceptual.MEMORY: sight.parameters})
    images = jax.random.uniform(jax.random.key(0), (2, 32, 32, 3), minval=-1.0)
    other = jnp.flip(images, 2)
    for distance in (
        perceptual.squared(sight, ("relu1_2", "relu3_2"), 1.0),
        perceptual.absolute(sight, perceptual.shares_of(sight)),
        srgan.square_error,
    ):
        assert float(distance(images, images, state)) == 0
        assert float(distance(images, other, state)) > 1e-3
    doubled = perceptual.squared(sight, ("relu1_2", "relu3_2"), 2.0)(images, other, state)
    once = perceptual.squared(sight, ("relu1_2", "relu3_2"), 1.0)(images, other, state)
    np.testing.assert_allclose(doubled, 2 * once, rtol=1e-6)


def small(*, steps=4, pretraining=2, side=16, **changes):
    """Return a tiny run on a few drawn scenes."""
    hyper = dataclasses.replace(
        recipe("srgan").presets["small"], steps=steps, pretraining=pretraining, width=4, blocks=1,
        discriminator_width=2, **changes,
    )  # fmt: skip
    images = scenes.render(scenes.draw_factors(range(24)), side).images
    splits = Arrays({"images": images[:16]}), Arrays({"images": images[16:]})
    return recipe("srgan").build(hyper, Dataset("few", *splits))


def test_the_second_phase_goes_on_from_the_first_ones_network_and_starts_its_optimizer_afresh():
    run = small()
    first, second = run.phases
    assert (first.steps, second.steps) == (2, 2)
    key = jax.random.key(0)
    start = jax.jit(lambda key: init_state(first.game, key))(key)
    images = first.feed.split.take(np.arange(16))
    batches = jax.tree.map(lambda x: jnp.asarray(x).reshape(2, 1, 8, *x.shape[1:]), images)
    half, _ = jax.jit(make_run(make_step(first.game), first.feed.prepare))(start, batches, None, key)
    entered = second.enter(half, jax.jit(lambda key: init_state(second.game, key))(key))
    assert same_bits(entered.params["generator"], half.params["generator"])
    assert not same_bits(half.params["generator"], start.params["generator"])
    assert same_bits(entered.variables["generator"], half.variables["generator"])
    (adam,) = (x for x in jax.tree.leaves(entered.opt_state["generator"], is_leaf=lambda x: hasattr(x, "nu"))
               if hasattr(x, "nu"))  # fmt: skip
    assert int(adam.count) == 0
    assert set(entered.params) == {"generator", "discriminator"}


class Repeated(nn.Module):
    """A generator that repeats pixels."""

    factor: int = 2

    @nn.compact
    def __call__(self, lows, train=False):
        return lows.repeat(2, 1).repeat(2, 2) * self.param("gain", nn.initializers.ones, ())


def test_the_discriminators_statistics_follow_the_images_and_then_the_enlarged_ones():
    network, tx = srgan.Discriminator(1, 4), optax.sgd(0.0)
    game = srgan.game(Repeated(), network, generator_tx=tx, discriminator_tx=tx, image_shape=(16, 16, 1))
    state = jax.jit(lambda key: init_state(game, key))(jax.random.key(0))
    images = jax.random.uniform(jax.random.key(1), (4, 16, 16, 1), minval=-1.0)
    lows = jax.random.uniform(jax.random.key(2), (4, 8, 8, 1))
    _, told = jax.jit(game.players[0].loss)(state, {"images": images, "lows": lows}, jax.random.key(3))
    judge = jax.jit(partial(network.apply, train=True, mutable=["batch_stats"]))
    variables = state.variables_of("discriminator")
    for seen in (images, lows.repeat(2, 1).repeat(2, 2)):
        variables = {**variables, **judge(variables, seen)[1]}
    assert worst(told.variables["discriminator"]["batch_stats"], variables["batch_stats"]) < 1e-6


@pytest.mark.slow
def test_a_run_that_stops_between_its_phases_and_in_the_second_goes_on_as_if_it_had_not(tmp_path):
    (first, second), plan = small(layers=("relu1_1",)).phases, parallel.jit_plan(jax.devices()[:1])
    told = {"seed": 3, "settings": Settings(checkpoint_every=1, evaluate_every=10)}
    whole = train((first, second), plan, **told).state
    train((first,), plan, folder=tmp_path, **told)
    for steps in (1, 2):
        resumed = train((first, second._replace(steps=steps)), plan, folder=tmp_path, resume=True, **told).state
    assert int(resumed.step) == 4
    for name in ("params", "variables", "opt_state"):
        assert same_bits(getattr(resumed, name), getattr(whole, name))


def test_the_phases_are_those_that_steps_are_left_for():
    assert [phase.steps for phase in small(steps=5, pretraining=5).phases] == [5]
    assert [phase.steps for phase in small(steps=5, pretraining=9).phases] == [5]
    assert [phase.steps for phase in small(steps=5, pretraining=0).phases] == [5]
    alone = small(steps=5, pretraining=5)
    assert [player.name for player in alone.phases[0].game.players] == ["generator"]
    assert not alone.notes
    (note,) = small().notes
    assert note.startswith("content: relu1_2, relu2_2 of a VGG of 3 stages trained on drawn scenes (")


def test_prepared_pairs_belong_together():
    run = small(side=24, crop=16)
    split = run.phases[0].feed.split
    batch = jax.tree.map(jnp.asarray, split.take([0, 1, 2]))
    out = run.phases[0].feed.prepare(batch, jax.random.key(0))
    assert out["images"].shape == (3, 16, 16, 3)
    assert out["lows"].shape == (3, 4, 4, 3)
    again = UNIT.from_bytes(shrunk(TANH.quantised(out["images"]), 4))
    np.testing.assert_array_equal(out["lows"], again)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"side": 18}, "a multiple of 4"),
        ({"crop": 32}, "does not fit into images of 16 x 16"),
        ({"perceptual": "vgg16"}, "give scenes"),
        ({"perceptual": "vgg19:nowhere.npz"}, "there is no file nowhere.npz"),
        ({"layers": ("relu9_1",)}, "--layers relu9_1: this network has relu1_1"),
        ({"rate_warm_up": 0.1}, "leave out --rate-warm-up"),
    ],
)
def test_what_does_not_fit_is_refused_with_the_cure(changes, message):
    with pytest.raises(ValueError, match=message):
        run = small(**changes)
        jax.eval_shape(lambda key: init_state(run.phases[-1].game, key), jax.random.key(0))


def test_sizes_that_the_networks_cannot_take_are_refused():
    with pytest.raises(ValueError, match="needs 16 pixels a side"):
        srgan.Discriminator(2).init(jax.random.key(0), jnp.zeros((1, 8, 8, 3)))
    with pytest.raises(ValueError, match="by a factor of"):
        srgan.Generator(3).init(jax.random.key(0), jnp.zeros((1, 8, 8, 3)))


def test_scores_stand_beside_those_of_bicubic_enlargement():
    run = small(side=32)
    state = jax.jit(lambda key: init_state(run.phases[0].game, key))(jax.random.key(0))
    scores = run.task.scores(state)
    assert {"psnr_y", "psnr_y_bicubic", "ssim_y", "ssim_y_bicubic", "psnr_y_gain", "sharpness_share"} <= set(scores)
    assert scores["psnr_y_gain"] == scores["psnr_y"] - scores["psnr_y_bicubic"] < 0
    assert scores["sharpness_bicubic"] < 0.9 * scores["sharpness_real"]
    page = run.task.pictures(state)["samples"]
    assert page.ndim == 3
    large = run.task.sample(state, jax.random.key(0), 1, images=np.zeros((1, 5, 7, 3), np.uint8))
    assert large.shape == (1, 20, 28, 3)
