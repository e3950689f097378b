"""Every model of the library, once: a tiny game and a batch for the contract tests, and its published sizes."""

import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from genjax.autoencoders import ae, cvae, m2, vae
from genjax.engine import Game
from genjax.gans import cgan, cyclegan, dcgan, gan, pggan, sngan, stylegan, unrolled, wgan, wgan_gp
from genjax.nn.coders import DenseDecoder, DenseEncoder
from genjax.nn.initializers import GLOROT
from genjax.nn.patch import PatchDiscriminator

SHAPE, LARGER, POINT = (8, 8, 1), (16, 16, 1), (1, 1, 2)


@dataclass(frozen=True, eq=False)
class Entry:
    """package, name: genjax/<package>/<name>.py, train/<name>.py.

    game: (optimizer, dtype) -> a tiny game.  batch: (size, seed) -> leaves [B, ...] of one sub-batch.
    parameters: `{preset: {net: trainable parameters}}` of the recipe's presets.
    deterministic: the loss draws no noise, so that any seed trains to the same bits.
    bias_before_norm: the published network has biases that its batch norm cancels, and its parameter count has them.
    """

    package: str
    name: str
    game: Callable[[Any, Any], Game]
    batch: Callable[[int, int], dict[str, jax.Array]]
    parameters: Mapping[str, Mapping[str, int]]
    deterministic: bool = False
    bias_before_norm: bool = False


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


def _plane(dtype):
    """Return a generator of points in the plane and a discriminator of them."""
    return gan.Generator((16,), POINT, output=lambda x: x, dtype=dtype), gan.Discriminator((16,), dtype=dtype)


def _pair(tx, opponent: str) -> dict[str, Any]:
    """Return the same optimizer for a generator and its opponent, as `game` takes them."""
    return {"generator_tx": tx, f"{opponent}_tx": tx}


def plane(tx, dtype, **options) -> Game:
    """Return a GAN of points in the plane."""
    return gan.game(*_plane(dtype), **_pair(tx, "discriminator"), image_shape=POINT, latent=4, **options)


def _dcgan(tx, dtype):
    # At 16 pixels, so that there is a convolution in front of a batch norm.
    networks = dcgan.Generator(16, 1, 4, dtype=dtype), dcgan.Discriminator(16, 4, dtype=dtype)
    return dcgan.game(*networks, **_pair(tx, "discriminator"), image_shape=LARGER, latent=5, ema=0.9)


def _cgan(tx, dtype):
    generator = cgan.Generator(SHAPE, 10, 8, 8, 16, dtype=dtype)
    discriminator = cgan.Discriminator(10, (8, 2), (4, 2), (8, 2), dtype=dtype)
    return cgan.game(generator, discriminator, **_pair(tx, "discriminator"), image_shape=SHAPE, latent=5)


def _wgan(tx, dtype):
    return wgan.game(*_plane(dtype), **_pair(tx, "critic"), image_shape=POINT, latent=4, critic_steps=2)


def _wgan_gp(tx, dtype):
    generator, critic = wgan_gp.Generator(8, 1, (4,), dtype=dtype), wgan_gp.Critic((4, 4), 1, dtype=dtype)
    return wgan_gp.game(generator, critic, **_pair(tx, "critic"), image_shape=SHAPE, latent=5, critic_steps=2)


def _sngan(tx, dtype):
    generator = sngan.ResNetGenerator(8, 1, (4,), 4, classes=10, dtype=dtype)
    discriminator = sngan.ResNetDiscriminator((4, 4), 1, classes=10, dtype=dtype)
    txs = _pair(tx, "discriminator")
    return sngan.game(generator, discriminator, **txs, image_shape=SHAPE, latent=5, classes=10, discriminator_steps=2)


def _pggan(tx, dtype):
    generator, critic = pggan.Generator(8, 1, 16, 6, dtype), pggan.Critic(8, 16, 6, dtype=dtype)
    return pggan.game(generator, critic, **_pair(tx, "critic"), latent=5, fading=(-2, 8), ema=0.9)


