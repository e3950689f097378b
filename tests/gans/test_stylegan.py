"""StyleGAN's styles, growth and recipe, exactly; golden values are in `test_golden_stylegan`."""

import dataclasses
import math
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from genjax import parallel
from genjax.data import Arrays, Dataset
from genjax.engine import init_state, make_step, move
from genjax.engine.loop import train
from genjax.engine.phases import carry_over_networks
from genjax.gans import stylegan
from genjax.losses.penalties import gradient_penalty
from genjax.losses.wasserstein import Penalties
from genjax.nn.blur import blur
from genjax.nn.growing import fade
from genjax.nn.residual import grow, pool
from genjax.nn.styles import layers, noise_shapes
from genjax.nn.weights import RELU_GAIN, Equalised
from genjax.run import growth
from tests.engine.toy import same_bits, worst
from tests.gans.test_pggan import placeholder, settings
from train import stylegan as recipe

KEY = jax.random.key(5)
LATENT, STYLE, COUNT = 5, 6, 4


def networks(size):
    generator = stylegan.Generator(size, 1, 16, 6, style=STYLE, depth=2)
    return generator, stylegan.Discriminator(size, 16, 6)


def game(size, tx=None, **options):
    tx = tx or optax.adam(1e-2)
    return stylegan.game(*networks(size), generator_tx=tx, discriminator_tx=tx, latent=LATENT, **options)


def start(played, key=KEY):
    return jax.jit(lambda key: init_state(played, key))(key)


def batch(size, count=COUNT):
    return {"images": jax.random.uniform(KEY, (count, size, size, 1), minval=-1.0)}


@pytest.fixture(scope="module")
def trained():
    """A state at 8 pixels after two steps, in which noise has a strength."""
    played = game(8, ema=0.9)
    step, state = jax.jit(make_step(played)), start(played)
    for _ in range(2):
        state, _ = step(state, {"images": batch(8)["images"][None]}, KEY)
    return state


@pytest.fixture(scope="module")
def grown(trained):
    return carry_over_networks(trained, start(game(16, fading=(2, 4), ema=0.9), jax.random.key(1)))


def latents(seed=0, count=COUNT):
    return jax.random.normal(jax.random.key(seed), (count, LATENT))


def apply(state, size=8, **options):
    return jax.jit(partial(networks(size)[0].apply, state.variables_of("generator"), **options))


# Layers


def test_the_blur_is_binomial_and_keeps_a_constant_inside():
    point = jnp.zeros((1, 5, 5, 2)).at[0, 2, 2, 1].set(16.0)
    expected = np.zeros((5, 5))
    expected[1:4, 1:4] = [[1, 2, 1], [2, 4, 2], [1, 2, 1]]
    np.testing.assert_allclose(blur(point)[0, :, :, 1], expected, atol=1e-6)
    assert not np.any(blur(point)[..., 0])
    flat = np.asarray(blur(jnp.ones((1, 4, 4, 1))))[0, :, :, 0]
    np.testing.assert_allclose(flat[1:3, 1:3], 1, atol=1e-6)
    np.testing.assert_allclose(flat[0], [0.5625, 0.75, 0.75, 0.5625], atol=1e-6)


def test_the_mapping_is_stored_a_hundred_times_as_large_and_learns_a_hundredth_as_fast():
    assert Equalised(RELU_GAIN, 0.01).coefficient(512) == pytest.approx(6.25e-4)
    params = start(game(8)).params["generator"]["mapping"]
    assert sorted(params) == ["dense_0", "dense_1"]
    stored = np.concatenate([np.ravel(layer["kernel"]) for layer in params.values()])
    assert 80 < stored.std() < 120
    wide = jax.eval_shape(stylegan.Generator(8).init, KEY, jnp.zeros((1, 512)))["params"]
    assert sum(math.prod(x.shape) for x in jax.tree.leaves(wide["mapping"])) == 2_101_248


