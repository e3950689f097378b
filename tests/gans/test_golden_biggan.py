"""BigGAN and BigGAN-deep at reduced width against golden values; see `tests.gans.golden`.

The peer is the first author's PyTorch code. It iterates for spectral norm in evaluation too, as here.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import jax
import numpy as np
import pytest

from genjax.gans import biggan
from genjax.latent import Prior
from genjax.losses.orthogonal import off_diagonal
from tests.gans import golden
from tests.gans.golden import CONV, DENSE, GAMMA, SCALE, STATISTICS, TABLE, agree, images, images_agree, under

EPSILON = 1e-5
"""The peer's, of batch norm."""


@pytest.fixture(autouse=True)
def in_double():
    """Compute in float64."""
    with jax.enable_x64(True):
        yield


def attention(theirs):
    """Return the names of the attention's layers."""
    parts = {"query": "theta", "key": "phi", "value": "g", "output": "o"}
    layers = {f"attention/{ours}": (CONV, f"{theirs}.{name}") for ours, name in parts.items()}
    return {"attention": (GAMMA, theirs), **layers}


def generator(blocks, convolutions, place):
    """Return the names of a generator's layers.

    blocks: our name of each.  convolutions: of a block, {ours: theirs}.  place: index of the block that attends.
    """
    names = {
        "embedding": (TABLE, "shared"),
        "first": (golden.pixels_first(4), "linear"),
        "norm/BatchNorm_0": (SCALE + STATISTICS, "output_layer.0"),
        "last": (CONV, "output_layer.2"),
        **attention(f"blocks.{place}.1"),
    }
    for index, block in enumerate(blocks):
        theirs = f"blocks.{index}.0"
        names |= {f"{block}/{ours}": (CONV, f"{theirs}.{name}") for ours, name in convolutions.items()}
        for norm in range(4):
            ours, bn = f"{block}/ConditionalNorm_{norm}", f"{theirs}.bn{norm + 1}"
            names |= {f"{ours}/{part}": (DENSE, f"{bn}.{part}") for part in ("gain", "bias")}
            names[f"{ours}/BatchNorm_0/BatchNorm_0"] = (STATISTICS, bn)
    return names


def discriminator(blocks, convolutions, place):
    """Return the names of a discriminator's layers; blocks: {ours: theirs}.  place: their name of the attention."""
    names = {"embedding": (TABLE, "embed"), "last": (DENSE, "linear"), "stem": (CONV, "input_conv"), **attention(place)}
    for block, theirs in blocks.items():
        names |= {f"{block}/{ours}": (CONV, f"{theirs}.{name}") for ours, name in convolutions.items()}
    return names


DEEP = {f"conv{n}": f"conv{n}" for n in (1, 2, 3, 4)}


class Peer(NamedTuple):
    """A configuration of the peer's: its networks here, and the names of their layers."""

    generator: Any
    discriminator: Any
    names: Mapping[str, Mapping[str, Any]]
    classes: int
    sides: Mapping[str, int]


