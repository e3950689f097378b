"""Which optimizer a recipe ends up with: its own or the named one, at scaled and warmed-up rates."""

import json
from dataclasses import replace

import jax
import jax.numpy as jnp
import optax
import pytest

from genjax.run.cli import main
from genjax.run.gan import adam_of
from genjax.run.optimizers import RULES, Optimizer, adam, falling, for_run, momentum
from genjax.run.run import Recipe
from train import dcgan, vae

HYPER = replace(vae.PRESETS["small"], batch_size=400, base_batch=100)
PARAMS = {"kernel": jnp.ones((2, 2)), "bias": jnp.ones(2)}
NAMED = ("sgd", "adam", "adamw", "lars", "lamb", "nvlamb")
SGD = Optimizer("momentum", 0.01, {})


def sizes(tx, steps=1):
    """Return the size of each step that `tx` takes on a gradient of ones."""
    state, moved = tx.init(PARAMS), []
    for _ in range(steps):
        updates, state = tx.update(jax.tree.map(jnp.ones_like, PARAMS), state, PARAMS)
        moved.append(float(jnp.abs(updates["kernel"]).max()))
    return moved


@pytest.mark.parametrize("name", NAMED)
def test_a_named_optimizer_replaces_the_recipes_own(name):
    asked = for_run(momentum(0.01), replace(HYPER, optimizer=name))
    assert sizes(asked.transformation(10), 3) == sizes(RULES[name].make(0.01), 3)
    assert str(asked) == f"{name}(0.01)"


def test_the_recipes_own_is_untouched_by_default():
    assert sizes(for_run(SGD, HYPER).transformation(10)) == pytest.approx([0.01])
    own = for_run(adam(0.01), HYPER)
    assert own == adam(0.01)
    assert jax.tree.structure(own.transformation(10).init(PARAMS)) == jax.tree.structure(optax.adam(0.01).init(PARAMS))


@pytest.mark.parametrize(("scaling", "factor"), [("none", 1), ("linear", 4), ("sqrt", 2)])
def test_rates_grow_with_the_batch(scaling, factor):
    scaled = for_run(SGD, replace(HYPER, scaling=scaling))
    assert sizes(scaled.transformation(10)) == pytest.approx([0.01 * factor])
    assert str(scaled) == f"momentum({0.01 * factor:g})"


def test_warm_up_precedes_any_decay():
    hyper = replace(HYPER, rate_warm_up=0.4, scaling="sqrt")
    asked = for_run(SGD._replace(rate=0.5, decay=falling(0.0)), hyper)
    assert sizes(asked.transformation(5), 6) == pytest.approx([0, 0.5, 1, 2 / 3, 1 / 3, 0], abs=1e-6)
    assert str(asked) == "momentum(1), falling to 0, rising over 0.4 of the steps"


def test_a_warm_up_never_takes_the_whole_run():
    asked = for_run(SGD, replace(HYPER, rate_warm_up=0.9))
    assert sizes(asked.transformation(2), 2) == pytest.approx([0, 0.01])
    assert sizes(asked.transformation(1)) == pytest.approx([0.01])


def test_two_time_scales_stay_two_under_any_optimizer():
    small = dcgan.PRESETS["small"]
    hyper = replace(small, batch_size=64, optimizer="lamb", scaling="linear", base_batch=32, beta1=0.3)
    slow, fast = (sizes(adam_of(hyper, rate).transformation(10))[0] for rate in (1e-3, 4e-3))
    assert fast == pytest.approx(4 * slow) and slow == pytest.approx(2e-3)
    assert str(adam_of(hyper, 1e-3)) == "lamb(0.002, b1 0.3, b2 0.999)"


def test_gradients_are_clipped_before_any_rule():
    asked = for_run(SGD, replace(HYPER, clip=0.6))
    assert sizes(asked.transformation(10)) == pytest.approx([0.01 * 0.6 / 6**0.5], rel=1e-5)
    assert str(asked) == "momentum(0.01), gradients clipped to norm 0.6"


def test_the_command_line_reaches_the_optimizer(capsys):
    arguments = ["--describe", "--no-cache", "--optimizer", "nvlamb", "--scaling", "linear", "--weight-decay", "0.1"]
    preset = vae.PRESETS["small"]
    assert main("vae", [*arguments, "--batch-size", str(2 * preset.batch_size)]) == 0
    (text,) = json.loads(capsys.readouterr().out)["optimizers"].values()
    assert text == f"nvlamb({2 * preset.learning_rate:g}, b1 0.9, b2 0.999, weight_decay 0.1)"


def test_schedules_know_the_steps_that_epochs_make(capsys):
    seen = []

    def build(hyper, dataset):
        run = vae.build(hyper, dataset)
        seen.append((run.phases[0].steps, len(dataset.train) // hyper.batch_size))
        return run

    recipe = Recipe("vae", vae.__doc__, vae.PRESETS, build)
    assert main(recipe, ["--describe", "--no-cache", "--epochs", "3"]) == 0
    ((steps, per_epoch),) = seen
    assert steps == 3 * per_epoch
    assert json.loads(capsys.readouterr().out)["phases"][0]["steps"] == steps


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"weight_decay": 0.1}, "--weight-decay 0.1 does not work with adam; add --optimizer sgd"),
        ({"weight_decay": 0.1, "optimizer": "adam"}, "--weight-decay 0.1 does not work with adam; add --optimizer sgd"),
        ({"scaling": "sqrt", "base_batch": None}, "--scaling sqrt needs --base-batch"),
    ],
)
def test_options_that_do_not_go_together(changes, message):
    with pytest.raises(ValueError, match=message):
        for_run(adam(0.01), replace(HYPER, **changes))


def test_a_warm_up_of_all_steps_is_refused(capsys):
    assert main("vae", ["--describe", "--rate-warm-up", "1"]) == 2
    assert "--rate-warm-up 1: give a number at least 0 and below 1" in capsys.readouterr().err
