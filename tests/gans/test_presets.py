"""The published presets hold their sources' values: every number, first weight and optimizer step that they state."""

import ast
import dataclasses
import inspect
import itertools
import math
from functools import cache, partial
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import linen as nn

from genjax import data
from genjax.classifiers import resnet, vgg
from genjax.data import Arrays, Dataset
from genjax.data.known import KNOWN
from genjax.engine import init_state
from genjax.engine.adversarial import Side, adversarial_game
from genjax.engine.network import aux
from genjax.engine.step import make_step
from genjax.gans import gan, pggan
from genjax.gans.dcgan import Norm
from genjax.run.cli import parse_recipe
from genjax.run.options import COMMON
from genjax.run.run import names, recipe

OWN = {"small", "short", "gelu", "vit"}
"""Presets without a source."""
PUBLISHED = [(name, preset) for name in names() for preset in recipe(name).presets if preset not in OWN]


def hyper_of(name, preset, *arguments):
    return parse_recipe(recipe(name), (preset, *arguments))[1]


@cache
def dataset_of(spec, image_size):
    if spec in KNOWN:
        return data.placeholder(data.known(spec, image_size=image_size))
    return data.load(spec, image_size=image_size)


@cache
def run_of(name, preset, *arguments):
    hyper = hyper_of(name, preset, *arguments)
    return recipe(name).build(hyper, dataset_of(hyper.data, hyper.image_size))


def steps_of(name, preset, *arguments):
    return sum(phase.steps for phase in run_of(name, preset, *arguments).phases)


# --- Written out: a change of a toy changes no published preset.


def assigned(tree):
    return {
        node.targets[0].id: node.value
        for node in tree.body
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)
    }


def origin(node, known):
    """Return the call of Hyper that a preset derives from, and the keywords stated on the way."""
    if isinstance(node, ast.Name):
        return origin(known[node.id], known)
    assert isinstance(node, ast.Call), ast.dump(node)
    stated = {keyword.arg for keyword in node.keywords}
    if node.func.id == "Hyper":
        return node, stated
    assert node.func.id == "replace", f"a preset is Hyper(...) or replace(...), not {node.func.id}"
    base, before = origin(node.args[0], known)
    return base, before | stated


@pytest.mark.parametrize("name", names())
def test_published_presets_are_written_out_and_derive_from_no_toy(name):
    known = assigned(ast.parse(inspect.getsource(inspect.getmodule(recipe(name).options))))
    table = known["PRESETS"]
    presets = {key.value: origin(value, known) for key, value in zip(table.keys, table.values, strict=True)}
    toys = {id(base) for preset, (base, _) in presets.items() if preset in OWN}
    for preset, (base, stated) in presets.items():
        if preset not in OWN:
            assert id(base) not in toys, f"{preset} derives from a toy"
            assert {"data", "batch_size"} <= stated, preset
            assert stated & {"steps", "epochs"}, preset
            values = recipe(name).presets[preset]
            assert (values.steps is None) != (values.epochs is None), preset


@pytest.mark.parametrize("name", names())
def test_an_option_of_a_model_has_no_default_but_that_of_not_being_used(name):
    common = {field.name for group in COMMON for field in dataclasses.fields(group)}
    defaults = {
        field.name: field.default
        for field in dataclasses.fields(recipe(name).options)
        if field.name not in common and field.default is not dataclasses.MISSING
    }
    assert not {field: value for field, value in defaults.items() if value is not None and value is not False}


# --- Values. Only what a source says; what it leaves open is not repeated here.

ADAM = {"beta1": 0.5, "beta2": 0.999, "decay_from": None}
RATES = {"generator_rate": 2e-4, "discriminator_rate": 2e-4}
DCGAN = {"batch_size": 128, "latent": 100, "prior": "uniform", "width": 128, "kernel_size": 5, "flat_norm": True,
         "batch_norm": True, "epsilon": 1e-8, "l2": 1e-5, "ema": None, "image_size": 64, **RATES, **ADAM}  # fmt: skip
TORCH = DCGAN | {"batch_size": 64, "prior": "normal", "width": 64, "kernel_size": 4, "flat_norm": False,
                 "epsilon": 1e-5, "l2": 0.0}  # fmt: skip
GAN = {"batch_size": 100, "latent": 100, "epochs": 250, "objective": "non-saturating", "simultaneous": True,
       "discriminator_weight": 0.5, "ema": None}  # fmt: skip
WGAN = {"data": "tfds:lsun/bedroom", "image_size": 64, "steps": 227_862, "batch_size": 64, "latent": 100, "limit": 0.01,
        "generator_rate": 5e-5, "discriminator_rate": 5e-5, "critic_steps": 5, "warm_up": 25, "burst_every": 500,
        "ema": None}  # fmt: skip
WGAN_GP = {"batch_size": 64, "latent": 128, "weight": 10.0, "critic_steps": 5, "generator_batch": 1, "ema": None,
           "dequantize": False, "generator_rate": 1e-4, "discriminator_rate": 1e-4, "decay_from": None, "beta2": 0.9,
           "steps": 200_000}  # fmt: skip