def test_mapping_and_synthesis_have_the_published_parameters():
    params = jax.eval_shape(stylegan.Generator().init, KEY, jnp.zeros((1, 512)))["params"]
    counts = {name: sum(math.prod(x.shape) for x in jax.tree.leaves(part)) for name, part in params.items()}
    assert counts == {"mapping": 2_101_248, "synthesis": 24_118_379}
    noise = sum(math.prod(shape) for shape in noise_shapes(1024, 1))
    assert (layers(1024), noise) == (18, 2_796_192)


def test_at_first_the_constant_is_normalised_to_exactly_nothing():
    state = start(game(8))
    generator, variables = networks(8)[0], state.variables_of("generator")
    assert np.all(np.asarray(variables["params"]["synthesis"]["constant"]) == 1)
    noise = stylegan.noise_images(KEY, COUNT, 8)
    captured = partial(generator.apply, capture_intermediates=True, mutable="intermediates")
    _, seen = jax.jit(captured)(variables, latents(), noise=noise)
    (first,) = seen["intermediates"]["synthesis"]["layer_0"]["__call__"]
    w = generator.apply(variables, latents(), method="styles_of")
    style = variables["params"]["synthesis"]["layer_0"]["style"]
    shift = (w @ style["kernel"] / math.sqrt(STYLE) + style["bias"][None])[:, first.shape[-1] :]
    np.testing.assert_allclose(first, np.broadcast_to(shift[:, None, None], first.shape), atol=1e-6)
    # So noise changes nothing yet.
    np.testing.assert_array_equal(apply(state)(latents(), noise=noise), apply(state)(latents()))


def test_noise_enters_every_layer_with_a_strength_that_learns(trained):
    for name, layer in trained.params["generator"]["synthesis"].items():
        if name.startswith("layer"):
            assert np.any(layer["noise"]), name
    assert np.any(np.asarray(trained.params["generator"]["synthesis"]["constant"]) != 1)
    draw, noise = apply(trained), stylegan.noise_images(KEY, COUNT, 8)
    image = draw(latents(), noise=noise)
    np.testing.assert_array_equal(image, draw(latents(), noise=noise))
    assert len(noise) == 4
    for index in range(4):
        other = tuple(2 * x if number == index else x for number, x in enumerate(noise))
        assert worst(draw(latents(), noise=other), image) > 0, index


# Styles


def test_a_crossover_changes_the_layers_behind_it_alone(trained):
    generator, variables = networks(8)[0], trained.variables_of("generator")

    @jax.jit
    def activations(**options):
        _, seen = generator.apply(variables, latents(), capture_intermediates=True, mutable="intermediates", **options)
        return [seen["intermediates"]["synthesis"][f"layer_{n}"]["__call__"][0] for n in range(4)]

    plain = activations()
    for crossover in range(5):
        mixed = activations(second=latents(1), crossover=jnp.int32(crossover))
        assert [bool(worst(a, b) == 0) for a, b in zip(plain, mixed, strict=True)] == [n < crossover for n in range(4)]


def test_truncation_moves_the_first_layers_to_the_mean_style():
    styles, average = jax.random.normal(KEY, (3, 4, STYLE)), jnp.arange(STYLE, dtype=jnp.float32)
    np.testing.assert_allclose(stylegan.truncated(styles, average, 1.0, 4), styles, atol=1e-6)
    none = stylegan.truncated(styles, average, 0.0, 2)
    np.testing.assert_array_equal(none[:, :2], np.broadcast_to(average, (3, 2, STYLE)))
    np.testing.assert_array_equal(none[:, 2:], styles[:, 2:])
    half = stylegan.truncated(styles, average, 0.5, 2)
    np.testing.assert_allclose(half[:, :2], (styles[:, :2] + average[None, None]) / 2, rtol=1e-6)


