"""The published presets' networks start as their sources do."""

import math
from functools import cache

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from genjax.classifiers import resnet, vgg
from genjax.engine import init_state
from genjax.gans.dcgan import Norm
from genjax.run.run import recipe
from tests.presets.built import run_of

TFLIB = {
    ("wgan_gp", "mnist"): {
        "generator": {(128, 4096): 0.021760, (5, 5, 256, 128): 0.028868, (5, 5, 128, 64): 0.040825,
                      (5, 5, 64, 1): 0.097014},
        "critic": {(5, 5, 1, 64): 0.097014, (5, 5, 64, 128): 0.040825, (5, 5, 128, 256): 0.028868,
                   (4096, 1): 0.022094},
    },
    ("wgan_gp", "cifar10_strided"): {
        "generator": {(128, 8192): 0.015504, (5, 5, 512, 256): 0.020412, (5, 5, 256, 128): 0.028868,
                      (5, 5, 128, 3): 0.067612},
        "critic": {(5, 5, 3, 128): 0.067612, (5, 5, 128, 256): 0.028868, (5, 5, 256, 512): 0.020412,
                   (8192, 1): 0.015624},
    },
    ("wgan_gp", "lsun_strided"): {
        "generator": dict.fromkeys(
            ((128, 8192), (5, 5, 512, 256), (5, 5, 256, 128), (5, 5, 128, 64), (5, 5, 64, 3)), 0.02
        ),
        "critic": dict.fromkeys(
            ((5, 5, 3, 64), (5, 5, 64, 128), (5, 5, 128, 256), (5, 5, 256, 512), (8192, 1)), 0.02
        ),
    },
    ("wgan_gp", "lsun", "--width", "32"): {
        "generator": {
            (3, 3, 32, 3): math.sqrt(4 / 9 / 35),
            (1, 1, 256, 128): math.sqrt(2 / 384),
            (3, 3, 128, 64): math.sqrt(4 / 9 / 192),
        },
        "critic": {(3, 3, 3, 32): math.sqrt(2 / 9 / 35)},
    },
    ("wgan_gp", "paper"): {"generator": {(3, 3, 128, 3): 0.041187}},
    ("srgan", "srresnet", "--width", "16", "--blocks", "1"): {
        "generator": {(9, 9, 3, 16): 1 / math.sqrt(3 * 243), (3, 3, 16, 64): 1 / math.sqrt(3 * 144),
                      (9, 9, 16, 3): 1 / math.sqrt(3 * 81 * 16)},
    },
    ("wgan_gp", "plane"): {
        "generator": {(2, 512): 1.0, (512, 512): 0.0625, (512, 2): 0.062378},
        "critic": {(2, 512): 1.0, (512, 512): 0.0625, (512, 1): 0.062439},
    },
    ("gan", "paper"): {
        "generator": dict.fromkeys(((100, 1200), (1200, 1200), (1200, 784)), 0.05 / math.sqrt(3)),
        "discriminator": {(240, 1): 0.005 / math.sqrt(3)},
    },
    ("sagan", "cifar10"): {
        "generator": {(128, 4096): math.sqrt(2 / 4224), (3, 3, 256, 256): math.sqrt(2 / 9 / 512),
                      (1, 1, 256, 256): math.sqrt(2 / 512), (3, 3, 256, 3): math.sqrt(2 / 9 / 259)},
        "discriminator": {(3, 3, 128, 128): math.sqrt(2 / 9 / 256), (1, 1, 128, 16): math.sqrt(2 / 144),
                          (128, 1): math.sqrt(2 / 129), (10, 128): math.sqrt(2 / 138)},
    },
    ("wgan", "mlp"): {
        "generator": {(100, 512): 1 / math.sqrt(300), (512, 512): 1 / math.sqrt(3 * 512),
                      (512, 12288): 1 / math.sqrt(3 * 512)},
        "critic": {(12288, 512): 1 / math.sqrt(3 * 12288), (512, 1): 1 / math.sqrt(3 * 512)},
    },
}  # fmt: skip
"""Uniform ones: no weight lies farther out than sqrt 3 deviations."""
NORMAL = {
    ("biggan", "cifar10"): {
        "generator": {(128, 4096): 0.02, (3, 3, 256, 256): 0.02, (10, 256): 0.02, (3, 3, 256, 3): 0.02},
        "discriminator": {(3, 3, 256, 256): 0.02, (1, 1, 3, 256): 0.02, (10, 256): 0.02},
    },
    ("dcgan", "torch"): {
        "generator": {(100, 8192): 0.02, (4, 4, 512, 256): 0.02, (4, 4, 64, 3): 0.02},
        "discriminator": {(4, 4, 3, 64): 0.02, (8192, 1): 0.02},
    },
    ("infogan", "paper"): {
        "generator": {(74, 1024): 0.02, (1024, 6272): 0.02, (4, 4, 128, 64): 0.02},
        # Truncated at two deviations, which leaves 0.88 of one.
        "discriminator": {(4, 4, 64, 128): 0.0176, (6272, 1024): 0.02, (1024, 128): 0.02},
    },
    ("wgan", "no_batch_norm"): {"generator": {(100, 8192): 0.02, (4, 4, 64, 3): 0.02}},
    ("presgan", "paper"): {
        "generator": {(100, 8192): 0.02, (4, 4, 64, 3): 0.02},
        "discriminator": {(4, 4, 3, 64): 0.02, (8192, 1): 0.02},
    },
    ("sngan", "plain"): {
        "generator": {(128, 8192): 0.02, (3, 3, 64, 3): 0.02},
        "discriminator": {(3, 3, 3, 64): 0.02, (4, 4, 64, 128): 0.02},
    },
    ("ae", "paper"): {"ae": {(784, 1000): 0.1, (250, 30): 0.1, (1000, 784): 0.1}},
    ("vae", "paper"): {"vae": {(784, 500): 0.01, (500, 20): 0.01, (500, 784): 0.01}},
    ("m2", "paper"): {"m2": {(784, 500): 1e-3, (500, 10): 1e-3, (500, 784): 1e-3}},
    ("spade", "facades", "--width", "8"): {
        "generator": {(3, 3, 13, 128): 0.02 * math.sqrt(2 / 9 / 141), (3, 3, 8, 3): 0.02 * math.sqrt(2 / 9 / 11)},
        "discriminator": {(4, 4, 16, 64): 0.02 * math.sqrt(2 / 16 / 80)},
    },
    ("pix2pix", "facades", "--halvings", "3", "--width", "16"): {
        "generator": {(4, 4, 3, 16): 0.02, (4, 4, 32, 64): 0.02, (4, 4, 64, 16): 0.02},
        "discriminator": {(4, 4, 6, 64): 0.02, (4, 4, 64, 128): 0.02},
    },
    ("cyclegan", "cityscapes", "--blocks", "1", "--width", "32"): {
        "forward": {(7, 7, 3, 32): 0.02},
        "discriminator_a": {(4, 4, 3, 64): 0.02},
    },
}  # fmt: skip