STRIDED = WGAN_GP | {"networks": "strided", "beta1": 0.5, "deviation": None, "layer_norm": False}
SNGAN = {"batch_size": 64, "latent": 128, "prior": "normal", **RATES, "beta1": 0.0, "beta2": 0.9, "decay_from": 0.0,
         "networks": "residual", "objective": "hinge", "discriminator_steps": 5, "generator_batch": 2,
         "dequantize": True, "ema": None, "labels": False}  # fmt: skip
CIFAR = SNGAN | {"data": "tfds:cifar10", "steps": 50_000, "first": 256, "generator_widths": (256,) * 3,
                 "discriminator_widths": (128,) * 4, "halvings": 2, "last_bias": False}  # fmt: skip
IMAGENET = SNGAN | {"data": "tfds:imagenet2012", "image_size": 128, "steps": 450_000, "decay_from": 8 / 9,
                    "first": 1024, "generator_widths": (1024, 512, 256, 128, 64), "halvings": 5, "last_bias": True,
                    "discriminator_widths": (64, 128, 256, 512, 1024, 1024)}  # fmt: skip
PLAIN = {"data": "tfds:cifar10", "steps": 100_000, "batch_size": 64, "latent": 128, "prior": "uniform", **RATES, **ADAM,
         "networks": "plain", "first": 512, "discriminator_widths": (64, 128, 128, 256, 256, 512, 512), "slope": 0.2,
         "objective": "cross-entropy", "discriminator_steps": 1, "generator_batch": 1, "dequantize": False,
         "ema": None}  # fmt: skip
UNROLLED = {"data": "mixture:ring", "steps": 25_000, "batch_size": 512, "latent": 256, "discriminator_rate": 1e-4,
            "units": 128, "ema": None, **ADAM}  # fmt: skip
PGGAN = {"batch_size": 16, "latent": 512, "generator_rate": 1e-3, "discriminator_rate": 1e-3, "beta1": 0.0,
         "beta2": 0.99, "base": 8192, "limit": 512, "first_size": 4, "first_images": 800_000, "fade_images": 800_000,
         "stable_images": 800_000, "ramp_images": 40_000, "weight": 10.0, "target": 1.0, "drift": 1e-3,
         "compare": True, "simultaneous": False, "half_life": None, "ema": 0.999, "mirror": False}  # fmt: skip
CYCLEGAN = {"epochs": 200, "batch_size": 1, "mirror": True, "width": 64, "discriminator_width": 64,
            "discriminator_layers": 3, "cycle": 10.0, "pool": 50, "rate": 2e-4, "beta1": 0.5}  # fmt: skip
MNIST = {"data": "tfds:mnist", "batch_size": 100, "coder": "dense", "learning_rate": 1e-3, "likelihood": "bernoulli",
         "binarize": "no", "batch_norm": False, "dropout": 0.0, "train_images": None, "optimizer": "own",
         "l2": 0.0}  # fmt: skip
ARTICLE = MNIST | {"epochs": 1000, "hidden": (128,), "latent": 16, "activation": "tanh", "initializer": "glorot"}
RESNET = {"data": "tfds:imagenet2012", "image_size": 256, "crop": 224, "flip": True, "epochs": 90, "batch_size": 256,
          "optimizer": "sgd", "weight_decay": 1e-4, "learning_rate": 0.1, "schedule": "steps", "rate_warm_up": 0.0,
          "smoothing": 0.0, "ema": None}  # fmt: skip

