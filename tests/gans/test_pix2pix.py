"""pix2pix: sizes, what a logit sees, dropout where images are translated, ablations, augmentation, refusals."""

import math
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from genjax.engine import init_state, move
from genjax.gans import pix2pix
from genjax.gans.pix2pix import Generator
from genjax.nn.patch import PatchDiscriminator, PixelDiscriminator, by_batch
from genjax.run.cli import main
from tests.presets.built import hyper_of, run_of
from train import pix2pix as recipe


def patch(strided, bias=False):
    return PatchDiscriminator(strided, norm=by_batch, use_bias=bias)


COUNTS = (
    ("U-Net 256", Generator(), (256, 256, 3), 54_413_955),
    ("U-Net 128", Generator(halvings=7), (128, 128, 3), 41_828_995),
    ("colours", Generator(2), (256, 256, 1), 54_409_858),
    ("1 pixel", PixelDiscriminator(norm=by_batch), (256, 256, 6), 9_024),
    ("16 pixels", patch(1), (256, 256, 6), 139_585),
    ("34 pixels", patch(2), (256, 256, 6), 666_433),
    ("70 pixels", patch(3), (256, 256, 6), 2_768_705),
    ("70 pixels, Torch", patch(3, bias=True), (256, 256, 6), 2_769_601),
    ("142 pixels", patch(4), (256, 256, 6), 6_964_033),
    ("286 pixels", patch(5), (256, 256, 6), 11_159_361),
    ("574 pixels", patch(6), (256, 256, 6), 15_354_689),
)


@pytest.mark.parametrize(("network", "shape", "expected"), [row[1:] for row in COUNTS], ids=[row[0] for row in COUNTS])
def test_parameters(network, shape, expected):
    params = jax.eval_shape(network.init, jax.random.key(0), jax.ShapeDtypeStruct((1, *shape), jnp.float32))["params"]
    assert sum(math.prod(x.shape) for x in jax.tree.leaves(params)) == expected


