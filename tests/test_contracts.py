"""What every model promises, checked over the catalogue."""

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
over_models = pytest.mark.parametrize("entry", CATALOGUE, ids=lambda entry: entry.name)


def stacked(entry, game, steps, size=24):
    """Return batches [K, R, B, ...] and the game's sub-batches a step."""
    count = game.batches_per_step
    rows = [entry.batch(size + i) for i in range(steps * count)]
    rows = [jax.tree.map(lambda x: x[:size], row) for row in rows]
    return jax.tree.map(lambda *xs: np.stack(xs).reshape(steps, count, *xs[0].shape), *rows)


def run(entry, steps=3, tx=None, dtype=jnp.float32, plan=None, state=None):
    plan = plan or parallel.jit_plan(jax.devices()[:1])
    game = entry.game(tx or optax.adam(1e-3), dtype)
    state = init_state(game, KEY) if state is None else state
    compiled = plan.compile(make_run(make_step(game, plan.axis), None, plan.axis))
    state, metrics = compiled(plan.put_state(state), plan.put_batches(stacked(entry, game, steps)), None, KEY)
    return plan.get_state(state), plan.get_metrics(metrics)


@pytest.mark.parametrize("package", ["autoencoders"])
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
    game = entry.game(optax.adam(1e-3), jnp.float32)
    state, metrics = run(entry)
    assert all(np.isfinite(value).all() for value in metrics.values())
    assert {f"{player.name}/loss" for player in game.players} <= set(metrics)
    start = init_state(game, KEY)
    for net in game.networks:
        assert worst(start.params[net], state.params[net]) > 0


@over_models
def test_the_same_seed_gives_the_same_bits(entry):
    assert same_bits(run(entry)[0], run(entry)[0])


@over_models
def test_jit_over_eight_devices_equals_one_device_with_sgd(entry):
    one, many = (run(entry, tx=optax.sgd(1e-3), plan=parallel.jit_plan(jax.devices()[:n]))[0] for n in (1, 8))
    assert worst(one, many) < 1e-5


@over_models
def test_pmap_runs_and_equals_jit_where_the_loss_draws_no_noise(entry):
    one, mapped = (
        run(entry, tx=optax.sgd(1e-3), plan=plan)
        for plan in (parallel.jit_plan(jax.devices()[:1]), parallel.pmap_plan(jax.devices()[:4]))
    )
    assert all(np.isfinite(value).all() for value in mapped[1].values())
    if entry.deterministic:
        assert worst(one[0], mapped[0]) < 1e-5


@over_models
def test_a_player_changes_only_what_it_owns(entry):
    game = entry.game(optax.adam(1e-2), jnp.float32)
    state = init_state(game, KEY)
    batch = jax.tree.map(jnp.asarray, entry.batch(12))
    for player in game.players:
        after, _ = jax.jit(lambda state, player=player: move(player, state, batch, KEY))(state)
        for net in game.networks:
            changed = not same_bits(after.params[net], state.params[net])
            assert changed == (net in player.owns), (player.name, net)
            if net not in player.owns:
                assert same_bits(after.variables[net], state.variables[net])


@over_models
def test_saved_and_restored_it_continues_as_if_nothing_had_happened(entry, tmp_path):
    whole, _ = run(entry, steps=4)
    game = entry.game(optax.adam(1e-3), jnp.float32)
    plan = parallel.jit_plan(jax.devices()[:1])
    compiled, batches = plan.compile(make_run(make_step(game))), stacked(entry, game, 4)
    half, _ = compiled(plan.put_state(init_state(game, KEY)), jax.tree.map(lambda x: x[:2], batches), None, KEY)
    with checkpoint.open_checkpoints(tmp_path) as manager:
        checkpoint.save(manager, half, {})
        manager.wait_until_finished()
        back = checkpoint.restore(manager, jax.eval_shape(lambda: init_state(game, KEY)))
    end, _ = compiled(plan.put_state(back), jax.tree.map(lambda x: x[2:], batches), None, KEY)
    assert same_bits(whole, end)


@over_models
def test_bfloat16_keeps_float32_parameters_and_stays_close(entry):
    full, half = (run(entry, steps=2, dtype=dtype) for dtype in (jnp.float32, jnp.bfloat16))
    assert all(leaf.dtype == jnp.float32 for leaf in jax.tree.leaves(half[0].params))
    for name, value in half[1].items():
        if name.endswith("/loss"):
            assert np.isfinite(value).all()
            np.testing.assert_allclose(value, full[1][name], rtol=0.05, atol=0.05)
            assert (value != full[1][name]).any(), "the policy's type does not reach the layers"


@over_models
def test_no_bias_stands_in_front_of_a_batch_norm(entry):
    """Such a bias gets no gradient: batch norm subtracts it again."""
    game = entry.game(optax.sgd(1.0), jnp.float32)
    state = init_state(game, KEY)
    batch = jax.tree.map(jnp.asarray, entry.batch(24))
    for player in game.players:
        after, _ = jax.jit(lambda state, player=player: move(player, state, batch, KEY))(state)
        for net in player.owns:
            for (path, old), new in zip(
                jax.tree_util.tree_leaves_with_path(state.params[net]), jax.tree.leaves(after.params[net]), strict=True
            ):
                if "bias" in str(path[-1]):
                    assert float(jnp.max(jnp.abs(new - old))) > 1e-6, jax.tree_util.keystr(path)
