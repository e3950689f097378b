"""Heads drawn at random from a grammar: some operations on a grid, a way to a vector, some operations on it, logits."""

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn
from jax import lax

CHANNELS = 4
SHAPE = (3, 2, CHANNELS)
CLASSES = 3
_draw = np.random.default_rng(0)
SQUARE = _draw.normal(size=(CHANNELS, CHANNELS))
LOGITS = _draw.normal(size=(CHANNELS, CLASSES))
KERNEL = _draw.normal(size=(3, 3, CHANNELS, CHANNELS)) / 3
DEPTHWISE = _draw.normal(size=(3, 3, 1, CHANNELS))
GROUPED = _draw.normal(size=(1, 3, 2, CHANNELS))
PER_POSITION = _draw.normal(size=SHAPE)
NORM = {"params": {"scale": _draw.normal(size=CHANNELS), "bias": _draw.normal(size=CHANNELS)}}
STATISTICS = {"batch_stats": {"mean": _draw.normal(size=CHANNELS), "var": 1 + _draw.uniform(size=CHANNELS)}}
NUMBERS = ("NHWC", "HWIO", "NHWC")


def conv(a, kernel, groups=1):
    kernel = jnp.asarray(kernel, a.dtype)
    return lax.conv_general_dilated(
        a[None], kernel, (1, 1), "SAME", dimension_numbers=NUMBERS, feature_group_count=groups
    )[0]


def attention(a):
    tokens = a.reshape(-1, CHANNELS)
    weights = jax.nn.softmax((tokens @ SQUARE) @ tokens.T / 2)
    return (weights @ tokens).reshape(a.shape)


def on_tokens(a):
    return nn.max_pool(a[None], (2, 2), (1, 1), "SAME")[0]


@jax.custom_jvp
def through(x):
    return jnp.round(2 * x)


through.defjvp(lambda p, t: (through(p[0]), t[0]))


@jax.custom_jvp
def tanh_with_a_mixing_rule(x):
    return jnp.tanh(x)


tanh_with_a_mixing_rule.defjvp(lambda p, t: (tanh_with_a_mixing_rule(p[0]), t[0] * jnp.cos(p[0].sum())))


def reverse_only(function, backward):
    wrapped = jax.custom_vjp(function)
    wrapped.defvjp(lambda x: (function(x), x), lambda x, g: (backward(x, g),))
    return wrapped


def loop(a):
    return lax.while_loop(lambda v: jnp.sum(jnp.abs(v)) < 50, lambda v: 1.5 * v + 0.1 * jnp.abs(v), a)


