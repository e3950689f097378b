"""HoloGAN's parts against golden values of the authors' code: resampling, styles, projection, style discriminator."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from genjax.gans import hologan
from genjax.losses import adversarial
from genjax.nn.adain import Style
from genjax.nn.conv import Conv
from genjax.nn.dense import Dense
from genjax.nn.rotation import matrices, rotate, sources
from tests.gans import golden
from tests.gans.golden import agree, under


@pytest.fixture(autouse=True)
def in_double():
    """Compute in float64."""
    with jax.enable_x64(True):
        yield


@pytest.fixture(scope="module")
def values():
    return golden.read("hologan")


@pytest.fixture
def rotation(values):
    """Return the values of the resampling, and the poses in degrees as they were before float32 rounded radians."""
    found = under(values, "rotation/")
    radians = found["poses_azimuth_elevation_scale_tx_ty_tz"]
    angles = np.round(np.degrees(radians[:, :2]), 3)
    poses = np.concatenate([angles[:, :1], 90 - angles[:, 1:], np.round(radians[:, 2:], 6)], 1)
    return found, poses, jnp.asarray(np.stack([found["volume"]] * len(poses)))


def test_volumes_are_resampled_about_their_centre_with_zeros_outside(rotation):
    found, poses, volumes = rotation
    turned = rotate(volumes, jnp.asarray(poses))
    for number in range(len(poses)):
        agree(turned[number], found[f"centred_zero_border_{number}"])
        matrix = poses[number, 2] * matrices(jnp.asarray(poses))[number]
        agree(matrix, found[f"centred_matrix_{number}"][:3, :3])


def test_the_official_border_loses_the_last_planes_and_turns_about_a_corner(rotation):
    found, poses, volumes = rotation
    size = volumes.shape[1]
    turned = np.array(rotate(volumes, jnp.asarray(poses), official_border=True))
    places = np.asarray(sources(jnp.asarray(poses), size, size / 2)).reshape(*volumes.shape[:4], 3)
    # Its rule jumps at the border, where rounding decides: voxels that come from there are left out.
    jump = (np.minimum(np.abs(places), np.abs(places - (size - 1))) < 1e-6).any(-1)
    assert jump[0].mean() < 0.7 and not jump[1].any()
    for number in (1, 3, 4):
        agree(turned[number], found[f"official_{number}"])
    for number in (0, 2):
        sure = ~jump[number]
        agree(turned[number][sure], found[f"official_{number}"][sure])
    agree(turned[0], found["official_0"])
    assert not found["official_0"][-1].any() and not turned[0][:, :, -1].any()
    match = np.flip(np.swapaxes(turned[1], 0, 1), 0)
    agree(match, found["official_1_after_axis_swap_and_flip"])


def test_styles_scale_and_shift_normalised_volumes(values):
    found = under(values, "adain/")
    dense = {"kernel": found["weight_in_out"], "bias": found["bias"]}
    out = Style().apply({"params": {"Dense_0": dense}}, jnp.asarray(found["x_ndhwc"]), jnp.asarray(found["z"]))
    agree(out, found["out_before_activation"])
    agree(jax.nn.relu(out), found["out_relu"])
    # The mean of what comes out is the shift, its deviation the scale.
    agree(out.mean((1, 2, 3)), found["shift"])
    agree(out.std((1, 2, 3)), found["scale"], 1e-5)


def test_the_depth_is_folded_and_projected(values):
    found = under(values, "projection/")
    flat = hologan.folded(jnp.asarray(found["in_b_h_w_depth_c"]))
    agree(flat, found["folded"])
    layer = {"kernel": found["weight_in_out"][None, None], "bias": found["bias"]}
    out = jax.nn.relu(Conv(6, 1, 1).apply({"params": layer}, flat))
    agree(out, found["out_relu"])
    # It is the convolution that collapses all of the depth at once.
    kernel = found["weight_in_out"].reshape(8, 2, 6)
    collapsed = jnp.einsum("bhwdc,dco->bhwo", found["in_b_h_w_depth_c"], kernel)
    collapsed += jnp.asarray(found["bias"])[None, None, None]
    agree(jax.nn.relu(collapsed), found["out_relu"])


@pytest.mark.parametrize(
    ("joined", "unit", "logits"),
    [
        (False, "classifier_weight", "logits_official_batch_axis"),
        (True, "classifier_weight_channel_axis", "logits_concatenated_on_channels"),
    ],
)
def test_styles_are_judged_by_mean_and_variance(values, joined, unit, logits):
    found = under(values, "style/")
    norm = {"scale": found["scale"], "bias": found["offset"]}
    x = jnp.asarray(found["in_nhwc"])
    normalised, mean, variance = hologan.ScaledInstanceNorm().apply({"params": norm}, x)
    agree(normalised, found["normalised"])
    agree(mean, found["mean"])
    agree(variance, found["variance"])
    dense = {"kernel": found[unit], "bias": found["classifier_bias"]}
    judged = hologan.style_logits(lambda rows: Dense(1).apply({"params": dense}, rows), mean, variance, joined)
    expected = found[logits] if joined else found[logits].reshape(2, -1).T  # theirs: all means, then all variances
    agree(judged, expected)
    if not joined:
        agree(adversarial.non_saturating_generator(judged), found["bce_real"])
        agree(adversarial.discriminator(judged, judged) - found["bce_real"], found["bce_fake"])
