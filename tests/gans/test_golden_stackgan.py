"""StackGAN's networks, losses and gradients against golden values of the authors' PyTorch code, both stages.

There a batch of n images has n - 1 wrong pairs, image i with sentence i + 1, and stage I normalises by the batch while
stage II is trained; both are done here by hand, and what the game does instead is tested in test_stackgan.
"""

import jax
import numpy as np
import pytest
from flax import linen as nn
from flax.traverse_util import flatten_dict

from genjax.gans import stackgan
from genjax.nn import stages
from genjax.nn.dense import Embedding
from tests.gans import golden
from tests.gans.golden import CONV, DENSE, SCALE, STATISTICS, agree, images, under

NORM = SCALE + STATISTICS


@pytest.fixture(autouse=True)
def in_double():
    """Compute in float64."""
    with jax.enable_x64(True):
        yield


def pixels_last(x):
    """Return numbers of 4 x 4 pixels, ordered [channels, height, width], in our order."""
    return x.reshape(-1, 4, 4).transpose(1, 2, 0).ravel()


FLAT_NORM = tuple((theirs, ours, pixels_last) for theirs, ours, _ in NORM)


def conv(number, theirs):
    return {f"Conv_{number}": (CONV, theirs)}


def norm(number, theirs, layer=NORM):
    return {f"BatchNorm_{number}/BatchNorm_0": (layer, theirs)}


AUGMENTATION = {"augmentation/Dense_0": (DENSE, "ca_net.fc")}
SKETCHER = AUGMENTATION | {"Dense_0": (golden.pixels_first(4), "fc.0")} | norm(0, "fc.1", FLAT_NORM)
for n in range(4):
    SKETCHER |= conv(n, f"upsample{n + 1}.1") | norm(n + 1, f"upsample{n + 1}.2")
SKETCHER |= conv(4, "img.0")

REFINER = AUGMENTATION | conv(0, "encoder.0") | conv(1, "encoder.2") | conv(2, "encoder.5") | conv(3, "hr_joint.0")
REFINER |= norm(0, "encoder.3") | norm(1, "encoder.6") | norm(2, "hr_joint.1")
for n in range(4):
    REFINER |= conv(4 + n, f"residual.{n // 2}.block.{3 * (n % 2)}")
    REFINER |= norm(3 + n, f"residual.{n // 2}.block.{3 * (n % 2) + 1}")
    REFINER |= conv(8 + n, f"upsample{n + 1}.1") | norm(7 + n, f"upsample{n + 1}.2")
REFINER |= conv(12, "img.0")


def discriminator(convolutions):
    found = {
        "join": (CONV, "get_cond_logits.outlogits.0"),
        "join_norm/BatchNorm_0": (NORM, "get_cond_logits.outlogits.1"),
        "score": (CONV, "get_cond_logits.outlogits.3"),
        "own_score": (CONV, "get_uncond_logits.outlogits.0"),
    } | conv(0, "encode_img.0")
    for n in range(1, convolutions):
        found |= conv(n, f"encode_img.{3 * n - 1}") | norm(n - 1, f"encode_img.{3 * n}")
    return found


NAMES = {"generator1": SKETCHER, "generator2": REFINER, "discriminator1": discriminator(4),
         "discriminator2": discriminator(8)}  # fmt: skip
THEIRS = {"generator": "G", "discriminator": "D"}


class Table(nn.Module):
    """A sentence of one word whose embedding is a row of a table: the golden texts."""

    @nn.compact
    def __call__(self, tokens, train=False):
        return Embedding(3, 8, name="rows")(tokens[:, 0])


