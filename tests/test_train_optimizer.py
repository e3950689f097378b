"""Which optimizer a recipe ends up with: its own or the named one, at scaled and warmed-up rates."""

import json
from dataclasses import replace

import jax
import jax.numpy as jnp
import optax
import pytest

from genjax import optim
from train import _gan, _optimizer, dcgan, vae
from train._cli import main

HYPER = replace(vae.PRESETS["small"], batch_size=400, base_batch=100)
PARAMS = {"kernel": jnp.ones((2, 2)), "bias": jnp.ones(2)}
NAMED = ("sgd", "adam", "adamw", "lars", "lamb", "nvlamb")


def sizes(tx, steps=1):
    """Return the size of each step that `tx` takes on a gradient of ones."""
    state, moved = tx.init(PARAMS), []
    for _ in range(steps):
        updates, state = tx.update(jax.tree.map(jnp.ones_like, PARAMS), state, PARAMS)
        moved.append(float(jnp.abs(updates["kernel"]).max()))
    return moved


@pytest.mark.parametrize("name", NAMED)
def test_a_named_optimizer_replaces_the_recipes_own(name):
    asked = _optimizer.optimizer(replace(HYPER, optimizer=name), 0.01, 10, optax.sgd)
    make = {**_optimizer.WITH_MOMENTUM, **_optimizer.WITH_MOMENTS}[name]
    assert sizes(asked, 3) == sizes(make(0.01), 3)
    assert _optimizer.text(replace(HYPER, optimizer=name), 0.01, "own({rate})") == f"{name}(0.01)"


def test_the_recipes_own_is_untouched_by_default():
    assert sizes(_optimizer.optimizer(HYPER, 0.01, 10, optax.sgd)) == pytest.approx([0.01])
    assert jax.tree.structure(_optimizer.optimizer(HYPER, 0.01, 10, optax.adam).init(PARAMS)) == jax.tree.structure(
        optax.adam(0.01).init(PARAMS)
    )


@pytest.mark.parametrize(("scaling", "factor"), [("none", 1), ("linear", 4), ("sqrt", 2)])
def test_rates_grow_with_the_batch(scaling, factor):
    hyper = replace(HYPER, scaling=scaling)
    assert sizes(_optimizer.optimizer(hyper, 0.01, 10, optax.sgd)) == pytest.approx([0.01 * factor])


def test_warm_up_precedes_any_decay():
    hyper = replace(HYPER, rate_warm_up=0.4, scaling="sqrt")
    tx = _optimizer.optimizer(hyper, 0.5, 5, optax.sgd, optim.linear_decay)
    assert sizes(tx, 6) == pytest.approx([0, 0.5, 1, 2 / 3, 1 / 3, 0], abs=1e-6)
    assert (
        _optimizer.text(hyper, 0.5, "sgd({rate})")
        == "sgd(1), sqrt scaling from batch 100, rising over 0.4 of the steps"
    )


def test_two_time_scales_stay_two_under_any_optimizer():
    hyper = replace(dcgan.SMALL, optimizer="lamb", scaling="linear", base_batch=32, beta1=0.3)
    slow, fast = (sizes(_gan.adam(hyper, rate))[0] for rate in (1e-3, 4e-3))
    assert fast == pytest.approx(4 * slow) and slow == pytest.approx(2e-3)
    assert _gan.adam_text(hyper, 1e-3) == "lamb(0.002, 0.3, 0.999), linear scaling from batch 32"


def test_the_command_line_reaches_the_optimizer(capsys):
    arguments = ["--describe", "--no-cache", "--optimizer", "nvlamb", "--scaling", "linear", "--weight-decay", "0.1"]
    preset = vae.PRESETS["small"]
    batch = 2 * preset.batch_size
    assert main("vae", vae.PRESETS, vae.build, [*arguments, "--batch-size", str(batch)]) == 0
    (text,) = json.loads(capsys.readouterr().out)["optimizers"].values()
    rate = f"{2 * preset.learning_rate:g}"
    assert text == f"nvlamb({rate}), weight decay 0.1, linear scaling from batch {preset.batch_size}"


def test_schedules_know_the_steps_that_epochs_make(capsys):
    seen = []

    def build(hyper, dataset):
        seen.append((hyper.steps, len(dataset.train) // hyper.batch_size))
        return vae.build(hyper, dataset)

    assert main("vae", vae.PRESETS, build, ["--describe", "--no-cache", "--epochs", "3"]) == 0
    ((steps, per_epoch),) = seen
    assert steps == 3 * per_epoch


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"weight_decay": 0.1}, "--weight-decay works with --optimizer sgd"),
        ({"weight_decay": 0.1, "optimizer": "adam"}, "--weight-decay works with --optimizer sgd"),
        ({"scaling": "sqrt", "base_batch": None}, "--scaling sqrt needs --base-batch"),
        ({"rate_warm_up": 1.0}, "--rate-warm-up 1: a share of the steps"),
    ],
)
def test_options_that_do_not_go_together(changes, message):
    with pytest.raises(ValueError, match=message):
        _optimizer.optimizer(replace(HYPER, **changes), 0.01, 10, optax.adam)
