"""Growth: what fades, what carries over and what starts afresh, exactly; and that the small preset draws digits."""

import dataclasses
import math
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from genjax import parallel
from genjax.data import Arrays, Dataset, load
from genjax.engine import init_state, make_step, move
from genjax.engine.loop import Settings, train
from genjax.engine.phases import carry_over, carry_over_networks
from genjax.gans import pggan
from genjax.losses.penalties import gradient_penalty
from genjax.losses.wasserstein import Penalties
from genjax.nn.growing import fade
from genjax.nn.residual import grow, pool
from genjax.run import growth
from tests.engine.toy import same_bits, worst
from train import pggan as recipe

KEY = jax.random.key(11)
WIDE = {"base": 16, "limit": 6}
LATENT = 5


def networks(size, **options):
    return pggan.Generator(size, 1, **WIDE), pggan.Critic(size, **WIDE, **options)


def game(size, fading=None, tx=None, **options):
    tx = tx or optax.adam(1e-2)
    return pggan.game(*networks(size), generator_tx=tx, critic_tx=tx, latent=LATENT, fading=fading, **options)


def start(played, key=KEY):
    return jax.jit(lambda key: init_state(played, key))(key)


def images(size, count=6, seed=0):
    return jax.random.uniform(jax.random.key(seed), (count, size, size, 1), minval=-1.0)


@pytest.fixture(scope="module")
def grown():
    """A state at 8 pixels and the state at 16 that it grows into."""
    small = start(game(8, ema=0.9))
    small, _ = jax.jit(make_step(game(8, ema=0.9)))(small, {"images": images(8)[None]}, KEY)
    large = carry_over_networks(small, start(game(16, (1, 4), ema=0.9), jax.random.key(1)))
    return small, large


# Fading


def test_at_alpha_0_the_networks_are_those_of_half_the_resolution(grown):
    small, large = grown
    zero, latent = jnp.float32(0), jax.random.normal(KEY, (6, LATENT))
    (generator, critic), (old_generator, old_critic) = networks(16), networks(8)
    draw, draw_old = jax.jit(generator.apply), jax.jit(old_generator.apply)
    for ema in (False, True):
        faded = draw(large.variables_of("generator", ema=ema), latent, alpha=zero)
        np.testing.assert_array_equal(faded, grow(draw_old(small.variables_of("generator", ema=ema), latent)))
    x = images(16)
    faded = jax.jit(critic.apply)(large.variables_of("critic"), x, alpha=zero)
    np.testing.assert_array_equal(faded, jax.jit(old_critic.apply)(small.variables_of("critic"), pool(x)))


def test_at_alpha_1_there_is_no_old_path(grown):
    one, latent = jnp.float32(1), jax.random.normal(KEY, (6, LATENT))
    generator, critic = networks(16)
    for network, name, x in ((generator, "generator", latent), (critic, "critic", images(16))):
        variables, apply = grown[1].variables_of(name), jax.jit(network.apply)
        np.testing.assert_array_equal(apply(variables, x, alpha=one), apply(variables, x))


def test_between_images_are_the_weighted_mean_of_both_paths(grown):
    latent, generator = jax.random.normal(KEY, (6, LATENT)), networks(16)[0]
    draw = partial(jax.jit(generator.apply), grown[1].variables_of("generator"), latent)
    zero, part, one = (draw(alpha=jnp.float32(alpha)) for alpha in (0, 0.25, 1))
    np.testing.assert_allclose(part, 0.75 * zero + 0.25 * one, atol=1e-6)
    assert worst(zero, one) > 1e-2


def test_real_images_fade_too():
    x = images(8)
    np.testing.assert_array_equal(fade(x, jnp.float32(0)), grow(pool(x)))
    np.testing.assert_array_equal(fade(x, jnp.float32(1)), x)
    played = game(8, (0, 4), optax.sgd(0.0))
    state, advance = start(played), jax.jit(partial(move, played.players[0]))
    half = state.replace(step=jnp.int32(2))

    def metrics(x, state):
        return advance(state, {"images": x}, KEY)[1]

    # In the fade's first step images and their halves are one to the critic, in the middle they are two.
    assert worst(metrics(x, state), metrics(grow(pool(x)), state)) < 1e-6
    assert worst(metrics(x, half), metrics(grow(pool(x)), half)) > 1e-6
    assert float(metrics(x, half)["critic/alpha"]) == 0.5


