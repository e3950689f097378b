"""Half precision learns: overflows are skipped, the scale recovers, and bfloat16 scores as float32 does."""

import json
import os
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from genjax import data, parallel, precision
from genjax.autoencoders import vae
from genjax.data import transforms
from genjax.engine import init_state, make_run, make_step
from genjax.gans import dcgan
from genjax.nn.coders import DenseDecoder, DenseEncoder
from tests.conftest import REPOSITORY

HUGE = 2.0**24  # float16 ends at 65504: the first gradients overflow
INTERVAL = 10


@pytest.fixture(autouse=True)
def short_interval(monkeypatch):
    """Let scales grow after few moves."""
    monkeypatch.setattr(precision, "INTERVAL", INTERVAL)


def half_vae():
    coders = {"encoder": DenseEncoder((64,), dtype=jnp.float16), "decoder": DenseDecoder((64,), dtype=jnp.float16)}
    return vae.game(vae.VAE(**coders, latent=8, image_shape=(8, 8, 1)), optax.adam(3e-3)), "vae", transforms.scale


def half_dcgan():
    networks = dcgan.Generator(8, 1, 8, dtype=jnp.float16), dcgan.Discriminator(8, 8, dtype=jnp.float16)
    adam = optax.adam(1e-3, 0.5)

    def prepare(batch, key):
        return transforms.scale(batch, key, low=-1.0)

    game = dcgan.game(*networks, generator_tx=adam, discriminator_tx=adam, image_shape=(8, 8, 1), latent=8)
    return game, "discriminator", prepare


def train(make, initial, steps, poisoned=()):
    """Return the parameters, scales and losses of each step; batches of the steps in `poisoned` are infinite."""
    game, player, prepare = make()
    game = precision.scaled(game)
    split = data.load("digits").train
    plan = parallel.jit_plan(jax.devices()[:1])
    start = jax.jit(lambda key: init_state(game, key))(jax.random.key(0))
    scales = {each.name: precision.initial_scale(initial) for each in game.players}
    state = plan.put_state(start.replace(loss_scale=scales))
    run = plan.compile(make_run(make_step(game)))
    params, scales, losses = [], [], []
    for step in range(steps):
        batch = prepare(split.take(np.arange(step * 64, step * 64 + 64) % len(split)), jax.random.key(step))
        if step in poisoned:
            batch = {**batch, "images": jnp.full_like(batch["images"], jnp.inf)}
        state, metrics = run(
            state, plan.put_batches(jax.tree.map(lambda x: x[None, None], batch)), None, jax.random.key(1)
        )
        params.append(jax.device_get(state.params))
        scales.append(float(metrics[f"{player}/loss_scale"][0]))
        losses.append(float(metrics[f"{player}/loss"][0]))
        for leaf in jax.tree.leaves((state.params, state.variables, state.ema)):
            assert bool(jnp.isfinite(leaf).all()), f"step {step}"
    return params, scales, losses


def same(a, b):
    return all((x == y).all() for x, y in zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True))


@pytest.mark.parametrize("make", [half_vae, half_dcgan])
def test_a_scale_that_overflows_halves_until_steps_are_taken(make):
    params, scales, losses = train(make, HUGE, 40)
    halvings = [after == before / 2 for before, after in zip([HUGE, *scales[:-1]], scales, strict=True)]
    skipped = halvings.index(False)
    assert skipped >= 3, "nothing overflowed"
    owner = "vae" if make is half_vae else "discriminator"
    for step in range(1, skipped):
        assert same(params[step][owner], params[0][owner])
    assert not same(params[-1][owner], params[0][owner])
    assert np.isfinite(losses[-1])


@pytest.mark.parametrize("make", [half_vae, half_dcgan])
def test_infinite_batches_are_skipped_and_the_scale_recovers(make):
    bad = (5, 6, 7)
    params, scales, losses = train(make, 2.0**10, 8 + INTERVAL * 3 + 1, bad)
    owner = "vae" if make is half_vae else "discriminator"
    for step in bad:
        assert not np.isfinite(losses[step])
        assert same(params[step][owner], params[bad[0] - 1][owner])
        assert scales[step] == scales[step - 1] / 2
    assert scales[-1] == scales[bad[0] - 1], "the scale did not grow back"
    assert not same(params[bad[-1] + 1][owner], params[bad[-1]][owner])


def test_the_half_precision_vae_learns():
    _, _, losses = train(half_vae, 2.0**15, 200)
    assert np.mean(losses[-20:]) < 0.75 * np.mean(losses[:5])


def scores(tmp_path, kind, seed):
    """Train VAE's small preset in a process of its own and return its last test scores."""
    out = tmp_path / f"{kind}-{seed}"
    command = [sys.executable, "-m", "train.vae", "--precision", kind, "--seed", str(seed), "--out", str(out)]
    one_device = {name: value for name, value in os.environ.items() if name != "XLA_FLAGS"}
    subprocess.run(command, check=True, cwd=REPOSITORY, capture_output=True, env=one_device)
    rows = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
    return next(row["test/neg_elbo"] for row in reversed(rows) if "test/neg_elbo" in row)


@pytest.mark.slow
def test_bfloat16_reaches_the_float32_score_within_its_spread(tmp_path):
    full, half = ([scores(tmp_path, kind, seed) for seed in range(3)] for kind in ("fp32", "bf16"))
    spread = max(full) - min(full)
    print(f"negative ELBO in nats, seeds 0-2: fp32 {full}, bf16 {half}")
    assert np.mean(half) < np.mean(full) + spread
