"""The step: what a move does, in which order, and that every way of compiling it gives the same numbers."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from genjax import parallel, precision
from genjax.data import pipeline
from genjax.engine import Aux, Game, Player, init_state, make_run, make_step, move
from tests.engine import toy

KEY = jax.random.key(1)


def batches(count, size=16, repeats=1):
    order = pipeline.order(64, size, 0, 0, count * repeats)
    return order.reshape(count, repeats, size)


def run_plan(plan, game, indices, accumulate=1):
    state = plan.put_state(init_state(game, KEY))
    run = plan.compile(make_run(make_step(game, plan.axis, accumulate)))
    state, metrics = run(state, plan.put_source(toy.split().arrays), plan.put_batches(indices), KEY)
    return plan.get_state(state), plan.get_metrics(metrics)


def test_a_move_is_one_optax_step_on_the_gradient_of_what_the_player_owns():
    game = toy.duel(1)
    state = init_state(game, KEY)
    after, metrics = move(game.players[0], state, {"images": jnp.full((4, 1, 1, 3), 0.25)}, KEY)
    # loss (1 - 0 - 0.25)^2, gradient 1.5, learning rate 0.1
    assert float(metrics["critic/loss"]) == pytest.approx(0.5625)
    assert float(after.params["critic"]["value"]) == pytest.approx(1 - 0.15)
    assert toy.same_bits(after.params["generator"], state.params["generator"])


@pytest.mark.parametrize("generator_steps", [1, 2])
def test_a_player_repeats_over_the_last_sub_batches_in_order(generator_steps):
    game, means = toy.duel(3, generator_steps), (0.9, 0.5, 0.1)
    images = jnp.broadcast_to(jnp.array(means).reshape(3, 1, 1, 1, 1), (3, 4, 1, 1, 3))
    state, _ = make_step(game)(init_state(game, KEY), {"images": images}, KEY)
    critic, generator = 1.0, 0.0
    for mean in means:
        critic -= 0.2 * (critic - generator - mean)
    for mean in means[-generator_steps:]:
        generator -= 0.2 * (generator - critic * mean)
    assert float(state.params["critic"]["value"]) == pytest.approx(critic, rel=1e-6)
    assert float(state.params["generator"]["value"]) == pytest.approx(generator, rel=1e-6)
    assert int(state.memory["seen"]) == 3
    assert int(state.step) == 1


def test_accumulated_gradients_equal_the_whole_batch():
    game = toy.duel(1)
    run = [
        make_step(game, accumulate=parts)(
            init_state(game, KEY), {"images": jax.random.uniform(KEY, (1, 8, 1, 1, 3))}, KEY
        )[0]
        for parts in (1, 4)
    ]
    assert toy.worst(run[0].params, run[1].params) < 1e-6
    with pytest.raises(ValueError, match="batch of 8 cannot be accumulated in 3"):
        make_step(game, accumulate=3)(init_state(game, KEY), {"images": jnp.zeros((1, 8, 1, 1, 3))}, KEY)


def test_fused_steps_equal_single_steps_bit_for_bit():
    game = toy.regression()
    indices = batches(6)
    plan = parallel.jit_plan(jax.devices()[:1])
    fused, metrics = run_plan(plan, game, indices)
    state = plan.put_state(init_state(game, KEY))
    run, source = plan.compile(make_run(make_step(game))), plan.put_source(toy.split().arrays)
    losses = []
    for row in indices:
        state, single = run(state, source, plan.put_batches(row[None]), KEY)
        losses.append(float(single["net/loss"][0]))
    assert toy.same_bits(fused, state)
    np.testing.assert_array_equal(metrics["net/loss"], np.float32(losses))


def test_batches_from_the_host_equal_batches_gathered_on_the_device():
    game, indices = toy.regression(), batches(4)
    plan = parallel.jit_plan(jax.devices()[:1])
    gathered, _ = run_plan(plan, game, indices)
    run = plan.compile(make_run(make_step(game)))
    streamed, _ = run(plan.put_state(init_state(game, KEY)), plan.put_batches(toy.split().take(indices)), None, KEY)
    assert toy.same_bits(gathered, streamed)


@pytest.mark.parametrize("accumulate", [1, 2])
def test_one_device_eight_by_jit_and_eight_by_pmap_agree_with_batch_norm(accumulate):
    game, indices = toy.regression(optax.sgd(0.1)), batches(20)
    plans = (
        parallel.jit_plan(jax.devices()[:1]),
        parallel.jit_plan(jax.devices()[:8]),
        parallel.pmap_plan(jax.devices()[:8]),
    )
    one, mesh, mapped = (run_plan(plan, game, indices, accumulate) for plan in plans)
    for split in (mesh, mapped):
        assert toy.worst(one, split) < 1e-6
    # The same seeds and data, one step more: a comparison that could not fail would pass this too.
    assert toy.worst(one[0].params, run_plan(plans[0], game, batches(21), accumulate)[0].params) > 1e-4


def test_statistics_that_a_network_takes_of_its_own_rows_are_averaged_over_devices():
    def loss(state, batch, key):
        own = batch["images"].mean()
        return state.params["net"]["w"] * own, Aux(variables={"net": {"seen": {"mean": own}}})

    start = {"net": lambda key: {"params": {"w": jnp.zeros(())}, "seen": {"mean": jnp.zeros(())}}}
    game, indices = Game((Player("net", loss, optax.sgd(0.1), ("net",)),), start), batches(1)
    plan = parallel.pmap_plan(jax.devices()[:2])
    run = plan.compile(make_run(make_step(game, plan.axis)))
    source, state = plan.put_source(toy.split().arrays), plan.put_state(init_state(game, KEY))
    state, _ = run(state, source, plan.put_batches(indices), KEY)
    found = np.asarray(state.variables["net"]["seen"]["mean"])
    np.testing.assert_allclose(found, np.full(2, toy.split().take(indices)["images"].mean()), rtol=1e-6)


@pytest.mark.parametrize("plan", [parallel.jit_plan(jax.devices()[:8]), parallel.pmap_plan(jax.devices()[:8])])
def test_noise_is_an_examples_own_however_devices_split_the_batch(plan):
    """The memory keeps each step's noise of the loss and of `prepare`, in the order of the global batch."""

    def loss(state, batch, key):
        noise = parallel.rows(jax.random.normal, key, (len(batch["images"]), 2))
        drawn = jnp.concatenate([noise, batch["prepared"]], 1)
        return state.params["net"]["w"] * 0, Aux(memory={"drawn": parallel.gather(drawn)})

    def prepare(batch, key):
        return {**batch, "prepared": jax.random.normal(key, (len(batch["images"]), 2))}

    start = {"net": lambda key: {"params": {"w": jnp.zeros(())}}}
    game = Game(
        (Player("net", loss, optax.sgd(0.1), ("net",)),), start, memory={"drawn": np.zeros((16, 4), np.float32)}
    )

    def drawn(plan, steps):
        run = plan.compile(make_run(make_step(game, plan.axis), prepare))
        state = plan.put_state(init_state(game, KEY))
        state, _ = run(state, plan.put_source(toy.split().arrays), plan.put_batches(batches(steps)), KEY)
        return np.asarray(plan.get_state(state).memory["drawn"])

    alone = drawn(parallel.jit_plan(jax.devices()[:1]), 2)
    np.testing.assert_array_equal(drawn(plan, 2), alone)
    assert len(set(alone.ravel().tolist())) == alone.size  # no two devices, and no two images, share theirs
    assert not np.isin(drawn(plan, 1), alone).any()