def test_batches_cross_over_at_every_layer_and_as_often_as_told():
    def crossover(number, mixing):
        def draw(key, count):
            return jax.random.normal(key, (count, LATENT))

        return stylegan.drawn(draw, jax.random.key(number), 2, 16, stylegan.Styling(mixing))["crossover"]

    found = np.asarray(jax.vmap(partial(crossover, mixing=0.9))(jnp.arange(2000)))
    assert set(found) == {1, 2, 3, 4, 5, 6}
    shares = np.bincount(found, minlength=7)[1:] / 2000
    np.testing.assert_allclose(shares, [0.18] * 5 + [0.1], atol=0.04)

    def draw(key, count):
        return jax.random.normal(key, (count, LATENT))

    assert set(stylegan.drawn(draw, KEY, 2, 16, stylegan.Styling(0.0, False))) == {"latent"}


def test_the_mean_style_follows_in_the_generators_moves_alone():
    played = game(8, styling=stylegan.Styling(0.0))
    state = start(played)
    moves = {p.name: jax.jit(partial(move, p))(state, batch(8), KEY)[0] for p in played.players}
    assert same_bits(moves["discriminator"].variables, state.variables)
    mean = moves["generator"].variables["generator"]["average"]["w"]
    styles_of = jax.jit(partial(networks(8)[0].apply, method="styles_of"))
    z = stylegan.drawn(lambda key, count: jax.random.normal(key, (count, LATENT)), KEY, COUNT, 8, stylegan.Styling())
    w = styles_of(state.variables_of("generator"), z["latent"])
    np.testing.assert_allclose(mean, 0.005 * np.mean(w, 0), rtol=1e-4, atol=1e-7)
    assert worst(mean, jnp.zeros(STYLE)) > 1e-4


# Growth


def test_at_alpha_0_the_networks_are_those_of_half_the_resolution(trained, grown):
    zero, noise = jnp.float32(0), stylegan.noise_images(KEY, COUNT, 16)
    faded = apply(grown, 16)(latents(), noise=noise, alpha=zero)
    np.testing.assert_array_equal(faded, grow(apply(trained)(latents(), noise=noise[:4])))
    x, (new, old) = batch(16)["images"], (networks(size)[1] for size in (16, 8))
    score = jax.jit(new.apply)(grown.variables_of("discriminator"), x, alpha=zero)
    np.testing.assert_array_equal(score, jax.jit(old.apply)(trained.variables_of("discriminator"), pool(x)))
    same_bits(trained.variables["generator"], grown.variables["generator"])


def test_at_alpha_1_there_is_no_old_path(grown):
    draw, noise = apply(grown, 16), stylegan.noise_images(KEY, COUNT, 16)
    np.testing.assert_array_equal(draw(latents(), noise=noise, alpha=jnp.float32(1)), draw(latents(), noise=noise))


def test_the_wasserstein_objective_is_pggans():
    played = game(8, optax.sgd(0.0), objective=stylegan.wasserstein(Penalties(10.0, 1.0, 0.5)), fading=(0, 4))
    state, x = start(played).replace(step=jnp.int32(1)), batch(8)["images"]
    loss, aux = jax.jit(played.players[0].loss)(state, {"images": x}, KEY)
    (generator, discriminator), (sample_key, mix_key) = networks(8), jax.random.split(KEY)

    def draw(key, count):
        return jax.random.normal(key, (count, LATENT))

    @jax.jit
    def expected(x):
        inputs, alpha = stylegan.drawn(draw, sample_key, COUNT, 8, stylegan.Styling()), jnp.float32(0.25)
        fake = generator.apply(state.variables_of("generator"), **inputs, alpha=alpha)
        score = partial(discriminator.apply, state.variables_of("discriminator"), alpha=alpha)
        real = fade(x, alpha)
        penalty = gradient_penalty(score, real, fake, mix_key)
        return score(fake).mean() - score(real).mean() + 10 * penalty + 0.5 * (score(real) ** 2).mean()

    np.testing.assert_allclose(loss, expected(x), rtol=1e-4)
    assert float(aux.metrics["alpha"]) == 0.25


# The recipe