@pytest.mark.parametrize(
    ("strided", "sees", "logits"),
    [(0, 1, 256), (1, 16, 126), (2, 34, 62), (3, 70, 30), (4, 142, 14), (5, 286, 6)],
)
def test_a_logit_sees_as_many_pixels_as_the_paper_says(strided, sees, logits):
    """By the support of a logit's gradient; the middle logit of images so large that no border is near."""
    options = {"width": 1, "norm": lambda x, train: x}
    network = PatchDiscriminator(strided, **options) if strided else PixelDiscriminator(**options)
    side = max(64, 3 * sees // 2**strided * 2**strided)
    x = jax.random.normal(jax.random.key(1), (1, side, side, 1))
    variables = jax.jit(network.init)(jax.random.key(0), x)
    variables = jax.tree.map(lambda w: jnp.abs(w) + 0.01, variables)  # no place cancels
    middle = jax.eval_shape(network.apply, variables, x).shape[1] // 2
    slope = jax.jit(jax.grad(lambda x: network.apply(variables, x)[0, middle, middle]))
    seen = np.asarray(slope(x))[0, ..., 0] != 0
    for axis in range(2):
        places = np.flatnonzero(seen.any(axis))
        assert places[-1] - places[0] + 1 == len(places) == sees
    if strided < 5:
        published = jax.eval_shape(network.apply, variables, jax.ShapeDtypeStruct((1, 256, 256, 1), jnp.float32))
        assert published.shape == (1, logits, logits)


def unet(**options):
    network = Generator(1, 4, 4, **options)
    return network, jax.jit(network.init)(jax.random.key(0), jnp.zeros((1, 16, 16, 1)))


translate = jax.jit(pix2pix.translate, static_argnums=0)


def test_dropout_stays_on_and_each_image_is_translated_for_itself():
    network, variables = unet()
    images = jax.random.normal(jax.random.key(1), (3, 16, 16, 1))
    first, second = jax.random.split(jax.random.key(2))
    one = translate(network, variables, images, first)
    np.testing.assert_array_equal(one, translate(network, variables, images, first))
    assert float(jnp.abs(one - translate(network, variables, images, second)).max()) > 1e-3
    np.testing.assert_allclose(one[1:], translate(network, variables, images[1:], first), atol=1e-6)
    still, variables = unet(dropped=())
    again = [translate(still, variables, images, key) for key in (first, second)]
    np.testing.assert_array_equal(*again)
    # The statistics are the image's own, not those that were kept: a change of scale before the first norm is undone.
    kept = jax.tree.map(lambda x: 7 * x + 3, variables["batch_stats"])
    np.testing.assert_array_equal(again[0], translate(still, {**variables, "batch_stats": kept}, images, first))


def test_both_placements_of_dropout():
    assert [pix2pix.torch_dropout(halvings) for halvings in (8, 7, 5, 3)] == [(1, 2, 3)] * 3 + [(1, 2)]
    assert [pix2pix.pytorch_dropout(halvings) for halvings in (8, 7, 6, 5)] == [(2, 3, 4), (2, 3), (2,), ()]
    expected = {"torch": (1, 2, 3), "pytorch": (2, 3), "none": ()}
    for name, dropped in expected.items():
        run = run_of("pix2pix", "small", "--image-size", "128", "--halvings", "7", "--dropout", name)
        (player,) = (player for player in run.phases[0].game.players if player.name == "generator")
        found = {module.dropped for module in modules_of(player)}
        assert found == {dropped}


def modules_of(player):
    cells = [cell.cell_contents for cell in player.loss.__closure__]
    (modules,) = (cell for cell in cells if isinstance(cell, dict))
    return [module for module in modules.values() if isinstance(module, Generator)]


def tiny(**options):
    networks = Generator(2, 4, 3), patch(1)
    sgd = optax.sgd(0.1)
    return pix2pix.game(
        *networks, generator_tx=sgd, discriminator_tx=sgd, image_shape=(16, 16, 1), target_channels=2, **options
    )


def batch():
    images, targets = (jax.random.uniform(jax.random.key(n), (4, 16, 16, n), minval=-1.0) for n in (1, 2))
    return {"images": images, "targets": targets}


def loss_of(game, name, batch):
    (player,) = (player for player in game.players if player.name == name)
    return jax.jit(player.loss)(init_state(game, jax.random.key(0)), batch, jax.random.key(3))


def test_the_discriminator_sees_the_input_unless_told_not_to():
    shapes = {
        conditional: jax.eval_shape(tiny(conditional=conditional).networks["discriminator"], jax.random.key(0))
        for conditional in (True, False)
    }
    inputs = {name: x["params"]["Conv_0"]["kernel"].shape[2] for name, x in shapes.items()}
    assert inputs == {True: 3, False: 2}
    same, other = batch(), {**batch(), "images": -batch()["images"]}
    assert float(pix2pix.judged(same["images"], same["targets"], True)[0, 0, 0, 0]) == float(same["images"][0, 0, 0, 0])
    np.testing.assert_array_equal(
        pix2pix.judged(same["images"], same["targets"], False), pix2pix.judged(other["images"], same["targets"], False)
    )


def test_the_parts_of_the_generators_loss():
    full, aux = loss_of(tiny(), "generator", batch())
    assert float(full) == pytest.approx(float(aux.metrics["adversarial"] + 100 * aux.metrics["l1"]), rel=1e-6)
    alone, told = loss_of(tiny(fooling=0.0), "generator", batch())
    assert set(told.metrics) == {"l1"}
    assert float(alone) == pytest.approx(100 * float(told.metrics["l1"]), rel=1e-6)
    assert [player.name for player in tiny(fooling=0.0).players] == ["generator"]
    assert set(tiny(fooling=0.0).networks) == {"generator"}


def test_the_discriminators_objective_is_halved():
    game = tiny()
    state = jax.jit(partial(init_state, game))(jax.random.key(0))
    zero = jax.tree.map(jnp.zeros_like, state.params["discriminator"])
    state = state.replace(params={**state.params, "discriminator": zero})
    loss, _ = jax.jit(game.players[0].loss)(state, batch(), jax.random.key(0))
    assert float(loss) == pytest.approx(math.log(2), rel=1e-5)
    after, _ = jax.jit(lambda state: move(game.players[0], state, batch(), jax.random.key(0)))(state)
    jax.tree.map(np.testing.assert_array_equal, after.params["generator"], state.params["generator"])
    jax.tree.map(np.testing.assert_array_equal, after.variables["generator"], state.variables["generator"])


def test_without_skips_the_decoder_sees_the_bottleneck_alone():
    def influence(skips):
        network, variables = unet(dropped=(), skips=skips)
        silent = variables["params"]["down_4"]["kernel"] * 0
        variables = {**variables, "params": {**variables["params"], "down_4": {"kernel": silent}}}
        images = jax.random.normal(jax.random.key(1), (2, 16, 16, 1))
        out = translate(network, variables, images, jax.random.key(0))
        return float(jnp.abs(out[0] - out[1]).max())

    assert influence(True) > 1e-4
    assert influence(False) == 0


def test_images_and_targets_are_cropped_and_mirrored_alike():
    draw = np.random.default_rng(0)
    images = jnp.asarray(draw.integers(0, 256, (1, 20, 20, 1)), jnp.uint8)
    given = {"images": images, "targets": jnp.concatenate([images] * 3, -1)}
    hyper = hyper_of("pix2pix", "small", "--crop", "12", "--mirror")
    seen = set()
    for seed in range(12):
        out = recipe.prepare(hyper, given, jax.random.key(seed))
        assert out["images"].shape == (1, 12, 12, 1) and out["targets"].shape == (1, 12, 12, 3)
        np.testing.assert_array_equal(jnp.broadcast_to(out["images"], out["targets"].shape), out["targets"])
        seen.add(np.asarray(out["images"]).tobytes())
    assert len(seen) > 6
    back = recipe.prepare(hyper_of("pix2pix", "small", "--backward"), given, jax.random.key(0))
    assert (back["images"].shape[-1], back["targets"].shape[-1]) == (3, 1)


def test_colours_are_guessed_from_the_lightness_alone():
    hyper = hyper_of("pix2pix", "colourise")
    colours = np.random.default_rng(0).integers(0, 256, (2, 8, 8, 3), dtype=np.uint8)
    out = recipe.prepare(hyper, {"images": jnp.asarray(colours)}, jax.random.key(0))
    assert (out["images"].shape[-1], out["targets"].shape[-1]) == (1, 2)
    assert float(jnp.abs(out["images"]).max()) <= 1 and float(jnp.abs(out["targets"]).max()) <= 1
    given, target = recipe.split(hyper, {"images": colours})
    np.testing.assert_array_equal(target, colours)
    lightness, opponents = recipe.to_lab(colours)
    np.testing.assert_allclose(recipe.from_lab(lightness, opponents), colours / 255, atol=2e-4)
    seen, _ = recipe.to_lab(np.broadcast_to(given["images"], colours.shape))
    np.testing.assert_allclose(seen, lightness, atol=0.01)  # a grey level of the picture that a user gives


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (("--image-size", "24"), "multiples of 16"),
        (("--data", "digits"), "learns from pairs"),
        (("--data", "domains:digits"), "learns from pairs"),
        (("--crop", "64"), "--crop 64"),
        (("--discriminator-layers", "5"), "at least 96 pixels"),
        (("--discriminator-layers", "7"), "--discriminator-layers 7"),
        (("--data", "scenes", "--colours", "lab", "--backward"), "leave out --backward"),
        (("--data", "digits", "--colours", "lab"), "give --channels 3"),
    ],
)
def test_what_cannot_work_is_one_clear_sentence(options, sentence, capsys, tmp_path):
    assert main("pix2pix", (*options, "--out", str(tmp_path / "run"))) == 2
    said = capsys.readouterr().err
    assert sentence in said
    assert "Traceback" not in said
    assert not (tmp_path / "run").exists()