def test_alpha_rises_over_the_phase_without_another_trace():
    played, traces = game(8, (10, 4)), []
    step = make_step(played)

    @jax.jit
    def counted(state, batch):
        traces.append(1)
        return step(state, batch, KEY)

    state, alphas = start(played).replace(step=jnp.int32(10)), []
    for _ in range(5):
        state, metrics = counted(state, {"images": images(8)[None]})
        alphas.append(float(metrics["critic/alpha"]))
    assert alphas == [0, 0.25, 0.5, 0.75, 1]
    assert len(traces) == 1


# Growing


def test_growth_keeps_networks_and_averages_and_starts_optimizers_afresh(grown):
    small, large = grown
    new = {f"conv_16{part}" for part in "ab"} | {"to_rgb_16", "from_rgb_16"}
    for net, params in large.params.items():
        assert set(params) - set(small.params[net]) == set(params) & new
        for name in set(params) - new:
            assert same_bits(params[name], small.params[net][name])
    for name, average in large.ema["generator"]["params"].items():
        before = large.params["generator"] if name in new else small.ema["generator"]["params"]
        assert same_bits(average, before[name])
    assert int(large.step) == 1
    assert all(not np.any(x) for x in jax.tree.leaves(large.opt_state))
    assert any(np.any(x) for x in jax.tree.leaves(carry_over(small, large).opt_state))


def test_the_average_follows_its_recursion():
    played = game(8, ema=0.75)
    state = start(played)
    after, _ = jax.jit(make_step(played))(state, {"images": images(8)[None]}, KEY)
    new, (old, average) = after.params["generator"], (each.ema["generator"]["params"] for each in (state, after))
    assert worst(average, jax.tree.map(lambda a, p: 0.75 * a + 0.25 * p, old, new)) < 1e-6
    assert worst(average, new) > 1e-3


def test_the_decay_for_a_half_life_of_10000_images():
    expected = {4: 0.9997228, 16: 0.9988916, 32: 0.9977844, 64: 0.9955737, 128: 0.9911670, 512: 0.9651332}
    for batch, decay in expected.items():
        assert growth.ema_decay(batch, 10_000) == pytest.approx(decay, abs=1e-7)


# The loss


def test_the_critic_minimises_distance_penalty_and_drift():
    weight, target, drift = 10.0, 750.0, 0.5
    played = game(8, tx=optax.sgd(0.0), penalties=Penalties(weight, target, drift))
    state, x = start(played), images(8)
    loss, _ = jax.jit(played.players[0].loss)(state, {"images": x}, KEY)
    generator, critic = networks(8)
    latent_key, mix_key = jax.random.split(KEY)

    @jax.jit
    def parts(x):
        fake = generator.apply(state.variables_of("generator"), jax.random.normal(latent_key, (6, LATENT)))
        score = partial(critic.apply, state.variables_of("critic"))
        real = score(x)
        penalty = gradient_penalty(score, x, fake, mix_key, target)
        return score(fake).mean() - real.mean() + weight / target**2 * penalty, drift * (real**2).mean()

    rest, drifted = parts(x)
    np.testing.assert_allclose(loss, rest + drifted, rtol=1e-5)
    assert float(drifted) > 1e-4


# The recipe


def placeholder(size, count=256):
    draw = np.random.default_rng(0).integers(0, 256, (count, size, size, 1), np.uint8)
    return Dataset("noise", Arrays({"images": draw}), Arrays({"images": draw[:64]}))


SMALL, PAPER = recipe.PRESETS["small"], recipe.PRESETS["paper"]
TINY = dataclasses.replace(
    SMALL, steps=14, latent=LATENT, base=16, limit=6, batch_size=8, batches=(8, 4), first_images=24, fade_images=16,
    stable_images=12, half_life=100.0,
)  # fmt: skip


def test_the_stages_of_the_published_schedule():
    plan = growth.stages(PAPER, 1024, PAPER.steps)
    assert [(stage.size, stage.fading) for stage in plan[:4]] == [(4, False), (8, True), (8, False), (16, True)]
    assert len(plan) == 17
    assert {stage.size: stage.batch for stage in plan} == {
        **dict.fromkeys((4, 8, 16, 32, 64, 128), 16), 256: 14, 512: 6, 1024: 3
    }  # fmt: skip
    assert all(abs(stage.steps * stage.batch - 800_000) <= stage.batch for stage in plan[:-1])
    assert sum(stage.steps * stage.batch for stage in plan) == pytest.approx(19_000_000, abs=100)
    for name, size in (("cifar10", 32), ("lsun", 256)):
        hyper = recipe.PRESETS[name]
        shown = sum(stage.steps * stage.batch for stage in growth.stages(hyper, size, hyper.steps))
        assert shown == pytest.approx(20_000_000, abs=100)