VALUES = {
    ("ae", "article"): ARTICLE,
    ("ae", "paper"): MNIST | {"hidden": (1000, 500, 250), "latent": 30, "activation": "sigmoid"},
    ("vae", "article"): ARTICLE | {"beta": 0.1, "samples": 5},
    ("vae", "pytorch"): MNIST | {"epochs": 20, "batch_size": 1000, "hidden": (20,), "latent": 10, "activation": "relu",
                                 "batch_norm": True, "dropout": 0.2, "initializer": "torch", "beta": 1.0,
                                 "samples": 1},
    ("vae", "flax"): MNIST | {"epochs": 10, "batch_size": 128, "hidden": (500,), "latent": 20, "activation": "relu",
                              "initializer": "lecun", "beta": 1.0, "samples": 1, "binarize": "fixed",
                              "train_images": 50_000},
    ("vae", "paper"): MNIST | {"hidden": (500,), "latent": 20, "activation": "tanh", "initializer": "normal-all",
                               "deviation": 0.01, "optimizer": "adagrad", "learning_rate": 0.02, "l2": 1 / 60_000,
                               "beta": 1.0, "samples": 1},
    ("cvae", "article"): ARTICLE | {"beta": 0.1, "samples": 5, "labelled": 0.5, "embedding": 128, "late": True},
    ("cvae", "paper"): {"labelled": 1.0, "late": False},
    ("m2", "paper"): MNIST | {"train_images": 50_000, "epochs": 3000, "batch_size": 500, "learning_rate": 3e-4,
                              "hidden": (500,), "latent": 50, "activation": "softplus", "initializer": "normal",
                              "deviation": 1e-3, "l2": 1 / 50_000, "binarize": "dynamic", "labels": 100, "alpha": 0.1,
                              "beta": 1.0, "share": 0.0},
    ("classifier", "resnet18"): RESNET | {"network": "resnet18"},
    ("classifier", "resnet50"): RESNET | {"network": "resnet50"},
    ("classifier", "vgg16"): RESNET | {"network": "vgg16", "epochs": 74, "optimizer": "momentum", "weight_decay": 0.0,
                                       "l2": 5e-4, "learning_rate": 0.01},
    ("gan", "paper"): GAN | {"data": "tfds:mnist", "train_images": 50_000, "networks": "maxout",
                             "generator_rate": 0.1, "discriminator_rate": 0.1},
    ("gan", "cifar10"): GAN | {"data": "tfds:cifar10", "train_images": 40_000, "networks": "wide",
                               "generator_rate": 0.025, "discriminator_rate": 0.025},
    ("cgan", "paper"): {"data": "tfds:mnist", "train_images": None, "steps": 287_829, "batch_size": 100, "latent": 100,
                        "prior": "uniform", "generator_rate": 0.1, "discriminator_rate": 0.1, "falling_sgd": True,
                        "generator_units": (200, 1000, 1200), "discriminator_units": (240, 50, 240), "dropout": 0.5,
                        "pixels": "sigmoid", "label_noise": 0.0, "ema": None},
    ("dcgan", "paper"): DCGAN | {"epochs": 25},
    ("dcgan", "lsun"): DCGAN | {"data": "tfds:lsun/bedroom", "epochs": 5},
    ("dcgan", "torch"): TORCH | {"epochs": 25},
    ("dcgan", "cifar10"): TORCH | {"data": "tfds:cifar10", "image_size": None},
    ("wgan", "paper"): WGAN | {"networks": "convolutional", "width": 64},
    ("wgan", "no_batch_norm"): WGAN | {"networks": "unnormalised", "width": 64},
    ("wgan", "mlp_generator"): WGAN | {"networks": "mlp-generator", "width": 64},
    ("wgan", "mlp"): WGAN | {"networks": "mlp"},
    ("wgan_gp", "paper"): WGAN_GP | {"data": "tfds:cifar10", "networks": "residual", "width": 128, "beta1": 0.0,
                                     "generator_rate": 2e-4, "discriminator_rate": 2e-4, "decay_from": 0.0,
                                     "steps": 100_000, "generator_batch": 2, "dequantize": True},
    ("wgan_gp", "lsun"): WGAN_GP | {"data": "tfds:lsun/bedroom", "image_size": 64, "networks": "normalised",
                                    "width": 64, "beta1": 0.0},
    ("wgan_gp", "lsun_strided"): STRIDED | {"data": "tfds:lsun/bedroom", "image_size": 64, "width": 64,
                                            "critic_width": 64, "norm": "channel", "layer_norm": True, "beta1": 0.0,
                                            "deviation": 0.02},
    ("wgan_gp", "cifar10_strided"): STRIDED | {"data": "tfds:cifar10", "width": 128, "critic_width": 128,
                                               "norm": "unit"},
    ("wgan_gp", "mnist"): STRIDED | {"data": "tfds:mnist", "train_images": 50_000, "batch_size": 50, "width": 64,
                                     "critic_width": 64, "norm": "none", "pixels": "sigmoid"},
    ("wgan_gp", "plane"): WGAN_GP | {"data": "mixture:ring-1.414", "steps": 100_000, "batch_size": 256, "latent": 2,
                                     "networks": "dense", "units": (512,) * 3, "initializer": "he", "weight": 0.1,
                                     "beta1": 0.5},
    ("sngan", "paper"): CIFAR,
    ("sngan", "projection"): CIFAR | {"labels": True},
    ("sngan", "plain"): PLAIN,
    ("sngan", "table3"): PLAIN | {"prior": "normal", "slope": 0.1,
                                  "discriminator_widths": (64, 64, 128, 128, 256, 256, 512)},
    ("sngan", "stl10"): SNGAN | {"data": "tfds:stl10@unlabelled", "image_size": 48, "steps": 100_000, "first": 512,
                                 "generator_widths": (256, 128, 64), "halvings": 4, "last_bias": True,
                                 "discriminator_widths": (64, 128, 256, 512, 1024)},
    ("sngan", "imagenet"): IMAGENET,
    ("sngan", "imagenet_projection"): IMAGENET | {"labels": True},
    ("sngan", "imagenet64_projection"): IMAGENET | {"labels": True, "image_size": 64, "steps": 250_000,
                                                    "decay_from": 0.8, "generator_batch": 1,
                                                    "generator_widths": (512, 256, 128, 64),
                                                    "discriminator_widths": (64, 128, 256, 512, 1024)},
    ("unrolled", "paper"): UNROLLED | {"generator_rate": 1e-4, "look_ahead": 10, "layers": 1, "activation": "relu",
                                       "gain": 0.8, "scale": 0.25},
    ("unrolled", "notebook"): UNROLLED | {"generator_rate": 1e-3, "look_ahead": 5, "layers": 2, "activation": "tanh",
                                          "gain": 1.4, "scale": 1.0},
    ("pggan", "paper"): PGGAN | {"image_size": 1024, "batches": (16,) * 6 + (14, 6, 3), "steps": 3_264_286,
                                 "mirror": True},
    ("pggan", "cifar10"): PGGAN | {"data": "tfds:cifar10", "latent": 128, "base": 4096, "limit": 128, "batches": (),
                                   "steps": 1_250_000, "first_images": 400_000, "fade_images": 400_000,
                                   "stable_images": 400_000, "ramp_images": 0, "target": 750.0, "simultaneous": True},
    ("pggan", "lsun"): PGGAN | {"data": "tfds:lsun/bedroom", "image_size": 256, "batches": (), "steps": 1_250_000},
    ("cyclegan", "paper"): CYCLEGAN | {"image_size": 286, "crop": 256, "blocks": 9, "identity": 5.0},
    ("cyclegan", "cityscapes"): CYCLEGAN | {"image_size": 143, "crop": 128, "blocks": 6, "identity": 0.0},
}  # fmt: skip


