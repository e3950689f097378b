"""CycleGAN: the replay pool, the losses, who is differentiated, the schedule, refusals, and that digits survive."""

from functools import partial
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from genjax import data
from genjax.engine import Network, init_state, move
from genjax.gans import cyclegan
from genjax.nn.patch import PatchDiscriminator
from genjax.run.cli import main
from genjax.run.optimizers import falling
from tests.gans.learning import learned
from train import cyclegan as recipe


def reference(pool, size, images, swap, places):
    """The pool as a plain list."""
    out = []
    for image, swapped, place in zip(images, swap, places, strict=True):
        if len(pool) < size:
            pool.append(image)
            out.append(image)
        elif swapped:
            out.append(pool[place])
            pool[place] = image
        else:
            out.append(image)
    return pool, out


def test_the_pool_is_that_of_a_plain_list():
    draw, size = np.random.default_rng(0), 50
    pool, plain = cyclegan.empty_pool(size, (1,)), []
    exchange = jax.jit(cyclegan.exchange)
    old = 0
    for step in range(20):
        images = np.arange(step * 7, step * 7 + 7, dtype=np.float32)[:, None] + 1
        swap, places = draw.random(7) < 0.5, draw.integers(0, size, 7)
        plain, expected = reference(plain, size, list(images), swap, places)
        pool, out = exchange(pool, images, swap, places)
        np.testing.assert_array_equal(out, expected)
        assert int(pool["count"]) == len(plain) <= size
        np.testing.assert_array_equal(pool["images"][: len(plain)], plain)
        old += int((np.asarray(out) != images).sum())
    assert 0.3 < old / (140 - size) < 0.7


def test_half_of_what_a_full_pool_returns_is_old():
    pool = {"images": jnp.full((50, 1), -1.0), "count": jnp.int32(50)}
    keys = jax.random.split(jax.random.key(0), 400)
    out = jax.vmap(lambda key: cyclegan.pooled(pool, jnp.ones((1, 1)), key)[1])(keys)
    assert 0.42 < float((out < 0).mean()) < 0.58


def tiny(**options):
    networks = cyclegan.Generator(1, 4, 1), PatchDiscriminator(1, 4)
    sgd = optax.sgd(0.1)
    return cyclegan.game(*networks, generators_tx=sgd, discriminators_tx=sgd, image_shape=(8, 8, 1), **options)


def batch(count=4):
    a, b = jax.random.uniform(jax.random.key(5), (2, count, 8, 8, 1), minval=-1.0)
    return {"images": a, "targets": b}


def test_the_discriminators_gradient_leaves_the_generators_where_they_are():
    game, key = tiny(), jax.random.key(0)
    state = jax.jit(partial(init_state, game))(key)
    after, _ = jax.jit(lambda state: move(game.players[1], state, batch(), key))(state)
    for net in game.players[0].owns:
        jax.tree.map(np.testing.assert_array_equal, after.params[net], state.params[net])
    for net in game.players[1].owns:
        changed = jax.tree.map(lambda new, old: bool((new != old).any()), after.params[net], state.params[net])
        assert any(jax.tree.leaves(changed))


class Shift:
    """A generator whose only parameter is added to the image."""

    def apply(self, variables, x, train, mutable, rngs):
        return x + variables["params"], {}


class Mean:
    """A discriminator whose logit is the image's mean times its parameter."""

    def apply(self, variables, x, train, mutable, rngs):
        return variables["params"] * x.mean((1, 2, 3)), {}


def test_losses_by_hand():
    state = SimpleNamespace(memory={name: cyclegan.empty_pool(5, (2, 2, 1)) for name in ("pool_a", "pool_b")})

    class nets:
        forward, backward = (Network("", Shift(), shift, {}, False) for shift in (0.5, -0.25))
        discriminator_a, discriminator_b = (Network("", Mean(), factor, {}, False) for factor in (1.0, 2.0))

    images = {"images": jnp.full((3, 2, 2, 1), 0.1), "targets": jnp.full((3, 2, 2, 1), -0.2)}
    loss, aux = cyclegan.generators_loss(nets, state, images, None, cycle=10.0, identity=5.0)
    assert aux.metrics["cycle"] == pytest.approx(2 * 0.25, rel=1e-5)
    assert aux.metrics["identity"] == pytest.approx(0.5 + 0.25, rel=1e-5)
    fooling = (2 * 0.6 - 1) ** 2 + (-0.45 - 1) ** 2
    assert aux.metrics["adversarial"] == pytest.approx(fooling, rel=1e-5)
    assert loss == pytest.approx(fooling + 10 * 0.5 + 5 * 0.75, rel=1e-5)
    loss, aux = cyclegan.discriminators_loss(nets, state, images, jax.random.key(0))
    expected = 0.5 * ((0.1 - 1) ** 2 + 0.45**2) + 0.5 * ((-0.4 - 1) ** 2 + 1.2**2)
    assert loss == pytest.approx(expected, rel=1e-5)
    assert int(aux.memory["pool_a"]["count"]) == 3
    np.testing.assert_allclose(aux.memory["pool_b"]["images"][:3], 0.6, rtol=1e-6)