SMALL, PAPER = recipe.PRESETS["small"], recipe.PRESETS["paper"]
TINY = dataclasses.replace(
    SMALL, steps=10, latent=LATENT, base=16, limit=6, batch_size=8, batches=(8, 4), first_images=24, fade_images=16,
    stable_images=12, half_life=100.0, depth=2,
)  # fmt: skip


def test_the_stages_of_the_published_schedule():
    plan = growth.stages(PAPER, 1024, PAPER.steps)
    assert [(stage.size, stage.fading) for stage in plan[:3]] == [(8, False), (16, True), (16, False)]
    assert {stage.size: stage.batch for stage in plan} == {8: 256, 16: 128, 32: 64, **dict.fromkeys(
        (64, 128, 256, 512, 1024), 32
    )}  # fmt: skip
    assert all(abs(stage.steps * stage.batch - 600_000) <= stage.batch for stage in plan[:-1])
    assert sum(stage.steps * stage.batch for stage in plan) == pytest.approx(25_000_000, abs=1000)
    assert [stage.first for stage in plan[:3]] == [0, 2344, 7032]


def test_rates_rise_with_the_resolution():
    for preset, factors in (("paper", (1, 1, 1, 1, 1.5, 2, 3, 3)), ("celebahq", (1, 1, 1, 1, 1.5, 2, 2, 2))):
        hyper = dataclasses.replace(recipe.PRESETS[preset], base=16, limit=2, latent=2, depth=1)
        images = Arrays({"images": np.broadcast_to(np.uint8(0), (2000, 1024, 1024, 3))})
        run = recipe.build(hyper, Dataset("black", images, images))
        rates = {}
        for phase, stage in zip(run.phases, growth.stages(hyper, 1024, 2000), strict=True):
            for player in phase.game.players:
                update = player.tx.update(jnp.ones(1), player.tx.init(jnp.zeros(1)), jnp.zeros(1))[0]
                rates.setdefault(stage.size, set()).add(round(-1e3 * float(update[0]), 4))
        assert rates == {8 * 2**level: {factor} for level, factor in enumerate(factors)}


@pytest.mark.parametrize(
    ("size", "options", "sentence"),
    [
        (20, {}, "cannot reach 20; give --image-size 16"),
        (16, {"first_size": 32}, "--first-size 32"),
        (16, {"rate_warm_up": 0.1}, "leave out --rate-warm-up"),
        (16, {"ema": 0.9}, "give one of them"),
        (16, {"weight": 10.0}, "--weight 10.0 does nothing with --objective logistic"),
        (16, {"objective": "wasserstein", "gamma": None}, "--objective wasserstein needs --weight"),
        (16, {"batches": (8, 6)}, "groups of 4"),
    ],
)
def test_what_cannot_work_is_one_clear_sentence(size, options, sentence):
    with pytest.raises(ValueError, match=sentence):
        recipe.build(dataclasses.replace(TINY, **options), placeholder(size))


@pytest.mark.slow  # of growth, PGGAN is in the default run
def test_a_run_resumed_in_a_fade_equals_one_that_was_never_stopped(tmp_path):
    """The fade to 8 pixels takes steps 3 to 7 (4 steps of 4 images)."""
    stop, run = 5, recipe.build(dataclasses.replace(TINY, first_size=4, steps=7), placeholder(8))
    assert [(phase.steps, phase.feed.batch_size) for phase in run.phases] == [(3, 8), (4, 4)]
    plan = parallel.jit_plan(jax.devices()[:1])
    whole = train(run.phases, plan, seed=1, folder=tmp_path / "whole", settings=settings())

    class Enough(Exception):
        pass

    def interrupt(result):  # called after the checkpoint of the same step
        raise Enough

    with pytest.raises(Enough):
        train(
            run.phases, plan, seed=1, folder=tmp_path / "two", report=interrupt,
            settings=settings(checkpoint_every=stop, evaluate_every=stop),
        )  # fmt: skip
    resumed = train(run.phases, plan, seed=1, folder=tmp_path / "two", settings=settings(), resume=True)
    assert same_bits(whole.state, resumed.state)
    assert int(resumed.state.step) == 7
    assert np.any(np.asarray(resumed.state.variables["generator"]["average"]["w"]))