def test_every_published_preset_is_in_the_table():
    assert set(VALUES) == set(PUBLISHED)


@pytest.mark.parametrize(("name", "preset"), PUBLISHED, ids=" ".join)
def test_a_published_preset_has_its_sources_values(name, preset):
    hyper, expected = recipe(name).presets[preset], VALUES[name, preset]
    assert {field: getattr(hyper, field) for field in expected} == expected
    ours = {"seed": 0, "clip": None, "accumulate": 1, "scaling": "none", "base_batch": None, "precision": "fp32"}
    assert {field: getattr(hyper, field) for field in ours} == ours


@pytest.mark.parametrize(("name", "preset"), PUBLISHED, ids=" ".join)
def test_a_published_preset_says_its_source_in_the_recipe(name, preset):
    assert f"\n    {preset}" in recipe(name).doc or f", {preset}" in recipe(name).doc


LENGTHS = {
    ("gan", "paper"): 125_000,
    ("gan", "cifar10"): 100_000,
    ("m2", "paper"): 300_000,
    ("vae", "flax"): 3900,
    ("dcgan", "lsun"): 5 * 23_695,
    ("pggan", "lsun"): 1_250_000,
    ("classifier", "vgg16"): 74 * 5004,
}


@pytest.mark.parametrize("which", LENGTHS, ids=" ".join)
def test_lengths_count_the_images_that_are_used(which):
    assert steps_of(*which) == LENGTHS[which]