@cache
def first_parameters(net, *command):
    init = run_of(*command).phases[-1].game.networks[net]
    return jax.jit(lambda key: init(key)["params"])(jax.random.key(0))


@pytest.mark.parametrize("which", TFLIB | NORMAL, ids=" ".join)
def test_first_weights_have_the_sources_deviations(which):
    for net, expected in (TFLIB | NORMAL)[which].items():
        leaves = [np.asarray(x) for x in jax.tree.leaves(first_parameters(net, *which))]
        for shape, deviation in expected.items():
            found = [x for x in leaves if x.shape == shape]
            assert found, f"{net} has no kernel {shape}, but {sorted({x.shape for x in leaves if x.ndim > 1})}"
            for kernel in found:
                share = max(0.02, 4 / math.sqrt(2 * kernel.size))
                assert kernel.std() == pytest.approx(deviation, rel=share), (net, shape)
                if which in TFLIB:
                    assert np.abs(kernel).max() <= math.sqrt(3) * deviation * 1.001, (net, shape)


def test_biases_start_where_the_sources_have_them():
    drawn = {path[-1].key: np.asarray(x) for path, x in leaves_of("vae", "paper", "vae") if x.shape == (784,)}
    assert drawn["bias"].std() == pytest.approx(0.01, rel=0.1)  # "all parameters"
    for which in (("m2", "paper", "m2"), ("ae", "paper", "ae"), ("wgan_gp", "mnist", "critic")):
        assert all(not np.any(x) for path, x in leaves_of(*which) if path[-1].key == "bias")


