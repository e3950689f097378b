"""StackGAN's pairs, phases and stages: who is shown what, what is held, and what carries over."""

import dataclasses
import math
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from genjax import data, parallel
from genjax.engine import init_state, make_run, make_step
from genjax.engine.loop import Settings, train
from genjax.engine.phases import carry_over_networks
from genjax.gans import stackgan
from genjax.losses.joint_embedding import others, ranking_loss
from genjax.nn import stages, text
from genjax.nn.coders import ConvEncoder
from genjax.run.describe import batch_of
from genjax.run.run import recipe
from tests.catalogue import captioned
from tests.engine.toy import same_bits, worst
from tests.presets.built import run_of

KEY = jax.random.key(3)
TEXT, LATENT = jnp.zeros((1, 1024)), jnp.zeros((1, 100))


def parameters(network, *inputs):
    found = jax.eval_shape(lambda key: network.init(key, *inputs), KEY)["params"]
    return sum(math.prod(x.shape) for x in jax.tree.leaves(found))


@pytest.mark.parametrize(
    ("residual", "expected"),
    [(True, (14_264_192, 4_029_824, 26_290_080, 48_603_520)), (False, (10_301_248, 5_715_713, 26_290_080, 71_269_122))],
)
def test_parameters_of_both_codes(residual, expected):
    layers = stages.Layers(residual)
    told, compressed = (TEXT, 128) if residual else (jnp.zeros((1, 128)), None)
    small, large = (jnp.zeros((1, size, size, 3)) for size in (64, 256))
    found = (
        parameters(stages.Sketcher(layers=layers), LATENT, TEXT, None),
        parameters(stages.Discriminator(64, compressed, layers=layers), small, (told,)),
        parameters(stages.Refiner(layers=layers), small, TEXT, None),
        parameters(stages.Discriminator(64, compressed, not residual, layers), large, (told,)),
    )
    assert found == expected
    assert parameters(stages.Augmentation(128, layers), TEXT, None) == 262_400


def test_parameters_of_text_encoders():
    words, tokens = ("", "a", "bird"), jnp.ones((1, 4), jnp.int32)
    assert parameters(text.Letters(words), tokens) == 1_814_144
    assert parameters(text.Letters(words, text.COCO), tokens) == 4_045_184


@pytest.mark.parametrize("size", [4, 12, 48])
def test_sizes_that_four_pixels_never_are(size):
    with pytest.raises(ValueError, match="8, 16, 32, 64"):
        stages.doublings_from_4(size)


# ---- pairs ----


@pytest.mark.parametrize("classes", [False, True])
def test_mismatched_pairs_share_no_caption_and_no_class(classes):
    draw = np.random.default_rng(0)
    for _ in range(20):
        captions = jnp.asarray(draw.integers(1, 3, (8, 2, 3)))
        labels = jnp.asarray(draw.integers(-1, 2, 8)) if classes else None
        numbers = jnp.arange(8.0)[:, None]
        other, valid = stackgan.mismatched(others(captions, labels), numbers)
        said = [{tuple(caption) for caption in np.asarray(row)} for row in captions]
        for row, taken in enumerate(other[:, 0].astype(int)):
            possible = [
                column
                for column in range(8)
                if not said[row] & said[column] and (labels is None or labels[row] < 0 or labels[row] != labels[column])
            ]
            assert bool(valid[row]) == bool(possible)
            assert not possible or int(taken) in possible


def test_rows_without_a_wrong_sentence_do_not_count():
    logits, valid = jnp.array([1.0, -2.0, 50.0]), jnp.array([True, True, False])
    expected = np.logaddexp(0, np.array([1.0, -2.0])).mean()
    fake = jnp.array([0.5, 0.5, 0.5])
    np.testing.assert_allclose(stackgan.negatives(logits, valid), expected, rtol=1e-6)
    half = (expected + np.logaddexp(0, 0.5)) / 2
    np.testing.assert_allclose(stackgan.negatives(logits, valid, fake), half, rtol=1e-6)
    assert float(stackgan.negatives(logits, jnp.zeros(3, bool))) == 0
    np.testing.assert_allclose(stackgan.negatives(None, None, fake), np.logaddexp(0, 0.5), rtol=1e-6)


def test_the_ranking_loss_is_its_equation():
    draw = np.random.default_rng(0)
    a, b = (draw.normal(size=(5, 3)).astype(np.float32) for _ in range(2))
    other = ~np.eye(5, dtype=bool)
    other[0, 1] = other[1, 0] = False
    scores = a @ b.T
    pairs = [max(0, 1 + scores[i, j] - scores[i, i]) for i in range(5) for j in range(5) if other[i, j]]
    np.testing.assert_allclose(ranking_loss(a, b, jnp.asarray(other)), np.mean(pairs), rtol=1e-5)
    assert float(ranking_loss(a, b, jnp.zeros((5, 5), bool))) == 0


