"""Models of pairs and triplets at reduced width against golden values: pix2pix, CAGAN.

Each move starts from the given weights and is the one of the game's own player; see `tests.gans.golden`.
"""

from types import SimpleNamespace

import jax
import jax.numpy as jnp
import pytest

from genjax.gans import cagan, pix2pix
from genjax.nn.patch import PatchDiscriminator, by_batch
from tests.gans import golden
from tests.gans.golden import CONV, SCALE, STATISTICS, TRANSPOSED, agree, images, images_agree, under


@pytest.fixture(autouse=True)
def in_double():
    """Compute in float64."""
    with jax.enable_x64(True):
        yield


# pix2pix: a U-Net of five halvings, and discriminators of one to three strided layers

NORM = SCALE + STATISTICS
HALVINGS = 5


def unet_names():
    """Return the layers of a U-Net: in the authors' code every level is a part of the level around it."""
    names = {"down_1": (CONV, "model.model.0"), f"up_{HALVINGS}": (TRANSPOSED, "model.model.3")}
    level = "model.model.1"
    for layer in range(2, HALVINGS):
        up = HALVINGS + 1 - layer
        names |= {
            f"down_{layer}": (CONV, f"{level}.model.1"),
            f"down_norm_{layer}/BatchNorm_0": (NORM, f"{level}.model.2"),
            f"up_{up}": (TRANSPOSED, f"{level}.model.5"),
            f"up_norm_{up}/BatchNorm_0": (NORM, f"{level}.model.6"),
        }
        level += ".model.3"
    return names | {
        f"down_{HALVINGS}": (CONV, f"{level}.model.1"),
        "up_1": (TRANSPOSED, f"{level}.model.3"),
        "up_norm_1/BatchNorm_0": (NORM, f"{level}.model.4"),
    }


def patch_names(strided):
    norms = {f"BatchNorm_{n}/BatchNorm_0": (NORM, f"model.{3 * n + 3}") for n in range(strided)}
    convolutions = {f"Conv_{n + 1}": (CONV, f"model.{3 * n + 2}") for n in range(strided + 1)}
    return {"Conv_0": (CONV, "model.0"), **convolutions, **norms}


@pytest.fixture(params=[1, pytest.param(2, marks=pytest.mark.slow), 3])
def torch_pix2pix(request):
    values, strided = golden.read("pix2pix"), request.param
    modules = {
        "generator": pix2pix.Generator(3, 2, HALVINGS, dropped=()),
        "discriminator": PatchDiscriminator(strided, 3, by_batch, use_bias=False),
    }
    game = pix2pix.game(*modules.values(), **golden.txs("discriminator"), image_shape=(32, 32, 3))
    state = golden.start(
        game,
        generator=golden.converted(under(values, "G/state/"), unet_names()),
        discriminator=golden.converted(under(values, f"D{strided}/state/"), patch_names(strided)),
    )
    values = {**{name: x for name, x in values.items() if name[0] != "D"}, **under(values, f"D{strided}/")}
    batch = {"images": images(values["in/real_A"]), "targets": images(values["in/real_B"])}
    return golden.Case(values, modules, game, state, batch)


def test_pix2pix_outputs(torch_pix2pix):
    values, (a, b) = torch_pix2pix.values, torch_pix2pix.batch.values()
    images_agree(torch_pix2pix.outputs("generator", a), values["out/G_eval"])
    fake = torch_pix2pix.outputs("generator", a, train=True)
    images_agree(fake, values["out/G_train"])
    for pair, train, name in (
        ((a, b), False, "eval_real"),
        ((a, b), True, "train_real"),
        ((a, fake), True, "train_fake"),
    ):
        found = torch_pix2pix.outputs("discriminator", pix2pix.judged(*pair, True), train=train)
        agree(found, values[f"out/{name}"][:, 0])