def leaves_of(name, preset, net):
    return jax.tree_util.tree_leaves_with_path(first_parameters(net, name, preset))


@pytest.mark.parametrize("kind", [resnet.ResNet18, pytest.param(resnet.ResNet50, marks=pytest.mark.slow)])
def test_residual_classifiers_start_as_goyal_et_al_say(kind):
    network = kind(width=16)
    params = jax.jit(lambda key: network.init(key, jnp.zeros((1, 32, 32, 3))))(jax.random.key(0))["params"]
    leaves = {jax.tree_util.keystr(path): np.asarray(x) for path, x in jax.tree_util.tree_leaves_with_path(params)}
    scales = {path: x for path, x in leaves.items() if "scale" in path}
    last = "bn2" if kind is resnet.ResNet18 else "bn3"
    zero = {path for path in scales if last in path}  # so that a block begins as the identity
    assert len(zero) == sum(kind.args[1])
    assert all(np.all(x == (0 if path in zero else 1)) for path, x in scales.items())
    assert leaves["['fc']['kernel']"].std() == pytest.approx(0.01, rel=0.02)
    assert leaves["['conv1']['kernel']"].std() == pytest.approx(math.sqrt(2 / (49 * 16)), rel=0.1)


def test_vggs_dense_layers_start_as_torchvisions():
    network = vgg.VGG16(hidden=32, features=(4,) * 5, depths=(1,) * 5)
    params = jax.jit(lambda key: network.init(key, jnp.zeros((1, 32, 32, 3)))["params"])(jax.random.key(0))
    for name in ("fc6", "fc7", "fc8"):
        assert params[name]["kernel"].std() == pytest.approx(0.01, rel=0.1)


def test_the_codes_networks_without_batch_norm_have_no_biases():
    kinds = {path[-1].key for path, _ in leaves_of("wgan", "no_batch_norm", "generator")}
    assert kinds == {"kernel"}
    counts = {"no_batch_norm": (3_574_784, 2_765_568), "mlp_generator": (6_880_768, 2_765_568),
              "mlp": (6_880_768, 6_817_793)}  # fmt: skip
    for preset, (generator, critic) in counts.items():
        networks = run_of("wgan", preset).phases[-1].game.networks
        shapes = {net: jax.eval_shape(init, jax.random.key(0))["params"] for net, init in networks.items()}
        sizes = {net: sum(math.prod(x.shape) for x in jax.tree.leaves(tree)) for net, tree in shapes.items()}
        assert sizes == {"generator": generator, "critic": critic}, preset


def test_batch_norms_epsilon_reaches_both_networks():
    x = 1e-4 * jnp.asarray(np.random.default_rng(0).normal(size=(20_000, 4)), jnp.float32)
    for epsilon in (1e-8, 1e-5):
        norm = Norm(epsilon)
        variables = norm.init(jax.random.key(0), x, True)
        variables = {**variables, "params": {"scale": jnp.ones(4), "bias": jnp.zeros(4)}}
        found = norm.apply(variables, x, True, mutable=["batch_stats"])[0].std()
        assert found == pytest.approx(1 / math.sqrt(1 + epsilon / 1e-8), rel=0.02)
    for preset, epsilon in (("paper", 1e-8), ("torch", 1e-5)):
        assert recipe("dcgan").presets[preset].epsilon == epsilon
        jaxpr = str(jax.make_jaxpr(_loss(run_of("dcgan", preset)))(jax.random.key(0)))
        assert jaxpr.count(f"{epsilon!r}:f32") >= 7 or jaxpr.count(f"{np.float32(epsilon)}:f32") >= 7


def _loss(run):
    phase = run.phases[0]

    def loss(key):
        state = init_state(phase.game, key)
        batch = {"images": jnp.zeros((2, 64, 64, 3))}
        return [player.loss(state, batch, key)[0] for player in phase.game.players]

    return loss
