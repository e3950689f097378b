"""What every model promises, checked over the catalogue."""

import functools
import importlib
import json

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from genjax import parallel
from genjax.engine import checkpoint, init_state, make_run, make_step, move
from tests.catalogue import CATALOGUE, missing
from tests.conftest import REPOSITORY
from tests.engine.toy import same_bits, worst

KEY = jax.random.key(7)
STEPS = 4
ADAM, SGD = optax.adam(1e-2), optax.sgd(1e-3)
ONE, EIGHT = parallel.jit_plan(jax.devices()[:1]), parallel.jit_plan(jax.devices()[:8])
MAPPED = parallel.pmap_plan(jax.devices()[:4])
# A model's tests share compiled programs, so they run in one process, one after the other.
over_models = pytest.mark.parametrize(
    "entry",
    [pytest.param(entry, marks=pytest.mark.xdist_group(entry.name), id=entry.name) for entry in CATALOGUE],
    scope="module",
)


@functools.cache
def compiled(entry, tx=ADAM, dtype=jnp.float32, plan=ONE):
    """Return a tiny game, its first state and its compiled run."""
    game = entry.game(tx, dtype)
    start = jax.device_get(jax.jit(lambda key: init_state(game, key))(KEY))  # runs donate what is on the device
    return game, start, plan.compile(make_run(make_step(game, plan.axis), None, plan.axis))


def batches(entry, game, size=24):
    """Return STEPS batches, leaves [K, R, B, ...]."""
    count = game.batches_per_step
    rows = [entry.batch(size, seed) for seed in range(STEPS * count)]
    return jax.tree.map(lambda *xs: np.stack(xs).reshape(STEPS, count, *xs[0].shape), *rows)


@functools.cache
def trained(entry, tx=ADAM, dtype=jnp.float32, plan=ONE):
    """Return the state after STEPS steps, and metrics."""
    game, start, run = compiled(entry, tx, dtype, plan)
    state, metrics = run(plan.put_state(start), plan.put_batches(batches(entry, game)), None, KEY)
    return plan.get_state(state), plan.get_metrics(metrics)


@functools.cache
def moved(entry):
    """Return the first state, and for every player the state after its move alone."""
    game, start, _ = compiled(entry)
    batch = jax.tree.map(jnp.asarray, entry.batch(24, 0))
    return start, [
        (player, jax.jit(lambda state, player=player: move(player, state, batch, KEY))(start)[0])
        for player in game.players
    ]


@pytest.mark.parametrize("package", ["autoencoders", "gans"])
def test_no_model_is_missing_from_the_catalogue(package):
    files = {path.stem for path in (REPOSITORY / "genjax" / package).glob("*.py")} - {"__init__"}
    assert not missing(package, files)


@over_models
def test_the_recipe_exists_and_its_presets_have_the_published_parameter_counts(entry, capsys):
    recipe = importlib.import_module(f"train.{entry.name}")
    from train._cli import main

    assert {"small", "paper"} <= set(recipe.PRESETS)
    assert next(iter(recipe.PRESETS)) == "small"
    for preset, parameters in entry.parameters.items():
        assert main(entry.name, recipe.PRESETS, recipe.build, [preset, "--describe"]) == 0
        described = json.loads(capsys.readouterr().out)
        assert described["phases"][-1]["parameters"] == parameters
        assert described["phases"][-1]["flops_per_step"] > 0


@over_models
def test_steps_are_finite_and_change_every_network(entry):
    game, start, _ = compiled(entry)
    state, metrics = trained(entry)
    assert all(np.isfinite(value).all() for value in metrics.values())
    assert {f"{player.name}/loss" for player in game.players} <= set(metrics)
    for net in game.networks:
        assert worst(start.params[net], state.params[net]) > 0


@over_models
def test_the_same_seed_gives_the_same_bits_and_one_trace(entry):
    game, start, run = compiled(entry)
    again, _ = run(ONE.put_state(start), ONE.put_batches(batches(entry, game)), None, KEY)
    assert same_bits(trained(entry)[0], again)
    assert run._cache_size() == 1
    other, _ = run(ONE.put_state(start), ONE.put_batches(batches(entry, game)), None, jax.random.key(8))
    assert entry.deterministic == same_bits(again, other)


@over_models
def test_jit_over_eight_devices_equals_one_device_with_sgd(entry):
    assert worst(trained(entry, SGD)[0], trained(entry, SGD, plan=EIGHT)[0]) < 1e-5


@over_models
def test_pmap_runs_and_equals_jit_where_the_loss_draws_no_noise(entry):
    state, metrics = trained(entry, SGD, plan=MAPPED)
    assert all(np.isfinite(value).all() for value in metrics.values())
    if entry.deterministic:
        assert worst(trained(entry, SGD)[0], state) < 1e-5


@over_models
def test_a_player_changes_only_what_it_owns(entry):
    start, moves = moved(entry)
    for player, after in moves:
        for net in start.params:
            changed = not same_bits(after.params[net], start.params[net])
            assert changed == (net in player.owns), (player.name, net)
            if net not in player.owns:
                assert same_bits(after.variables[net], start.variables[net])


@over_models
def test_saved_and_restored_it_continues_as_if_nothing_had_happened(entry, tmp_path):
    game, start, run = compiled(entry)
    first, second = (
        jax.tree.map(lambda x, part=part: x[part], batches(entry, game)) for part in (slice(2), slice(2, 4))
    )
    half, _ = run(ONE.put_state(start), ONE.put_batches(first), None, KEY)
    with checkpoint.open_checkpoints(tmp_path) as manager:
        checkpoint.save(manager, half, {})
        manager.wait_until_finished()
        back = checkpoint.restore(manager, jax.eval_shape(lambda: init_state(game, KEY)))
    end, _ = run(ONE.put_state(back), ONE.put_batches(second), None, KEY)
    assert same_bits(trained(entry)[0], end)


@over_models
def test_bfloat16_keeps_float32_parameters_and_stays_close(entry):
    full, half = trained(entry, SGD), trained(entry, SGD, jnp.bfloat16)
    assert all(leaf.dtype == jnp.float32 for leaf in jax.tree.leaves(half[0].params))
    for name, value in half[1].items():
        if name.endswith("/loss"):
            np.testing.assert_allclose(value, full[1][name], rtol=0.05, atol=0.05)
            assert (value != full[1][name]).any(), "the policy's type does not reach the layers"


@over_models
def test_no_bias_stands_in_front_of_a_batch_norm(entry):
    """Such a bias gets no gradient, since batch norm subtracts it again: Adam's second moment of it stays 0."""
    if entry.bias_before_norm:
        pytest.skip("the published network has such biases, and its parameter count has them")
    start, moves = moved(entry)
    for player, after in moves:
        if not any("batch_stats" in start.variables[net] for net in player.owns):
            continue  # (the last bias of a Wasserstein critic has no gradient either, without any batch norm)
        states = jax.tree.leaves(after.opt_state[player.name], is_leaf=lambda x: hasattr(x, "nu"))
        (moments,) = (state for state in states if hasattr(state, "nu"))
        for path, second in jax.tree_util.tree_leaves_with_path(moments.nu):
            if "bias" in str(path[-1]):
                assert float(jnp.max(second)) > 1e-14, jax.tree_util.keystr(path)
