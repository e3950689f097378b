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
from genjax.run.describe import parameters
from genjax.run.run import recipe
from tests.catalogue import CATALOGUE, missing, plane
from tests.conftest import REPOSITORY
from tests.engine.toy import same_bits, worst
from tests.presets.built import run_of

KEY = jax.random.key(7)
STEPS, BATCH = 4, 8
# Whose state a resumed run needs, and which does not blow rounding up as Adam does; the first update of the second is
# the gradient.
SGD, DESCENT = optax.sgd(1e-3, momentum=0.9), optax.sgd(1.0, momentum=0.9)
# Equal to rounding: in float64 the same sums agree to some 1e-15, and no network here blows that up to this.
EQUAL = 1e-9
ALONE = "one device"
PLANS = {
    ALONE: parallel.jit_plan(jax.devices()[:1]),
    "four by jit": parallel.jit_plan(jax.devices()[:4]),
    "four by pmap": parallel.pmap_plan(jax.devices()[:4]),
}
# A model's tests share compiled programs, so they run one after the other.
ENTRIES = [pytest.param(entry, id=entry.name) for entry in CATALOGUE]
over_models = pytest.mark.parametrize("entry", ENTRIES, scope="module")


# The networks that take longest to compile: what the engine promises, rather than a model, is checked on the others.
COSTLY = {"biggan", "cyclegan", "hologan", "infogan", "pggan", "sagan", "spade", "srgan", "stackgan", "stylegan"}


def over_some_models(names):
    """Parametrize over the catalogue, of which only these models are in the default run."""
    entries = [
        pytest.param(*each.values, marks=[*each.marks, *([] if each.id in names else [pytest.mark.slow])], id=each.id)
        for each in ENTRIES
    ]
    return pytest.mark.parametrize("entry", entries, scope="module")


# SAGAN is made of what is in BigGAN too: attention, class norms, spectral norm, and the hinge.
over_trained_models = over_some_models({entry.name for entry in CATALOGUE} - {"sagan"})
over_light_models = over_some_models({entry.name for entry in CATALOGUE} - COSTLY)


@functools.cache
def compiled(entry, name):
    """Return a tiny game in float64 and its run, compiled for the devices of a plan."""
    plan = PLANS[name]
    with jax.enable_x64(True):
        game = entry.game(SGD, jnp.float64)
    return game, plan.compile(make_run(make_step(game, plan.axis)))


@functools.cache
def first_state(entry):
    """Return the state that all games of a model start from, on the host, since runs donate what is on the device."""
    return started(entry.game(DESCENT, jnp.float32))


def started(game):
    return jax.device_get(jax.jit(lambda key: init_state(game, key))(KEY))


def doubled(tree):
    """Return a pytree of arrays with float64 for float32."""
    return jax.tree.map(lambda x: np.asarray(x, np.float64) if x.dtype == np.float32 else np.asarray(x), tree)


def batches(entry, count):
    """Return STEPS batches in float64, leaves [STEPS, count, B, ...]."""
    rows = [entry.batch(BATCH, seed) for seed in range(STEPS * count)]
    return doubled(jax.tree.map(lambda *xs: np.stack(xs).reshape(STEPS, count, *xs[0].shape), *rows))


