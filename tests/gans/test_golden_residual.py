"""Published residual networks at reduced width against golden values: WGAN-GP and SNGAN, with and without classes.

Each move starts from the given weights and is the one of the game's own player; see `tests.gans.golden`.
"""

import jax
import numpy as np
import pytest
from flax.traverse_util import unflatten_dict

from genjax.gans import sngan, wgan_gp
from genjax.latent import Prior
from tests.gans import golden
from tests.gans.golden import CLASS_SCALE, CONV, DENSE, SCALE, STATISTICS, agree, images, images_agree, under


@pytest.fixture(autouse=True)
def in_double():
    """Compute in float64."""
    with jax.enable_x64(True):
        yield


# Blocks here and in PyTorch, where a generator's first block is the dense layer.
UP = {f"UpBlock_{n}": f"block{n + 2}" for n in range(3)}
DOWN = {f"DownBlock_{n}": f"block{n + 1}" for n in range(4)}
INNER = "BatchNorm_0/BatchNorm_0"


def scales(ours, theirs, classes):
    """Return where a norm of a generator's block has its scales and statistics."""
    if classes:
        return {ours: (CLASS_SCALE, f"{theirs}.embed"), f"{ours}/{INNER}": (STATISTICS, f"{theirs}.bn")}
    return {f"{ours}/{INNER}": (SCALE + STATISTICS, theirs)}


def generator(classes=False):
    """Return the names of a generator's layers; classes: whether its norms have a row per class."""
    names = {"Dense_0": (golden.pixels_first(4), "l1"), INNER: (SCALE + STATISTICS, "b5"), "Conv_0": (CONV, "c5")}
    for ours, theirs in UP.items():
        names |= {
            f"{ours}/Conv_0": (CONV, f"{theirs}.c1"),
            f"{ours}/Conv_1": (CONV, f"{theirs}.c2"),
            f"{ours}/shortcut": (CONV, f"{theirs}.c_sc"),
            **scales(f"{ours}/ClassNorm_0", f"{theirs}.b1", classes),
            **scales(f"{ours}/ClassNorm_1", f"{theirs}.b2", classes),
        }
    return names


def discriminator(last):
    """Return the names of a critic's or a discriminator's layers; last: our name of the linear unit."""
    names = {last: (DENSE, "l5"), "SpectralEmbed_0": (golden.TABLE, "l_y")}
    for ours, theirs in DOWN.items():
        names |= {
            f"{ours}/conv1": (CONV, f"{theirs}.c1"),
            f"{ours}/conv2": (CONV, f"{theirs}.c2"),
            f"{ours}/shortcut": (CONV, f"{theirs}.c_sc"),
        }
    return names


def counts(classes=False, drawn=4):
    """Return of how many numbers each norm of the generator takes its statistics: of images drawn, at their size."""
    norm = ".bn" if classes else ""
    first = {f"block{n}.b1{norm}": drawn * 2 ** (2 * n) for n in (2, 3, 4)}
    second = {f"block{n}.b2{norm}": drawn * 2 ** (2 * n + 2) for n in (2, 3, 4)}
    return {**first, **second, "b5": drawn * 32 * 32}


# WGAN-GP

CRITIC = discriminator("Dense_0")


@pytest.fixture
def mimicry_wgan_gp(monkeypatch):
    values = golden.read("wgan_gp")
    z = values["in/z"]
    modules = {"generator": wgan_gp.Generator(32, 3, (8, 8, 8), 8), "critic": wgan_gp.Critic((10, 10, 10, 10), 2)}
    setting = {"image_shape": (32, 32, 3), "latent": 6, "prior": Prior("given", golden.given(z))}
    game = wgan_gp.game(*modules.values(), **golden.txs("critic"), **setting)
    state = golden.start(
        game,
        generator=golden.converted(under(values, "G/state/"), generator()),
        critic=golden.converted(under(values, "D/state/"), CRITIC),
    )
    monkeypatch.setattr(jax.random, "uniform", golden.given(values["in/alpha"]))
    case = golden.Case(under(values, "authors/"), modules, game, state, {"images": images(values["in/x"])}, z)
    return case, under(values, "G/state/")


def test_wgan_gp_outputs(mimicry_wgan_gp):
    case, _ = mimicry_wgan_gp
    images_agree(case.outputs("generator", case.latents), case.values["out/G_eval"])
    images_agree(case.outputs("generator", case.latents, train=True), case.values["out/G_train"])
    agree(case.outputs("critic", case.batch["images"]), case.values["out/D_eval_real"][:, 0])


def test_wgan_gp_critic_moves(mimicry_wgan_gp):
    case, _ = mimicry_wgan_gp
    metrics, gradients, after = case.moved("critic")
    agree(metrics["loss"], case.values["loss/D_total_weight_10"])
    agree(-metrics["distance"], case.values["loss/wasserstein"])
    agree(metrics["penalty"], case.values["loss/penalty_unweighted"])
    agree(gradients["critic"], golden.converted(under(case.values, "grad/D_loss/"), CRITIC))
    agree(case.variables("generator", after), case.variables("generator"), 0.0)


