"""What every model promises, checked over the catalogue."""

import functools
import json

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from genjax import parallel, precision
from genjax.engine import checkpoint, init_state, make_run, make_step, move
from genjax.run.cli import main
from genjax.run.run import recipe
from tests.catalogue import CATALOGUE, missing, plane
from tests.conftest import REPOSITORY
from tests.engine.toy import same_bits, worst

KEY = jax.random.key(7)
STEPS = 4
ADAM, SGD = optax.adam(1e-2), optax.sgd(1e-3)
DESCENT = optax.sgd(1.0)  # whose update is the gradient
# Equal to rounding: in float64 the same sums agree to some 1e-15, and no network here blows that up to this.
EQUAL = 1e-9
ONE, EIGHT = parallel.jit_plan(jax.devices()[:1]), parallel.jit_plan(jax.devices()[:8])
MAPPED = parallel.pmap_plan(jax.devices()[:4])
PLANS = {"one device": ONE, "eight by jit": EIGHT, "four by pmap": MAPPED}
# A model's tests share compiled programs, so they run in one process, one after the other.
over_models = pytest.mark.parametrize(
    "entry",
    [pytest.param(entry, marks=pytest.mark.xdist_group(entry.name), id=entry.name) for entry in CATALOGUE],
    scope="module",
)


@functools.cache
def compiled(entry, plan=ONE):
    """Return a tiny game, its first state and its compiled run."""
    game = entry.game(ADAM, jnp.float32)
    return game, first_state(game), plan.compile(make_run(make_step(game, plan.axis)))


def first_state(game):
    """Return the state that a game starts from, on the host, since runs donate what is on the device."""
    return jax.device_get(jax.jit(lambda key: init_state(game, key))(KEY))


def doubled(tree):
    """Return a pytree of arrays with float64 for float32."""
    return jax.tree.map(lambda x: np.asarray(x, np.float64) if x.dtype == np.float32 else np.asarray(x), tree)


def batches(entry, game, size=24):
    """Return STEPS batches, leaves [K, R, B, ...]."""
    count = game.batches_per_step
    rows = [entry.batch(size, seed) for seed in range(STEPS * count)]
    return jax.tree.map(lambda *xs: np.stack(xs).reshape(STEPS, count, *xs[0].shape), *rows)


