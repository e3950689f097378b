"""SinGAN's networks, losses and moves, its pyramid and its resizing against golden values of the authors' code."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax.traverse_util import flatten_dict, unflatten_dict

from genjax.engine import init_state
from genjax.gans import singan
from genjax.nn.pyramid import Pyramid, pyramid, resized
from tests.gans import golden
from tests.gans.golden import CONV, SCALE, STATISTICS, agree, images, under


@pytest.fixture(autouse=True)
def in_double():
    """Compute in float64."""
    with jax.enable_x64(True):
        yield


BLOCKS = ("head", "body.block1", "body.block2", "body.block3")
LAYERS = {f"patches/conv{n}": (CONV, f"{block}.conv") for n, block in enumerate(BLOCKS)} | {
    f"patches/norm{n}/BatchNorm_0": (SCALE + STATISTICS, f"{block}.norm") for n, block in enumerate(BLOCKS)
}
GENERATOR = LAYERS | {"patches/last": (CONV, "tail.0")}
DISCRIMINATOR = LAYERS | {"patches/last": (CONV, "tail")}
SIZE = (19, 23)


def counts(before):
    """Return of how many pixels each batch norm's statistics are, of images of so many in front of the network."""
    height, width = before
    return {f"{block}.norm": (height - 2 * n) * (width - 2 * n) for n, block in enumerate(BLOCKS, 1)}


@pytest.fixture
def fine(monkeypatch):
    """The second of two scales, whose image from below, noise and point between real and fake are the golden ones."""
    values = golden.read("singan")
    scales = singan.Scales(Pyramid(1.0, 0.8, ((16, 19), SIZE)), (singan.Generator(6),) * 2)
    modules = {"generator": scales.generators[1], "discriminator": singan.Discriminator(6)}
    game = singan.game(scales, 1, modules["discriminator"], **golden.txs("discriminator"))
    previous, z = images(values["in/prev"]), images(values["in/z"])
    state = golden.start(
        game,
        generator=golden.converted(under(values, "G/state/"), GENERATOR),
        discriminator=golden.converted(under(values, "D/state/"), DISCRIMINATOR),
    )
    amplitudes = jnp.asarray([1.0, values["in/noise_amp"]])
    state = state.replace(memory={**state.memory, "amplitudes": amplitudes, "previous": jnp.asarray(previous)})
    monkeypatch.setattr(
        singan, "sampled",
        lambda *_: singan.noisy(jnp.asarray(previous), singan.framed(jnp.asarray(z), 5), amplitudes[1]),
    )  # fmt: skip
    alpha = golden.given(values["in/mix_alpha"].reshape(1, 1, 1, 1))
    monkeypatch.setattr(singan.parallel, "rows", lambda draw, key, shape: alpha(key, shape))
    return golden.Case(values, modules, game, state, {"images": images(values["in/real"])})


def inputs(case):
    values = case.values
    noise = singan.framed(jnp.asarray(images(values["in/z"])), 5)
    return singan.noisy(jnp.asarray(images(values["in/prev"])), noise, values["in/noise_amp"])


def test_outputs(fine):
    for train in (False, True):
        mode = "train" if train else "eval"
        out = fine.outputs("generator", *inputs(fine), train=train)
        agree(np.transpose(out, (0, 3, 1, 2)), fine.values[f"out/G_{mode}"])
        out = fine.outputs("discriminator", images(fine.values["in/real"]), train=train)
        agree(out[:, None], fine.values[f"out/D_{mode}_real"])


def test_discriminator_moves(fine):
    metrics, gradients, after = fine.moved("discriminator")
    agree(metrics["loss"], fine.values["loss/D"])
    agree(0.1 * metrics["penalty"], fine.values["loss/gradient_penalty_per_pixel_weight_0.1"])
    expected = golden.converted(under(fine.values, "grad/D/"), DISCRIMINATOR)
    assert len(expected) == 3
    agree(gradients["discriminator"], expected)
    # Of three batches in a row, in PyTorch's order: real, fake, mix.
    moved = fine.variables("discriminator", after)
    for path, x in golden.converted(under(fine.values, "D/after_train_real_fake_mix/"), DISCRIMINATOR).items():
        if path.endswith("mean"):
            agree(moved[path], x)
    agree(fine.variables("generator", after), fine.variables("generator"), 0.0)


def test_generator_moves(fine):
    metrics, gradients, after = fine.moved("generator")
    expected = fine.values["loss/reconstruction_weight_10_with_z_opt_0"]
    agree(10 * metrics["square_error"], expected)
    agree(metrics["loss"], fine.values["loss/G_adversarial"] + expected)
    expected = golden.converted(under(fine.values, "grad/G/"), GENERATOR)
    assert len(expected) == 2
    agree(gradients["generator"], expected)
    agree(fine.variables("discriminator", after), fine.variables("discriminator"), 0.0)


def test_running_statistics(fine):
    variables = fine.state.variables_of("generator")
    apply = jax.jit(partial(fine.modules["generator"].apply, train=True, mutable=["batch_stats"]))
    _, changed = apply(variables, *inputs(fine))
    before, after = under(fine.values, "G/state/"), under(fine.values, "G/after_train/")
    statistics = golden.biased(before, after, counts((29, 33)))
    agree(flatten_dict(changed, sep="/"), golden.converted(statistics, GENERATOR))


def test_the_noise_amplitude_is_a_tenth_of_the_error(fine, monkeypatch):
    """Entering a scale from a state whose reconstruction, enlarged, is the golden image from below."""
    scales = singan.Scales(Pyramid(1.0, 0.8, ((16, 19), SIZE)), (singan.Generator(6),) * 2)
    made = {"generator_tx": optax.sgd(1.0), "discriminator_tx": optax.sgd(1.0)}
    first, second = (singan.game(scales, level, singan.Discriminator(6), **made) for level in (0, 1))
    old, fresh = (jax.jit(partial(init_state, game))(jax.random.key(0)) for game in (first, second))
    monkeypatch.setattr(singan.Scales, "grown", lambda *_: jnp.asarray(images(fine.values["in/prev"])))
    state = singan.entered(old, fresh, scales=scales, image=images(fine.values["in/real"]), amplitude=0.1)
    agree(state.memory["amplitudes"], [1.0, fine.values["out/noise_amp_0.1_times_rmse_of_prev_and_real"]])
    drawn = fine.outputs("generator", *singan.anchored(scales, state.memory, 1), train=True)
    agree(np.transpose(drawn, (0, 3, 1, 2)), fine.values["out/G_reconstruction_train"])
    assert unflatten_dict(flatten_dict(state.memory["lower"])).keys() == {"0"}


def test_sizes_and_factors_of_pyramids():
    values = golden.read("singan")
    found = {name.split("/")[1] for name in values if name.startswith("pyramid/")}
    assert len(found) == 6
    for name in found:
        own = pyramid(*map(int, name.split("x")))
        np.testing.assert_array_equal(own.sizes, values[f"pyramid/{name}/sizes_coarse_to_fine"])
        agree(own.factor, values[f"pyramid/{name}/scale_factor"], 1e-7)
        agree(own.first, values[f"pyramid/{name}/scale1"], 1e-7)


@pytest.mark.parametrize("factor", [0.75, 0.5, 1.3])
def test_resizing(factor):
    values = golden.read("singan")
    expected = values[f"resize/out_scale_{factor}"]
    agree(resized(jnp.asarray(values["resize/in_hwc"])[None], factor, expected.shape[:2])[0], expected)