def test_few_steps_end_before_it_is_grown():
    plan = growth.stages(dataclasses.replace(TINY, steps=6), 16, images=0)
    assert [(stage.size, stage.steps) for stage in plan] == [(4, 3), (8, 3)]


def test_images_are_averaged_down_to_the_phase():
    x = np.random.default_rng(0).integers(0, 256, (3, 16, 16, 1), np.uint8)
    y = growth.prepare(4, False, {"images": x}, KEY)["images"]
    expected = x.reshape(3, 4, 4, 4, 4, 1).mean((2, 4)) / 127.5 - 1
    np.testing.assert_allclose(y, expected, atol=1e-6)


@pytest.mark.parametrize(
    ("size", "options", "sentence"),
    [
        (20, {}, "cannot reach 20; give --image-size 16"),
        (2, {}, "cannot reach 2; give --image-size 4"),
        (16, {"first_size": 32}, "--first-size 32"),
        (16, {"batches": (8, 1)}, "at least 2"),
        (16, {"rate_warm_up": 0.1}, "leave out --rate-warm-up"),
    ],
)
def test_what_cannot_work_is_one_clear_sentence(size, options, sentence):
    with pytest.raises(ValueError, match=sentence):
        recipe.build(dataclasses.replace(TINY, **options), placeholder(size))


def settings(**options):
    return Settings(**{"fuse": 1, "checkpoint_every": 10**9, "evaluate_every": 10**9} | options)


# The first step of the fade, one inside it, and its end.
@pytest.mark.parametrize("stop", [5, 6, 7])
@pytest.mark.slow
def test_a_run_resumed_in_a_fade_equals_one_that_was_never_stopped(stop, tmp_path):
    """The fade to 8 pixels takes steps 3 to 7 (4 steps of 4 images), the next one follows at 10."""
    run = recipe.build(TINY, placeholder(16))
    assert [(phase.steps, phase.feed.batch_size) for phase in run.phases] == [(3, 8), (4, 4), (3, 4), (4, 4)]
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
    assert int(resumed.state.step) == 14


def test_samples_in_a_fade_and_at_the_end_of_a_phase_have_the_size_of_the_data():
    run = recipe.build(TINY, placeholder(16))
    latents = run.task.latents(KEY, 3)
    for index, done in ((0, 0), (0, 3), (1, 5), (1, 7), (2, 8), (3, 12), (3, 14)):
        state = start(run.phases[index].game).replace(step=jnp.int32(done))
        samples = run.task.generate(state, latents)
        assert samples.shape == (3, 16, 16, 1)
        size = (4, 8, 8, 16)[index]
        np.testing.assert_array_equal(samples, growth.enlarge(samples[:, :: 16 // size, :: 16 // size], 16))


@pytest.mark.slow
def test_one_step_of_the_published_networks_at_64_pixels_and_a_batch_of_2():
    """Full width, in the middle of the fade to 64 pixels; larger resolutions differ by narrower layers alone."""
    networks = pggan.Generator(64), pggan.Critic(64)
    adam = optax.adam(1e-3, 0.0, 0.99)
    played = pggan.game(*networks, generator_tx=adam, critic_tx=adam, fading=(0, 4), ema=0.999)
    state = start(played).replace(step=jnp.int32(2))
    batch = {"images": jax.random.uniform(KEY, (1, 2, 64, 64, 3), minval=-1.0)}
    after, metrics = jax.jit(make_step(played))(state, batch, KEY)
    assert all(math.isfinite(value) for value in metrics.values())
    assert all(np.isfinite(x).all() for x in jax.tree.leaves(after.params))
    for net in state.params:
        assert worst(state.params[net], after.params[net]) > 1e-4


@pytest.mark.slow
def test_the_small_preset_comes_close_to_the_digits(tmp_path):
    """Ends within twice the distance between real images, and below a quarter of the untrained networks' distance."""
    hyper = SMALL
    run = recipe.build(hyper, load(hyper.data, image_size=hyper.image_size))
    untrained = start(run.phases[-1].game).replace(step=jnp.int32(hyper.steps))
    before = run.task.scores(untrained)["sliced_wasserstein"]
    result = train(run.phases, parallel.jit_plan(jax.devices()[:1]), seed=0, folder=tmp_path, settings=settings())
    after = run.task.scores(result.state)
    assert after["sliced_wasserstein"] < 0.25 * before
    assert after["sliced_wasserstein"] < 2 * after["real_against_real"]