def advance(entry, state, half, key=KEY):
    """Return the state after the first or second half of STEPS steps by Adam, and metrics, both on the host."""
    game, _, run = compiled(entry)
    part = slice(STEPS // 2) if half == 0 else slice(STEPS // 2, STEPS)
    given = ONE.put_batches(jax.tree.map(lambda x: x[part], batches(entry, game)))
    state, metrics = run(ONE.put_state(state), given, None, key)
    return jax.device_get(ONE.get_state(state)), ONE.get_metrics(metrics)


def both_halves(entry, key=KEY):
    """Return the states after both halves, each half with metrics."""
    middle, first = advance(entry, compiled(entry)[1], 0, key)
    end, second = advance(entry, middle, 1, key)
    return middle, end, (first, second)


@functools.cache
def trained(entry):
    """Return the same, computed once a model."""
    return both_halves(entry)


@functools.cache
def trained_in_double(entry, name):
    """Return the state after STEPS steps by SGD in float64 on the devices of a plan, and metrics."""
    with jax.enable_x64(True):
        game, plan = entry.game(SGD, jnp.float64), PLANS[name]
        start, given = doubled(first_state(game)), doubled(batches(entry, game))
        run = plan.compile(make_run(make_step(game, plan.axis)))
        state, metrics = run(plan.put_state(start), plan.put_batches(given), None, KEY)
        return jax.device_get(plan.get_state(state)), plan.get_metrics(metrics)


@functools.cache
def moved(entry):
    """Return the first state, and for every player the state after its move down the gradient alone, and metrics."""
    return _moves(entry.game(DESCENT, jnp.float32), entry)


def _moves(game, entry):
    start, batch = first_state(game), jax.tree.map(jnp.asarray, entry.batch(24, 0))
    return start, [
        (player, *jax.jit(lambda state, player=player: move(player, state, batch, KEY))(start))
        for player in game.players
    ]


@pytest.mark.parametrize("package", ["autoencoders", "gans"])
def test_no_model_is_missing_from_the_catalogue(package):
    files = {path.stem for path in (REPOSITORY / "genjax" / package).glob("*.py")} - {"__init__"}
    assert not missing(package, files)


@over_models
def test_the_recipe_exists_and_its_presets_have_the_published_parameter_counts(entry, capsys):
    presets = recipe(entry.name).presets
    assert {"small", "paper"} <= set(presets)
    assert next(iter(presets)) == "small"
    for preset, parameters in entry.parameters.items():
        assert main(entry.name, [preset, "--describe"]) == 0
        described = json.loads(capsys.readouterr().out)
        assert described["phases"][-1]["parameters"] == parameters
    assert main(entry.name, ["--describe", "--flops", "--steps", "2"]) == 0
    for phase in json.loads(capsys.readouterr().out)["phases"]:
        assert phase["flops_per_step"] > 0


@over_models
def test_steps_are_finite_and_change_every_network(entry):
    game, start, _ = compiled(entry)
    _, state, halves = trained(entry)
    for metrics in halves:
        assert all(np.isfinite(value).all() for value in metrics.values())
        assert {f"{player.name}/loss" for player in game.players} <= set(metrics)
    owned = {net for player in game.players for net in player.owns}
    for net in game.networks:
        assert (worst(start.params[net], state.params[net]) > 0) == (net in owned), net


@over_models
def test_the_same_seed_gives_the_same_bits_and_one_trace(entry):
    _, again, _ = both_halves(entry)
    assert same_bits(trained(entry)[1], again)
    assert compiled(entry)[2]._cache_size() == 1
    _, other, _ = both_halves(entry, jax.random.key(8))
    assert entry.deterministic == same_bits(again, other)


@over_models
@pytest.mark.parametrize("name", ["eight by jit", "four by pmap"])
def test_devices_that_split_the_batch_equal_one_device_with_sgd(entry, name):
    """Noise included: what is drawn for an example depends on its place in the global batch alone."""
    alone, split = trained_in_double(entry, "one device"), trained_in_double(entry, name)
    assert worst(alone, split) < EQUAL
    assert {str(leaf.dtype) for leaf in jax.tree.leaves(split[0].params)} == {"float64"}
    with jax.enable_x64(True):
        start = first_state(entry.game(SGD, jnp.float64))
    assert worst(start.params, split[0].params) > 1e-4, "a comparison of what has not moved proves nothing"


@over_models
def test_a_player_changes_only_what_it_owns(entry):
    start, moves = moved(entry)
    for player, after, _ in moves:
        for net in start.params:
            changed = not same_bits(after.params[net], start.params[net])
            assert changed == (net in player.owns), (player.name, net)
            if net not in player.owns:
                assert same_bits(after.variables[net], start.variables[net])


@over_models
def test_saved_and_restored_it_continues_as_if_nothing_had_happened(entry, tmp_path):
    game, (middle, expected, _) = compiled(entry)[0], trained(entry)
    with checkpoint.open_checkpoints(tmp_path) as manager:
        checkpoint.save(manager, jax.tree.map(jnp.asarray, middle), {})
        manager.wait_until_finished()
        back, _ = checkpoint.restore(manager, lambda meta: jax.eval_shape(lambda: init_state(game, KEY)))
    end, _ = advance(entry, back, 1)
    assert same_bits(expected, end)


@over_models
def test_losses_in_bfloat16_are_float32_and_close_to_those_in_float32(entry):
    """Forward alone: gradients and moves in half precision are those of the test in float16 below."""
    start, full = moved(entry)
    game, batch = entry.game(DESCENT, jnp.bfloat16), jax.tree.map(jnp.asarray, entry.batch(24, 0))
    losses = jax.jit(lambda state: {each.name: each.loss(state, batch, KEY)[0] for each in game.players})
    for name, loss in losses(start).items():
        (expected,) = (metrics[f"{name}/loss"] for player, _, metrics in full if player.name == name)
        assert loss.dtype == jnp.float32
        np.testing.assert_allclose(loss, expected, rtol=0.05, atol=0.05)
        assert loss != expected, "the policy's type does not reach the layers"


def difference(after, before, player):
    """Return how a player's parameters changed, as one vector."""
    leaves = [jax.tree.leaves({net: state.params[net] for net in player.owns}) for state in (after, before)]
    return np.concatenate([np.ravel(np.asarray(a, float) - b) for a, b in zip(*leaves, strict=True)])


def check_half_precision(full_moves, half_game, entry):
    """Every player's scaled move in float16 goes where its move in float32 goes, as far, from parameters in float32."""
    start, full = full_moves
    scaled = precision.scaled(half_game)
    # A scale at which these losses do not overflow: runs find it by themselves, by skipping their first moves.
    scales = {player.name: precision.initial_scale(2.0**7) for player in scaled.players}
    begun = first_state(scaled).replace(loss_scale=scales)
    batch = jax.tree.map(jnp.asarray, entry.batch(24, 0))
    for player, after, _ in full:
        (half_player,) = (each for each in scaled.players if each.name == player.name)
        half, metrics = jax.jit(lambda state, p=half_player: move(p, state, batch, KEY))(begun)
        assert all(leaf.dtype == jnp.float32 for leaf in jax.tree.leaves(half.params))
        expected, got = difference(after, start, player), difference(half, begun, player)
        assert np.linalg.norm(expected) > 0
        # What half precision rounds is a sixth of CycleGAN's step (instance norm), and far less elsewhere; a loss that
        # is not scaled where its gradient is divided, or the other way round, is off by a factor of 128.
        assert np.linalg.norm(got - expected) < 0.25 * np.linalg.norm(expected), player.name
        assert float(metrics[f"{player.name}/loss_scale"]) == 2.0**7
        assert int(half.loss_scale[player.name].good_steps) == 1


@over_models
def test_a_scaled_move_in_float16_is_that_of_float32(entry):
    check_half_precision(moved(entry), entry.game(DESCENT, jnp.float16), entry)


def test_players_that_move_at_once_are_scaled_too():
    (entry,) = (each for each in CATALOGUE if each.name == "gan")
    full, half = (plane(DESCENT, dtype, simultaneous=True) for dtype in (jnp.float32, jnp.float16))
    check_half_precision(_moves(full, entry), half, entry)


@over_models
def test_no_bias_stands_in_front_of_a_batch_norm(entry):
    """Such a bias gets no gradient, since batch norm subtracts it again."""
    if entry.bias_before_norm:
        pytest.skip("the published network has such biases, and its parameter count has them")
    start, moves = moved(entry)
    for player, after, _ in moves:
        if not any("batch_stats" in start.variables[net] for net in player.owns):
            continue  # (the last bias of a Wasserstein critic has no gradient either, without any batch norm)
        for net in player.owns:
            changes = jax.tree.map(lambda a, b: np.abs(a - b).max(), after.params[net], start.params[net])
            for path, change in jax.tree_util.tree_leaves_with_path(changes):
                if "bias" in str(path[-1]):
                    assert change > 3e-6, (net, jax.tree_util.keystr(path))
