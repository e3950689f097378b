"""SinGAN: sizes and counts, what a scale takes from the one below, noise, lengths, and what is refused."""

import functools
import itertools
import math

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from genjax import data
from genjax.engine import init_state
from genjax.engine.network import with_networks
from genjax.gans import singan
from genjax.nn.pyramid import Pyramid, pyramid
from genjax.run.run import recipe
from tests.engine.toy import same_bits
from tests.presets.built import hyper_of

WIDTHS = {32: (29_763, 29_185), 64: (114_819, 113_665), 128: (450_819, 448_513)}
SIZES = ((11, 13), (14, 16), (18, 20))
RATES = {"generator_tx": optax.adam(1e-2), "discriminator_tx": optax.adam(1e-2)}


def count(network, *inputs):
    variables = jax.eval_shape(network.init, jax.random.key(0), *inputs)
    return sum(math.prod(x.shape) for x in jax.tree.leaves(variables["params"]))


@pytest.mark.parametrize("width", WIDTHS)
def test_parameters(width):
    images, frame = jnp.zeros((1, 25, 25, 3)), jnp.zeros((1, 35, 35, 3))
    assert count(singan.Generator(width), frame, images) == WIDTHS[width][0]
    assert count(singan.Discriminator(width), images) == WIDTHS[width][1]


