"""SPADE's layers, networks, losses and moves against golden values of the authors' code."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax.traverse_util import flatten_dict, unflatten_dict

from genjax.gans import spade
from genjax.gans.published import layers, maps, translators
from genjax.losses.divergence import kl_standard_normal
from genjax.nn.label_maps import edges, nearest
from genjax.nn.spatial_norm import SpatialBlock, SpatialNorm
from tests.gans import golden
from tests.gans.golden import CONV, STATISTICS, agree, images, images_agree, under

VALUES = golden.read("spade")
LABELS = spade.Labels(4, edges=True)


@pytest.fixture(autouse=True)
def in_double():
    """Compute in float64."""
    with jax.enable_x64(True):
        yield


def norm(ours, theirs):
    """Return the names of a spatial norm's layers."""
    return {
        f"{ours}BatchNorm_0/BatchNorm_0": (STATISTICS, f"{theirs}param_free_norm"),
        f"{ours}shared": (CONV, f"{theirs}mlp_shared.0"),
        f"{ours}gamma": (CONV, f"{theirs}mlp_gamma"),
        f"{ours}beta": (CONV, f"{theirs}mlp_beta"),
    }


def block(ours, theirs):
    """Return the names of a block's layers."""
    names = {f"{ours}{mine}": (CONV, f"{theirs}{other}") for mine, other in
             (("conv0", "conv_0"), ("conv1", "conv_1"), ("shortcut", "conv_s"))}  # fmt: skip
    for mine, other in (("norm0/", "norm_0."), ("norm1/", "norm_1."), ("norm_shortcut/", "norm_s.")):
        names |= norm(f"{ours}{mine}", f"{theirs}{other}")
    return names


BLOCKS = ("head_0", "G_middle_0", "G_middle_1", "up_0", "up_1", "up_2", "up_3")
GENERATOR = {"start": (CONV, "fc"), "last": (CONV, "conv_img")}
for number, theirs in enumerate(BLOCKS):
    GENERATOR |= block(f"block{number}/", f"{theirs}.")
DISCRIMINATOR = {}
for k in range(2):
    DISCRIMINATOR |= {
        f"scale{k}_conv0": (CONV, f"discriminator_{k}.model0.0"),
        **{f"scale{k}_conv{n}": (CONV, f"discriminator_{k}.model{n}.0.0") for n in (1, 2, 3)},
        f"scale{k}_score": (CONV, f"discriminator_{k}.model4.0"),
    }


def of(prefix, names):
    """Return the variables of a layer alone."""
    return unflatten_dict(
        {path: jnp.asarray(x) for path, x in golden.converted(under(VALUES, prefix), names).items()}, sep="/"
    )


def batch():
    labels, instances = (VALUES[f"in/{name}"].transpose(0, 2, 3, 1) for name in ("labels", "instances"))
    return {"images": images(VALUES["in/x"]), "maps": labels, "instances": instances}


def statistics(before, after, count):
    """Return what batch norm keeps, as if the biased variance of `count(layer)` numbers had entered it."""
    moved = {name: x for name, x in after.items() if "running" in name}
    layers = {name.rsplit(".", 1)[0] for name in moved}
    kept = {name: x for name, x in after.items() if name.endswith("_u")}
    return golden.biased(before, moved, {layer: count(layer) for layer in layers}) | kept


def test_edges_and_maps():
    found = edges(jnp.asarray(batch()["instances"]))
    images_agree(found, VALUES["out/edges"])
    maps = LABELS.read(batch())
    assert maps.shape == (2, 32, 32, 5)
    np.testing.assert_array_equal(maps[..., 4:], found)
    images_agree(nearest(maps, 5, 7), VALUES["spade/nearest_resized_onehot_5x7"])


def test_the_norm():
    layer = SpatialNorm(8)
    variables = of("spade/state/", norm("", ""))
    x, maps = images(VALUES["spade/in"]), LABELS.read(batch())
    apply = jax.jit(partial(layer.apply, mutable=["batch_stats"]), static_argnums=3)
    images_agree(apply(variables, x, maps, False)[0], VALUES["spade/out_eval"])
    out, changed = apply(variables, x, maps, True)
    images_agree(out, VALUES["spade/out_train"])
    expected = statistics(under(VALUES, "spade/state/"), under(VALUES, "spade/after_train/"), lambda _: 2 * 5 * 7)
    agree(flatten_dict(changed, sep="/"), golden.converted(expected, norm("", "")))