def test_no_two_draws_of_a_step_and_no_two_networks_are_the_same():
    def loss(state, batch, key):
        drawn = state.memory["drawn"].at[state.memory["count"]].set(jax.random.normal(key, ()))
        memory = {"drawn": drawn, "count": state.memory["count"] + 1}
        return 0 * (state.params["one"]["w"] + state.params["other"]["w"]), Aux(memory=memory)

    def first(key):
        return {"params": {"w": jax.random.normal(key, ())}}

    players = tuple(Player(name, loss, optax.sgd(0.1), (name,), repeats=2) for name in ("one", "other"))
    memory = {"drawn": jnp.zeros(8), "count": jnp.int32(0)}
    start = init_state(Game(players, {"one": first, "other": first}, memory=memory), KEY)
    step = make_step(Game(players, {"one": first, "other": first}, memory=memory), accumulate=2)
    state, _ = step(start, {"images": jnp.zeros((2, 4, 1, 1, 3))}, KEY)
    assert int(state.memory["count"]) == 8  # two players, twice each, in two parts
    assert len(set(state.memory["drawn"].tolist())) == 8
    assert float(start.params["one"]["w"]) != float(start.params["other"]["w"])


def test_a_step_is_traced_once():
    game, traces = toy.regression(), []
    step = make_step(game)

    def counted(state, batch, key):
        traces.append(1)
        return step(state, batch, key)

    plan = parallel.jit_plan(jax.devices()[:2])
    run, source = plan.compile(make_run(counted)), plan.put_source(toy.split().arrays)
    state = plan.put_state(init_state(game, KEY))
    for row in batches(5):
        state, _ = run(state, source, plan.put_batches(row[None]), KEY)
    assert len(traces) == 1
    assert run._cache_size() == 1