def test_epochs_count_every_image_that_a_step_reads():
    assert steps_of("wgan_gp", "small", "--epochs", "10") == round(10 * (100_000 // 128) / 5)
    assert steps_of("sngan", "small", "--epochs", "10") == round(10 * (100_000 // 128) / 5)
    # 25 steps read 100 batches each; then each of the others 5, but for every 500th.
    left = 4 * (100_000 // 128) - 2500
    assert steps_of("wgan", "small", "--epochs", "4") == 25 + left // 5 + (left % 5 > 0)
    bursts = run_of("wgan", "small", "--epochs", "4", "--burst-every", "50")
    read = sum(phase.steps * phase.game.batches_per_step for phase in bursts.phases)
    assert abs(read - 4 * (100_000 // 128)) <= 100
    grown = run_of("pggan", "small", "--epochs", "20")
    shown = sum(phase.steps * phase.feed.batch_size for phase in grown.phases)
    assert abs(shown - 20 * len(grown.phases[0].feed.split)) <= 32


def test_the_number_of_training_images_shortens_the_split():
    run = run_of("vae", "small", "--train-images", "200", "--epochs", "3")
    assert (len(run.phases[0].feed.split), run.phases[0].steps) == (200, 6)
    domains = run_of("cyclegan", "small", "--train-images", "40").phases[0].feed.split
    assert (len(domains.first), len(domains.second)) == (40, 40)


# --- First weights. Standard deviations by the kernel's shape, for every network.

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
    ("wgan_gp", "plane"): {
        "generator": {(2, 512): 1.0, (512, 512): 0.0625, (512, 2): 0.062378},
        "critic": {(2, 512): 1.0, (512, 512): 0.0625, (512, 1): 0.062439},
    },
    ("gan", "paper"): {
        "generator": dict.fromkeys(((100, 1200), (1200, 1200), (1200, 784)), 0.05 / math.sqrt(3)),
        "discriminator": {(240, 1): 0.005 / math.sqrt(3)},
    },
    ("wgan", "mlp"): {
        "generator": {(100, 512): 1 / math.sqrt(300), (512, 512): 1 / math.sqrt(3 * 512),
                      (512, 12288): 1 / math.sqrt(3 * 512)},
        "critic": {(12288, 512): 1 / math.sqrt(3 * 12288), (512, 1): 1 / math.sqrt(3 * 512)},
    },
}  # fmt: skip
"""Uniform ones: no weight lies farther out than sqrt 3 deviations."""
NORMAL = {
    ("dcgan", "torch"): {
        "generator": {(100, 8192): 0.02, (4, 4, 512, 256): 0.02, (4, 4, 64, 3): 0.02},
        "discriminator": {(4, 4, 3, 64): 0.02, (8192, 1): 0.02},
    },
    ("wgan", "no_batch_norm"): {"generator": {(100, 8192): 0.02, (4, 4, 64, 3): 0.02}},
    ("sngan", "plain"): {
        "generator": {(128, 8192): 0.02, (3, 3, 64, 3): 0.02},
        "discriminator": {(3, 3, 3, 64): 0.02, (4, 4, 64, 128): 0.02},
    },
    ("ae", "paper"): {"ae": {(784, 1000): 0.1, (250, 30): 0.1, (1000, 784): 0.1}},
    ("vae", "paper"): {"vae": {(784, 500): 0.01, (500, 20): 0.01, (500, 784): 0.01}},
    ("m2", "paper"): {"m2": {(784, 500): 1e-3, (500, 10): 1e-3, (500, 784): 1e-3}},
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


@pytest.mark.parametrize("kind", [resnet.ResNet18, resnet.ResNet50])
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


# --- Optimizers.


def updates(tx, gradients, parameter=1.0):
    """Return the updates that a transformation makes of gradients, one after the other, of one parameter."""
    params = jnp.asarray([parameter], jnp.float32)
    state, found = tx.init(params), []
    for gradient in gradients:
        update, state = tx.update(jnp.asarray([gradient], jnp.float32), state, params)
        found.append(float(update[0]))
    return np.array(found)


def torch_rmsprop(rate, gradients, alpha=0.99, eps=1e-8):
    average, found = 0.0, []
    for gradient in gradients:
        average = alpha * average + (1 - alpha) * gradient**2
        found.append(-rate * gradient / (math.sqrt(average) + eps))
    return np.array(found)


def test_wgans_rmsprop_is_pytorchs():
    for optimizer in run_of("wgan", "paper").optimizers.values():
        tx = optimizer.transformation(100)
        for size in (3e-5, 1e-4, 1e-9):
            gradients = size * np.array([1.0, -0.5, 2.0])
            np.testing.assert_allclose(updates(tx, gradients), torch_rmsprop(5e-5, gradients), rtol=1e-4)
        assert updates(tx, [3e-5])[0] == pytest.approx(-5e-5 * 9.9668, rel=1e-4)


def rate_at(optimizer, steps, *at):
    """Return the rates at some steps of a run: of SGD with the optimizer's schedule."""
    tx = optimizer._replace(rule="momentum", arguments={"momentum": 0.0}).transformation(steps)
    params = jnp.zeros(1)
    state = tx.init(params)
    found = []
    for step in at:
        moved = jax.tree.map(lambda x, step=step: jnp.asarray(step, x.dtype) if x.ndim == 0 else x, state)
        found.append(-float(tx.update(jnp.ones(1), moved, params)[0][0]))
    return found


@pytest.mark.parametrize(
    ("which", "at", "expected"),
    [
        (("sngan", "paper"), (0, 25_000, 50_000), (2e-4, 1e-4, 0.0)),
        (("sngan", "imagenet"), (399_999, 425_000, 450_000), (2e-4, 1e-4, 0.0)),
        (("sngan", "imagenet64_projection"), (199_999, 225_000, 250_000), (2e-4, 1e-4, 0.0)),
        (("sngan", "plain"), (0, 99_999), (2e-4, 2e-4)),
        (("wgan_gp", "paper"), (0, 50_000, 100_000), (2e-4, 1e-4, 0.0)),
        (("wgan_gp", "mnist"), (0, 199_999), (1e-4, 1e-4)),
        (("gan", "paper"), (0, 100_000), (0.1, 0.1 / 1.000004**100_000)),
        (("cgan", "paper"), (0, 100_000, 287_829), (0.1, 0.1 / 1.00004**100_000, 1e-6)),
    ],
    ids=str,
)
def test_rates_fall_when_the_sources_do(which, at, expected):
    run = run_of(*which)
    for player, optimizer in run.optimizers.items():
        moves = next((p.repeats for p in run.phases[0].game.players if p.name == player), 1)
        found = rate_at(optimizer, moves * steps_of(*which), *(moves * step for step in at))
        np.testing.assert_allclose(found, expected, rtol=2e-3, atol=1e-9)


def test_cyclegans_rate_is_constant_over_the_first_half():
    run = run_of("cyclegan", "cityscapes")
    steps = steps_of("cyclegan", "cityscapes")
    for optimizer in run.optimizers.values():
        found = rate_at(optimizer, steps, 0, steps // 2 - 1, 3 * steps // 4, steps)
        np.testing.assert_allclose(found, [2e-4, 2e-4, 1e-4, 0.0], rtol=1e-4, atol=1e-9)


@pytest.mark.parametrize(("which", "epoch"), [(("gan", "paper"), 500), (("cgan", "paper"), 600)], ids=str)
def test_momentum_rises_from_a_half_to_seven_tenths(which, epoch):
    for optimizer in run_of(*which).optimizers.values():
        rise = optimizer.arguments["momentum"]
        found = [float(rise(step)) for step in (0, epoch - 1, epoch, 249 * epoch, 10**6)]
        np.testing.assert_allclose(found, [0.5, 0.5, 0.5 + 0.2 / 249, 0.7, 0.7], rtol=1e-6)
    # v <- m v + g, and the step is rate v.
    tx = optimizer._replace(arguments={"momentum": lambda step: 0.5 + 0.1 * step}).transformation(1000)
    np.testing.assert_allclose(updates(tx, [1.0, 1.0, 1.0]) / -0.1, [1.0, 1.6, 2.12], rtol=1e-3)


@pytest.mark.parametrize(
    ("which", "l2"), [(("dcgan", "paper"), 1e-5), (("vae", "paper"), 1 / 60_000), (("m2", "paper"), 2e-5)], ids=str
)
def test_the_penalty_adds_to_every_gradient(which, l2):
    for optimizer in run_of(*which).optimizers.values():
        tx = optimizer._replace(rule="momentum", rate=1.0, arguments={"momentum": 0.0}).transformation(10)
        params = {"norm": {"scale": jnp.full(3, 2.0), "bias": jnp.full(3, -1.0)}, "kernel": jnp.full((2, 3), 4.0)}
        found = tx.update(jax.tree.map(jnp.zeros_like, params), tx.init(params), params)[0]
        for update, value in zip(jax.tree.leaves(found), jax.tree.leaves(params), strict=True):
            np.testing.assert_allclose(update, -l2 * value, rtol=1e-5)


def test_the_penalty_is_a_part_of_the_gradient_that_is_clipped():
    optimizer = run_of("dcgan", "small", "--l2", "10", "--clip", "1").optimizers["generator"]
    tx = optimizer._replace(rule="momentum", rate=1.0, arguments={"momentum": 0.0}).transformation(10)
    assert updates(tx, [0.0], parameter=2.0)[0] == pytest.approx(-1.0)


def test_vaes_adagrad_begins_at_the_rate():
    tx = run_of("vae", "paper").optimizers["vae"]._replace(l2=0.0).transformation(10)
    np.testing.assert_allclose(updates(tx, [3.0, 3.0]), [-0.02, -0.02 / math.sqrt(2)], rtol=1e-5)


def test_pggans_rates_rise_over_the_first_images():
    for preset, expected in (("paper", (6.738e-6, 2.865e-4, 1e-3, 1e-3)), ("cifar10", (1e-3,) * 4)):
        optimizer = run_of("pggan", preset).optimizers["critic"]
        np.testing.assert_allclose(rate_at(optimizer, 50_000, 0, 1250, 2500, 40_000), expected, rtol=1e-3)
    # A first stage of 400 images: the next one goes on where it stopped.
    hyper = dataclasses.replace(recipe("pggan").presets["small"], first_images=640, ramp_images=1600)
    run = recipe("pggan").build(hyper, dataset_of("digits", 16))
    moved = []
    for phase in run.phases[:2]:
        tx = next(player.tx for player in phase.game.players if player.name == "critic")
        moved.append(-float(tx.update(jnp.ones(1), tx.init(jnp.zeros(1)), jnp.zeros(1))[0][0]))
    np.testing.assert_allclose(moved, [3e-3 * math.exp(-5), 3e-3 * math.exp(-5 * 0.6**2)], rtol=1e-4)


# --- Games.


def test_simultaneous_moves_follow_each_its_own_loss_and_half_the_discriminators():
    shape = (1, 1, 2)
    networks = gan.Generator((4,), shape, output=lambda x: x), gan.Discriminator((4,))
    batch = {"images": jnp.asarray(np.random.default_rng(0).normal(size=(1, 8, *shape)), jnp.float32)}

    def moved(**options):
        game = gan.game(
            *networks, generator_tx=optax.sgd(0.1), discriminator_tx=optax.sgd(0.1), image_shape=shape, latent=3,
            simultaneous=True, **options,
        )  # fmt: skip
        state = init_state(game, jax.random.key(0))
        after, _ = jax.jit(make_step(game))(state, batch, jax.random.key(1))
        return jax.tree.map(lambda a, b: a - b, after.params, state.params)

    close = partial(np.testing.assert_allclose, rtol=1e-4, atol=1e-8)
    half, whole = moved(weight=0.5), moved(weight=1.0)
    jax.tree.map(close, half["discriminator"], jax.tree.map(lambda x: x / 2, whole["discriminator"]))
    jax.tree.map(close, half["generator"], whole["generator"])
    other = moved(objective=lambda logits: 3 * jnp.mean(logits))
    jax.tree.map(close, other["discriminator"], whole["discriminator"])
    sizes = [max(float(jnp.abs(x).max()) for x in jax.tree.leaves(tree)) for tree in (whole, other)]
    assert min(sizes) > 1e-3 and abs(sizes[0] - sizes[1]) > 1e-3


def test_in_simultaneous_moves_a_networks_statistics_are_those_of_its_owners_loss():
    class Layer(nn.Module):
        @nn.compact
        def __call__(self, x, train=False):
            return nn.BatchNorm(use_running_average=not train, momentum=0.5)(x)

    def loss(nets, state, batch, key, *, draw, own):
        shift = 0.0 if own == "generator" else 10.0
        value, generator = nets.generator(batch + shift)
        other, critic = nets.critic(batch - shift)
        return jnp.mean(value) + jnp.mean(other), aux(generator, critic)

    sides = [Side(name, Layer(), partial(loss, own=name), optax.sgd(0.1)) for name in ("critic", "generator")]
    game = adversarial_game(*sides, latent=2, image_shape=(1, 1, 2), simultaneous=True)
    (player,) = game.players
    _, told = player.loss(init_state(game, jax.random.key(0)), jnp.full((3, 1, 1, 2), 4.0), jax.random.key(0))
    means = {net: float(told.variables[net]["batch_stats"]["BatchNorm_0"]["mean"][0]) for net in player.owns}
    assert means == {"critic": -3.0, "generator": 2.0}
    with pytest.raises(ValueError, match="more than once"):
        adversarial_game(sides[0]._replace(repeats=2), sides[1], latent=2, image_shape=(1, 1, 2), simultaneous=True)


class Recorder:
    """A network that remembers what it was called with, and answers with logits of 0."""

    def __init__(self, shape):
        self.shape, self.calls = shape, []

    def output(self, x, key=None):
        self.calls.append((np.asarray(x), np.asarray(jax.random.key_data(key))))
        return jnp.zeros((len(x), *self.shape))


def test_both_losses_of_a_gan_see_the_same_samples_under_the_same_dropout():
    nets = SimpleNamespace(generator=Recorder((2, 2, 1)), discriminator=Recorder(()))
    draw = lambda key, count: jax.random.normal(key, (count, 3))  # noqa: E731
    batch, key = {"images": jnp.ones((4, 2, 2, 1))}, jax.random.key(5)
    loss, _ = gan.discriminator_loss(nets, None, batch, key, draw=draw, weight=0.5)
    gan.generator_loss(nets, None, batch, key, draw=draw, objective=lambda logits: logits.mean())
    assert float(loss) == pytest.approx(math.log(2))
    for first, second in zip(nets.generator.calls[0], nets.generator.calls[1], strict=True):
        np.testing.assert_array_equal(first, second)
    real, fake, again = nets.discriminator.calls
    np.testing.assert_array_equal(fake[1], again[1])
    assert (real[1] != fake[1]).any()


def test_samples_begin_at_the_mean_image():
    random = np.random.default_rng(0)
    mean = random.uniform(0, 255, (28, 28, 1))
    mean[:4] = 0  # pixels that are always black
    images = np.clip(mean + random.normal(size=(300, 28, 28, 1)), 0, 255).astype(np.uint8)
    images[:, :4] = 0
    split = Arrays({"images": images})
    hyper = dataclasses.replace(recipe("gan").presets["paper"], train_images=250)
    run = recipe("gan").build(hyper, Dataset("images", split, split))
    state = init_state(run.phases[0].game, jax.random.key(0))
    samples = run.task.generate(state, run.task.latents(jax.random.key(1), 1000))
    assert np.abs(samples.mean(0) - images[:250].mean(0) / 255).mean() < 0.03
    assert samples.mean(0)[:4].max() < 1e-5
    with pytest.raises(ValueError, match="leave out --stream"):
        files = data.Files(lambda index: images[index], 300, (28, 28, 1))
        recipe("gan").build(hyper, Dataset("files", files, files))


def test_pggans_networks_on_cifar_move_at_once_from_the_same_samples():
    (player,) = run_of("pggan", "cifar10").phases[0].game.players
    assert (player.name, player.owns) == ("both", ("critic", "generator"))
    assert [p.name for p in run_of("pggan", "lsun").phases[0].game.players] == ["critic", "generator"]

    networks = pggan.Generator(4, 1, 16, 6), pggan.Critic(4, 16, 6)
    make = partial(pggan.game, *networks, generator_tx=optax.sgd(0.1), latent=5)
    batch = {"images": jnp.asarray(np.random.default_rng(0).uniform(-1, 1, (1, 6, 4, 4, 1)), jnp.float32)}

    def generator_after(rate):
        game = make(critic_tx=optax.sgd(rate), simultaneous=True)
        state = init_state(game, jax.random.key(0))
        after, _ = jax.jit(make_step(game))(state, batch, jax.random.key(1))
        return state.params, after.params

    start, slow = generator_after(0.01)
    _, fast = generator_after(0.5)
    jax.tree.map(np.testing.assert_array_equal, slow["generator"], fast["generator"])  # at the critic's old parameters
    moved = jax.tree.map(lambda a, b: float(jnp.abs(a - b).max()), start, fast)
    assert all(max(jax.tree.leaves(moved[net])) > 1e-4 for net in ("generator", "critic"))


# --- Priors, ranges and data.


def test_plain_sngan_has_a_uniform_latent_and_images_without_noise():
    run = run_of("sngan", "plain")
    latents = np.asarray(run.task.latents(jax.random.key(0), 500))
    assert np.abs(latents).max() <= 1 and latents.std() == pytest.approx(1 / math.sqrt(3), rel=0.02)
    batch = {"images": np.arange(256, dtype=np.uint8).reshape(1, 16, 16, 1)}
    prepared = run.phases[0].feed.prepare(batch, jax.random.key(0))["images"]
    np.testing.assert_allclose(prepared.ravel(), np.arange(256) / 127.5 - 1, atol=1e-6)
    noisy = run_of("sngan", "paper").phases[0].feed.prepare(batch, jax.random.key(0))["images"].ravel()
    low = np.arange(256) / 128 - 1
    assert ((noisy >= low - 1e-6) & (noisy <= low + 1 / 128 + 1e-6)).all()
    assert np.abs(np.asarray(noisy) - low - 1 / 256).mean() > 1e-3


def test_the_plane_of_wgan_gp_is_smaller():
    mixture = dataset_of("mixture:ring-1.414", None).mixture
    np.testing.assert_allclose(np.linalg.norm(mixture.centres, axis=1), 2 / 1.414)
    assert mixture.deviation == pytest.approx(0.01414, rel=1e-3)


def test_stl10_is_its_unlabelled_images():
    facts = data.known("tfds:stl10@unlabelled", image_size=48)
    assert (facts.train, facts.class_names, facts.shape) == (100_000, (), (48, 48, 3))


# --- Options that would do nothing are refused.

REFUSED = (
    (("gan", "paper", "--beta1", "0.5"), "--optimizer adam"),
    (("cgan", "paper", "--beta2", "0.9"), "--optimizer adam"),
    (("wgan", "small", "--beta1", "0.5"), "--optimizer adam"),
    (("wgan", "small", "--width", "8"), "--networks dense"),
    (("wgan", "mlp", "--width", "8"), "--networks mlp"),
    (("wgan_gp", "paper", "--units", "8"), "--networks residual"),
    (("wgan_gp", "small", "--width", "8"), "--networks dense"),
    (("wgan_gp", "lsun", "--critic-width", "8"), "--networks normalised"),
    (("wgan_gp", "paper", "--norm", "unit"), "--networks residual"),
    (("wgan_gp", "paper", "--layer-norm"), "--networks residual"),
    (("wgan_gp", "paper", "--pixels", "sigmoid"), "--networks residual"),
    (("wgan_gp", "paper", "--deviation", "0.1"), "--networks residual"),
    (("wgan_gp", "paper", "--initializer", "he"), "--networks residual"),
    (("wgan_gp", "paper", "--networks", "dense", "--width", "None"), "needs --units"),
    (("wgan_gp", "small", "--dequantize"), "leave it out"),
    (("sngan", "small", "--dequantize"), "leave it out"),
    (("sngan", "small", "--first", "8"), "--networks dense"),
    (("sngan", "plain", "--halvings", "2"), "--networks plain"),
    (("sngan", "plain", "--generator-widths", "2"), "--networks plain"),
    (("sngan", "plain", "--last-bias"), "--networks plain"),
    (("sngan", "small", "--labels"), "only with --networks residual"),
    (("sngan", "stl10", "--labels"), "needs labels"),
    (("sngan", "paper", "--slope", "0.1"), "--networks residual"),
    (("dcgan", "paper", "--no-batch-norm"), "--no-flat-norm"),
    (("unrolled", "small", "--optimizer", "adam"), "--look-ahead 0"),
    (("pggan", "small", "--ema", "0.9"), "give one of them"),
    (("pggan", "paper", "--batch-size", "8"), "change --batches"),
    (("vae", "small", "--beta-steps", "10"), "--beta-schedule constant"),
    (("cvae", "small", "--beta-steps", "10"), "--beta-schedule constant"),
    (("vae", "small", "--beta-schedule", "cyclic"), "needs --beta-steps"),
    (("vae", "small", "--deviation", "0.1"), "--initializer glorot"),
    (("ae", "small", "--initializer", "normal"), "needs --deviation"),
    (("ae", "small", "--coder", "conv", "--dropout", "0.1"), "--coder dense"),
    (("cvae", "small", "--coder", "conv", "--late"), "--coder dense"),
    (("vae", "small", "--train-images", "5000"), "ask for fewer"),
    (("vae", "small", "--force"), "--resume"),
    (("vae", "small", "--base-batch", "50"), "--scaling"),
)


@pytest.mark.parametrize(("command", "cure"), REFUSED, ids=lambda x: " ".join(x) if isinstance(x, tuple) else "")
def test_an_option_that_does_nothing_is_refused(command, cure):
    with pytest.raises(ValueError, match="--") as refusal:
        run_of(*command)
    assert cure in str(refusal.value)


@pytest.mark.parametrize(
    ("name", "option"),
    list(itertools.product(("gan", "cgan", "wgan"), ("--decay", "--decay-from"))),
    ids=" ".join,
)
def test_an_option_that_nothing_obeys_is_gone(name, option, capsys):
    with pytest.raises(SystemExit):
        hyper_of(name, "paper", option, "0.5")
    capsys.readouterr()


def test_betas_are_obeyed_where_adam_is_asked_for():
    for name in ("gan", "cgan", "wgan"):
        run = run_of(name, "paper", "--optimizer", "adam", "--beta1", "0.3", "--beta2", "0.8")
        assert all("adam" in str(optimizer) and "b1 0.3, b2 0.8" in str(optimizer)
                   for optimizer in run.optimizers.values())  # fmt: skip


def test_m2s_classifier_obeys_the_encoders_options():
    model = run_of("m2", "small", "--coder", "conv", "--hidden", "4", "8", "--batch-norm").task.model
    assert type(model.classifier).__name__ == "ConvEncoder" and model.classifier.batch_norm
    assert run_of("m2", "small", "--batch-norm").task.model.classifier.batch_norm


def test_wgans_warm_up_of_the_rate_counts_the_critics_moves():
    run = run_of("wgan", "small", "--rate-warm-up", "0.5", "--steps", "50")
    critic = next(player for player in run.phases[0].game.players if player.name == "critic")
    params, moves = jnp.zeros(1), 25 * 100 + 25 * 5
    for at, rate in ((moves // 4, 0.5e-3), (moves // 2, 1e-3)):
        state = jax.tree.map(
            lambda x, at=at: jnp.asarray(at, x.dtype) if jnp.issubdtype(x.dtype, jnp.integer) else x,
            critic.tx.init(params),
        )
        # The first step of RMSProp is 10 times the rate.
        assert float(critic.tx.update(jnp.ones(1), state, params)[0][0]) == pytest.approx(-10 * rate, rel=5e-3)
