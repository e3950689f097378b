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
from genjax.codes import Codes
from genjax.engine import Game
from genjax.gans import (
    biggan,
    cagan,
    cgan,
    cyclegan,
    dcgan,
    gan,
    hologan,
    infogan,
    pggan,
    pix2pix,
    presgan,
    sagan,
    singan,
    sngan,
    spade,
    srgan,
    stackgan,
    stylegan,
    unrolled,
    wgan,
    wgan_gp,
)
from genjax.hmc import Chains
from genjax.nn import stages, text
from genjax.nn.coders import DenseDecoder, DenseEncoder
from genjax.nn.initializers import GLOROT
from genjax.nn.patch import PatchDiscriminator, by_batch
from genjax.nn.pyramid import Pyramid
from genjax.views import Views

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


def _sagan(tx, dtype):
    generator = sagan.Generator(8, 1, (8,), 8, classes=10, attention=8, dtype=dtype)
    discriminator = sagan.Discriminator((8, 8), 1, classes=10, attention=4, dtype=dtype)
    return sagan.game(generator, discriminator, **_pair(tx, "discriminator"), image_shape=SHAPE, latent=5, classes=10)


def _biggan(tx, dtype):
    shared: dict[str, Any] = {"classes": 10, "attention": 8, "dtype": dtype}
    generator = biggan.Generator(8, 1, 8, (8,), embedding=4, **shared)
    discriminator = biggan.Discriminator((8, 8), 1, **{**shared, "attention": 4})
    txs, steps = _pair(tx, "discriminator"), {"discriminator_steps": 2, "ema": 0.9, "ema_start": 2}
    return biggan.game(generator, discriminator, **txs, image_shape=SHAPE, latent=6, classes=10, **steps)


def _pggan(tx, dtype):
    generator, critic = pggan.Generator(8, 1, 16, 6, dtype), pggan.Critic(8, 16, 6, dtype=dtype)
    return pggan.game(generator, critic, **_pair(tx, "critic"), latent=5, fading=(-2, 8), ema=0.9)


def _hologan(tx, dtype):
    generator = hologan.Generator(
        8, 1, start=2, template=6, volumes=(4,), projections=(4,), flat=8, images=(6,), slope=0.2, rectified=False,
        dtype=dtype,
    )  # fmt: skip
    discriminator = hologan.Discriminator(5, 4, 2, 8, styles="batch", dtype=dtype)
    return hologan.game(
        generator, discriminator, **_pair(tx, "discriminator"), image_shape=SHAPE, latent=5, ema=0.9,
        views=Views(elevation=(60.0, 80.0), scale=(0.9, 1.1), shift=(-1.0, 1.0)),
        weights=hologan.Weights(identity=1.0, style=0.5, fool_styles=True),
    )  # fmt: skip


def _stylegan(tx, dtype):
    generator = stylegan.Generator(8, 1, 16, 6, style=6, depth=2, dtype=dtype)
    discriminator = stylegan.Discriminator(8, 16, 6, dtype=dtype)
    return stylegan.game(generator, discriminator, **_pair(tx, "discriminator"), latent=5, fading=(-2, 8), ema=0.9)


def _cyclegan(tx, dtype):
    # Weights and images that are not too small: instance norm of a few nearly equal pixels blows rounding up.
    options = {"initializer": GLOROT, "dtype": dtype}
    networks = cyclegan.Generator(1, 4, 1, **options), PatchDiscriminator(1, 4, **options)
    return cyclegan.game(*networks, generators_tx=tx, discriminators_tx=tx, image_shape=LARGER, pool=6)


def _srgan(tx, dtype):
    networks = srgan.Generator(2, 1, 2, 1, dtype=dtype), srgan.Discriminator(2, 4, dtype=dtype)
    return srgan.game(*networks, **_pair(tx, "discriminator"), image_shape=LARGER)


def _stackgan(tx, dtype):
    # Stage I, with a text encoder held; stage II is the same game with other networks, see tests/gans/test_stackgan.py.
    layers = stages.Layers(residual=False, initializer=GLOROT, dtype=dtype)
    modules = {
        "text": text.Words(6, 5, 4, dtype),
        "generator1": stages.Sketcher(8, 1, 1, 3, layers),
        "discriminator1": stages.Discriminator(4, None, True, layers),
    }
    rules = stackgan.Rules(latent=4, judged="mean")
    return stackgan.game(modules, **_pair(tx, "discriminator"), words=4, rules=rules)


def _singan(tx, dtype):
    shared: dict[str, Any] = {"layers": 2, "initializer": GLOROT, "dtype": dtype}
    scales = singan.Scales(Pyramid(1.0, 0.9, ((9, 9), (10, 10))), (singan.Generator(4, 1, **shared),) * 2)
    moves = {"generator_steps": 2, "discriminator_steps": 2}
    game = singan.game(scales, 1, singan.Discriminator(4, **shared), **_pair(tx, "discriminator"), **moves)
    # What the scale below would bring: batch norm of an image that is the same everywhere blows rounding up.
    draw = np.random.default_rng(0)
    brought = {name: jax.tree.map(lambda x: draw.uniform(0.1, 1, x.shape).astype(x.dtype), game.memory[name])
               for name in ("lower", "previous")}  # fmt: skip
    return game._replace(memory={**game.memory, **brought})