def test_the_average_starts_as_a_copy_and_follows_its_recursion():
    game, indices = toy.regression(), batches(3)
    plan = parallel.jit_plan(jax.devices()[:1])
    start = init_state(game, KEY)
    assert set(start.ema["net"]) == {"params", "batch_stats"}
    assert toy.same_bits(start.ema["net"], start.variables_of("net"))
    expected = jax.tree.map(np.asarray, start.ema["net"])
    for count in (1, 2, 3):
        state, _ = run_plan(plan, game, indices[:count])
        expected = jax.tree.map(lambda old, new: 0.9 * old + 0.1 * new, expected, state.variables_of("net"))
    assert toy.worst(state.ema["net"], expected) < 1e-6
    assert toy.worst(state.ema["net"]["batch_stats"], state.variables["net"]["batch_stats"]) > 1e-3
    assert toy.same_bits(state.variables_of("net", ema=True), state.ema["net"])


def test_an_average_that_starts_late_is_a_copy_until_then():
    game, indices = toy.regression(), batches(4)
    late, plan = game._replace(ema_start=2), parallel.jit_plan(jax.devices()[:1])
    states = [run_plan(plan, late, indices[:count])[0] for count in (1, 2, 3, 4)]
    for state in states[:2]:
        assert toy.same_bits(state.ema["net"], state.variables_of("net"))
    expected = states[1].ema["net"]
    for state in states[2:]:
        expected = jax.tree.map(lambda old, new: 0.9 * old + 0.1 * new, expected, state.variables_of("net"))
        assert toy.worst(state.ema["net"], expected) < 1e-6
    assert toy.worst(states[3].ema["net"], states[3].variables_of("net")) > 1e-4


def test_statistics_of_a_network_change_only_in_its_owners_moves():
    def meddle(state, batch, key):
        return state.params["generator"]["value"], Aux(variables={"critic": {"batch_stats": {}}})

    game = toy.duel(1)
    game = game._replace(players=(game.players[0], game.players[1]._replace(loss=meddle)))
    with pytest.raises(ValueError, match="player 'generator' returned updated variables of .'critic'"):
        make_step(game)(init_state(game, KEY), {"images": jnp.zeros((1, 4, 1, 1, 3))}, KEY)


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (lambda g: g._replace(players=(g.players[0],) * 2), "share a name"),
        (lambda g: g._replace(players=(g.players[0]._replace(owns=("x",)),)), "owns .'x'"),
        (lambda g: g._replace(players=(g.players[0]._replace(repeats=0),)), "repeats=0"),
        (lambda g: g._replace(ema={"x": 0.9}), "network 'x'"),
        (lambda g: g._replace(ema_start=5), "the game keeps no average"),
    ],
)
def test_a_game_that_contradicts_itself_is_refused(change, text):
    with pytest.raises(ValueError, match=text):
        init_state(change(toy.duel()), KEY)


def test_an_overflow_is_skipped_without_a_trace_and_the_scale_recovers(monkeypatch):
    monkeypatch.setattr(precision, "INTERVAL", 2)
    monkeypatch.setattr(precision, "INITIAL", 8.0)
    game = precision.scaled(toy.regression(poison=2))
    plan = parallel.jit_plan(jax.devices()[:1])
    states = [run_plan(plan, game, batches(count))[0] for count in (1, 2, 3, 5)]
    scale = [float(s.loss_scale["net"].scale) for s in states]
    assert scale == [8.0, 16.0, 8.0, 16.0]  # grows after two good steps, halves at the poisoned one, grows again
    for kept in ("params", "variables", "opt_state"):
        assert toy.same_bits(getattr(states[1], kept), getattr(states[2], kept))
    assert all(np.isfinite(x).all() for x in jax.tree.leaves(states[3].params))


def test_a_scaled_loss_moves_like_an_unscaled_one():
    plan, indices = parallel.jit_plan(jax.devices()[:1]), batches(4)
    plain, metrics = run_plan(plan, toy.regression(optax.sgd(0.1)), indices)
    # (Adam would move alike whatever the scale.)
    scaled, scaled_metrics = run_plan(plan, precision.scaled(toy.regression(optax.sgd(0.1))), indices)
    assert toy.worst(plain.params, scaled.params) < 1e-5
    np.testing.assert_allclose(metrics["net/loss"], scaled_metrics["net/loss"], rtol=1e-4)


def test_a_batch_that_devices_cannot_share_is_refused_with_the_nearest_one_that_they_can():
    with pytest.raises(
        ValueError, match="batch of 100 cannot be split evenly over 8 device.*multiple of 8, such as 96"
    ):
        parallel.check_batch(100, jax.devices()[:8])