PLAIN_PEER = Peer(
    biggan.Generator(32, 3, 16, (16, 16, 16), 5, 16, 6, epsilon=EPSILON),
    biggan.Discriminator((16,) * 4, 2, 5, 16),
    {
        "generator": generator(
            [f"block_{n}" for n in range(3)], {"Conv_0": "conv1", "Conv_1": "conv2", "shortcut": "conv_sc"}, 1
        ),
        "discriminator": discriminator(
            {f"block_{n}": f"blocks.{n}.0" for n in range(4)},
            {"conv1": "conv1", "conv2": "conv2", "shortcut": "conv_sc"},
            "blocks.0.1",
        ),
    },
    5,
    {f"blocks.{n}.0.bn{norm}": 4 * 2 ** (n + norm - 1) for n in range(3) for norm in (1, 2)},
)
DEEP_PEER = Peer(
    biggan.DeepGenerator(32, 3, 32, (32, 32, 32), 4, 16, 6, epsilon=EPSILON),
    biggan.DeepDiscriminator(32, (32,) * 3, 2, 4, 16),
    {
        "generator": generator([f"block_{n}_{part}" for n in range(3) for part in (0, 1)], DEEP, 3),
        "discriminator": discriminator(
            {f"block_{n}_{part}": f"blocks.{n}.{part}" for n in range(3) for part in (0, 1)}, DEEP, "blocks.0.2"
        ),
    },
    4,
    # The second block of a size grows behind its second norm.
    {f"blocks.{n}.0.bn{norm}": 4 * 2 ** (n // 2 + (n % 2 and norm > 2)) for n in range(6) for norm in (1, 2, 3, 4)},
)


@pytest.fixture(params=["biggan", pytest.param("biggan_deep_ajbrock", marks=pytest.mark.slow)])
def ajbrock(request, monkeypatch):
    peer = PLAIN_PEER if request.param == "biggan" else DEEP_PEER
    values = golden.read(request.param)
    z, labels = values["in/z"], values["in/y_fake"]
    before = {"generator": under(values, "G/state/"), "discriminator": under(values, "D/state/")}
    table = before["discriminator"]
    # The peer iterates for the table from the side of the classes, where its vector is the leading one.
    vector = table["embed.u0"][0] @ table["embed.weight"]
    table["embed.u0"] = vector[None] / np.linalg.norm(vector)
    monkeypatch.setattr(jax.random, "randint", lambda key, shape, low, high: golden.given(labels)(key, shape))
    setting = {"image_shape": (32, 32, 3), "latent": z.shape[1], "prior": Prior("given", golden.given(z))}
    modules = {"generator": peer.generator, "discriminator": peer.discriminator}
    played = biggan.game(
        *modules.values(), **golden.txs("discriminator"), classes=peer.classes, orthogonal=0.0, **setting
    )
    state = golden.start(played, **{net: golden.converted(before[net], peer.names[net]) for net in modules})
    batch = {"images": images(values["in/x"]), "labels": values["in/y_real"]}
    return golden.Case(values, modules, played, state, batch, z, labels), peer, before


def moved_on(case, peer, before, net, letter):
    """Return a network's vectors and statistics after its move, under our paths."""
    after = {name: x for name, x in under(case.values, f"{letter}/after_train/").items() if not name.endswith("sv0")}
    after.pop("embed.u0", None)  # on the side of the classes
    sides = peer.sides | {"output_layer.0": 32}
    counts = {layer: len(case.latents) * side**2 for layer, side in sides.items()}
    statistics = {name: x for name, x in after.items() if ".stored_" in name}
    return golden.converted({**after, **golden.biased(before[net], statistics, counts)}, peer.names[net])


def test_outputs(ajbrock):
    case, *_ = ajbrock
    images_agree(case.outputs("generator", case.latents, case.labels), case.values["out/G_eval"])
    drawn = case.outputs("generator", case.latents, case.labels, train=True)
    images_agree(drawn, case.values["out/G_train"])
    for x, labels, name in ((case.batch["images"], case.batch["labels"], "real"), (drawn, case.labels, "fake")):
        agree(case.outputs("discriminator", x, labels), case.values[f"out/D_train_{name}"][:, 0])


def test_discriminator_moves(ajbrock):
    case, peer, before = ajbrock
    metrics, gradients, after = case.moved("discriminator")
    agree(metrics["loss"], case.values["loss/D_hinge"])
    expected = under(case.values, "grad/D_hinge/")
    agree(gradients["discriminator"], golden.converted(expected, peer.names["discriminator"]))
    agree(case.variables("discriminator", after), moved_on(case, peer, before, "discriminator", "D"))
    agree(case.variables("generator", after), case.variables("generator"), 0.0)


def test_generator_moves(ajbrock):
    case, peer, before = ajbrock
    metrics, gradients, after = case.moved("generator")
    agree(metrics["loss"], case.values["loss/G_hinge"])
    agree(gradients["generator"], golden.converted(under(case.values, "grad/G_hinge/"), peer.names["generator"]))
    agree(case.variables("generator", after), moved_on(case, peer, before, "generator", "G"))
    agree(case.variables("discriminator", after), case.variables("discriminator"), 0.0)


def test_orthogonal_regularisation(ajbrock):
    case, peer, _ = ajbrock
    theirs = "blocks.0.0.conv1.weight"
    ours = next(name for name, (_, layer) in peer.names["generator"].items() if f"{layer}.weight" == theirs)
    block, layer = ours.split("/")
    kernel = case.state.params["generator"][block][layer]["kernel"]
    agree(off_diagonal(kernel), case.values["ortho/sum_sq_offdiag_W_Wt_rows_are_outputs"])
    half = case.values[f"ortho/peer_gradient_{theirs}"]
    agree(jax.grad(off_diagonal)(kernel) / 2, half.transpose(2, 3, 1, 0))
    agree(off_diagonal(kernel.reshape(-1, kernel.shape[-1]).T), case.values["ortho/sum_sq_offdiag_Wt_W"])
