"""SRGAN's networks, losses and moves against golden values of a port, with its output and its pooled discriminator.

The port squashes colours into [0, 1]; the paper's output is linear, and so is that of the generator here.
"""

from dataclasses import dataclass, replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from genjax.gans import srgan
from genjax.nn.pixel_shuffle import pixel_shuffle
from tests.gans import golden
from tests.gans.golden import CONV, SCALE, STATISTICS, agree, images, images_agree, under


@pytest.fixture(autouse=True)
def in_double():
    """Compute in float64."""
    with jax.enable_x64(True):
        yield


SLOPE = (("weight", "params/{}/negative_slope", lambda x: x[0]),)
NORM = SCALE + STATISTICS
GENERATOR = {"first": (CONV, "block1.0"), "first_slope": (SLOPE, "block1.1"), "after": (CONV, "block7.0")}
for n in range(5):
    GENERATOR |= {
        f"block{n}_conv1": (CONV, f"block{n + 2}.conv1"),
        f"block{n}_conv2": (CONV, f"block{n + 2}.conv2"),
        f"block{n}_slope": (SLOPE, f"block{n + 2}.prelu"),
        f"block{n}_norm1/BatchNorm_0": (NORM, f"block{n + 2}.bn1"),
        f"block{n}_norm2/BatchNorm_0": (NORM, f"block{n + 2}.bn2"),
    }
for n in range(2):
    GENERATOR |= {f"up{n}": (CONV, f"block8.{n}.conv"), f"up{n}_slope": (SLOPE, f"block8.{n}.prelu")}
GENERATOR |= {"after_norm/BatchNorm_0": (NORM, "block7.1"), "last": (CONV, "block8.2")}
ONE_PIXEL = golden.pixels_last(1)
DISCRIMINATOR = {"conv0": (CONV, "net.0"), "hidden": (ONE_PIXEL, "net.24"), "score": (ONE_PIXEL, "net.26")}
for n in range(1, 8):
    DISCRIMINATOR |= {
        f"conv{n}": (CONV, f"net.{3 * n - 1}"),
        f"norm{n}/BatchNorm_0": (NORM, f"net.{3 * n}"),
    }


@dataclass(frozen=True)
class Squashed:
    """A generator whose colours are (tanh(x) + 1) / 2 of its own, as the port has them."""

    inner: Any

    def apply(self, *inputs, mutable=False, **options):
        out = self.inner.apply(*inputs, mutable=mutable, **options)
        image, changed = out if mutable else (out, None)
        image = (jnp.tanh(image) + 1) / 2
        return (image, changed) if mutable else image

    def __getattr__(self, name):
        return getattr(self.inner, name)


@pytest.fixture
def port():
    values = golden.read("srgan")
    generator = Squashed(srgan.Generator(4, 3, 4, 5))
    modules = {"generator": generator, "discriminator": srgan.Discriminator(4, 17, pooled=True)}
    game = srgan.game(*modules.values(), **golden.txs("discriminator"), image_shape=(32, 32, 3))
    state = golden.start(
        game,
        generator=golden.converted(under(values, "G/state/"), GENERATOR),
        discriminator=golden.converted(under(values, "D/state/"), DISCRIMINATOR),
    )
    batch = {"lows": images(values["in/low"]), "images": images(values["in/high"])}
    return golden.Case(values, modules, game, state, batch)


def test_outputs(port):
    linear = port._replace(modules={**port.modules, "generator": port.modules["generator"].inner})
    for train in (False, True):
        mode = "train" if train else "eval"
        out = linear.outputs("generator", port.batch["lows"], train=train)
        images_agree(out, port.values[f"out/G_{mode}_linear_before_tanh"])
        images_agree(port.outputs("generator", port.batch["lows"], train=train), port.values[f"out/G_{mode}"])
        agree(
            port.outputs("discriminator", port.batch["images"], train=train), port.values[f"out/D_{mode}_high_logits"]
        )


def test_discriminator_moves(port):
    metrics, gradients, after = port.moved("discriminator")
    agree(metrics["loss"], port.values["loss/D_softplus"])
    expected = golden.converted(under(port.values, "grad/D/"), DISCRIMINATOR)
    assert len(expected) == 2
    agree(gradients["discriminator"], expected)
    agree(port.variables("generator", after), port.variables("generator"), 0.0)
    moved = port.variables("discriminator", after)
    assert all(float(jnp.abs(moved[path] - x).max()) > 0 for path, x in port.variables("discriminator").items())


def statistics(port):
    """Return the generator's running statistics after a batch, under our paths."""
    before, moved = under(port.values, "G/state/"), under(port.values, "G/after_train/")
    layers = {name.rsplit(".", 1)[0] for name in moved}
    return golden.converted(golden.biased(before, moved, dict.fromkeys(layers, 2 * 8 * 8)), GENERATOR)


def test_generator_moves(port):
    metrics, gradients, after = port.moved("generator")
    agree(metrics["content"], port.values["loss/mse"])
    agree(metrics["square_error"], port.values["loss/mse"])
    agree(metrics["adversarial"], port.values["loss/adversarial_softplus"])
    agree(metrics["loss"], port.values["loss/mse"] + 1e-3 * port.values["loss/adversarial_softplus"])
    expected = golden.converted(under(port.values, "grad/G_mse_plus_0.001_adversarial/"), GENERATOR)
    assert len(expected) == 4
    agree(gradients["generator"], expected)
    agree(port.variables("generator", after), statistics(port))
    agree(port.variables("discriminator", after), port.variables("discriminator"), 0.0)


def test_the_first_phase_minimises_the_square_error_alone(port):
    game = srgan.pretraining(port.modules["generator"], generator_tx=optax.sgd(1.0), image_shape=(32, 32, 3))
    only = {"generator": port.state.params["generator"]}
    state = replace(port.state, params=only, variables={"generator": port.state.variables["generator"]})
    state = state.replace(opt_state={"generator": game.players[0].tx.init(only)})
    metrics, _, after = port._replace(game=game, state=state).moved("generator")
    agree(metrics["loss"], port.values["loss/mse"])
    agree(port.variables("generator", after), statistics(port))


def test_pixel_shuffle_has_pytorchs_order():
    values = golden.read("srgan")
    found = pixel_shuffle(jnp.asarray(images(values["pixel_shuffle/in_nchw"])), 2)
    np.testing.assert_array_equal(found, images(values["pixel_shuffle/out_factor_2"]))
    with pytest.raises(ValueError, match="use a multiple of 9"):
        pixel_shuffle(found, 3)