def test_the_block():
    variables = of("resblk/state/", block("", ""))
    x, maps = images(VALUES["spade/in"]), LABELS.read(batch())
    apply = jax.jit(partial(SpatialBlock(4, 8).apply, mutable=["batch_stats", "spectral"]), static_argnums=3)
    out, changed = apply(variables, x, maps, True)
    images_agree(out, VALUES["resblk/out_train"])
    expected = statistics(under(VALUES, "resblk/state/"), under(VALUES, "resblk/after_train/"), lambda _: 2 * 5 * 7)
    agree(flatten_dict(changed, sep="/"), golden.converted(expected, block("", "")))


@pytest.fixture
def authors():
    modules = {"generator": spade.Generator(1, 5, 8), "discriminator": spade.Discriminator(3)}
    setting = {"image_shape": (32, 32, 3), "labels": LABELS}
    game = spade.game(*modules.values(), **golden.txs("discriminator"), **setting)
    state = golden.start(
        game,
        generator=golden.converted(under(VALUES, "G/state/"), GENERATOR),
        discriminator=golden.converted(under(VALUES, "D/state/"), DISCRIMINATOR),
    )
    return golden.Case(VALUES, modules, game, state, batch())


def test_outputs(authors):
    maps = LABELS.read(authors.batch)
    drawn = authors.outputs("generator", maps, train=True)
    images_agree(drawn, VALUES["out/G_train"])
    discriminator = partial(authors.outputs, "discriminator", jnp.concatenate([maps, maps]), train=True)
    for k, scale in enumerate(discriminator(jnp.concatenate([drawn, authors.batch["images"]]))):
        for layer, x in enumerate(scale):
            images_agree(jnp.split(x, 2)[1], VALUES[f"out/D{k}_feature{layer}_real"])
        images_agree(jnp.split(scale[-1], 2)[0], VALUES[f"out/D{k}_feature4_fake"])


def test_discriminator_moves(authors):
    metrics, gradients, after = authors.moved("discriminator")
    agree(metrics["loss"], VALUES["loss/D_hinge_real"] + VALUES["loss/D_hinge_fake"])
    expected = golden.converted(under(VALUES, "grad/D/"), DISCRIMINATOR)
    assert len(expected) == 2
    agree(gradients["discriminator"], expected)
    expected = golden.converted(under(VALUES, "D/after_train/"), DISCRIMINATOR)
    agree(authors.variables("discriminator", after), expected)
    agree(authors.variables("generator", after), authors.variables("generator"), 0.0)


def test_generator_moves(authors):
    metrics, gradients, after = authors.moved("generator")
    agree(metrics["adversarial"], VALUES["loss/G_adversarial"])
    agree(10 * metrics["matching"], VALUES["loss/G_feature_matching_weight_10"])
    agree(metrics["loss"], VALUES["loss/G_adversarial"] + VALUES["loss/G_feature_matching_weight_10"])
    expected = golden.converted(under(VALUES, "grad/G/"), GENERATOR)
    assert len(expected) == 4
    agree(gradients["generator"], expected)

    def count(layer):
        sides = dict(zip(BLOCKS, (1, 2, 2, 4, 8, 16, 32), strict=True))
        return 2 * sides[layer.split(".")[0]] ** 2

    expected = statistics(under(VALUES, "G/state/"), under(VALUES, "G/after_train/"), count)
    agree(authors.variables("generator", after), golden.converted(expected, GENERATOR))
    agree(authors.variables("discriminator", after), authors.variables("discriminator"), 0.0)


def test_the_authors_file_is_read_into_the_network_that_evaluates_it(authors):
    """The golden values are of training mode, in which there is one more step of the power iteration."""
    stepped = maps.generator(1, 5, 8, layers.Kernel(("weight_orig", "weight_u"), layers.iterated))
    translator = translators.of_maps(LABELS, width=1, hidden=8)
    state = under(VALUES, "G/state/")
    read = LABELS.read(authors.batch)
    found = translators.restore(translator._replace(network=stepped), state)
    images_agree(golden.outputs(stepped.generator, found.variables, read, train=True), VALUES["out/G_train"])
    vectors = {f"{name.removesuffix('orig')}v": _right(state, name) for name in state if name.endswith("_orig")}
    kept = translators.restore(translator, state | vectors).variables["params"]["block0"]["conv0"]["kernel"]
    w, u = state["head_0.conv_0.weight_orig"], state["head_0.conv_0.weight_u"]
    agree(kept, (w / np.linalg.norm(u @ w.reshape(len(w), -1))).transpose(2, 3, 1, 0))


def _right(state, name):
    """Return the vector v that PyTorch keeps beside u in the golden file, which the shipped part leaves out."""
    v = state[name.replace("_orig", "_u")] @ state[name].reshape(len(state[name]), -1)
    return v / np.linalg.norm(v)


def test_divergence_of_the_style():
    found = jnp.sum(kl_standard_normal(VALUES["kld/mu"], VALUES["kld/logvar"]))
    agree(found, VALUES["kld/sum_unweighted"])
