"""Trainable parameters of the published configurations, by shapes alone."""

import math

import jax
import jax.numpy as jnp
import pytest
from flax import linen as nn

from genjax.gans import cgan, dcgan, gan, sngan, wgan_gp

GRID = (
    ("gan, MNIST", gan.Generator((1200, 1200)), 100, 2_503_984),
    ("gan, MNIST", gan.Discriminator((240, 240), 5), (28, 28, 1), 1_231_441),
    ("unrolled", gan.Generator((128, 128), (1, 1, 2)), 256, 49_666),
    ("unrolled", gan.Discriminator((128,)), (1, 1, 2), 513),
    ("unrolled, notebook", gan.Discriminator((128, 128)), (1, 1, 2), 17_025),
    ("wgan_gp, plane", gan.Generator((512,) * 3, (1, 1, 2)), 2, 527_874),
    ("wgan_gp, plane", gan.Discriminator((512,) * 3), (1, 1, 2), 527_361),
    ("dcgan, Torch", dcgan.Generator(), 100, 3_576_704),
    ("dcgan, Torch", dcgan.Discriminator(), (64, 64, 3), 2_765_568),
    ("dcgan, Torch, grey", dcgan.Generator(channels=1), 100, 3_574_656),
    ("dcgan, Torch, grey", dcgan.Discriminator(), (64, 64, 1), 2_763_520),
    ("dcgan, width 128", dcgan.Generator(width=128), 100, 12_658_432),
    ("dcgan, width 128", dcgan.Discriminator(width=128), (64, 64, 3), 11_036_160),
    ("dcgan, authors", dcgan.Generator(width=128, kernel_size=5, flat_norm=True), 100, 18_885_760),
    ("dcgan, authors", dcgan.Discriminator(width=128, kernel_size=5), (64, 64, 3), 17_232_768),
    ("dcgan, 32", dcgan.Generator(32), 100, 1_068_928),
    ("dcgan, 32", dcgan.Discriminator(32), (32, 32, 3), 663_296),
    ("cgan", cgan.Generator(), 100, 2_413_984),
    ("cgan", cgan.Discriminator(), (28, 28, 1), 1_224_351),
    ("wgan_gp, 32", wgan_gp.Generator(), 128, 1_204_483),
    ("wgan_gp, 32", wgan_gp.Critic(), (32, 32, 3), 1_053_825),
    ("sngan, 32", sngan.ResNetGenerator(), 128, 4_276_739),
    ("sngan, 32", sngan.ResNetDiscriminator(), (32, 32, 3), 1_053_824),
    ("sngan, 32, 10 classes", sngan.ResNetGenerator(classes=10), 128, 4_304_387),
    ("sngan, 32, 10 classes", sngan.ResNetDiscriminator(classes=10), (32, 32, 3), 1_055_104),
    ("gan, CIFAR", gan.Generator((8000, 8000), (32, 32, 3)), 100, 89_395_072),
    ("gan, CIFAR", gan.Discriminator((1600, 1600), 5), (32, 32, 3), 37_393_601),
    ("wgan_gp, 64 strided", wgan_gp.StridedGenerator(64, width=64, norm="channel"), 128, 5_364_739),
    ("wgan_gp, 64 strided", wgan_gp.StridedCritic(64, layer_norm=True), (64, 64, 3), 4_316_545),
    ("wgan_gp, 32 strided", wgan_gp.StridedGenerator(norm="unit"), 128, 5_179_907),
    ("wgan_gp, 32 strided", wgan_gp.StridedCritic(width=128), (32, 32, 3), 4_114_689),
    ("wgan_gp, 32 strided, width 64", wgan_gp.StridedGenerator(width=64, norm="unit"), 128, 1_565_955),
    ("wgan_gp, 32 strided, width 64", wgan_gp.StridedCritic(), (32, 32, 3), 1_033_345),
    ("wgan_gp, MNIST", wgan_gp.StridedGenerator(28, 1, 64), 128, 1_554_177),
    ("wgan_gp, MNIST", wgan_gp.StridedCritic(28), (28, 28, 1), 1_030_145),
    # By hand: dense, per block two norms, two convolutions (the first without bias) and a shortcut, norm, output.
    ("wgan_gp, 64", wgan_gp.Generator(64, 3, (512, 256, 128, 64), 512, False), 128, 8_540_483),
    ("wgan_gp, 64", wgan_gp.NormalizedCritic(), (64, 64, 3), 7_491_841),
    ("sngan, 48", sngan.ResNetGenerator(48, widths=(256, 128, 64), first=512), 128, 4_878_083),
    (
        "sngan, 48",
        sngan.ResNetDiscriminator((64, 128, 256, 512, 1024), 4, last_bias=True),
        (48, 48, 3),
        10_141_441,
    ),
    ("sngan, 64", sngan.ResNetGenerator(64, widths=(512, 256, 128, 64), first=1024), 128, 12_220_675),
    (
        "sngan, 64",
        sngan.ResNetDiscriminator((64, 128, 256, 512, 1024), 5, last_bias=True),
        (64, 64, 3),
        10_141_441,
    ),
    ("sngan, plain", sngan.PlainGenerator(), 128, 3_828_739),
    ("sngan, plain", sngan.PlainDiscriminator(), (32, 32, 3), 5_860_865),
    ("sngan, 128", sngan.ResNetGenerator(128, widths=(1024, 512, 256, 128, 64), first=1024), 128, 32_150_787),
    (
        "sngan, 128",
        sngan.ResNetDiscriminator((64, 128, 256, 512, 1024, 1024), 5, last_bias=True),
        (128, 128, 3),
        29_017_857,
    ),
    (
        "sngan, 128, 1000 classes",
        sngan.ResNetGenerator(128, widths=(1024, 512, 256, 128, 64), first=1024, classes=1000),
        128,
        41_996_931,
    ),
    (
        "sngan, 128, 1000 classes",
        sngan.ResNetDiscriminator((64, 128, 256, 512, 1024, 1024), 5, classes=1000, last_bias=True),
        (128, 128, 3),
        30_041_857,
    ),
)


@pytest.mark.parametrize(
    ("network", "source", "expected"),
    [row[1:] for row in GRID],
    ids=[f"{row[0]}, {type(row[1]).__name__}" for row in GRID],
)
def test_parameters_and_outputs(network: nn.Module, source, expected):
    shape = (3, source) if isinstance(source, int) else (3, *source)
    inputs = jax.ShapeDtypeStruct(shape, jnp.float32)
    labels = jax.ShapeDtypeStruct((3,), jnp.int32)
    key = jax.eval_shape(lambda: jax.random.key(0))
    variables = jax.eval_shape(network.init, key, inputs, labels)
    assert sum(math.prod(x.shape) for x in jax.tree.leaves(variables["params"])) == expected
    output = jax.eval_shape(network.apply, variables, inputs, labels)
    assert output.dtype == jnp.float32
    assert output.shape == (3,) if len(shape) == 4 else output.shape[0] == 3 and output.ndim == 4
