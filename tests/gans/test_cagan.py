"""CAGAN: sizes, injection, the composite, who is wanted, augmentation, scores, refusals."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from genjax.data.ranges import UNIT
from genjax.gans import cagan
from genjax.run.cli import main
from genjax.tasks.pairs import Pairs
from tests.presets.built import run_of
from train import cagan as recipe

IMAGE = jax.ShapeDtypeStruct((1, 128, 96, 3), jnp.float32)
COUNTS = (
    ("generator of the paper's figure", cagan.Generator(injection=False), 3, 6_179_204),
    ("with six more inputs of every layer", cagan.Generator(), 3, 6_308_612),
    ("generator of the smallest", cagan.Generator(16, 3), 3, 108_836),
    ("discriminator", cagan.Discriminator(injection=False), 2, 2_761_025),
)


@pytest.mark.parametrize(("network", "inputs", "expected"), [row[1:] for row in COUNTS], ids=[row[0] for row in COUNTS])
def test_parameters(network, inputs, expected):
    params = jax.eval_shape(network.init, jax.random.key(0), *[IMAGE] * inputs)["params"]
    assert sum(math.prod(x.shape) for x in jax.tree.leaves(params)) == expected


def test_the_discriminator_judges_patches_and_the_generator_draws_four_channels():
    variables = jax.eval_shape(cagan.Discriminator().init, jax.random.key(0), IMAGE, IMAGE)
    assert jax.eval_shape(cagan.Discriminator().apply, variables, IMAGE, IMAGE).shape == (1, 8, 6)
    variables = jax.eval_shape(cagan.Generator().init, jax.random.key(0), IMAGE, IMAGE, IMAGE)
    assert jax.eval_shape(cagan.Generator().apply, variables, IMAGE, IMAGE, IMAGE).shape == (1, 128, 96, 4)


def test_injection_adds_the_means_of_the_inputs_behind_a_layers_own_channels():
    x, inputs = np.ones((2, 2, 3, 5), np.float32), np.random.default_rng(0).normal(size=(2, 4, 6, 2))
    out = np.asarray(cagan.injected(jnp.asarray(x), jnp.asarray(inputs, jnp.float32)))
    assert out.shape == (2, 2, 3, 7)
    np.testing.assert_array_equal(out[..., :5], x)
    np.testing.assert_allclose(out[1, 0, 2, 5:], inputs[1, 0:2, 4:6].mean((0, 1)), rtol=1e-5)


def test_with_injection_every_layer_depends_on_the_inputs():
    draw = jax.random.normal(jax.random.key(0), (3, 1, 16, 16, 3))
    network = cagan.Generator(4, 2)
    params = jax.jit(network.init)(jax.random.key(1), *draw)["params"]
    silent = {name: jax.tree.map(jnp.zeros_like, layer) if "_0" in name else layer for name, layer in params.items()}
    # With the first convolution and the first growth silenced only the injected inputs are left.
    apply = jax.jit(network.apply)
    one, other = (apply({"params": silent}, x, *draw[1:]) for x in (draw[0], -draw[0]))
    assert float(jnp.abs(one - other).max()) > 1e-4
    without = cagan.Generator(4, 2, injection=False)
    params = jax.jit(without.init)(jax.random.key(1), *draw)["params"]
    silent = {name: jax.tree.map(jnp.zeros_like, layer) if "_0" in name else layer for name, layer in params.items()}
    apply = jax.jit(without.apply)
    one, other = (apply({"params": silent}, x, *draw[1:]) for x in (draw[0], -draw[0]))
    assert float(jnp.abs(one - other).max()) == 0


def test_a_mask_of_nothing_leaves_the_person_as_it_is_and_of_everything_paints_over():
    persons = jax.random.uniform(jax.random.key(0), (2, 4, 4, 3), minval=-1.0)
    drawn = jax.random.normal(jax.random.key(1), (2, 4, 4, 4))
    nothing, mask = cagan.composite(drawn.at[..., 0].set(-200.0), persons)
    np.testing.assert_array_equal(nothing, persons)
    assert float(mask.max()) == 0
    everything, mask = cagan.composite(drawn.at[..., 0].set(200.0), persons)
    np.testing.assert_array_equal(everything, jnp.tanh(drawn[..., 1:]))
    assert float(mask.min()) == 1


def test_who_is_not_told_what_to_wear_wants_what_the_next_one_wears():
    articles = jnp.arange(4.0).reshape(4, 1, 1, 1)
    assert cagan.wanted_of({"articles": articles}).ravel().tolist() == [1, 2, 3, 0]
    assert cagan.wanted_of({"articles": articles, "others": articles + 7}).ravel().tolist() == [7, 8, 9, 10]


def test_persons_are_mirrored_with_what_they_wear_and_others_by_themselves():
    ramp = jnp.broadcast_to(jnp.arange(8, dtype=jnp.uint8)[None, None, :, None], (1, 10, 8, 3))
    given, seen = {"images": ramp, "articles": ramp, "others": ramp}, set()
    for seed in range(16):
        out = recipe.prepare((10, 8), True, given, jax.random.key(seed))
        turned = {name: bool(x[0, 0, 0, 0] > x[0, 0, -1, 0]) for name, x in out.items()}
        assert turned["images"] == turned["articles"]
        seen.add((turned["images"], turned["others"]))
    assert len(seen) == 4
    cut = recipe.prepare((6, 4), False, given, jax.random.key(1))
    assert {x.shape for x in cut.values()} == {(1, 6, 4, 3)}


def scores_of(answer):
    """Return the scores of a network that answers (swapped, mask) by rows of the data set."""
    task = run_of("cagan", "small").task
    assert isinstance(task, Pairs)
    rows = task.dataset.test.take(np.arange(20))
    swapped, _ = answer(rows)

    def composed(state, given):
        return answer(rows)

    return recipe.measure(composed, None, None, rows, np.asarray(swapped))


def test_scores_of_the_right_answer_and_of_none():
    right = scores_of(lambda rows: (np.asarray(UNIT.from_bytes(rows["targets"])), rows["masks"].astype(np.float32)))
    assert right["cloth"] < 1e-6 < right["cloth_copy"]
    assert right["outside"] < 0.05  # what a garment covers in part is no part of its mask
    assert (right["mask_in"], right["mask_out"]) == (1, 0)
    none = scores_of(
        lambda rows: (np.asarray(UNIT.from_bytes(rows["images"])), np.zeros_like(rows["masks"], np.float32))
    )
    assert none["cloth"] == pytest.approx(none["cloth_copy"], rel=1e-5)
    assert max(none["outside"], none["back"], none["mask"]) < 1e-6


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (("--data", "pairs:scenes"), "what they wear"),
        (("--image-size", "20"), "multiples of 8"),
        (("--crop", "64", "64"), "--crop (64, 64)"),
        (("--halvings", "5"), "fewer halvings"),
    ],
)
def test_what_cannot_work_is_one_clear_sentence(options, sentence, capsys, tmp_path):
    assert main("cagan", (*options, "--out", str(tmp_path / "run"))) == 2
    said = capsys.readouterr().err
    assert sentence in said
    assert "Traceback" not in said