@pytest.mark.parametrize(
    ("size", "generators", "discriminators"),
    [((250, 250), 1_930_785, 1_916_939), ((164, 250), 1_029_147, 1_019_913), ((64, 64), 348_690, 344_070)],
)
def test_parameters_of_whole_pyramids(size, generators, discriminators):
    levels = range(len(pyramid(*size).sizes))
    hyper = hyper_of("singan", "paper")
    widths = [min(hyper.width * 2 ** (level // 4), hyper.limit) for level in levels]
    assert sum(WIDTHS[width][0] for width in widths) == generators
    assert sum(WIDTHS[width][1] for width in widths) == discriminators


def test_an_image_that_is_small_has_one_scale():
    assert pyramid(48, 64, least=48).sizes == ((48, 64),)
    assert pyramid(48, 64, least=50).sizes == ((48, 64),)
    assert pyramid(480, 640, least=250).sizes == ((188, 250),)


def test_an_image_of_another_size_gets_a_pyramid_whose_scales_reach_each_other():
    own = pyramid(64, 96)
    for size in ((31, 200), (64, 96), (150, 25)):
        sizes = own.of(*size)
        assert sizes[-1] == size and len(sizes) == len(own.sizes)
        for coarse, fine in itertools.pairwise(sizes):
            assert all(math.ceil(a / own.factor) >= b > 0 for a, b in zip(coarse, fine, strict=True))


def scales_of(widths, bordered=False):
    return singan.Scales(Pyramid(1.0, 0.8, SIZES), tuple(singan.Generator(width) for width in widths), bordered)


@functools.cache
def walked():
    """Return the states of three scales of widths 4, 4 and 6 as they begin and as they end, moved by chance."""
    scales, states, old = scales_of((4, 4, 6)), [], None
    image = np.random.default_rng(0).uniform(-1, 1, (1, *SIZES[-1], 3)).astype(np.float32)
    for level, (height, width) in enumerate(SIZES):
        discriminator = singan.Discriminator(scales.generators[level].width)
        game = singan.game(scales, level, discriminator, **RATES, begins=level != 1)
        state = jax.jit(functools.partial(init_state, game))(jax.random.key(level))
        if old is not None:
            state = singan.entered(old, state, scales=scales, image=image[:, :height, :width], amplitude=0.1)
        moved = jax.tree.map(lambda x: x * 1.1 + 0.01, (state.params, state.variables, state.opt_state))
        old = state.replace(**dict(zip(("params", "variables", "opt_state"), moved, strict=True)), step=2 * level + 2)
        states.append((state, old))
    return scales, states


def test_a_scale_freezes_those_below_and_goes_on_from_networks_as_wide():
    _, states = walked()
    (_, first), (start, second), (last_start, last) = states
    assert same_bits(start.params, first.params) and same_bits(start.variables, first.variables)
    assert same_bits(start.memory["lower"]["0"], first.variables_of("generator"))
    assert not same_bits(second.params["generator"], first.params["generator"])
    # Two scales later the first one is what it was, and the wider networks are new.
    for state in (second, last_start, last):
        assert same_bits(state.memory["lower"]["0"], first.variables_of("generator"))
    assert same_bits(last.memory["lower"]["1"], second.variables_of("generator"))
    wider = last_start.params["generator"]["patches"]["conv0"]["kernel"]
    assert wider.shape[-1] == 6 and float(jnp.std(wider)) == pytest.approx(0.02, rel=0.2)
    assert [int(start.step) for start, _ in states] == [0, 2, 4]
    fresh = [leaf for leaf in jax.tree.leaves(last_start.opt_state) if leaf.ndim == 0]
    assert fresh and all(int(leaf) == 0 for leaf in fresh)


def test_amplitudes_are_a_tenth_of_the_error_of_the_reconstruction_from_below():
    scales, states = walked()
    (_, first), (start, _), _ = states
    image = np.random.default_rng(0).uniform(-1, 1, (1, *SIZES[-1], 3))[:, : SIZES[1][0], : SIZES[1][1]]
    drawn = np.asarray(singan.reconstructed(scales, first))
    np.testing.assert_array_equal(drawn, singan.reconstructed(scales, first))
    latent = singan.framed(first.memory["latent"], 5)  # (in evaluation, by running statistics)
    zeros = jnp.zeros((1, *SIZES[0], 3))
    expected = scales.generators[0].apply(first.variables_of("generator"), jnp.repeat(latent, 3, -1), zeros)
    np.testing.assert_allclose(drawn, expected, atol=1e-6)
    previous = np.asarray(scales.grown(drawn, SIZES[1]))
    np.testing.assert_allclose(start.memory["previous"], previous, atol=1e-6)
    error = np.sqrt(np.mean((previous - image) ** 2))
    np.testing.assert_allclose(start.memory["amplitudes"], [1.0, 0.1 * error], rtol=1e-5)


@pytest.mark.parametrize(("redrawn", "level"), [(False, 0), (True, 0), (True, 1)])
def test_the_noise_of_the_reconstruction_is_drawn_once_or_in_every_move_of_the_coarsest_scale(redrawn, level):
    scales, states = walked()
    modules = {"generator": scales.generators[level], "discriminator": singan.Discriminator(4)}
    told = {"scales": scales, "level": level, "reconstruction": 10.0, "redrawn": redrawn}
    loss = with_networks(functools.partial(singan.generator_loss, **told), modules, ("generator",))
    state, batch = states[level][0], {"images": jnp.zeros((1, *SIZES[level], 3))}
    latents = [jax.jit(loss)(state, batch, jax.random.key(seed))[1].memory["latent"] for seed in (0, 1)]
    assert all(same_bits(z, state.memory["latent"]) != (redrawn and not level) for z in latents)
    assert same_bits(*latents) != (redrawn and not level)


def test_noise_has_one_channel_at_the_coarsest_scale_and_a_frame_of_zeros_or_of_noise():
    for bordered in (False, True):
        scales = scales_of((4, 4, 6), bordered)
        noises = scales.noise(jax.random.key(0), 2, SIZES)
        assert [z.shape for z in noises] == [
            (2, h + 10, w + 10, 3 if level else 1) for level, (h, w) in enumerate(SIZES)
        ]
        for z, (height, width) in zip(noises, SIZES, strict=True):
            inside = z[:, 5 : 5 + height, 5 : 5 + width]
            assert float(jnp.std(inside)) == pytest.approx(1.0, abs=0.2)
            assert (float(jnp.abs(z).sum()) > float(jnp.abs(inside).sum())) == bordered
        images = jnp.ones((2, *SIZES[0], 3))
        drawn, given = singan.noisy(images, noises[0], jnp.float32(0.5))
        np.testing.assert_allclose(drawn, 0.5 * np.repeat(noises[0], 3, -1))
        assert given is images


def test_a_place_of_the_map_sees_eleven_pixels():
    network = singan.Discriminator(4)
    images = jax.random.uniform(jax.random.key(1), (1, 31, 28, 3))
    variables = jax.jit(network.init)(jax.random.key(0), images)
    assert jax.eval_shape(network.apply, variables, images).shape == (1, 21, 18)
    slope = jax.jit(jax.grad(lambda x: network.apply(variables, x)[0, 7, 9]))(images)[0].sum(-1)
    rows, columns = (np.flatnonzero(np.abs(slope).sum(axis)) for axis in (1, 0))
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (7, 17, 9, 19)
    generator = singan.Generator(4)
    inputs = singan.framed(jnp.zeros_like(images), 5), images
    drawn, _ = jax.eval_shape(generator.init_with_output, jax.random.key(0), *inputs)
    assert drawn.shape == images.shape


def lengths(*arguments, scales=4):
    from train import singan as program

    return program.lengths(hyper_of("singan", "small", *arguments), scales)


def test_every_scale_takes_its_steps_and_the_last_one_what_is_left():
    assert lengths() == [150] * 4
    assert lengths("--steps", "2") == [2]
    assert lengths("--steps", "450") == [150] * 3
    assert lengths("--steps", "460") == [150, 150, 150, 10]
    assert lengths("--steps", "1000") == [150, 150, 150, 550]
    assert lengths("--epochs", "900") == [150, 150]
    assert lengths("--steps", "1000", scales=1) == [1000]


def build(*arguments):
    hyper = hyper_of("singan", "small", *arguments)
    return recipe("singan").build(hyper, data.load(hyper.data, image_size=hyper.image_size, channels=hyper.channels))


def test_each_scale_is_a_phase_on_the_image_at_its_size():
    run = build("--width", "2")
    assert [phase.feed.split.shape for phase in run.phases] == [
        (*size, 3) for size in ((18, 18), (25, 25), (35, 35), (48, 48))
    ]
    finest = run.phases[-1].feed.split.arrays["images"]
    whole = data.load("photo:pagoda", image_size=48).train.arrays["images"] / 255
    np.testing.assert_allclose(finest, whole, atol=1e-6)
    coarse = run.phases[0].feed.split.arrays["images"]
    np.testing.assert_allclose(coarse.mean((1, 2)), finest.mean((1, 2)), atol=0.02)
    assert "18 x 18, 25 x 25, 35 x 35, 48 x 48" in run.notes[0]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--data", "photos", "--image-size", "16"), "photos has 2,048; give one as --data image:FILE"),
        (("--rate-warm-up", "0.1"), "leave out --rate-warm-up"),
    ],
)
def test_what_cannot_be_is_refused(arguments, sentence):
    with pytest.raises(ValueError, match=sentence):
        build(*arguments)


def test_an_image_smaller_than_a_patch_is_refused():
    network = singan.Discriminator(4)
    with pytest.raises(ValueError, match="patches of 11 pixels a side, and an image has only 10 x 30"):
        jax.eval_shape(network.init, jax.random.key(0), jnp.zeros((1, 10, 30, 3)))