def test_the_rate_is_constant_and_then_falls_to_zero():
    rate = falling(0.5).schedule(2e-4, 200)
    for step, factor in ((0, 1), (99, 1), (100, 1), (150, 0.5), (199, 0.01), (200, 0)):
        assert float(rate(step)) == pytest.approx(2e-4 * factor, rel=1e-4, abs=1e-12)


def test_what_the_doubling_restores_lies_where_the_halving_took_it():
    """An impulse's output through a generator of one channel is centred on the impulse."""
    network = cyclegan.Generator(1, 8, 0)
    params = jax.jit(network.init)(jax.random.key(0), jnp.zeros((1, 32, 32, 1)))
    base = jnp.zeros((1, 32, 32, 1))
    changed = np.zeros((32, 32), bool)
    for seed in range(3):  # instance norm changes every pixel a little; count the strong changes
        x = base + 0.1 * jax.random.normal(jax.random.key(seed), base.shape)
        jump = jnp.abs(network.apply(params, x.at[0, 16, 16, 0].add(3.0)) - network.apply(params, x))[0, ..., 0]
        changed |= np.asarray(jump > 0.2 * jump.max())
    rows, columns = np.nonzero(changed)
    assert abs(rows.mean() - 16) < 1.5
    assert abs(columns.mean() - 16) < 1.5


def test_a_logit_of_the_discriminator_sees_70_pixels():
    network = PatchDiscriminator(3, 4, norm=lambda x, train: x)
    params = jax.jit(network.init)(jax.random.key(0), jnp.zeros((1, 256, 256, 1)))

    def logits(x):
        return network.apply(params, x)

    x = jax.random.normal(jax.random.key(1), (1, 256, 256, 1))
    assert logits(x).shape == (1, 30, 30)
    seen = np.asarray(jax.grad(lambda x: logits(x)[0, 15, 15])(x))[0, ..., 0] != 0
    assert np.ptp(np.nonzero(seen)[0]) + 1 == np.ptp(np.nonzero(seen)[1]) + 1 == 70


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (("--image-size", "18"), "multiple of 4"),
        (("--image-size", "8"), "at least 12 pixels"),
        (("--data", "digits"), "two domains"),
        (("--crop", "20"), "--crop 20"),
        (("--pool", "0"), "--pool 0: give a number at least 1"),
    ],
)
def test_what_cannot_work_is_one_clear_sentence(options, sentence, capsys, tmp_path):
    assert main("cyclegan", (*options, "--out", str(tmp_path / "run"))) == 2
    said = capsys.readouterr().err
    assert sentence in said
    assert "Traceback" not in said
    assert not (tmp_path / "run").exists()


def test_crops_are_as_large_as_asked_and_in_range():
    images = jnp.asarray(np.random.default_rng(0).integers(0, 256, (4, 12, 14, 3)), jnp.uint8)
    out = recipe.prepare(8, True, {"images": images, "targets": images}, jax.random.key(0))
    assert out["images"].shape == out["targets"].shape == (4, 8, 8, 3)
    assert float(jnp.abs(out["images"]).max()) <= 1
    assert not np.array_equal(out["images"], out["targets"])
    unpaired = data.load("domains:digits", image_size=16)
    assert len(unpaired.train.first) != len(unpaired.train.second)


@pytest.mark.slow
def test_the_published_networks_make_a_real_step():
    networks = cyclegan.Generator(3, 64, 9), PatchDiscriminator(3, 64)
    adam = optax.adam(2e-4)
    game = cyclegan.game(*networks, generators_tx=adam, discriminators_tx=adam, image_shape=(64, 64, 3))
    state = jax.jit(partial(init_state, game))(jax.random.key(0))
    x = jax.random.uniform(jax.random.key(1), (1, 64, 64, 3), minval=-1.0)
    for player in game.players:
        state, metrics = move(player, state, {"images": x, "targets": -x}, jax.random.key(2))
        assert np.isfinite(float(metrics[f"{player.name}/loss"]))


@pytest.mark.slow
def test_digits_keep_their_label_and_come_back_and_without_the_cycle_loss_they_do_not():
    first = learned("cyclegan")
    assert first.before["label_kept"] < 0.3
    assert first.after["label_kept"] > 0.8
    assert max(first.after["cycle_a"], first.after["cycle_b"]) < 0.15 < 0.3 < first.before["cycle_a"]
    assert first.after["real_b"] > 0.9
    without = learned("cyclegan", cycle=0.0, identity=0.0).after
    assert without["label_kept"] < 0.6
    for error in ("cycle_a", "cycle_b"):
        assert without[error] > 2 * first.after[error]
