"""HoloGAN's generator, losses and views: exact checks."""

from functools import partial
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax.traverse_util import flatten_dict

from genjax.engine.network import Network
from genjax.gans import hologan
from genjax.views import Views

SMALL = {"channels": 1, "start": 2, "template": 6, "volumes": (4,), "flat": 8, "images": (6,), "slope": 0.2}


def generator(**changes):
    network = hologan.Generator(8, **{**SMALL, **changes})
    latents = jax.random.uniform(jax.random.key(1), (3, 5), minval=-1)
    return network, jax.jit(network.init)(jax.random.key(0), latents), latents


def poses(azimuth, elevation=90.0):
    return jnp.tile(jnp.array([[azimuth, elevation, 1.0, 0.0, 0.0, 0.0]]), (3, 1))


def test_the_pose_not_given_is_the_identity_and_others_change_the_image():
    network, variables, latents = generator()
    apply = jax.jit(network.apply)
    still = apply(variables, latents)
    np.testing.assert_array_equal(still, apply(variables, latents, poses(90.0)))
    assert np.abs(apply(variables, latents, poses(450.0)) - still).max() < 1e-5
    for turned in (poses(130.0), poses(90.0, 70.0)):
        assert np.abs(apply(variables, latents, turned) - still).max() > 1e-4


@pytest.mark.parametrize("projections", [(), (4,)])
def test_gradients_reach_the_constant_every_style_and_every_convolution(projections):
    with jax.enable_x64(True):
        check_gradients(*generator(projections=projections))


def check_gradients(network, variables, latents):
    variables = jax.tree.map(lambda x: x.astype(jnp.float64), variables)
    weights = jax.random.normal(jax.random.key(2), (3, 8, 8, 1))

    def total(params):
        return jnp.sum(weights * network.apply({"params": params}, latents, poses(130.0, 75.0)))

    gradients = flatten_dict(jax.jit(jax.grad(total))(variables["params"]), sep="/")
    styles = {path for path in gradients if path.startswith("Style")}
    assert len(styles) == 2 * 3 and "template" in gradients
    for path, gradient in gradients.items():
        # A bias in front of adaptive instance norm is subtracted again, as in the authors' code.
        cancelled = path in ("ConvTranspose3D_0/bias", "ConvTranspose_0/bias")
        assert (np.abs(gradient).max() < 1e-10) == cancelled, path
    by_latent = jax.jit(jax.grad(lambda z: jnp.sum(weights * network.apply(variables, z, poses(130.0)))))(latents)
    assert np.abs(by_latent).min() > 0


def test_without_turning_the_styles_see_the_pose_and_the_volume_stays():
    network, variables, latents = generator(turning=False)
    assert variables["params"]["Style_0"]["Dense_0"]["kernel"].shape[0] == latents.shape[1] + 8
    apply = partial(network.apply, variables, latents)
    assert np.abs(apply(poses(130.0)) - apply(poses(90.0))).max() > 1e-4
    # It is periodic too: azimuths enter as cosine and sine.
    assert np.abs(apply(poses(490.0)) - apply(poses(130.0))).max() < 1e-5
    np.testing.assert_allclose(hologan.told(poses(90.0, 0.0))[0], [0, 1, 1, 0, 0, 0, 0, 0], atol=1e-6)


def test_rectified_styles_are_never_negative():
    def least_shift(**changes):
        network, variables, latents = generator(**changes)
        _, found = jax.jit(partial(network.apply, capture_intermediates=True))(variables, latents)
        # The mean over the volume of what comes out is the shift.
        return flatten_dict(found["intermediates"], sep="/")["Style_1/__call__"][0].mean((1, 2, 3)).min()

    assert least_shift(rectified=True) > -1e-6
    assert least_shift() > -1e-6
    assert least_shift(rectified=False) < -1e-3


def test_sizes_that_doublings_do_not_reach_are_named():
    network = hologan.Generator(16, **SMALL)
    with pytest.raises(ValueError, match="1 and 1 doublings reach 8 pixels, not 16; give --image-size 8"):
        network.init(jax.random.key(0), jnp.zeros((1, 5)))


def test_views_are_drawn_for_each_image_within_their_ranges():
    views = Views((220.0, 320.0), (70.0, 110.0), (0.8, 1.2), (-2.0, 1.0))
    drawn = np.asarray(views.draw(jax.random.key(0), 4000))
    low, high = np.array(views.ranges).T
    assert (drawn >= low).all() and (drawn <= high).all()
    np.testing.assert_allclose(drawn.mean(0), views.middle, atol=0.02 * (high - low).max())
    np.testing.assert_allclose(drawn.std(0), (high - low) / 12**0.5, rtol=0.03)
    assert np.abs(np.corrcoef(drawn.T) - np.eye(6)).max() < 0.06
    assert views.middle == (270.0, 90.0, 1.0, -0.5, -0.5, -0.5)


