"""Attention of which one token moves, and rows that reach the logits: exact as forward mode, and less work."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from genjax.saliency import EXP, SOFTMAX, diagonal_derivatives, forward_mode, series_mode
from genjax.saliency.calculus.attention import read_attentions
from genjax.saliency.calculus.rows import Rows, read_rows
from genjax.saliency.calculus.slices import slices_first
from genjax.saliency.calculus.structure import flatten

HEADS, WIDTH, CHANNELS = 2, 3, 6
GRID = (2, 3)
_draw = np.random.default_rng(0)
QKV, OUTPUT, LOGITS = (
    _draw.normal(size=s) / 2 for s in ((CHANNELS, 3 * CHANNELS), (CHANNELS, CHANNELS), (CHANNELS, 4))
)
CLASS_TOKEN, BIAS = _draw.normal(size=(1, CHANNELS)), _draw.normal(size=(HEADS, 7, 7))
MASK = np.arange(6) <= 2 + np.arange(6)[:, None]


def norm(x):
    x = x - x.mean(-1, keepdims=True)
    return x * jax.lax.rsqrt((x**2).mean(-1, keepdims=True) + 1e-6)


def tokens(a):
    return a.reshape(-1, CHANNELS)


def after_class_token(a):
    return jnp.concatenate([jnp.asarray(CLASS_TOKEN, a.dtype), tokens(a)])


def attend(x, change=lambda scores: scores, axis=-1, y=None):
    q, k, v = (u.reshape(-1, HEADS, WIDTH) for u in jnp.split(norm(x) @ QKV, 3, -1))
    q = q if y is None else y.reshape(-1, HEADS, WIDTH)
    weights = jax.nn.softmax(change(jnp.einsum("qhd,khd->hqk", q, k) / math.sqrt(WIDTH)), axis)
    return jnp.einsum("hqk,khd->qhd", weights, v).reshape(x.shape) @ OUTPUT


def block(x, change=lambda scores: scores):
    x = x + attend(x, change)
    return x + jnp.tanh(norm(x) @ OUTPUT) @ OUTPUT.T


def on_the_grid(a):
    """Attention without a list of tokens: queries and keys have two axes each."""
    q, k, v = jnp.split(norm(a) @ QKV, 3, -1)
    scores = jnp.einsum("abc,mnc->abmn", q, k)
    return jnp.einsum("abmn,mnc->abc", jax.nn.softmax(scores, (2, 3)), v)


def mean_and_class_token(a):
    x = norm(block(after_class_token(a), lambda s: s + BIAS))
    return (x[0] + x[1:].mean(0)) @ LOGITS


# Heads, and how many attentions are read in them.
READ = {
    "mean": (lambda a: norm(block(tokens(a))).mean(0) @ LOGITS, 1),
    "class token": (lambda a: norm(block(after_class_token(a)))[0] @ LOGITS, 1),
    "mean and class token, bias": (mean_and_class_token, 2),
    "masked": (lambda a: norm(block(tokens(a), lambda s: jnp.where(MASK, s, -1e30))).mean(0) @ LOGITS, 1),
    "on the grid": (lambda a: jnp.tanh(on_the_grid(a)).mean((0, 1)) @ LOGITS, 1),
    "two blocks": (lambda a: norm(block(block(tokens(a)))).mean(0) @ LOGITS, 1),
    "queries that do not move": (lambda a: norm(attend(tokens(a), y=jnp.asarray(QKV[:, :6]))).mean(0) @ LOGITS, 1),
    # What is no such attention, and has to be exact all the same:
    "softmax over queries": (lambda a: norm(attend(tokens(a), axis=-2)).mean(0) @ LOGITS, 0),
    "a temperature that moves": (
        lambda a: norm(attend(tokens(a), lambda s: s * jnp.exp(a.mean()))).mean(0) @ LOGITS,
        0,
    ),
    "scores that meet": (lambda a: norm(attend(tokens(a), lambda s: s + s[:, ::-1])).mean(0) @ LOGITS, 0),
    "curved scores": (lambda a: norm(attend(tokens(a), jnp.tanh)).mean(0) @ LOGITS, 0),
    "tokens in another order": (lambda a: norm(attend(jnp.cumsum(tokens(a), 0))).mean(0) @ LOGITS, 0),
}
QUICK = ("mean and class token, bias",)


def grid(dtype=jnp.float32):
    return jax.random.normal(jax.random.key(3), (*GRID, CHANNELS), dtype)


@pytest.fixture(autouse=True)
def _broadcasting():
    with jax.numpy_rank_promotion("allow"):
        yield


@pytest.mark.parametrize("name", READ)
def test_only_attention_whose_tokens_move_alone_is_read(name):
    head, count = READ[name]
    flat = slices_first(flatten(lambda a: head(a).astype(a.dtype), grid()), grid())
    assert len(read_attentions(flat, read_rows(flat))) == count


@pytest.mark.parametrize("name", [n if n in QUICK else pytest.param(n, marks=pytest.mark.slow) for n in READ])
@pytest.mark.parametrize("score", [SOFTMAX, pytest.param(EXP, marks=pytest.mark.slow)], ids=["softmax", "exp"])
def test_the_derivatives_are_those_of_forward_mode(name, score):
    head, count = READ[name]
    with jax.enable_x64(True):
        found, right = jax.jit(
            lambda a: [diagonal_derivatives(head, a, score, 1, method=m, chunk=5) for m in (series_mode, forward_mode)]
        )(grid(jnp.float64))
        for value, reference in zip(found[:3], right[:3], strict=True):
            np.testing.assert_allclose(value, reference, rtol=0, atol=1e-11 * max(1e-3, np.abs(reference).max()))
        assert ("of which one token moves" in found.route.reason) == (count > 0)


def test_a_map_leaves_out_what_it_does_not_need():
    head = READ["class token"][0]

    def both(a):
        return [diagonal_derivatives(lambda a: head(a).astype(a.dtype), a, EXP, 1, for_map=m) for m in (True, False)]

    part, whole = jax.jit(both)(grid().at[..., 2].set(0))
    needed = np.array(whole.first > 0)
    needed[..., 2] = False
    for value, reference in zip(part[1:3], whole[1:3], strict=True):
        np.testing.assert_allclose(np.asarray(value)[needed], np.asarray(reference)[needed], rtol=1e-3, atol=1e-6)
    assert needed.any() and np.any(np.asarray(part.third)[needed])


@pytest.mark.parametrize("name", ["class token", pytest.param("softmax over queries", marks=pytest.mark.slow)])
def test_devices_share_the_directions(name):
    head = READ[name][0]

    def compiled(chunk):
        def derivatives(a):
            return diagonal_derivatives(lambda a: head(a).astype(a.dtype), a, SOFTMAX, 1, chunk=chunk, for_map=True)

        return jax.jit(derivatives).lower(grid()).compile()

    alone = compiled(16)
    with jax.set_mesh(jax.make_mesh((8,), ("device",), axis_types=(jax.sharding.AxisType.Auto,))):
        shared = compiled(2)
        found = shared(grid())
    right = alone(grid())
    assert "2 at a time on each of 8 devices" in found.route.reason and "devices" not in right.route.reason
    assert len(found.third.sharding.device_set) == 8 and found.third.sharding.is_fully_replicated
    for value, expected in zip(found[:3], right[:3], strict=True):
        np.testing.assert_allclose(value, expected, rtol=1e-3, atol=1e-5 * np.abs(expected).max())
    # A block of sixteen directions: each device computes two. What comes before the attention is not shared.
    assert shared.cost_analysis()["flops"] < 0.7 * alone.cost_analysis()["flops"]


def test_tokens_keep_their_places_through_shapes():
    def head(a):
        x = jnp.tanh(after_class_token(a))[None].reshape(1, 7, HEADS, WIDTH).transpose(2, 0, 1, 3)
        return (jnp.sin(x[..., 1:, :]).reshape(HEADS, 1, *GRID, WIDTH) ** 2).sum((0, 1, 2, 3)) @ LOGITS[:3]

    flat = flatten(lambda a: head(a).astype(a.dtype), grid())
    places = read_rows(flat)
    found = [places[e.outvars[0]] for e in flat.equations if e.outvars[0] in places]
    assert found[:2] == [Rows(0, 1), Rows(0, 1, 1)] and Rows(2, 3, 1) in found and found[-1] == Rows(2, 4)


def test_only_rows_that_reach_the_logits_are_computed():
    def products(flat):
        return [e.outvars[0].aval.shape for e in flat.equations if e.primitive.name == "dot_general"]

    head = READ["class token"][0]
    flat = flatten(lambda a: head(a).astype(a.dtype), grid())
    early = slices_first(flat, grid())
    assert (7, 6) in products(flat)[1:] and all(math.prod(s) <= 14 for s in products(early)[1:])
    np.testing.assert_allclose(jax.jit(early.call)(grid()), jax.jit(flat.call)(grid()), rtol=1e-5, atol=1e-6)
    mean = flatten(lambda a: READ["mean"][0](a).astype(a.dtype), grid())
    assert slices_first(mean, grid()) is mean


@pytest.mark.slow
def test_a_direction_costs_less_than_a_third_of_the_series_it_replaces():
    def head(a):
        x = norm(block(a.reshape(64, CHANNELS)))
        return (x.mean(0) @ LOGITS).astype(a.dtype)

    def flops(function):
        a = jax.ShapeDtypeStruct((8, 8, CHANNELS), jnp.float32)
        run = jax.jit(lambda a: diagonal_derivatives(function, a, EXP, 1, method=series_mode, chunk=16))
        return run.lower(a).compile().cost_analysis()["flops"]

    # One and the same function; the second hides that scores and weights are those of an attention.
    def hidden(a):
        return head(a + 1e-30 * jnp.cumsum(a, 0))

    assert flops(head) * 3 < flops(hidden)