def _spade(tx, dtype):
    options = {"initializer": GLOROT, "dtype": dtype}
    # One block with a learned shortcut, one without; a layer with spectral norm in every network.
    generator = spade.Generator(2, 1, 3, **options)
    others = spade.Discriminator(3, 2, **options), spade.Encoder(3, 8, 3, **options)
    labels = spade.Labels(3, dont_care=True, edges=True)
    return spade.game(generator, *others, **_pair(tx, "discriminator"), image_shape=(8, 8, 3), labels=labels)


def _pix2pix(tx, dtype):
    options = {"initializer": GLOROT, "dtype": dtype}
    generator = pix2pix.Generator(1, 3, 2, dropped=(1,), **options)
    discriminator = PatchDiscriminator(1, 3, by_batch, use_bias=False, **options)
    txs = _pair(tx, "discriminator")
    return pix2pix.game(generator, discriminator, **txs, image_shape=SHAPE, target_channels=1, l1=10.0)


def _cagan(tx, dtype):
    options = {"initializer": GLOROT, "dtype": dtype}
    networks = cagan.Generator(4, 2, **options), cagan.Discriminator(4, 2, **options)
    return cagan.game(*networks, **_pair(tx, "discriminator"), image_shape=(16, 16, 3))


def _infogan(tx, dtype):
    codes, layers = Codes(3, (2, 3), 2), infogan.Layers(((2, 2, False), (4, 2, True)), 4, 2, 4, 4, ((2, 2, True),))
    networks = infogan.Generator(SHAPE, layers, 4, dtype=dtype), infogan.Discriminator(codes, layers, 4, dtype=dtype)
    return infogan.game(*networks, codes=codes, **_pair(tx, "discriminator"), image_shape=SHAPE)


def _unrolled(tx, dtype):
    return unrolled.game(*_plane(dtype), **_pair(tx, "discriminator"), image_shape=POINT, latent=4, steps=2)


def _presgan(tx, dtype):
    # A generator with batch norm, whose statistics the chains hold.
    networks = dcgan.Generator(8, 1, 4, dtype=dtype), dcgan.Discriminator(8, 4, dtype=dtype)
    return presgan.game(
        *networks, presgan.Noise(8, 8, 0.1), **_pair(tx, "discriminator"), noise_tx=tx, image_shape=SHAPE, latent=5,
        ema=0.9, weight=0.1, chains=Chains(1, 2, 2), step_size=0.2,
    )  # fmt: skip


def points(count: int, seed: int) -> dict[str, jax.Array]:
    """Return random points in the plane, as images of one pixel."""
    return {"images": jnp.asarray(np.random.default_rng(seed).normal(size=(count, *POINT)), jnp.float32)}


def labelled(count: int, seed: int, shape: tuple[int, ...] = SHAPE) -> dict[str, jax.Array]:
    """Return random images in [-1, 1], all labelled."""
    batch = images(count, seed, shape)
    return {"images": 2 * batch["images"] - 1, "labels": jnp.abs(batch["labels"])}


def domains(count: int, seed: int, shape: tuple[int, ...] = LARGER) -> dict[str, jax.Array]:
    """Return random images of two domains, in [-1, 1]."""
    a, b = (images(count, s, shape)["images"] for s in (seed, seed + 100))
    return {"images": 2 * a - 1, "targets": 2 * b - 1}


def enlarged(count: int, seed: int) -> dict[str, jax.Array]:
    """Return random large images in [-1, 1] and small ones in [0, 1]."""
    large, small = (images(count, seed, shape)["images"] for shape in (LARGER, SHAPE))
    return {"images": 2 * large - 1, "lows": small}


def captioned(count: int, seed: int, shape: tuple[int, ...] = SHAPE) -> dict[str, jax.Array]:
    """Return random images in [-1, 1] with two captions of three or four words, some of which are like others'."""
    words = np.random.default_rng(seed).integers(1, 6, (count, 2, 4))
    words[:, :, 3] *= words[:, :, 0] % 2
    words[1::4] = words[::4]
    return {"images": 2 * images(count, seed, shape)["images"] - 1, "captions": jnp.asarray(words, jnp.int32)}


def mapped(count: int, seed: int) -> dict[str, jax.Array]:
    """Return random images in [-1, 1] with label maps of three classes and of none."""
    draw = np.random.default_rng(seed)
    maps = draw.integers(0, 4, (count, 4, 4, 1)).repeat(2, 1).repeat(2, 2)
    drawn = images(count, seed, (8, 8, 3))["images"]
    return {"images": 2 * drawn - 1, "maps": jnp.asarray(np.where(maps == 3, 255, maps), jnp.uint8)}


