"""StyleGAN at reduced width against golden values: forward, styles, losses, gradients and the mean of w."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax.traverse_util import flatten_dict

from genjax.gans import stylegan
from genjax.latent import Prior
from tests.gans import golden
from tests.gans.golden import CONV, DENSE, agree, images, images_agree, under


@pytest.fixture(autouse=True)
def in_double():
    """Compute in float64."""
    with jax.enable_x64(True):
        yield


LAYERS = range(6)
VECTORS = (("bias", "params/{}/bias", lambda x: x), ("noise.weight", "params/{}/noise", lambda x: x))
GENERATOR = {
    **{f"mapping/dense_{n}": (DENSE, f"mapping.Dense{n}") for n in range(4)},
    **{f"synthesis/layer_{n}": (VECTORS, f"synthesis.layer{n}") for n in LAYERS},
    **{f"synthesis/layer_{n}/conv": (CONV, f"synthesis.layer{n}.conv") for n in LAYERS if n},
    **{f"synthesis/layer_{n}/style": (DENSE, f"synthesis.layer{n}.style") for n in LAYERS},
    **{f"synthesis/to_rgb_{size}": (CONV, f"synthesis.to_rgb{size}") for size in (4, 8, 16)},
    "synthesis": ((("const", "params/{}/constant", lambda x: x.transpose(0, 2, 3, 1)),), "synthesis"),
}
DISCRIMINATOR = {
    "from_rgb_16": (CONV, "from_rgb16"),
    **{
        f"conv_{size}{part}": (CONV, f"{size}.{theirs}")
        for size in (16, 8)
        for part, theirs in (("a", "conv0"), ("b", "conv1_down"))
    },
    "conv_4": (CONV, "4.conv"),
    "dense": (golden.pixels_last(4), "4.dense0"),
    "score": (DENSE, "4.dense1"),
}


def dotted(arrays):
    """Return arrays with a point for every slash in their names."""
    return {name.replace("/", "."): x for name, x in arrays.items()}


def generator_of(size):
    return stylegan.Generator(size, 3, 48, 12, style=8, depth=4)


@pytest.fixture
def styled(monkeypatch):
    values = golden.read("stylegan")
    noise = [images(values[f"in/noise{n}"]) for n in LAYERS]
    modules = {"generator": generator_of(16), "discriminator": stylegan.Discriminator(16, 48, 12)}
    monkeypatch.setattr(stylegan, "noise_images", lambda *_: noise)
    game = stylegan.game(
        *modules.values(), **golden.txs("discriminator"), latent=10, styling=stylegan.Styling(mixing=0.0),
        prior=Prior("given", golden.given(values["in/z"])),
    )  # fmt: skip
    average = {"average/w": values["in/w_avg"]}
    theirs = golden.converted(dotted(under(values, "D/param/")), DISCRIMINATOR)
    # What the discriminator has for smaller images is not in use.
    unused = {
        f"params/from_rgb_{size}/{name}": np.zeros(shape)
        for size in (8, 4)
        for name, shape in (("kernel", (1, 1, 3, 12)), ("bias", (12,)))
    }
    state = golden.start(
        game,
        generator=golden.converted(dotted(under(values, "G/param/")), GENERATOR) | average,
        discriminator=theirs | unused,
    )
    return golden.Case(values, modules, game, state, {"images": images(values["in/x"])}, values["in/z"]), noise


@partial(jax.jit, static_argnames=("generator", "method"))
def called(generator, method, variables, *inputs):
    """Return what a method of a generator makes of its inputs."""
    return generator.apply(variables, *inputs, method=method)


def test_styles_and_images(styled):
    case, noise = styled
    values, generator, variables = case.values, case.modules["generator"], case.state.variables_of("generator")
    for z, w in (("in/z", "out/w"), ("in/z2", "out/w2")):
        agree(called(generator, "styles_of", variables, values[z]), values[w])
    images_agree(case.outputs("generator", case.latents, noise=noise), values["out/image"])
    for crossover in (1, 3):
        mixed = case.outputs("generator", case.latents, noise=noise, second=values["in/z2"], crossover=crossover)
        images_agree(mixed, values[f"out/image_mixing_crossover_{crossover}"])


def test_every_layer(styled):
    case, noise = styled
    apply = jax.jit(partial(case.modules["generator"].apply, capture_intermediates=True, mutable=True))
    _, seen = apply(case.state.variables_of("generator"), case.latents, noise=noise)
    for n in LAYERS:
        (found,) = seen["intermediates"]["synthesis"][f"layer_{n}"]["__call__"]
        agree(np.transpose(found, (0, 3, 1, 2)), case.values[f"out/activation_after_layer{n}"])


@pytest.mark.parametrize(("psi", "cutoff"), [(0.7, 4), (0.5, 6), (0.0, 2)])
def test_truncation(styled, psi, cutoff):
    case, noise = styled
    generator, variables = case.modules["generator"], case.state.variables_of("generator")
    styles = stylegan.repeated(called(generator, "styles_of", variables, case.latents), 6)
    styles = stylegan.truncated(styles, variables["average"]["w"], psi, cutoff)
    found = called(generator, "drawn", variables, styles, noise)
    images_agree(found, case.values[f"out/image_truncation_psi_{psi}_cutoff_{cutoff}"])


def test_fading_and_the_smaller_network(styled):
    case, noise = styled
    variables = case.state.variables_of("generator")
    faded = case.outputs("generator", case.latents, noise=noise, alpha=jnp.asarray(0.3))
    images_agree(faded, case.values["out/image_16px_fading_alpha_0.3"])
    new = {"layer_4", "layer_5", "to_rgb_16"}
    kept = {name: x for name, x in variables["params"]["synthesis"].items() if name not in new}
    smaller = {**variables, "params": {**variables["params"], "synthesis": kept}}
    drawn = golden.outputs(generator_of(8), smaller, case.latents, noise=noise[:4])
    images_agree(drawn, case.values["out/image_8px"])


def test_gradients_of_the_generator(styled):
    case, noise = styled
    variables = case.state.variables_of("generator")

    def total(params, z):
        image = case.modules["generator"].apply({**variables, "params": params}, z, noise=noise)
        return jnp.sum(image * images(case.values["in/cotangent"]))

    by_params, by_latent = jax.jit(jax.grad(total, (0, 1)))(variables["params"], case.latents)
    expected = dotted(under(case.values, "grad/sum_image_times_cotangent/"))
    agree(by_latent, expected.pop("in_z"))
    agree(flatten_dict({"params": by_params}, sep="/"), golden.converted(expected, GENERATOR))


def test_the_discriminator_moves(styled):
    case, _ = styled
    agree(case.outputs("discriminator", case.batch["images"]), case.values["out/D_real"])
    agree(case.outputs("discriminator", images(case.values["out/image"])), case.values["out/D_fake"])
    metrics, gradients, after = case.moved("discriminator")
    agree(metrics["loss"], case.values["loss/D_logistic_r1_gamma_10"])
    agree(2 * metrics["penalty"], case.values["out/mean_squared_gradient_norm"])
    agree(gradients["discriminator"], golden.converted(dotted(under(case.values, "grad/D/")), DISCRIMINATOR))
    agree(case.variables("generator", after), case.variables("generator"), 0.0)


def test_the_generator_moves_and_the_mean_of_w_with_it(styled):
    case, _ = styled
    metrics, gradients, after = case.moved("generator")
    agree(metrics["loss"], case.values["loss/G_logistic_non_saturating"])
    agree(gradients["generator"], golden.converted(dotted(under(case.values, "grad/G_logistic/")), GENERATOR))
    agree(case.variables("generator", after)["average/w"], case.values["out/w_avg_after_update_beta_0.995"])