def test_pix2pix_discriminator_moves(torch_pix2pix):
    values = torch_pix2pix.values
    strided = torch_pix2pix.modules["discriminator"].strided
    metrics, gradients, after = torch_pix2pix.moved("discriminator")
    agree(metrics["loss"], values["loss/D"])
    names = patch_names(strided)
    agree(gradients["discriminator"], golden.converted(under(values, "grad/D/"), names))
    sides = [16 // 2**n for n in range(1, strided)]
    counts = {f"model.{3 * n + 3}": 3 * side**2 for n, side in enumerate([*sides, 32 // 2**strided - 1])}
    before, first, both = (under(values, at) for at in ("state/", "after_train_fake/", "after_train_fake_then_real/"))
    expected = golden.biased(first, both, counts, began=golden.biased(before, first, counts))
    agree(torch_pix2pix.variables("discriminator", after), golden.converted(expected, names))
    agree(torch_pix2pix.variables("generator", after), torch_pix2pix.variables("generator"), 0.0)


def test_pix2pix_generator_moves(torch_pix2pix):
    values, names = torch_pix2pix.values, unet_names()
    metrics, gradients, after = torch_pix2pix.moved("generator")
    agree(metrics["loss"], values["loss/G_total_l1_weight_100"])
    agree(metrics["adversarial"], values["loss/G_adversarial"])
    agree(metrics["l1"], values["loss/G_l1_unweighted"])
    agree(gradients["generator"], golden.converted(under(values, "grad/G/"), names))
    before, trained = under(values, "G/state/"), under(values, "G/after_train/")
    layers = {name.rsplit(".", 1)[0]: x for name, x in trained.items()}
    counts = {layer: 3 * (32 // side_of(layer)) ** 2 for layer in layers}
    expected = golden.converted(golden.biased(before, trained, counts), names)
    agree(torch_pix2pix.variables("generator", after), expected)
    agree(torch_pix2pix.variables("discriminator", after), torch_pix2pix.variables("discriminator"), 0.0)


def side_of(layer):
    """Return by how much images are smaller at a norm of the U-Net: it stands so deep, and one less on the way up."""
    depth = layer.count("model.") - 1
    place = int(layer.rsplit(".", 1)[1])
    return 2**depth if place == 2 else 2 ** (depth - 1)


# CAGAN: formulas on given arrays, in place of networks that nobody published


class Given:
    """A network that gives one array after the other, whatever it is called with, and remembers the calls."""

    def __init__(self, *arrays):
        self.arrays, self.calls = list(arrays), []

    def __call__(self, *inputs):
        return self.output(*inputs), self

    def output(self, *inputs):
        self.calls.append(inputs)
        return self.arrays[len(self.calls) - 1]

    owned = False


@pytest.fixture
def formulas():
    values = golden.read("cagan")
    logits = {name: jnp.asarray(x[:, 0]) for name, x in under(values, "in/logits_").items()}
    persons = jnp.asarray(images(values["in/x_i"]))
    batch = {"images": persons, "articles": jnp.zeros_like(persons), "others": jnp.ones_like(persons)}
    raws = [jnp.asarray(images(values[f"in/{name}"])) for name in ("raw_alpha_first_then_rgb", "raw_of_second_pass")]
    return values, logits, batch, raws


def test_cagan_composites(formulas):
    values, _, batch, raws = formulas
    swapped, mask = cagan.composite(raws[0], batch["images"])
    agree(mask, images(values["out/alpha"]))
    agree(swapped, images(values["out/x_ij"]))
    agree(cagan.composite(raws[1], swapped)[0], images(values["out/x_cycle"]))


def test_cagan_discriminator_loss(formulas):
    values, logits, batch, raws = formulas
    judge = Given(logits["real_x_i_y_i"], logits["fake_x_ij_y_j"], logits["mismatch_x_i_y_j"])
    nets = SimpleNamespace(generator=Given(raws[0]), discriminator=judge)
    loss, _ = cagan.discriminator_loss(nets, None, batch, None, mismatched=1.0)
    agree(loss, values["loss/D"])
    swapped, _ = cagan.composite(raws[0], batch["images"])
    x, worn, wanted = batch["images"], batch["articles"], batch["others"]
    for call, expected in zip(judge.calls, ((x, worn), (swapped, wanted), (x, wanted)), strict=True):
        agree(dict(enumerate(call)), {number: each for number, each in enumerate(expected) if each.any()}, 0.0)


def test_cagan_generator_loss(formulas):
    values, logits, batch, raws = formulas

    def loss(raws):
        nets = SimpleNamespace(generator=Given(*raws), discriminator=Given(logits["fake_x_ij_y_j"]))
        total, told = cagan.generator_loss(nets, None, batch, None, cycle=1.0, identity=0.1)
        return total, (told.metrics, nets.generator.calls)

    (total, (metrics, calls)), gradients = jax.value_and_grad(loss, has_aux=True)(raws)
    agree(total, values["loss/G_total_weights_1_1_0.1"])
    agree(metrics["adversarial"], values["loss/G_adversarial"])
    agree(metrics["cycle"], values["loss/cycle"])
    agree(metrics["mask"], values["loss/alpha_mean"])
    for gradient, name in zip(gradients, ("raw", "raw_of_second_pass"), strict=True):
        agree(gradient, images(values[f"grad/G_total/{name}"]))
    assert [float(article.mean()) for article in calls[0][1:]] == [0, 1], "what is worn, then what is wanted"
    assert [float(article.mean()) for article in calls[1][1:]] == [1, 0], "swapped back"