def triplets(count: int, seed: int) -> dict[str, jax.Array]:
    """Return random persons and the articles that they wear, in [-1, 1]."""
    persons, articles = (images(count, s, (16, 16, 3))["images"] for s in (seed, seed + 100))
    return {"images": 2 * persons - 1, "articles": 2 * articles - 1}


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
        "gans", "sagan", _sagan, labelled,
        {
            "paper": {"generator": 42_078_852, "discriminator": 39_463_618},
            "attention64": {"generator": 42_017_412, "discriminator": 39_448_258},
            "cifar10": {"generator": 4_386_308, "discriminator": 1_075_586},
        },
        bias_before_norm=True,
    ),
    Entry(
        "gans", "biggan", _biggan, labelled,
        {
            "paper": {"generator": 70_433_988, "discriminator": 87_982_370},
            "paper256": {"generator": 82_235_844, "discriminator": 99_225_890},
            "paper512": {"generator": 82_468_068, "discriminator": 99_401_282},
            "ch64": {"generator": 31_978_628, "discriminator": 39_448_258},
            "cifar10": {"generator": 4_304_387, "discriminator": 4_207_361},
            "deep128": {"generator": 50_244_484, "discriminator": 34_590_210},
            "deep256": {"generator": 55_736_708, "discriminator": 38_247_426},
        },
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
        "gans", "srgan", _srgan, enlarged,
        {
            "paper": {"generator": 1_549_462, "discriminator": 23_565_505},
            "srresnet": {"generator": 1_549_462},
            # By hand: two shuffles of 64 -> 256 channels in 4x, 147,713 each with their slope.
            "2x": {"generator": 1_549_462 - 147_713, "discriminator": 23_565_505},
            "8x": {"generator": 1_549_462 + 147_713, "discriminator": 23_565_505},
        },
        deterministic=True,
        bias_before_norm=True,
    ),
    Entry(
        "gans", "stackgan", _stackgan, captioned,
        {
            preset: {
                "text": 1_814_144, "generator1": 14_264_192, "generator2": 26_290_080, "discriminator2": 48_603_520,
            }
            for preset in ("paper", "birds", "flowers")
        }
        # No source counts these, of 192 and 96 channels; only the first generator's was checked by hand.
        | {
            "coco": {
                "text": 4_045_184, "generator1": 20_020_832, "generator2": 37_130_480, "discriminator2": 159_889_538,
            }
        },
    ),
    Entry(
        "gans", "singan", _singan, partial(labelled, shape=(10, 10, 1)),
        {"paper": {"generator": 114_819, "discriminator": 113_665}}, bias_before_norm=True,
    ),
    Entry(
        "gans", "spade", _spade, mapped,
        {
            "paper": {"generator": 97_480_899, "discriminator": 5_904_514},
            "cityscapes": {"generator": 93_048_003, "discriminator": 5_601_410},
            "facades": {"generator": 92_359_107, "discriminator": 5_554_306},
        },
        bias_before_norm=True,
    ),
    Entry(
        "gans", "pix2pix", _pix2pix, partial(domains, shape=SHAPE),
        {
            **{
                preset: {"discriminator": 2_768_705, "generator": 54_413_955}
                for preset in ("paper", "facades", "maps", "cityscapes", "edges2shoes", "day2night")
            },
            "colourise": {"discriminator": 2_765_633, "generator": 54_409_858},
        },
    ),
    # By hand: 6,179,204 and 2,761,025 without injection, and six more inputs of every layer but the first.
    Entry(
        "gans", "cagan", _cagan, triplets,
        {"paper": {"discriminator": 2_847_047, "generator": 6_308_612}}, deterministic=True,
    ),
    Entry(
        "gans", "presgan", _presgan, labelled,
        {
            preset: {"generator": 3_576_704, "discriminator": 2_765_568, "noise": 4096}
            for preset in ("paper", "celeba")
        },
    ),
    Entry(
        "gans", "infogan", _infogan, labelled,
        {
            preset: {"generator": generator, "discriminator": discriminator}
            for preset, generator, discriminator in (
                ("paper", 6_652_481, 6_559_169 + 133_262),
                ("code", 6_652_481, 6_559_169 + 133_262),
                ("svhn", 2_800_835, 1_194_609),
                ("celeba", 2_908_355, 1_201_317),
                ("faces", 8_684_737, 8_535_499),
                ("chairs", 19_778_625, 19_601_151),
            )
        },
        bias_before_norm=True,
    ),
    Entry(
        "gans", "hologan", _hologan, labelled,
        {
            "paper": {"generator": 7_797_251, "discriminator": 5_381_761},
            "paper128": {"generator": 8_029_475, "discriminator": 19_550_725},
        },
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