# On arrays of any rank, entry by entry or along the last axis.
ANYWHERE = {
    "relu": jax.nn.relu,
    "leaky relu": jax.nn.leaky_relu,
    "relu6": jax.nn.relu6,
    "gelu": jax.nn.gelu,
    "exact gelu": lambda a: jax.nn.gelu(a, approximate=False),
    "silu": jax.nn.silu,
    "tanh": jnp.tanh,
    "softplus": jax.nn.softplus,
    "hard swish": jax.nn.hard_swish,
    "elu": jax.nn.elu,
    "square": lambda a: a * a / 2,
    "dense": lambda a: a @ SQUARE + 0.1,
    "scale": lambda a: a * SQUARE[0] - SQUARE[1],
    "layer norm": lambda a: nn.LayerNorm().apply(NORM, a),
    "rms norm": lambda a: a * lax.rsqrt(jnp.mean(a * a, -1, keepdims=True) + 0.1),
    "batch norm": lambda a: nn.BatchNorm(use_running_average=True).apply(NORM | STATISTICS, a),
    "softmax": jax.nn.softmax,
    "channel mean removed": lambda a: a - a.mean(-1, keepdims=True),
    "all mean removed": lambda a: a - a.mean(),
    "divided by all": lambda a: a / (1 + (a * a).mean()),
    "gated linear": lambda a: (a @ SQUARE) * jax.nn.sigmoid(a @ SQUARE.T),
    "bilinear": lambda a: a * (a @ SQUARE),
    "sort": lambda a: jnp.sort(a, -1),
    "top two": lambda a: jnp.concatenate([lax.top_k(a, 2)[0], a[..., :2]], -1),
    "cumulative sum": lambda a: jnp.cumsum(a, -1),
    "reversed": lambda a: a[..., ::-1],
    "mask": lambda a: jnp.where(a > 0.2, a, 0.3 * a),
    "residual": lambda a: a + jax.nn.relu(a @ SQUARE),
    "smooth residual": lambda a: a + jax.nn.gelu(a @ SQUARE) @ SQUARE.T,
    "remat": jax.checkpoint(lambda a: jnp.tanh(a @ SQUARE)),
    "jit": jax.jit(lambda a: jax.nn.silu(a)),
    "scan": lambda a: lax.scan(lambda c, m: (jnp.tanh(c @ m), None), a, np.stack([SQUARE, SQUARE.T]))[0],
    "linear scan": lambda a: lax.scan(lambda c, m: (jax.nn.relu(c @ m), None), a, np.stack([SQUARE, SQUARE.T]))[0],
    "for": lambda a: lax.fori_loop(0, 3, lambda i, v: v + 0.3 * jnp.sin(v), a),
    "while": loop,
    "cond": lambda a: lax.cond(a.mean() > 0, lambda v: jnp.tanh(v), lambda v: 2 * v, a),
    "linear cond": lambda a: lax.cond(a.mean() > 0, lambda v: 3 * v, lambda v: -v, a),
    "switch": lambda a: lax.switch(jnp.int32(jnp.abs(a).sum()) % 3, [jnp.sin, jnp.negative, jax.nn.relu], a),
    "straight through": through,
    "rounded gate": lambda a: a * through(a),
    "mixing rule": tanh_with_a_mixing_rule,
    "backward relu": reverse_only(lambda x: jnp.maximum(x, 0), lambda x, g: g * (x > 0)),
    "backward tanh": reverse_only(jnp.tanh, lambda x, g: g * (1 - jnp.tanh(x) ** 2)),
    "backward leaky relu": reverse_only(lambda x: jnp.maximum(x, 0.1 * x), lambda x, g: jnp.where(x > 0, g, 0.1 * g)),
}
CLIPPED = {"backward clip": reverse_only(lambda x: x, lambda x, g: jnp.clip(g, -0.05, 0.05))}
ON_GRIDS = ANYWHERE | {
    "conv": lambda a: conv(a, KERNEL),
    "depthwise": lambda a: conv(a, DEPTHWISE, CHANNELS),
    "grouped": lambda a: conv(a, GROUPED, 2),
    "patches": lambda a: conv(jnp.tanh(conv(a, KERNEL)), KERNEL),
    "max pool": on_tokens,
    "average pool": lambda a: nn.avg_pool(a[None], (2, 2), (1, 1), "SAME")[0],
    "soft pool": lambda a: jnp.log(nn.avg_pool(jnp.exp(a)[None], (2, 2), (1, 1), "SAME")[0]),
    "group norm": lambda a: nn.GroupNorm(2).apply(NORM, a),
    "instance norm": lambda a: (a - a.mean((0, 1))) * lax.rsqrt(a.var((0, 1)) + 0.1),
    "squeeze and excite": lambda a: a * jax.nn.sigmoid(jax.nn.relu(a.mean((0, 1))) @ SQUARE),
    "attention": attention,
    "attention block": lambda a: a + attention(nn.LayerNorm().apply(NORM, a)),
    "positions": lambda a: a + PER_POSITION,
    "weights per position": lambda a: a * PER_POSITION,
    "rolled": lambda a: jnp.roll(a, 1, 0),
    "flipped": lambda a: a[::-1],
    "sorted positions": lambda a: jnp.sort(a, 0),
    "gathered": lambda a: a[jnp.array([2, 0, 1])],
    "scan over rows": lambda a: lax.scan(lambda c, x: (jnp.tanh(c + x), c), jnp.zeros(a.shape[1:], a.dtype), a)[1],
    "sum over rows": lambda a: jnp.cumsum(a, 0),
    "normalised response": lambda a: a / (1 + lax.reduce_window(a * a, 0.0, lax.add, (1, 1, 3), (1, 1, 1), "SAME")),
}
TO_VECTOR = {
    "mean": lambda a: a.mean((0, 1)),
    "sum of squares": lambda a: (a * a).mean((0, 1)),
    "maximum": lambda a: a.max((0, 1)),
    "soft maximum": lambda a: jax.nn.logsumexp(a, (0, 1)),
    "generalised mean": lambda a: jnp.mean((a * a + 0.1) ** 1.5, (0, 1)) ** (1 / 3),
    "attention pooling": lambda a: jnp.einsum("hw,hwc->c", jax.nn.softmax(a @ SQUARE[0], (0, 1)), a),
    "one position": lambda a: a[1, 1],
    "flattened": lambda a: a.reshape(-1) @ np.resize(PER_POSITION.T, (24, CHANNELS)),
    "mean and all": lambda a: a.mean((0, 1)) + a.mean() * SQUARE[0] + jnp.sum(a * PER_POSITION) * SQUARE[1],
    "two means": lambda a: a.mean((0, 1)) * SQUARE[0] + jax.nn.silu(a).mean((0, 1)),
    "covariance": lambda a: jnp.einsum("hwc,hwd->cd", a, a)[0] / 6,
}
TO_LOGITS = {
    "dense": lambda v: v @ LOGITS,
    "entries": lambda v: v[:CLASSES],
    "centred": lambda v: v[:CLASSES] - v[:CLASSES].mean(),
    "cosine": lambda v: v @ LOGITS / (1 + jnp.sum(v * v)) ** 0.5,
}


def draw(count, seed=0, extra=None):
    """`count` different heads as {name: function}, each from up to five operations; `extra` more operations."""
    generator = np.random.default_rng(seed)
    on_grids, anywhere = ON_GRIDS | (extra or {}), ANYWHERE | (extra or {})
    heads = {}
    while len(heads) < count:
        grid = [str(n) for n in generator.choice(list(on_grids), generator.integers(0, 3))]
        pool = str(generator.choice(list(TO_VECTOR)))
        vector = [str(n) for n in generator.choice(list(anywhere), generator.integers(0, 2))]
        last = str(generator.choice(list(TO_LOGITS)))
        steps = [on_grids[n] for n in grid] + [TO_VECTOR[pool]] + [anywhere[n] for n in vector] + [TO_LOGITS[last]]

        def head(a, steps=tuple(steps)):
            for step in steps:
                a = step(a)
            return a

        heads[", ".join([*grid, pool, *vector, last])] = head
    return heads
