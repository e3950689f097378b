"""Published networks at reduced width against golden values: DCGAN, PGGAN, CycleGAN.

Each move starts from the given weights and is the one of the game's own player; see `tests.gans.golden`.
"""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax.traverse_util import flatten_dict

from genjax.engine import make_step
from genjax.gans import cyclegan, dcgan, pggan
from genjax.latent import Prior
from genjax.losses.wasserstein import Penalties
from genjax.nn.growing import fade
from genjax.nn.patch import PatchDiscriminator
from tests.gans import golden
from tests.gans.golden import CONV, DENSE, SCALE, STATISTICS, TRANSPOSED, agree, images, images_agree, under


@pytest.fixture(autouse=True)
def in_double():
    """Compute in float64."""
    with jax.enable_x64(True):
        yield


# DCGAN

DCGAN_GENERATOR = {
    "Dense_0": (golden.UNFOLDED, "main.0"),
    **{f"ConvTranspose_{n}": (TRANSPOSED, f"main.{3 * n + 3}") for n in range(3)},
    **{f"Norm_{n}": (SCALE, f"main.{3 * n + 1}") for n in range(3)},
    **{f"Norm_{n}/BatchNorm_0/BatchNorm_0": (STATISTICS, f"main.{3 * n + 1}") for n in range(3)},
}
DCGAN_DISCRIMINATOR = {
    "Conv_0": (CONV, "main.0"),
    "Conv_1": (CONV, "main.2"),
    "Conv_2": (CONV, "main.5"),
    "Dense_0": (golden.pixels_last(4), "main.8"),
    **{f"Norm_{n}": (SCALE, f"main.{3 * n + 3}") for n in range(2)},
    **{f"Norm_{n}/BatchNorm_0/BatchNorm_0": (STATISTICS, f"main.{3 * n + 3}") for n in range(2)},
}


def dcgan_case(**txs):
    values = golden.read("dcgan")
    z = values["in/z"][:, :, 0, 0]
    modules = {"generator": dcgan.Generator(32, 3, 4), "discriminator": dcgan.Discriminator(32, 4)}
    setting = {"image_shape": (32, 32, 3), "latent": 6, "prior": Prior("given", golden.given(z))}
    game = dcgan.game(*modules.values(), **txs, **setting)
    state = golden.start(
        game,
        generator=golden.converted(under(values, "G/state/"), DCGAN_GENERATOR),
        discriminator=golden.converted(under(values, "D/state/"), DCGAN_DISCRIMINATOR),
    )
    return golden.Case(values, modules, game, state, {"images": images(values["in/x"])}, z)


@pytest.fixture
def torch_dcgan():
    return dcgan_case(**golden.txs("discriminator"))


def test_dcgan_outputs(torch_dcgan):
    values, x = torch_dcgan.values, torch_dcgan.batch["images"]
    images_agree(torch_dcgan.outputs("generator", torch_dcgan.latents), values["out/G_eval"])
    images_agree(torch_dcgan.outputs("generator", torch_dcgan.latents, train=True), values["out/G_train"])
    agree(torch_dcgan.outputs("discriminator", x), values["out/D_eval_real_logits"])
    agree(torch_dcgan.outputs("discriminator", x, train=True), values["out/D_train_real_logits"])


def test_dcgan_discriminator_moves(torch_dcgan):
    values, before = torch_dcgan.values, under(torch_dcgan.values, "D/state/")
    metrics, gradients, after = torch_dcgan.moved("discriminator")
    agree(metrics["loss"], values["loss/D_bce"])
    agree(gradients["discriminator"], golden.converted(under(values, "grad/D/"), DCGAN_DISCRIMINATOR))
    counts = {"main.3": 5 * 8 * 8, "main.6": 5 * 4 * 4}
    real, both = (under(values, f"D/after_train_{name}/") for name in ("real", "real_then_fake"))
    expected = golden.biased(real, both, counts, began=golden.biased(before, real, counts))
    agree(torch_dcgan.variables("discriminator", after), golden.converted(expected, DCGAN_DISCRIMINATOR))
    agree(torch_dcgan.variables("generator", after), torch_dcgan.variables("generator"), 0.0)


def test_dcgan_generator_moves(torch_dcgan):
    values = torch_dcgan.values
    metrics, gradients, after = torch_dcgan.moved("generator")
    agree(metrics["loss"], values["loss/G_non_saturating"])
    agree(gradients["generator"], golden.converted(under(values, "grad/G/"), DCGAN_GENERATOR))
    counts = {"main.1": 5 * 4 * 4, "main.4": 5 * 8 * 8, "main.7": 5 * 16 * 16}
    expected = golden.biased(under(values, "G/state/"), under(values, "G/after_train/"), counts)
    agree(torch_dcgan.variables("generator", after), golden.converted(expected, DCGAN_GENERATOR))
    agree(torch_dcgan.variables("discriminator", after), torch_dcgan.variables("discriminator"), 0.0)


