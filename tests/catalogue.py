"""Every model of the library, once: a tiny game and a batch for the contract tests, and its published sizes."""

import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from genjax.autoencoders import ae, cvae, m2, vae
from genjax.engine import Game
from genjax.nn.dense import DenseDecoder, DenseEncoder

SHAPE = (8, 8, 1)


@dataclass(frozen=True, eq=False)
class Entry:
    """package, name: genjax/<package>/<name>.py, train/<name>.py.

    game: (optimizer, dtype) -> a tiny game.  batch: (size, seed) -> leaves [B, ...] of one sub-batch.
    parameters: `{preset: {net: trainable parameters}}` of the recipe's presets.
    deterministic: the loss draws no noise of its own, so that devices which split the batch must agree exactly.
    """

    package: str
    name: str
    game: Callable[[Any, Any], Game]
    batch: Callable[[int, int], dict[str, jax.Array]]
    parameters: Mapping[str, Mapping[str, int]]
    deterministic: bool = False


def _coders(dtype) -> dict[str, Any]:
    return {
        "encoder": DenseEncoder((16,), batch_norm=True, dtype=dtype),
        "decoder": DenseDecoder((16,), dtype=dtype),
        "latent": 3,
        "image_shape": SHAPE,
    }


def _ae(tx, dtype):
    return ae.game(ae.AE(**_coders(dtype)), tx)


def _vae(tx, dtype):
    return vae.game(vae.VAE(**_coders(dtype)), tx, samples=2)


def _cvae(tx, dtype):
    return cvae.game(cvae.CVAE(**_coders(dtype), embedding=4), tx)


def _m2(tx, dtype):
    return m2.game(m2.M2(classifier=DenseEncoder((16,), dtype=dtype), **_coders(dtype)), tx)


def images(count: int, seed: int, shape: tuple[int, ...] = SHAPE, labels: int = 10) -> dict[str, jax.Array]:
    """Return random images in [0, 1] and labels, of which every third is missing."""
    draw = np.random.default_rng(seed)
    known = draw.integers(0, labels, count)
    return {
        "images": jnp.asarray(draw.random((count, *shape)), jnp.float32),
        "labels": jnp.asarray(np.where(np.arange(count) % 3 == 0, -1, known), jnp.int32),
    }


def _dense(*sizes: int) -> int:
    return sum(a * b + b for a, b in itertools.pairwise(sizes))


# 784-128-2 x 16 and back; two tables of 10 x 128 join after the hidden layers in `article` and before them in `paper`.
_VAE_ARTICLE = _dense(784, 128, 32) + _dense(16, 128, 784)
_TABLES = 2 * 10 * 128

CATALOGUE = (
    Entry(
        "autoencoders", "ae", _ae, images,
        {
            "article": {"ae": _dense(784, 128, 16) + _dense(16, 128, 784)},
            "paper": {"ae": _dense(784, 1000, 500, 250, 30) + _dense(30, 250, 500, 1000, 784)},
        },
        deterministic=True,
    ),
    Entry(
        "autoencoders", "vae", _vae, images,
        {
            "article": {"vae": _VAE_ARTICLE},
            "pytorch": {"vae": _dense(784, 20, 20) + 40 + _dense(10, 20, 784)},
            "flax": {"vae": _dense(784, 500, 40) + _dense(20, 500, 784)},
            "paper": {"vae": _dense(784, 500, 40) + _dense(20, 500, 784)},
        },
    ),
    Entry(
        "autoencoders", "cvae", _cvae, images,
        {
            "article": {"cvae": _VAE_ARTICLE + _TABLES + 128 * 32 + 128 * 784},
            "paper": {"cvae": _VAE_ARTICLE + _TABLES + 2 * 128 * 128},
        },
    ),
    Entry(
        "autoencoders", "m2", _m2, images,
        {"paper": {"m2": _dense(784, 500, 10) + _dense(794, 500, 100) + _dense(60, 500, 784)}},
    ),
)  # fmt: skip


def missing(package: str, present: set[str]) -> set[str]:
    """Return the models of a package that the catalogue does not name."""
    return present - {entry.name for entry in CATALOGUE if entry.package == package}