def test_the_divergence_of_a_standard_normal_is_0_and_without_augmentation_there_is_none():
    layers = stages.Layers(initializer=stages.Initializer(jax.nn.initializers.zeros, stages.NORMAL.bias))
    module = stages.Augmentation(3, layers)
    noise = jnp.ones((2, 3))
    variables = jax.jit(module.init)(KEY, jnp.ones((2, 4)), noise)
    condition, mean, log_deviation = module.apply(variables, jnp.ones((2, 4)), noise)
    np.testing.assert_array_equal(condition, noise)
    np.testing.assert_array_equal(mean, 0)
    np.testing.assert_array_equal(log_deviation, 0)
    assert stackgan.Rules(augmentation=False).noise(KEY, 2, 3) is None
    drawn = stackgan.Rules().noise(KEY, 4000, 3)
    assert 1.8 < float(jnp.abs(drawn).max()) <= 2
    assert float(jnp.abs(stackgan.Rules(truncated=False).noise(KEY, 4000, 3)).max()) > 2.5


# ---- phases ----

LAYERS = stages.Layers(residual=False)
MODULES = {
    "text": text.Words(6, 5, 4),
    "vision": ConvEncoder((4,)),
    "generator1": stages.Sketcher(8, 1, 1, 3, LAYERS),
    "discriminator1": stages.Discriminator(2, None, layers=LAYERS),
    "generator2": stages.Refiner(16, 1, 1, 3, 1, LAYERS),
    "discriminator2": stages.Discriminator(2, None, True, LAYERS),
}
RULES = stackgan.Rules(latent=4, judged="mean", truncated=False)
TXS = {"generator_tx": optax.adam(1e-2), "discriminator_tx": optax.adam(1e-2)}


def own(*names):
    return {name: MODULES[name] for name in names}


@pytest.fixture(scope="module")
def stage_two():
    """The game of stage II, its first state, the one after three steps, and a batch."""
    played = stackgan.game(own("text", "generator1", "generator2", "discriminator2"), words=4, rules=RULES, **TXS)
    start = jax.device_get(jax.jit(lambda key: init_state(played, key))(KEY))
    batch = captioned(6, 0, (16, 16, 1))
    run = jax.jit(make_run(make_step(played)))
    after, _ = run(start, jax.tree.map(lambda x: np.stack([x] * 3)[:, None], batch), None, KEY)
    return played, start, after, batch


def test_stage_two_leaves_stage_one_and_the_text_encoder_as_they_were(stage_two):
    _, start, after, _ = stage_two
    for net in ("generator1", "text"):
        assert same_bits(start.variables_of(net), after.variables_of(net))
    for net in ("generator2", "discriminator2"):
        assert worst(start.params[net], after.params[net]) > 0
        assert worst(start.variables[net], after.variables[net]) > 0


def test_stage_two_starts_from_sketches_by_running_statistics(stage_two):
    _, state, _, batch = stage_two
    seen = []

    class Spy:
        condition = 3

        def apply(self, variables, *inputs, train):
            seen.append(train)
            return MODULES["generator1"].apply(variables, *inputs, train=train)

    def look(nets, state, batch, key):
        return stackgan.given(nets, 2, RULES, stackgan.embedded(nets, batch), key), None

    modules = {**own("text", "generator2"), "generator1": Spy()}
    looked = jax.jit(stackgan.with_networks(look, modules, ("generator2",)))
    (sketches, _, noise), _ = looked(state, batch, KEY)
    assert seen == [False] and sketches.shape == (6, 8, 8, 1) and noise.shape == (6, 3)


def test_what_the_discriminator_minimises_is_made_of_three_kinds_of_pairs(stage_two, monkeypatch):
    played, state, _, batch = stage_two
    fixed = jnp.ones((6, 8, 8, 1)) * jnp.linspace(-1, 1, 6)[:, None, None, None], jnp.ones((6, 5)), jnp.ones((6, 3))
    monkeypatch.setattr(stackgan, "given", lambda nets, stage, rules, text, key: fixed)
    loss, _ = jax.jit(played.players[0].loss)(state, batch, KEY)

    def run(net, *inputs):
        apply = jax.jit(lambda *inputs: MODULES[net].apply(*inputs, True, mutable=["batch_stats"])[0])
        return apply(state.variables_of(net), *inputs)

    fake = run("generator2", *fixed)
    wrong, valid = stackgan.mismatched(others(batch["captions"]), fake.mean)
    (real, of_wrong), own_real = run("discriminator2", batch["images"], (fake.mean, wrong))
    (of_fake,), own_fake = run("discriminator2", fake.images, (fake.mean,))
    assert bool(valid.all())
    expected = sum(jax.nn.softplus(-x).mean() for x in (real, own_real)) / 2
    expected += sum(jax.nn.softplus(x).mean() for x in (of_wrong, of_fake, own_fake)) / 3
    np.testing.assert_allclose(loss, expected, rtol=1e-5)