class Parts:
    """Networks that give written-out answers."""

    def __init__(self, judged):
        self.judged = judged

    def clone(self, **_):
        return self

    def apply(self, variables, images, train, mutable, rngs):
        return self.judged, {}


def losses(weights, fooled=False):
    """Return both losses and metrics for two images and two samples, whose discriminator's answers are given."""
    logits = jnp.array([1.5, -0.5, 0.3, -2.0])
    latents = jnp.array([[9.0, 9.0], [9.0, 9.0], [0.5, -0.5], [0.1, 0.9]])
    styles = (jnp.array([[0.2, -0.3], [1.0, 0.0], [-0.7, 0.4], [0.6, -1.1]]),)
    both = hologan.Judged(logits, latents, styles)
    alone = jax.tree.map(lambda x: x[2:], both)
    z = np.array([[0.4, -0.6], [0.3, 0.7]])
    network = hologan.Generator(8, **SMALL)
    params = jax.jit(network.init)(jax.random.key(0), jnp.zeros((1, 2)))["params"]

    def nets(judged):
        return SimpleNamespace(
            generator=Network("generator", network, params, {}, True),
            discriminator=Network("discriminator", Parts(judged), {}, {}, True),
        )

    options = {"draw": lambda key, count: jnp.asarray(z), "views": Views(), "weights": weights}
    batch = {"images": jnp.zeros((2, 8, 8, 1))}
    first = hologan.discriminator_loss(nets(both), None, batch, jax.random.key(0), **options)
    second = hologan.generator_loss(nets(alone), None, batch, jax.random.key(0), **options)
    return first, second


def test_both_losses_are_the_written_out_ones():
    def softplus(x):
        return np.log1p(np.exp(np.asarray(x))).mean()

    cross = softplus([-1.5, 0.5]) + softplus([0.3, -2.0])
    identity = np.mean([0.1**2, 0.1**2, 0.2**2, 0.2**2])
    style = softplus([-0.2, 0.3, -1.0, 0.0]) + softplus([-0.7, 0.4, 0.6, -1.1])
    fooled = softplus([0.7, -0.4, -0.6, 1.1])
    (judging, aux), (fooling, _) = losses(hologan.Weights(2.0, 0.5))
    np.testing.assert_allclose(judging, cross + 2 * identity + 0.5 * style, rtol=1e-6)
    np.testing.assert_allclose(fooling, softplus([-0.3, 2.0]) + 2 * identity, rtol=1e-6)
    np.testing.assert_allclose([aux.metrics["identity"], aux.metrics["style"]], [identity, style], rtol=1e-6)
    _, (fooling, _) = losses(hologan.Weights(2.0, 0.5, fool_styles=True))
    np.testing.assert_allclose(fooling, softplus([-0.3, 2.0]) + 2 * identity + 0.5 * fooled, rtol=1e-6)


def test_the_discriminator_has_its_norms_behind_every_convolution_but_the_first():
    images = jnp.zeros((2, 16, 16, 3))
    for styles, units in (("none", 0), ("batch", 8), ("channels", 16)):
        network = hologan.Discriminator(5, 4, 3, 6, styles=styles)
        variables = jax.jit(network.init)(jax.random.key(0), images)
        assert set(variables["spectral"]) == {"Conv_1", "Conv_2"}
        assert set(variables["params"]) >= {"norm_1", "norm_2"} and "norm_0" not in variables["params"]
        kernels = [x["kernel"].shape for name, x in variables["params"].items() if name.startswith("style")]
        assert [shape[0] for shape in kernels] == ([] if not units else [units, 2 * units])
        judged = network.apply(variables, images)
        assert judged.latents.shape == (2, 5)
        assert [each.shape for each in judged.styles] == ([] if not units else 2 * [(2, 2 if units == 8 else 1)])
    plain = hologan.Discriminator(5, 4, 3, 6, normalised=False).init(jax.random.key(0), images)
    assert "spectral" not in plain and not any(name.startswith("norm") for name in plain["params"])


def test_a_step_moves_the_generator_twice_on_samples_of_its_own():
    network, opponent = hologan.Generator(8, **SMALL), hologan.Discriminator(5, 4, 2, 6)
    made = hologan.game(network, opponent, generator_tx=optax.sgd(1.0), discriminator_tx=optax.sgd(1.0),
                        image_shape=(8, 8, 1), latent=5)  # fmt: skip
    assert [(player.name, player.repeats) for player in made.players] == [("discriminator", 1), ("generator", 2)]
