"""Optimizers against written-out float64 references of the published algorithms; schedules, scaling rules and masks."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from genjax import optim
from genjax.engine import init_state
from tests.catalogue import CATALOGUE

STEPS = 50


def batch(t):
    """A regression batch that differs from step to step."""
    draw = np.random.default_rng(t)
    x = draw.normal(size=(8, 5))
    return x, np.sin(x[:, :4]) + 0.1 * draw.normal(size=(8, 4))


def first_params():
    draw = np.random.default_rng(99)
    return {
        "dense": {"kernel": draw.normal(size=(5, 4)), "bias": np.zeros(4)},
        "norm": {"scale": np.ones(4) + 0.1 * draw.normal(size=4), "bias": 0.1 * draw.normal(size=4)},
    }


def loss(params, x, target):
    """Mean square of ((x K + b) s + c) - target."""
    dense, norm = params["dense"], params["norm"]
    y = (x @ dense["kernel"] + dense["bias"][None]) * norm["scale"][None] + norm["bias"][None]
    return jnp.mean((y - target) ** 2)


def numpy_gradient(params, x, target):
    dense, norm = params["dense"], params["norm"]
    h = x @ dense["kernel"] + dense["bias"]
    dy = 2 * (h * norm["scale"] + norm["bias"] - target) / target.size
    dh = dy * norm["scale"]
    return {
        "dense": {"kernel": x.T @ dh, "bias": dh.sum(0)},
        "norm": {"scale": (dy * h).sum(0), "bias": dy.sum(0)},
    }


def flat(params):
    return {(layer, name): leaf for layer, leaves in params.items() for name, leaf in leaves.items()}


def nested(leaves):
    params: dict = {}
    for (layer, name), leaf in leaves.items():
        params.setdefault(layer, {})[name] = leaf
    return params


def trajectory(tx, dtype):
    """Return the parameters after each step of `tx`, float[STEPS] a leaf."""
    params = jax.tree.map(lambda p: jnp.asarray(p, dtype), first_params())
    state, path = tx.init(params), []

    @jax.jit
    def step(params, state, x, target):
        updates, state = tx.update(jax.grad(loss)(params, x, target), state, params)
        return optax.apply_updates(params, updates), state

    for t in range(STEPS):
        params, state = step(params, state, *(jnp.asarray(a, dtype) for a in batch(t)))
        path.append(flat(jax.tree.map(np.asarray, params)))
    return path


def reference(update):
    """Return the same, with `update(t, w, g, memory of the leaf, is it decayed, global norm) -> w` in NumPy."""
    w, memory, path = flat(first_params()), {}, []
    for t in range(1, STEPS + 1):
        g = flat(numpy_gradient(nested(w), *batch(t - 1)))
        norm = np.sqrt(sum((leaf**2).sum() for leaf in g.values()))
        w = {name: update(t, w[name], g[name], memory.setdefault(name, {}), name[1] == "kernel", norm) for name in w}
        path.append(w)
    return path


def rate_at(t):
    """The rate of step t = 1, 2, ...: rises over 5 steps to 0.05, then falls along a line to 0 at step 50."""
    done = t - 1
    return 0.05 * done / 5 if done < 5 else 0.05 * (1 - (done - 5) / (STEPS - 5))


RATE = optim.schedule(0.05, STEPS, warm_up=5, decay=optim.linear_decay)


def lamb_reference(decay, unit, t, w, g, memory, decayed, norm, b1=0.9, b2=0.999, eps=1e-6):
    """arXiv 1904.00962, algorithm 2, with phi the identity; `unit` divides the gradient by its global norm before."""
    if unit:
        g = g / norm
    memory["m"] = b1 * memory.get("m", 0.0) + (1 - b1) * g
    memory["v"] = b2 * memory.get("v", 0.0) + (1 - b2) * g**2
    r = memory["m"] / (1 - b1**t) / (np.sqrt(memory["v"] / (1 - b2**t)) + eps)
    u = r + (decay if decayed else 0.0) * w
    size, length = np.sqrt((w**2).sum()), np.sqrt((u**2).sum())
    ratio = size / length if size > 0 and length > 0 else 1.0
    return w - rate_at(t) * ratio * u


def lars_reference(decay, summed, t, w, g, memory, decayed, norm, momentum=0.9, trust=0.02):
    """arXiv 1708.03888, algorithm 1; `summed`: the norm of the decayed gradient instead of the sum of norms."""
    size, length = np.sqrt((w**2).sum()), np.sqrt((g**2).sum())
    ratio = 1.0
    if decayed:
        total = np.sqrt(((g + decay * w) ** 2).sum()) if summed else length + decay * size
        ratio = trust * size / total
        g = g + decay * w
    memory["v"] = momentum * memory.get("v", 0.0) + rate_at(t) * ratio * g
    return w - memory["v"]


def sgd_reference(decay, t, w, g, memory, decayed, norm, momentum=0.9):
    g = g + (decay if decayed else 0.0) * w
    memory["v"] = momentum * memory.get("v", 0.0) + g
    return w - rate_at(t) * (g + momentum * memory["v"])


def adamw_reference(decay, t, w, g, memory, decayed, norm, b1=0.9, b2=0.999, eps=1e-8):
    memory["m"] = b1 * memory.get("m", 0.0) + (1 - b1) * g
    memory["v"] = b2 * memory.get("v", 0.0) + (1 - b2) * g**2
    r = memory["m"] / (1 - b1**t) / (np.sqrt(memory["v"] / (1 - b2**t)) + eps)
    return w - rate_at(t) * (r + (decay if decayed else 0.0) * w)


PAIRS = {
    "lamb": (optim.lamb(RATE, 0.1), functools.partial(lamb_reference, 0.1, False)),
    "nvlamb": (optim.nvlamb(RATE, 0.1), functools.partial(lamb_reference, 0.1, True)),
    "lars": (optim.lars(RATE, 0.1, trust=0.02), functools.partial(lars_reference, 0.1, True)),
    "lars as published, no decay": (optim.lars(RATE, trust=0.02), functools.partial(lars_reference, 0.0, False)),
    "sgd": (optim.sgd(RATE, 0.1), functools.partial(sgd_reference, 0.1)),
    "adamw": (optim.adamw(RATE, 0.1), functools.partial(adamw_reference, 0.1)),
}


def distance(a, b):
    return max(float(np.abs(x[name] - y[name]).max()) for x, y in zip(a, b, strict=True) for name in x)


@pytest.mark.parametrize("name", PAIRS)
def test_fifty_steps_equal_the_published_algorithm(name):
    tx, update = PAIRS[name]
    with jax.enable_x64(True):
        assert distance(trajectory(tx, jnp.float64), reference(update)) < 1e-7
    moved = distance(reference(update)[:1], reference(update)[-1:])
    assert moved > 0.1


@pytest.mark.parametrize("name", PAIRS)
def test_float32_stays_beside_the_float64_reference(name):
    tx, update = PAIRS[name]
    assert distance(trajectory(tx, jnp.float32), reference(update)) < 1e-5


def test_optax_and_paper_lars_differ_only_in_the_decayed_denominator():
    optax_form, paper = (reference(functools.partial(lars_reference, 0.1, summed)) for summed in (True, False))
    assert 1e-4 < distance(optax_form, paper) < 0.1
    w, g = np.random.default_rng(0).normal(size=(2, 30))
    assert np.linalg.norm(g + 0.1 * w) <= np.linalg.norm(g) + 0.1 * np.linalg.norm(w)


def test_nvlamb_ignores_the_size_of_a_batch_gradient_and_lamb_does_not():
    params = {"kernel": jnp.ones((3, 2))}
    small = {"kernel": jnp.arange(6.0).reshape(3, 2) - 2.0}
    large = {"kernel": 1000 * small["kernel"][::-1]}

    def two_steps(tx, factor):
        state = tx.init(params)
        _, state = tx.update(jax.tree.map(lambda g: factor * g, large), state, params)
        return tx.update(small, state, params)[0]["kernel"]

    assert np.allclose(two_steps(optim.nvlamb(0.1), 1.0), two_steps(optim.nvlamb(0.1), 1e-3), rtol=1e-4)
    assert not np.allclose(two_steps(optim.lamb(0.1), 1.0), two_steps(optim.lamb(0.1), 1e-3), rtol=1e-1)


def test_unit_norm_spans_all_parameters_and_keeps_zero():
    tx = optim.unit_norm()
    gradient = {"a": jnp.array([3.0]), "b": {"c": jnp.array([[4.0]])}}
    updates, _ = tx.update(gradient, tx.init(gradient))
    assert float(updates["a"][0]) == pytest.approx(0.6) and float(updates["b"]["c"][0, 0]) == pytest.approx(0.8)
    still, _ = tx.update(jax.tree.map(jnp.zeros_like, gradient), tx.init(gradient))
    assert all(float(leaf.sum()) == 0 for leaf in jax.tree.leaves(still))


def test_a_zero_bias_moves_at_the_first_step():
    params = {"bias": jnp.zeros(3), "kernel": jnp.ones((2, 3))}
    for make in (optim.lamb, optim.nvlamb, optim.lars):
        tx = make(0.1)
        updates, _ = tx.update(jax.tree.map(jnp.ones_like, params), tx.init(params), params)
        assert float(jnp.abs(updates["bias"]).min()) > 0


def test_scaling_rules():
    assert optim.linear(0.1, 8192, 256) == pytest.approx(3.2)
    assert optim.square_root(0.1, 8192, 128) == pytest.approx(0.8)
    assert optim.unscaled(0.1, 8192, 128) == 0.1
    for rule in (optim.linear, optim.square_root):
        assert rule(0.1, 128, 128) == pytest.approx(0.1)


def test_schedule_step_by_step():
    rises_and_falls = optim.schedule(1.0, 10, warm_up=4, decay=optim.linear_decay)
    expected = [0, 0.25, 0.5, 0.75, 1, 5 / 6, 4 / 6, 3 / 6, 2 / 6, 1 / 6, 0, 0]
    assert [float(rises_and_falls(t)) for t in range(12)] == pytest.approx(expected, abs=1e-6)
    cosine = optim.schedule(2.0, 8, warm_up=2, decay=optax.cosine_decay_schedule, start=1.0)
    expected = [1, 1.5] + [1 + np.cos(np.pi * t / 6) for t in range(7)]
    assert [float(cosine(t)) for t in range(9)] == pytest.approx(expected, abs=1e-6)
    assert [float(optim.schedule(0.5, 3)(t)) for t in (0, 2, 100)] == [0.5, 0.5, 0.5]
    for warm_up in (-1, 10):
        with pytest.raises(ValueError, match="does not leave any of the 10 steps"):
            optim.schedule(1.0, 10, warm_up=warm_up)


def test_large_batch_puts_scaling_schedule_and_decay_together():
    seen = []

    def record(rate, weight_decay):
        seen.append(([float(rate(t)) for t in range(5)], weight_decay))
        return optim.lamb(rate, weight_decay)

    optim.large_batch(
        record, 0.1, 1024, 5, base_batch=256, scaling=optim.square_root, warm_up=2, decay=optim.linear_decay,
        start=0.1, weight_decay=0.01,
    )  # fmt: skip
    ((rates, decay),) = seen
    assert rates == pytest.approx([0.1, 0.15, 0.2, 0.2 * 2 / 3, 0.2 / 3]) and decay == 0.01
    with pytest.raises(ValueError, match="both must be positive"):
        optim.large_batch(optim.sgd, 0.1, 0, 5)


def test_weights_are_told_from_biases_and_norms():
    params = {
        "conv": {"kernel": np.zeros((3, 3, 1, 4)), "bias": np.zeros(4)},
        "norm": {"scale": np.zeros(4), "bias": np.zeros(4)},
        "by class": {"scale": np.zeros((10, 4)), "bias": np.zeros((10, 4))},
        "attention": {"kernel": np.zeros((4, 2, 2)), "bias": np.zeros((2, 2))},
        "table": {"table": np.zeros((10, 4))},
        "positions": np.zeros((1, 16, 4)),
        "gamma": np.zeros(4),
        "unheard of": np.zeros(4),
    }
    mask = optim.weights(params)
    chosen = {jax.tree_util.keystr(path) for path, yes in jax.tree_util.tree_leaves_with_path(mask) if yes}
    assert chosen == {"['conv']['kernel']", "['attention']['kernel']", "['table']['table']"}


@pytest.mark.parametrize("entry", CATALOGUE, ids=lambda entry: entry.name)
def test_every_model_has_weights_and_no_bias_or_scale_among_them(entry):
    game = entry.game(optax.sgd(0.1), jnp.float32)
    params = jax.eval_shape(lambda key: init_state(game, key), jax.random.key(0)).params
    for net, mask in optim.weights(params).items():
        leaves = [(path[-1].key, yes) for path, yes in jax.tree_util.tree_leaves_with_path(mask)]
        assert any(yes for _, yes in leaves) or net == "noise", net
        for name, yes in leaves:
            assert yes == (name in {"kernel", "table", "embedding", "weight"}), (net, name)
