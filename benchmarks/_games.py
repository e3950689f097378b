"""The thirteen games that `benchmarks.gan_step` times, with their published widths, and the batches that they train on.

`CASES`: name -> Case. SAGAN and BigGAN are those published for CIFAR-10; InfoGAN is MNIST's, SPADE has the classes of
ADE20K. StyleGAN is the phase of 32 pixels with nothing fading in, SinGAN the sixth and finest scale of an image of
64 x 96 pixels. The feature networks of SPADE and SRGAN are VGG-19s with random weights.
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from genjax.classifiers import resnet, vgg
from genjax.codes import Codes
from genjax.engine.game import Game
from genjax.gans import (
    biggan,
    cyclegan,
    dcgan,
    hologan,
    infogan,
    pix2pix,
    sagan,
    singan,
    sngan,
    spade,
    srgan,
    stylegan,
    wgan_gp,
)  # fmt: skip
from genjax.latent import SYMMETRIC
from genjax.losses import perceptual
from genjax.nn.initializers import normal
from genjax.nn.label_maps import Labels
from genjax.nn.patch import PatchDiscriminator, by_batch
from genjax.nn.pyramid import pyramid
from genjax.nn.scales import Scales
from genjax.views import Views

COLOURS = (32, 32, 3)


def _adam(beta1: float, beta2: float, rate: float = 2e-4) -> optax.GradientTransformation:
    return optax.adam(rate, b1=beta1, b2=beta2)


def _both(beta1: float, beta2: float, rate: float = 2e-4) -> dict[str, Any]:
    """Return Adam for both players."""
    return {f"{player}_tx": _adam(beta1, beta2, rate) for player in ("generator", "discriminator")}


def _dcgan(width: int, dtype: Any) -> Game:
    networks = dcgan.Generator(width=width, dtype=dtype), dcgan.Discriminator(width=width, dtype=dtype)
    return dcgan.game(*networks, **_both(0.5, 0.999), image_shape=(64, 64, 3), latent=100)


def _sngan(width: int, dtype: Any) -> Game:
    generator = sngan.ResNetGenerator(widths=(width,) * 3, first=width, dtype=dtype)
    discriminator = sngan.ResNetDiscriminator(widths=(width // 2,) * 4, dtype=dtype)
    setting: dict[str, Any] = {"image_shape": COLOURS, "latent": 128}
    return sngan.game(generator, discriminator, **_both(0, 0.9), **setting, generator_batch=2)


def _wgan_gp(width: int, dtype: Any) -> Game:
    networks = wgan_gp.Generator(widths=(width,) * 3, dtype=dtype), wgan_gp.Critic(widths=(width,) * 4, dtype=dtype)
    return wgan_gp.game(
        *networks, generator_tx=_adam(0, 0.9), critic_tx=_adam(0, 0.9), image_shape=COLOURS, latent=128,
        generator_batch=2,
    )  # fmt: skip


def _cyclegan(width: int, dtype: Any) -> Game:
    generator = cyclegan.Generator(width=width, blocks=6, dtype=dtype)
    discriminator = PatchDiscriminator(width=width, dtype=dtype)
    return cyclegan.game(
        generator, discriminator, generators_tx=_adam(0.5, 0.999), discriminators_tx=_adam(0.5, 0.999),
        image_shape=(64, 64, 3),
    )  # fmt: skip


def _sagan(width: int, dtype: Any) -> Game:
    generator = sagan.Generator(32, 3, (width,) * 3, width, 10, attention=16, dtype=dtype)
    discriminator = sagan.Discriminator((width // 2,) * 4, 2, 10, attention=16, dtype=dtype)
    return sagan.game(
        generator, discriminator, **_both(0.5, 0.999), classes=10, discriminator_steps=5, image_shape=COLOURS,
        latent=128,
    )  # fmt: skip


def _stylegan(width: int, dtype: Any) -> Game:
    shared: dict[str, Any] = {"limit": width, "dtype": dtype}
    generator = stylegan.Generator(32, style=width, **shared)
    return stylegan.game(
        generator, stylegan.Discriminator(32, **shared), **_both(0, 0.99, 1e-3), latent=width, ema=0.999
    )


def _biggan(width: int, dtype: Any) -> Game:
    shared: dict[str, Any] = {"classes": 10, "attention": None, "initializer": normal(0.02), "dtype": dtype}
    generator = biggan.Generator(
        32, first=4 * width, widths=(4 * width,) * 3, embedding=0, hierarchical=False, epsilon=1e-5, **shared
    )
    discriminator = biggan.Discriminator((4 * width,) * 4, 2, **shared)
    return biggan.game(
        generator, discriminator, **_both(0, 0.999), classes=10, discriminator_steps=4, orthogonal=0.0,
        image_shape=COLOURS, latent=128, ema=0.9999, ema_start=1000,
    )  # fmt: skip


def _pix2pix(width: int, dtype: Any) -> Game:
    generator = pix2pix.Generator(width=width, halvings=6, dtype=dtype)
    discriminator = PatchDiscriminator(3, width, by_batch, use_bias=False, dtype=dtype)
    return pix2pix.game(generator, discriminator, **_both(0.5, 0.999), image_shape=(64, 64, 3))


def random_sight(width: int) -> perceptual.Sight:
    """Return a VGG-19 with random weights; width: channels of its first stage, 64 as published."""
    network = vgg.VGG16(1, tuple(factor * width for factor in (1, 2, 4, 8, 8)), vgg.VGG19, hidden=1)
    made = jax.jit(network.init)(jax.random.key(0), jnp.zeros((1, 32, 32, 3)))["params"]
    stages = {name: layers for name, layers in made.items() if name.startswith("stage")}
    return perceptual.Sight("VGG-19 of random weights", stages, resnet.MEAN_RGB, resnet.STD_RGB)


def _spade(width: int, dtype: Any) -> Game:
    sight = random_sight(width)
    compared = perceptual.absolute(sight, perceptual.shares_of(sight))
    return spade.game(
        spade.Generator(width, hidden=2 * width, dtype=dtype), spade.Discriminator(width, dtype=dtype),
        generator_tx=_adam(0, 0.9, 1e-4), discriminator_tx=_adam(0, 0.9, 4e-4), image_shape=(64, 64, 3),
        labels=Labels(150, dont_care=True), perceptual=compared, memory={perceptual.MEMORY: sight.parameters},
    )  # fmt: skip


def _srgan(width: int, dtype: Any) -> Game:
    sight = random_sight(width)
    return srgan.game(
        srgan.Generator(width=width, dtype=dtype), srgan.Discriminator(width, dtype=dtype), **_both(0.9, 0.999, 1e-4),
        image_shape=(96, 96, 3), content=perceptual.squared(sight, ("relu5_4",), 1 / 12.75**2),
        memory={perceptual.MEMORY: sight.parameters},
    )  # fmt: skip


def _singan(width: int, dtype: Any) -> Game:
    sizes = pyramid(64, 96)
    widths = [width * (1 + level // 4) for level in range(len(sizes.sizes))]
    generators = tuple(singan.Generator(each, dtype=dtype) for each in widths)
    discriminator = singan.Discriminator(widths[-1], dtype=dtype)
    return singan.game(Scales(sizes, generators), len(widths) - 1, discriminator, **_both(0.5, 0.999, 5e-4))


def _hologan(width: int, dtype: Any) -> Game:
    generator = hologan.Generator(
        template=8 * width, volumes=(2 * width, width), flat=16 * width, images=(4 * width, width), dtype=dtype
    )
    return hologan.game(
        generator, hologan.Discriminator(width=width, dtype=dtype), **_both(0.5, 0.999, 1e-4),
        views=Views((220.0, 320.0), (70.0, 110.0)), weights=hologan.Weights(identity=1.0), image_shape=(64, 64, 3),
        latent=128, prior=SYMMETRIC,
    )  # fmt: skip


def _infogan(width: int, dtype: Any) -> Game:
    codes = Codes(62, (10,), 2)
    return infogan.game(
        infogan.Generator(width=width, dtype=dtype), infogan.Discriminator(codes, width=width, dtype=dtype),
        codes=codes, generator_tx=_adam(0.5, 0.999, 1e-3), discriminator_tx=_adam(0.5, 0.999), image_shape=(28, 28, 1),
    )  # fmt: skip


class Column(NamedTuple):
    """What a batch has of an example: float32[*shape] in [low, 1], or int32[*shape] below `classes`."""

    shape: tuple[int, ...]
    low: float = -1.0
    classes: int = 0

    def random(self, draw: np.random.Generator, count: int) -> np.ndarray:
        """Return `count` examples: speed does not depend on what they show."""
        if self.classes:
            return draw.integers(0, self.classes, (count, *self.shape), np.int32)
        return draw.uniform(self.low, 1, (count, *self.shape)).astype(np.float32)


class Case(NamedTuple):
    """game: (width, dtype) -> Game.  width: the published one.  batches: on a CPU and on an accelerator."""

    title: str
    game: Callable[[int, Any], Game]
    width: int
    batches: tuple[int, int]
    columns: Mapping[str, Column]


IMAGES = 256


def columns_of(case: Case) -> dict[str, np.ndarray]:
    """Return the random examples that a case trains on, by column."""
    draw = np.random.default_rng(0)
    return {name: column.random(draw, IMAGES) for name, column in case.columns.items()}


_64, _32 = {"images": Column((64, 64, 3))}, {"images": Column(COLOURS)}
_labelled, _pairs = {**_32, "labels": Column((), classes=10)}, {**_64, "targets": Column((64, 64, 3))}
_mapped = {**_64, "maps": Column((64, 64, 1), classes=151)}
_small = {"images": Column((96, 96, 3)), "lows": Column((24, 24, 3), low=0.0)}
CASES = {
    "dcgan": Case("DCGAN-64", _dcgan, 64, (32, 128), _64),
    "sngan": Case("SNGAN-32", _sngan, 256, (4, 64), _32),
    "wgan_gp": Case("WGAN-GP-32", _wgan_gp, 128, (8, 64), _32),
    "cyclegan": Case("CycleGAN-64", _cyclegan, 64, (1, 8), _pairs),
    "sagan": Case("SAGAN-32", _sagan, 256, (4, 64), _labelled),
    "stylegan": Case("StyleGAN-32", _stylegan, 512, (2, 64), _32),
    "biggan": Case("BigGAN-32", _biggan, 64, (4, 64), _labelled),
    "pix2pix": Case("pix2pix-64", _pix2pix, 64, (8, 32), _pairs),
    "spade": Case("SPADE-64", _spade, 64, (1, 16), _mapped),
    "srgan": Case("SRGAN-96", _srgan, 64, (2, 16), _small),
    "singan": Case("SinGAN, 64 x 96", _singan, 32, (1, 1), {"images": Column((64, 96, 3))}),
    "hologan": Case("HoloGAN-64", _hologan, 64, (4, 32), _64),
    "infogan": Case("InfoGAN-28", _infogan, 64, (128, 128), {"images": Column((28, 28, 1), low=0.0)}),
}