# Sampling


@pytest.fixture(scope="module")
def sampled():
    """A run whose state is given strong noise, weights of its own in the average, and a mean style."""
    run = recipe.build(TINY, placeholder(16))
    state = start(run.phases[-1].game).replace(step=jnp.int32(10))
    params = jax.tree_util.tree_map_with_path(
        lambda path, x: x + 0.5 if "noise" in jax.tree_util.keystr(path) else x, state.params
    )
    variables = {**state.variables, "generator": {"average": {"w": jnp.linspace(-1, 1, LATENT)}}}
    return run.task, state.replace(
        params=params, ema={"generator": {"params": params["generator"]}}, variables=variables
    )


def test_samples_have_their_own_noise_and_images_of_given_latents_share_one(sampled):
    task, state = sampled
    same = np.repeat(np.asarray(latents(count=1)), 3, 0)
    drawn = task.generate(state, same)
    np.testing.assert_array_equal(drawn[0], drawn[1])
    np.testing.assert_array_equal(drawn, task.draw(state, same))
    still = dataclasses.replace(task, prior=task.prior._replace(draw=lambda key, shape: jnp.ones(shape)))
    samples = still.sampled(state, KEY, 3)
    assert np.abs(samples[0] - samples[1]).max() > 1e-2
    assert samples.shape == (3, 16, 16, 1)


def test_truncation_narrows_samples_down_to_noise(sampled):
    task, state = sampled
    task = dataclasses.replace(task, stylist=task.stylist._replace(cutoff=6))
    spread = [task.from_styles(state, task.styles(state, latents(count=60), psi)).std(0).mean() for psi in (1, 0.5, 0)]
    assert spread[0] > 1.2 * spread[1] > 0
    assert spread[2] < 1e-5
    assert task.sample(state, KEY, 60, truncation=0.0).std(0).mean() > 1  # bytes that noise alone changes
    assert list(task.conditions) == ["truncation"]
    with pytest.raises(ValueError, match="psi of the first 6 layers"):
        task.sample(state, KEY, 2, labels=[1, 2])


def test_mixed_styles_are_measured_from_their_sources(sampled):
    task, state = sampled
    styles = task.styles(state, latents(count=20))
    other = jnp.roll(styles, 1, 0)
    whole = task.inheritance(state, styles, other, 6)
    assert set(whole.values()) == {1.0}
    assert set(task.inheritance(state, styles, other, 0).values()) == {0.0}
    scores = task.scores(state)
    assert scores["mixing"] == pytest.approx(scores["layout_follows"] - scores["colours_follow"])
    assert {"sliced_wasserstein", "real_against_real"} <= set(scores)
    # Where all samples have one style, mixing changes nothing.
    one = dataclasses.replace(
        task, stylist=task.stylist._replace(styles=lambda state, z: jnp.zeros((len(z), 6, LATENT)))
    )
    assert one.scores(state)["mixing_cost"] == pytest.approx(0.0, abs=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("preset", ["paper", "celebahq"])
def test_one_step_of_the_published_networks_at_64_pixels_and_a_batch_of_4(preset):
    """Full width, in the middle of the fade to 64 pixels; larger resolutions differ by narrower layers alone."""
    hyper = dataclasses.replace(
        recipe.PRESETS[preset], first_size=32, batch_size=4, batches=(), first_images=4, fade_images=16, steps=5
    )
    run = recipe.build(hyper, placeholder(64))
    played = run.phases[1].game
    state = start(played).replace(step=jnp.int32(3))
    after, metrics = jax.jit(make_step(played))(state, {"images": batch(64)["images"][None]}, KEY)
    assert float(metrics["discriminator/alpha"]) == 0.5
    assert all(math.isfinite(value) for value in metrics.values())
    assert all(np.isfinite(x).all() for x in jax.tree.leaves(after.params))
    for net in state.params:
        assert worst(state.params[net], after.params[net]) > 1e-4