def test_wgan_gp_generator_moves(mimicry_wgan_gp):
    case, before = mimicry_wgan_gp
    metrics, gradients, after = case.moved("generator")
    agree(metrics["loss"], case.values["loss/G_score"])
    agree(gradients["generator"], golden.converted(under(case.values, "grad/G_loss/"), generator()))
    expected = golden.biased(before, under(case.values, "G/after_train/"), counts())
    agree(case.variables("generator", after), golden.converted(expected, generator()))


# SNGAN. The vectors u of spectral norm are kept as PyTorch keeps them, but it evaluates with |W^T u| of the stored u,
# and here every evaluation makes a step of the power iteration, as in the authors' code: the discriminator evaluates as
# it trains, and as PyTorch's once the iteration has converged. The authors' 32-pixel network has no last bias.

DISCRIMINATOR = discriminator("SpectralDense_0")


@pytest.fixture(params=["plain", "projection"])
def mimicry_sngan(request, monkeypatch):
    values = under(golden.read("sngan"), f"{request.param}/")
    classes = 5 if request.param == "projection" else 0
    z, labels = values["in/z"], values.get("in/y_fake")
    widths = (8, 10) if classes else (10, 8)
    modules = {
        "generator": sngan.ResNetGenerator(32, 3, 3 * widths[:1], widths[0], classes=classes),
        "discriminator": sngan.ResNetDiscriminator(4 * widths[1:], 2, classes=classes, last_bias=True),
    }
    batch = {"images": images(values["in/x"])}
    before = under(values, "D/state/")
    if classes:
        # The peer's own layers name u differently, and iterate for a table of rows from the side of the classes.
        before |= {"l5.weight_u": np.ones(1), "l_y.weight_u": values["D/embedding_right_singular_vector"]}
        batch["labels"] = values["in/y_real"]
        monkeypatch.setattr(jax.random, "randint", lambda key, shape, low, high: golden.given(labels)(key, shape))
    setting = {"image_shape": (32, 32, 3), "latent": z.shape[1], "prior": Prior("given", golden.given(z))}
    game = sngan.game(*modules.values(), **golden.txs("discriminator"), classes=classes, **setting)
    state = golden.start(
        game,
        generator=golden.converted(under(values, "G/state/"), generator(classes > 0)),
        discriminator=golden.converted(before, DISCRIMINATOR),
    )
    case = golden.Case(under(values, "authors/"), modules, game, state, batch, z, labels)
    theirs = {"generator": under(values, "G/state/"), "discriminator": before}
    return case, classes > 0, {**theirs, "converged": under(values, "D/converged/")}


def test_sngan_outputs(mimicry_sngan):
    case, classes, _ = mimicry_sngan
    labels = (case.labels,) if classes else ()
    real_labels = (case.batch["labels"],) if classes else ()
    images_agree(case.outputs("generator", case.latents, *labels), case.values["out/G_eval"])
    drawn = case.outputs("generator", case.latents, *labels, train=True)
    images_agree(drawn, case.values["out/G_train"])
    for x, told, name in ((case.batch["images"], real_labels, "real"), (drawn, labels, "fake")):
        agree(case.outputs("discriminator", x, *told), case.values[f"out/D_train_{name}"][:, 0])


def test_sngan_evaluates_like_pytorch_where_the_power_iteration_has_converged(mimicry_sngan):
    case, _, before = mimicry_sngan
    vectors = {**before["discriminator"], **before["converged"]}
    moved_on = golden.converted({name: x for name, x in vectors.items() if name.endswith("_u")}, DISCRIMINATOR)
    variables = {**case.state.variables, "discriminator": unflatten_dict(moved_on, sep="/")}
    settled = case._replace(state=case.state.replace(variables=variables))
    labels = (case.batch["labels"],) if "labels" in case.batch else ()
    # After 60 iterations some layers still move in the third digit.
    expected = case.values["out/D_eval_real_converged"][:, 0]
    agree(settled.outputs("discriminator", case.batch["images"], *labels), expected, 1e-3)


def test_sngan_discriminator_moves(mimicry_sngan):
    case, _, before = mimicry_sngan
    metrics, gradients, after = case.moved("discriminator")
    agree(metrics["loss"], case.values["loss/D_hinge"])
    agree(gradients["discriminator"], golden.converted(under(case.values, "grad/D_loss/"), DISCRIMINATOR))
    expected = {**before["discriminator"], **under(case.values, "D/after_train/")}
    vectors = {name: x for name, x in expected.items() if name.endswith("_u")}
    agree(case.variables("discriminator", after), golden.converted(vectors, DISCRIMINATOR))
    agree(case.variables("generator", after), case.variables("generator"), 0.0)


def test_sngan_cross_entropy(mimicry_sngan):
    case, *_ = mimicry_sngan
    scores = (case.values[f"out/D_train_{name}"][:, 0] for name in ("real", "fake"))
    agree(sngan.CROSS_ENTROPY.discriminator(*scores), case.values["loss/D_bce"])


def test_sngan_generator_moves(mimicry_sngan):
    case, classes, before = mimicry_sngan
    metrics, gradients, after = case.moved("generator")
    agree(metrics["loss"], case.values["loss/G_score"])
    agree(gradients["generator"], golden.converted(under(case.values, "grad/G_loss/"), generator(classes)))
    expected = golden.biased(before["generator"], under(case.values, "G/after_train/"), counts(classes))
    agree(case.variables("generator", after), golden.converted(expected, generator(classes)))
    agree(case.variables("discriminator", after), case.variables("discriminator"), 0.0)