def _stylegan(tx, dtype):
    generator = stylegan.Generator(8, 1, 16, 6, style=6, depth=2, dtype=dtype)
    discriminator = stylegan.Discriminator(8, 16, 6, dtype=dtype)
    return stylegan.game(generator, discriminator, **_pair(tx, "discriminator"), latent=5, fading=(-2, 8), ema=0.9)


def _cyclegan(tx, dtype):
    # Weights and images that are not too small: instance norm of a few nearly equal pixels blows rounding up.
    options = {"initializer": GLOROT, "dtype": dtype}
    networks = cyclegan.Generator(1, 4, 1, **options), PatchDiscriminator(1, 4, **options)
    return cyclegan.game(*networks, generators_tx=tx, discriminators_tx=tx, image_shape=LARGER, pool=6)


def _unrolled(tx, dtype):
    return unrolled.game(*_plane(dtype), **_pair(tx, "discriminator"), image_shape=POINT, latent=4, steps=2)


def points(count: int, seed: int) -> dict[str, jax.Array]:
    """Return random points in the plane, as images of one pixel."""
    return {"images": jnp.asarray(np.random.default_rng(seed).normal(size=(count, *POINT)), jnp.float32)}


def labelled(count: int, seed: int, shape: tuple[int, ...] = SHAPE) -> dict[str, jax.Array]:
    """Return random images in [-1, 1], all labelled."""
    batch = images(count, seed, shape)
    return {"images": 2 * batch["images"] - 1, "labels": jnp.abs(batch["labels"])}


def domains(count: int, seed: int) -> dict[str, jax.Array]:
    """Return random images of two domains, in [-1, 1]."""
    a, b = (images(count, s, (16, 16, 1))["images"] for s in (seed, seed + 100))
    return {"images": 2 * a - 1, "targets": 2 * b - 1}


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
    Entry("gans", "gan", plane, points, {"paper": {"generator": 2_503_984, "discriminator": 1_231_441}}),
    Entry(
        "gans", "dcgan", _dcgan, partial(labelled, shape=LARGER),
        {
            "paper": {"generator": 18_885_760, "discriminator": 17_232_768},
            "torch": {"generator": 3_576_704, "discriminator": 2_765_568},
        },
    ),
    Entry("gans", "cgan", _cgan, labelled, {"paper": {"generator": 2_413_984, "discriminator": 1_224_351}}),
    Entry("gans", "wgan", _wgan, points, {"paper": {"generator": 3_576_704, "critic": 2_765_568}}),
    Entry(
        "gans", "wgan_gp", _wgan_gp, labelled, {"paper": {"generator": 1_204_483, "critic": 1_053_825}},
        bias_before_norm=True,
    ),
    Entry(
        "gans", "sngan", _sngan, labelled, {"paper": {"generator": 4_276_739, "discriminator": 1_053_824}},
        bias_before_norm=True,
    ),
    Entry(
        "gans", "pggan", _pggan, labelled,
        {
            "paper": {"generator": 23_079_115, "critic": 23_087_249},
            "cifar10": {"generator": 1_296_908, "critic": 1_298_689},
        },
    ),
    Entry(
        "gans", "cyclegan", _cyclegan, domains,
        {
            preset: {
                "forward": generator, "backward": generator, "discriminator_a": 2_764_737, "discriminator_b": 2_764_737,
            }
            for preset, generator in (("paper", 11_378_179), ("cityscapes", 7_837_699))
        },
        bias_before_norm=True,
    ),
    Entry(
        "gans", "stylegan", _stylegan, labelled,
        {
            preset: {"generator": 26_219_627, "discriminator": 23_087_249} for preset in ("paper", "celebahq")
        },
    ),
    Entry("gans", "unrolled", _unrolled, points, {"paper": {"generator": 49_666, "discriminator": 513}}),
)  # fmt: skip


def missing(package: str, present: set[str]) -> set[str]:
    """Return the models of a package that the catalogue does not name."""
    return present - {entry.name for entry in CATALOGUE if entry.package == package}
