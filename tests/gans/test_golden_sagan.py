"""SAGAN at reduced width against golden values; see `tests.gans.golden`.

The generator's weights have a power iteration too. PyTorch evaluates it with the stored vectors, without a step: that
is compared where checkpoints are imported, in tests/gans/test_weights.py.
"""

import jax
import pytest
from flax.traverse_util import unflatten_dict

from genjax.gans import sagan
from genjax.latent import Prior
from tests.gans import golden
from tests.gans.golden import CONV, DENSE, GAMMA, TABLE, agree, images, images_agree, under
from tests.gans.test_golden_residual import counts, discriminator, generator


@pytest.fixture(autouse=True)
def in_double():
    """Compute in float64."""
    with jax.enable_x64(True):
        yield


ATTENTION = {
    "attention": (GAMMA, "attn_block"),
    "attention/query": (CONV, "attn_block.theta"),
    "attention/key": (CONV, "attn_block.phi"),
    "attention/value": (CONV, "attn_block.g"),
    "attention/output": (CONV, "attn_block.o"),
}
GENERATOR = {**generator(classes=True), **ATTENTION}
DISCRIMINATOR = {**discriminator("Dense_0"), **ATTENTION, "Embedding_0": (TABLE, "l_y"), "Dense_0": (DENSE, "l5")}
del DISCRIMINATOR["SpectralEmbed_0"]


@pytest.fixture
def mimicry(monkeypatch):
    values = golden.read("sagan")
    z, labels = values["in/z"], values["in/y_fake"]
    modules = {
        "generator": sagan.Generator(32, 3, (16, 16, 16), 16, classes=4, attention=16),
        "discriminator": sagan.Discriminator((16, 16, 16, 16), 2, classes=4, attention=8),
    }
    before = {"generator": under(values, "G/state/"), "discriminator": under(values, "D/state/")}
    # The peer iterates for a table of rows from the side of the classes.
    before["discriminator"]["l_y.weight_u"] = values["D/embedding_right_singular_vector"]
    monkeypatch.setattr(jax.random, "randint", lambda key, shape, low, high: golden.given(labels)(key, shape))
    setting = {"image_shape": (32, 32, 3), "latent": z.shape[1], "prior": Prior("given", golden.given(z))}
    game = sagan.game(*modules.values(), **golden.txs("discriminator"), classes=4, **setting)
    state = golden.start(
        game,
        generator=golden.converted(before["generator"], GENERATOR),
        discriminator=golden.converted(before["discriminator"], DISCRIMINATOR),
    )
    batch = {"images": images(values["in/x"]), "labels": values["in/y_real"]}
    case = golden.Case(under(values, "authors/"), modules, game, state, batch, z, labels)
    return case, {**before, "converged": under(values, "D/converged/")}


def vectors_of(arrays):
    """Return the vectors of the power iteration alone."""
    return {name: x for name, x in arrays.items() if name.endswith("_u")}


def test_outputs(mimicry):
    case, _ = mimicry
    drawn = case.outputs("generator", case.latents, case.labels, train=True)
    images_agree(drawn, case.values["out/G_train"])
    for x, labels, name in ((case.batch["images"], case.batch["labels"], "real"), (drawn, case.labels, "fake")):
        agree(case.outputs("discriminator", x, labels), case.values[f"out/D_train_{name}"][:, 0])


def test_it_evaluates_like_pytorch_where_the_power_iteration_has_converged(mimicry):
    case, before = mimicry
    vectors = {name: x for name, x in before["converged"].items() if name != "l_y.weight_u"}  # it had settled before
    moved_on = golden.converted(vectors_of(before["discriminator"]) | vectors, DISCRIMINATOR)
    variables = {**case.state.variables, "discriminator": unflatten_dict(moved_on, sep="/")}
    settled = case._replace(state=case.state.replace(variables=variables))
    expected = case.values["out/D_eval_real_converged"][:, 0]
    # After 60 iterations some layers still move in the third digit.
    agree(settled.outputs("discriminator", case.batch["images"], case.batch["labels"]), expected, 1e-3)


def test_discriminator_moves(mimicry):
    case, before = mimicry
    metrics, gradients, after = case.moved("discriminator")
    agree(metrics["loss"], case.values["loss/D_hinge"])
    agree(metrics["gamma"], before["discriminator"]["attn_block.gamma"])
    agree(gradients["discriminator"], golden.converted(under(case.values, "grad/D_loss/"), DISCRIMINATOR))
    expected = {**before["discriminator"], **under(case.values, "D/after_train/")}
    # The peer's u of the table has an entry for each class.
    vectors = {name: x for name, x in vectors_of(expected).items() if name != "l_y.weight_u"}
    agree(case.variables("discriminator", after), golden.converted(vectors, DISCRIMINATOR))
    agree(case.variables("generator", after), case.variables("generator"), 0.0)


def test_generator_moves(mimicry):
    case, before = mimicry
    metrics, gradients, after = case.moved("generator")
    agree(metrics["loss"], case.values["loss/G_score"])
    agree(metrics["gamma"], before["generator"]["attn_block.gamma"])
    agree(gradients["generator"], golden.converted(under(case.values, "grad/G_loss/"), GENERATOR))
    expected = under(case.values, "G/after_train/")
    statistics = {name: x for name, x in expected.items() if ".running_" in name}
    vectors = vectors_of(expected)
    expected = {**golden.biased(before["generator"], statistics, counts(True, 3)), **vectors}
    agree(case.variables("generator", after), golden.converted(expected, GENERATOR))
    agree(case.variables("discriminator", after), case.variables("discriminator"), 0.0)