def test_the_phases_hand_on_what_they_share():
    image = {"image_shape": (16, 16, 1), "words": 4}
    games = (
        stackgan.embedding(own("text", "vision"), optax.adam(1e-2), **image),
        stackgan.game(own("text", "generator1", "discriminator1"), words=4, rules=RULES, **TXS),
        stackgan.game(own("text", "generator1", "generator2", "discriminator2"), words=4, rules=RULES, **TXS),
    )
    state = jax.jit(partial(init_state, games[0]))(KEY)
    for game, kept in ((games[1], ("text",)), (games[2], ("text", "generator1"))):
        fresh = jax.jit(partial(init_state, game))(jax.random.key(9))
        entered = carry_over_networks(state, fresh)
        for net in game.networks:
            assert same_bits(entered.variables_of(net), (state if net in kept else fresh).variables_of(net)), net
        assert same_bits(entered.opt_state, fresh.opt_state)
        state = entered


def test_two_captions_of_an_image_find_each_other_without_images():
    game = stackgan.embedding(own("text"), optax.sgd(1.0), image_shape=(16, 16, 1), words=4)
    assert set(game.networks) == {"text"}
    batch = captioned(6, 0)
    state = jax.jit(partial(init_state, game))(KEY)
    loss, _ = jax.jit(game.players[0].loss)(state, batch, KEY)
    rows = MODULES["text"].apply(state.variables_of("text"), batch["captions"].reshape(12, 4), True,
                                 mutable=["batch_stats"])[0]  # fmt: skip
    expected = ranking_loss(rows[::2], rows[1::2], others(batch["captions"]))
    np.testing.assert_allclose(loss, expected, rtol=1e-6)


@pytest.mark.slow
def test_the_embedding_on_four_devices_is_that_of_one():
    game = stackgan.embedding(own("text", "vision"), optax.sgd(1e-3), image_shape=(16, 16, 1), words=4)
    found = []
    for plan in (parallel.jit_plan(jax.devices()[:1]), parallel.pmap_plan(jax.devices()[:4])):
        state = jax.device_get(jax.jit(partial(init_state, game))(KEY))
        run = plan.compile(make_run(make_step(game, plan.axis)))
        batch = jax.tree.map(lambda x: np.asarray(x)[None, None], captioned(24, 0, (16, 16, 1)))
        state, _ = run(plan.put_state(state), plan.put_batches(batch), None, KEY)
        found.append(jax.device_get(plan.get_state(state)))
    assert worst(*found) < 1e-5


@pytest.fixture(scope="module")
def tiny_run():
    """A run of two steps in each phase."""
    hyper = dataclasses.replace(
        recipe("stackgan").presets["small"], image_size=16, text_size=6, word_size=4, width=1, discriminator_width=2,
        latent=4, condition=3, batch_size=4, text_batch=4, refine_batch=4, text_steps=2, sketch_steps=2, steps=6,
    )  # fmt: skip
    return recipe("stackgan").build(hyper, data.load("captions:scenes", image_size=16))


@pytest.fixture(scope="module")
def whole(tiny_run, tmp_path_factory):
    settings = Settings(checkpoint_every=1, evaluate_every=10**9, keep=10)
    return train(tiny_run.phases, parallel.jit_plan(jax.devices()[:1]), seed=1, settings=settings,
                 folder=tmp_path_factory.mktemp("whole")).state  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("stop", [1, 3, 5])
def test_a_run_resumed_in_any_phase_equals_one_that_was_never_stopped(tiny_run, whole, stop, tmp_path):
    plan, settings = parallel.jit_plan(jax.devices()[:1]), Settings(checkpoint_every=1, evaluate_every=10**9)
    index = (stop - 1) // 2
    short = (*tiny_run.phases[:index], tiny_run.phases[index]._replace(steps=1))
    train(short, plan, seed=1, folder=tmp_path, settings=settings)
    resumed = train(tiny_run.phases, plan, seed=1, folder=tmp_path, settings=settings, resume=True)
    assert same_bits(whole, resumed.state)


@pytest.mark.slow
@pytest.mark.parametrize("preset", ["birds", "coco"])
def test_every_phase_of_the_published_presets_takes_a_step(preset):
    """By shapes alone: the networks fit together at 304 pixels, with letters, labels and all captions."""
    for phase in run_of("stackgan", preset).phases:
        state = jax.eval_shape(lambda key, phase=phase: init_state(phase.game, key), KEY)
        after, metrics = jax.eval_shape(make_step(phase.game), state, batch_of(phase), KEY)
        assert jax.tree.map(lambda x: x.shape, after.params) == jax.tree.map(lambda x: x.shape, state.params)
        assert {f"{player.name}/loss" for player in phase.game.players} <= set(metrics)