@pytest.fixture(params=[1, 2])
def port(request):
    """A stage, its golden values and its game with their weights."""
    values, stage, layers = golden.read("stackgan"), request.param, stages.Layers(residual=False)
    modules = {"text": Table(), "generator1": stages.Sketcher(64, 3, 4, 3, layers)}
    if stage == 1:
        modules["discriminator1"] = stages.Discriminator(2, None, layers=layers)
    else:
        modules["generator2"] = stages.Refiner(256, 3, 4, 3, 2, layers)
        modules["discriminator2"] = stages.Discriminator(2, None, True, layers)
    rules = stackgan.Rules(latent=4, truncated=False, judged="mean")
    txs = golden.txs("discriminator")
    game = stackgan.game(modules, words=1, rules=rules, **txs)
    weights = {
        net: golden.converted(under(values, f"{THEIRS[net[:-1]]}{net[-1]}/state/"), NAMES[net])
        for net in modules
        if net != "text"
    }
    state = golden.start(game, text={"params/rows/table": values["in/text"]}, **weights)
    real = images(values[f"in/real{stage}_before_16x_nearest"]).repeat(16, 1).repeat(16, 2)
    batch = {"images": real, "captions": np.arange(3, dtype=np.int32)[:, None, None]}
    return stage, golden.Case(values, modules, game, state, batch)


def drawn(case, stage, train):
    """Return what a stage draws of the golden noise, stage I in the same mode."""
    values = case.values
    source = values["in/z"]
    for number in range(1, stage + 1):
        out = case.outputs(f"generator{number}", source, values["in/text"], values[f"in/epsilon_stage{number}"],
                           train=train)  # fmt: skip
        source = out.images
    return out


def test_outputs(port):
    stage, case = port
    for mode in ("eval", "train"):
        out = drawn(case, stage, mode == "train")
        found = out.images if stage == 1 else out.images[:, ::4, ::4]
        # The golden images of stage II are all 0 in evaluation: its one last channel is dead there.
        right = case.values[f"out/G{stage}_{mode}"]
        np.testing.assert_allclose(golden.thinned(np.transpose(found, (0, 3, 1, 2))), right, atol=1e-6)
    for found, name in ((out.mean, "mu"), (2 * out.log_deviation, "logvar")):  # of which one is all 0, by its ReLU
        np.testing.assert_allclose(found, case.values[f"out/{name}{stage}"], atol=1e-6)


def test_discriminators_loss_and_gradients(port):
    stage, case = port
    values, net = case.values, f"discriminator{stage}"
    fake = drawn(case, stage, train=True)
    variables = case.state.variables_of(net)

    @jax.jit
    def loss(params):
        def judge(x, texts):
            return case.modules[net].apply({**variables, "params": params}, x, texts, True, mutable=["batch_stats"])[0]

        (real, wrong), own_real = judge(case.batch["images"], (fake.mean, fake.mean[1:]))
        (of_fake,), own_fake = judge(fake.images, (fake.mean,))
        parts = {"real": stackgan.positives(real), "wrong": stackgan.negatives(wrong, None),
                 "fake": stackgan.negatives(None, None, of_fake)}  # fmt: skip
        whole = stackgan.positives(*stackgan.known(real, own_real))
        return whole + stackgan.negatives(wrong, None, *stackgan.known(of_fake, own_fake)), parts

    (whole, parts), gradient = jax.jit(jax.value_and_grad(loss, has_aux=True))(variables["params"])
    agree(whole, values[f"loss/D{stage}"])
    for name, part in parts.items():
        agree(part, values[f"loss/D{stage}_{name}"])
    expected = golden.converted(under(values, f"grad/D{stage}/"), NAMES[net])
    assert len(expected) == 2
    agree(flatten_dict({"params": gradient}, sep="/"), expected)


def test_generator_moves(port, monkeypatch):
    stage, case = port
    values, net = case.values, f"generator{stage}"
    source = values["in/z"] if stage == 1 else drawn(case, 1, train=True).images
    inputs = source, values["in/text"], values[f"in/epsilon_stage{stage}"]
    monkeypatch.setattr(stackgan, "given", lambda nets, stage, rules, text, key: inputs)
    metrics, gradients, _ = case.moved(net)
    agree(metrics["adversarial"], values[f"loss/G{stage}_adversarial"])
    agree(metrics["divergence"], values[f"loss/KL{stage}_mean_unweighted"])
    agree(metrics["loss"], values[f"loss/G{stage}_adversarial"] + 2 * values[f"loss/KL{stage}_mean_unweighted"])
    expected = golden.converted(under(values, f"grad/G{stage}_total_kl_weight_2/"), NAMES[net])
    assert len(expected) >= 3
    agree(gradients[net], expected)