def test_dcgan_trains_for_two_steps():
    adam = optax.adam(0.01, b1=0.5)
    case, expected = dcgan_case(generator_tx=adam, discriminator_tx=adam), golden.read("dcgan_steps")
    step, state, batch = jax.jit(make_step(case.game)), case.state, jax.tree.map(lambda x: x[None], case.batch)
    for number in (1, 2):
        state, metrics = step(state, batch, jax.random.key(0))
        agree(metrics["discriminator/loss"], expected[f"loss/D/{number}"])
        agree(metrics["generator/loss"], expected[f"loss/G/{number}"])
    for net, theirs, names in (("generator", "G", DCGAN_GENERATOR), ("discriminator", "D", DCGAN_DISCRIMINATOR)):
        found = flatten_dict(state.variables_of(net), sep="/")
        agree(found, golden.converted(under(expected, f"{theirs}/after/"), names))


# PGGAN at 16 pixels, during the fade: three tenths of the new layers

PGGAN_GENERATOR = {
    "dense": (golden.UNFOLDED, "dense"),
    **{name: (CONV, name) for name in ("conv_4", "conv_8a", "conv_8b", "conv_16a", "conv_16b")},
    **{name: (CONV, name) for name in ("to_rgb_4", "to_rgb_8", "to_rgb_16")},
}
PGGAN_CRITIC = {
    **{name: (CONV, name) for name in ("from_rgb_16", "from_rgb_8", "from_rgb_4")},
    **{name: (CONV, name) for name in ("conv_16a", "conv_16b", "conv_8a", "conv_8b", "conv_4")},
    "dense": (golden.pixels_last(4), "dense"),
    "score": (DENSE, "score"),
}
ALPHA = 0.3


def dense_named(arrays):
    """Return arrays with the generator's first layer as a transposed convolution: [in, out, height, width]."""
    first = {"dense_w": "dense.weight", "dense_b": "dense.bias"}
    return {first.get(name, name): np.moveaxis(x, 1, 0) if name == "dense_w" else x for name, x in arrays.items()}


@pytest.fixture
def theano_pggan(monkeypatch):
    values = under(golden.read("pggan"), "16px_alpha_0.3/")
    modules = {"generator": pggan.Generator(16, 3, 64, 12), "critic": pggan.Critic(16, 64, 12)}
    prior = Prior("given", golden.given(values["in/z"]))
    monkeypatch.setattr(jax.random, "uniform", golden.given(values["in/mix"]))
    game = pggan.game(*modules.values(), **golden.txs("critic"), latent=12, prior=prior, fading=(0, 10))
    state = golden.start(
        game,
        generator=golden.converted(dense_named(under(values, "G/state/")), PGGAN_GENERATOR),
        critic=golden.converted(under(values, "D/state/"), PGGAN_CRITIC),
    )
    state = state.replace(step=jnp.int32(10 * ALPHA))
    return golden.Case(values, modules, game, state, {"images": images(values["in/x"])}, values["in/z"])


def test_pggan_outputs(theano_pggan):
    values, alpha = theano_pggan.values, jnp.asarray(ALPHA)
    faded = fade(jnp.asarray(theano_pggan.batch["images"]), alpha)
    images_agree(faded, values["out/faded_x"])
    drawn = theano_pggan.outputs("generator", theano_pggan.latents, alpha=alpha)
    images_agree(drawn, values["out/G"])
    agree(theano_pggan.outputs("critic", faded, alpha=alpha), values["out/D_real"])
    agree(theano_pggan.outputs("critic", drawn, alpha=alpha), values["out/D_fake"])


def test_pggan_critic_moves(theano_pggan):
    values = theano_pggan.values
    metrics, gradients, _ = theano_pggan.moved("critic")
    agree(metrics["loss"], values["loss/D"])
    agree(metrics["penalty"], values["loss/penalty_unweighted"])
    agree(gradients["critic"], golden.converted(under(values, "grad/D/"), PGGAN_CRITIC))


def test_pggan_penalty_towards_750(theano_pggan):
    game = pggan.game(
        *theano_pggan.modules.values(), **golden.txs("critic"), latent=12, fading=(0, 10),
        penalties=Penalties(target=750.0), prior=Prior("given", golden.given(theano_pggan.latents)),
    )  # fmt: skip
    _, aux = jax.jit(game.players[0].loss)(theano_pggan.state, theano_pggan.batch, jax.random.key(0))
    expected = theano_pggan.values["loss/penalty_target_750_divided_by_750_squared"]
    agree(aux.metrics["penalty"] / 750**2, expected)