def advance(entry, state, half, *, key=KEY, name=ALONE):
    """Return the state after the first or second half of STEPS steps, and metrics, both on the host."""
    with jax.enable_x64(True):
        (game, run), plan = compiled(entry, name), PLANS[name]
        part = slice(STEPS // 2) if half == 0 else slice(STEPS // 2, STEPS)
        given = plan.put_batches(jax.tree.map(lambda x: x[part], batches(entry, game.batches_per_step)))
        state, metrics = run(plan.put_state(state), given, None, key)
        return jax.device_get(plan.get_state(state)), plan.get_metrics(metrics)


@functools.cache
def trained(entry, name):
    """Return the states after both halves, each half with metrics."""
    middle, first = advance(entry, doubled(first_state(entry)), 0, name=name)
    end, second = advance(entry, middle, 1, name=name)
    return middle, end, (first, second)


@functools.cache
def moved(entry):
    """Return the first state, and for every player the state after its move down the gradient alone, and metrics."""
    return _moves(entry.game(DESCENT, jnp.float32), first_state(entry), entry)


def _moves(game, start, entry):
    batch = jax.tree.map(jnp.asarray, entry.batch(BATCH, 0))
    after = jax.jit(lambda state: [move(player, state, batch, KEY) for player in game.players])(start)
    return start, [(player, *jax.device_get(one)) for player, one in zip(game.players, after, strict=True)]


@pytest.mark.parametrize("package", ["autoencoders", "gans"])
def test_no_model_is_missing_from_the_catalogue(package):
    files = {path.stem for path in (REPOSITORY / "genjax" / package).glob("*.py")} - {"__init__"}
    assert not missing(package, files)


@over_models
def test_the_recipe_exists_and_its_presets_have_the_published_parameter_counts(entry):
    presets = recipe(entry.name).presets
    assert {"small", "paper"} <= set(presets)
    assert next(iter(presets)) == "small"
    for preset, expected in entry.parameters.items():
        assert parameters(run_of(entry.name, preset).phases[-1].game) == expected


@over_some_models({"cgan", "m2"})
def test_a_recipe_describes_the_steps_and_the_work_of_every_phase(entry, capsys):
    assert main(entry.name, ["--describe", "--flops", "--steps", "2"]) == 0
    for phase in json.loads(capsys.readouterr().out)["phases"]:
        assert phase["steps"] > 0
        assert phase["flops_per_step"] > 0


@over_trained_models
def test_steps_are_finite_and_change_every_network(entry):
    game, start = compiled(entry, ALONE)[0], first_state(entry)
    _, state, halves = trained(entry, ALONE)
    for metrics in halves:
        assert all(np.isfinite(value).all() for value in metrics.values())
        assert {f"{player.name}/loss" for player in game.players} <= set(metrics)
    owned = {net for player in game.players for net in player.owns}
    for net in game.networks:
        assert (worst(start.params[net], state.params[net]) > 0) == (net in owned), net


@over_trained_models
def test_the_same_seed_gives_the_same_bits_and_one_trace(entry):
    start = doubled(first_state(entry))
    middle, end, _ = trained(entry, ALONE)
    assert not same_bits(middle, end)
    again, _ = advance(entry, start, 0)
    assert same_bits(middle, again)
    other, _ = advance(entry, start, 0, key=jax.random.key(8))
    assert entry.deterministic == same_bits(again, other)
    assert compiled(entry, ALONE)[1]._cache_size() == 1


def check_devices(entry, name):
    """Compare what several devices train to with what one does, in float64.

    Noise included: what is drawn for an example depends on its place in the global batch alone.
    """
    alone, split = trained(entry, ALONE), trained(entry, name)
    assert worst(alone, split) < EQUAL
    assert {str(leaf.dtype) for leaf in jax.tree.leaves(split[1].params)} == {"float64"}
    moved_by = worst(first_state(entry).params, split[1].params)
    assert moved_by > 1e-4, "a comparison of what has not moved proves nothing"


# Of the costly ones, those that compare or exchange the examples of all devices.
@over_some_models({entry.name for entry in CATALOGUE} - COSTLY | {"pggan", "stackgan"})
def test_four_mapped_devices_that_split_the_batch_equal_one_device_with_sgd(entry):
    check_devices(entry, "four by pmap")


# Under `jit` a batch is one array, whatever devices hold it: the compiler's promise, and no model's.
@over_some_models({"dcgan", "vae"})
def test_four_devices_by_jit_that_split_the_batch_equal_one_device_with_sgd(entry):
    check_devices(entry, "four by jit")


@over_light_models
def test_a_player_changes_only_what_it_owns(entry):
    start, moves = moved(entry)
    for player, after, _ in moves:
        for net in start.params:
            changed = not same_bits(after.params[net], start.params[net])
            assert changed == (net in player.owns), (player.name, net)
            if net not in player.owns:
                assert same_bits(after.variables[net], start.variables[net])


@over_trained_models
def test_saved_and_restored_it_continues_as_if_nothing_had_happened(entry, tmp_path):
    middle, expected, _ = trained(entry, ALONE)
    with jax.enable_x64(True), checkpoint.open_checkpoints(tmp_path) as manager:
        checkpoint.save(manager, jax.tree.map(jnp.asarray, middle), {})
        manager.wait_until_finished()
        back, _ = checkpoint.restore(manager, lambda meta: jax.eval_shape(lambda: middle))
    end, _ = advance(entry, back, 1)
    assert same_bits(expected, end)


# Those whose moves in half precision the test in float16 below leaves out, and two more.
@over_some_models(COSTLY | {"dcgan", "vae"})
def test_losses_in_bfloat16_are_float32_and_close_to_those_in_float32(entry):
    """Forward alone."""
    batch = jax.tree.map(jnp.asarray, entry.batch(BATCH, 0))

    def losses(dtype):
        players = entry.game(DESCENT, dtype).players
        return jax.jit(lambda state: {each.name: each.loss(state, batch, KEY)[0] for each in players})(
            first_state(entry)
        )

    full = losses(jnp.float32)
    for name, loss in losses(jnp.bfloat16).items():
        expected = full[name]
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
    begun = start.replace(loss_scale={player.name: precision.initial_scale(2.0**7) for player in scaled.players})
    _, halves = _moves(scaled, begun, entry)
    for (player, after, exact), (_, half, metrics) in zip(full, halves, strict=True):
        loss = metrics[f"{player.name}/loss"]
        assert loss.dtype == np.float32
        np.testing.assert_allclose(loss, exact[f"{player.name}/loss"], rtol=0.05, atol=0.05)
        assert all(leaf.dtype == jnp.float32 for leaf in jax.tree.leaves(half.params))
        expected, got = difference(after, start, player), difference(half, begun, player)
        assert np.linalg.norm(expected) > 0
        assert np.any(got != expected), "the policy's type does not reach the layers"
        # What half precision rounds is a sixth of CycleGAN's step (instance norm), and far less elsewhere; a loss that
        # is not scaled where its gradient is divided, or the other way round, is off by a factor of 128.
        assert np.linalg.norm(got - expected) < 0.25 * np.linalg.norm(expected), player.name
        assert float(metrics[f"{player.name}/loss_scale"]) == 2.0**7
        assert int(half.loss_scale[player.name].good_steps) == 1


@over_light_models
def test_a_scaled_move_in_float16_is_that_of_float32(entry):
    check_half_precision(moved(entry), entry.game(DESCENT, jnp.float16), entry)


def test_players_that_move_at_once_are_scaled_too():
    (entry,) = (each for each in CATALOGUE if each.name == "gan")
    full, half = (plane(DESCENT, dtype, simultaneous=True) for dtype in (jnp.float32, jnp.float16))
    check_half_precision(_moves(full, started(full), entry), half, entry)


@over_trained_models
def test_no_bias_stands_in_front_of_a_batch_norm(entry):
    """Such a bias gets no gradient, since batch norm subtracts it again."""
    if entry.bias_before_norm:
        pytest.skip("the published network has such biases, and its parameter count has them")
    start, (_, after, _) = first_state(entry), trained(entry, ALONE)
    for player in compiled(entry, ALONE)[0].players:
        if not any("batch_stats" in start.variables[net] for net in player.owns):
            continue  # (the last bias of a Wasserstein critic has no gradient either, without any batch norm)
        for net in player.owns:
            changes = jax.tree.map(lambda a, b: np.abs(a - b).max(), after.params[net], start.params[net])
            for path, change in jax.tree_util.tree_leaves_with_path(changes):
                if "bias" in str(path[-1]):
                    assert change > 1e-9, (net, jax.tree_util.keystr(path))