def test_pggan_generator_moves(theano_pggan):
    values = theano_pggan.values
    metrics, gradients, _ = theano_pggan.moved("generator")
    agree(metrics["loss"], values["loss/G"])
    agree(gradients["generator"], golden.converted(dense_named(under(values, "grad/G/")), PGGAN_GENERATOR))


# CycleGAN

CYCLEGAN_GENERATOR = {
    "Conv_0": (CONV, "model.1"),
    "Conv_1": (CONV, "model.4"),
    "Conv_2": (CONV, "model.7"),
    "Conv_3": (CONV, "model.10.conv_block.1"),
    "Conv_4": (CONV, "model.10.conv_block.5"),
    "Conv_5": (CONV, "model.11.conv_block.1"),
    "Conv_6": (CONV, "model.11.conv_block.5"),
    "ConvTranspose_0": (golden.MIRRORED, "model.12"),
    "ConvTranspose_1": (golden.MIRRORED, "model.15"),
    "Conv_7": (CONV, "model.19"),
}
CYCLEGAN_DISCRIMINATOR = {f"Conv_{n}": (CONV, f"model.{place}") for n, place in enumerate((0, 2, 5, 8))}
# In the authors' code the discriminator that judges domain B is called D_A.
CYCLEGAN = {"forward": "G_A", "backward": "G_B", "discriminator_b": "D_A", "discriminator_a": "D_B"}


def cyclegan_layers(net):
    return CYCLEGAN_DISCRIMINATOR if net.startswith("discriminator") else CYCLEGAN_GENERATOR


@pytest.fixture
def torch_cyclegan():
    values = golden.read("cyclegan")
    generator, discriminator = cyclegan.Generator(3, 4, 2), PatchDiscriminator(2, 4)
    # Until it is full, the pool gives back what it is given: the golden values have none.
    game = cyclegan.game(
        generator, discriminator, generators_tx=optax.sgd(1.0), discriminators_tx=optax.sgd(1.0),
        image_shape=(24, 32, 3), pool=4,
    )  # fmt: skip
    networks = {
        net: golden.converted(under(values, f"{theirs}/state/"), cyclegan_layers(net))
        for net, theirs in CYCLEGAN.items()
    }
    modules = {net: discriminator if net.startswith("discriminator") else generator for net in CYCLEGAN}
    batch = {"images": images(values["in/real_A"]), "targets": images(values["in/real_B"])}
    return golden.Case(values, modules, game, golden.start(game, **networks), batch)


def test_cyclegan_outputs(torch_cyclegan):
    values, a, b = torch_cyclegan.values, *torch_cyclegan.batch.values()
    fake_b, fake_a = torch_cyclegan.outputs("forward", a), torch_cyclegan.outputs("backward", b)
    images_agree(fake_b, values["out/fake_B"])
    images_agree(fake_a, values["out/fake_A"])
    images_agree(torch_cyclegan.outputs("backward", fake_b), values["out/rec_A"])
    images_agree(torch_cyclegan.outputs("forward", fake_a), values["out/rec_B"])
    for x, name in ((fake_b, "fake_B"), (b, "real_B")):
        agree(torch_cyclegan.outputs("discriminator_b", x), values[f"out/D_A_on_{name}"][:, 0])


def test_cyclegan_generators_move(torch_cyclegan):
    values = torch_cyclegan.values
    metrics, gradients, _ = torch_cyclegan.moved("generators")
    agree(metrics["loss"], values["loss/G_total"])
    agree(metrics["adversarial"], values["loss/G_A_adversarial"] + values["loss/G_B_adversarial"])
    for name in ("cycle", "identity"):
        agree(metrics[name], values[f"loss/{name}_A_unweighted"] + values[f"loss/{name}_B_unweighted"])
    for net in ("forward", "backward"):
        expected = under(values, f"grad/G_total/{CYCLEGAN[net]}/")
        agree(gradients[net], golden.converted(expected, CYCLEGAN_GENERATOR))


def test_cyclegan_discriminators_move(torch_cyclegan):
    values = torch_cyclegan.values
    metrics, gradients, after = torch_cyclegan.moved("discriminators")
    assert [int(after.memory[pool]["count"]) for pool in ("pool_a", "pool_b")] == [2, 2]
    agree(metrics["loss"], values["loss/D_A"] + values["loss/D_B"])
    expected = golden.converted(under(values, "grad/D_A/"), CYCLEGAN_DISCRIMINATOR)
    agree(gradients["discriminator_b"], expected)
