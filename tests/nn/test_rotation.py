"""Rigid rotation: exact poses, directions, borders and gradients."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from genjax.nn.rotation import IDENTITY, rotate

SIZE = 5


@pytest.fixture(autouse=True)
def in_double():
    """Compute in float64."""
    with jax.enable_x64(True):
        yield


def pose(**changes):
    names = ("azimuth", "elevation", "scale", "x", "y", "z")
    values = dict(zip(names, IDENTITY, strict=True)) | changes
    return jnp.array([values[name] for name in names])[None]


def volume(seed=0):
    return jax.random.normal(jax.random.key(seed), (1, SIZE, SIZE, SIZE, 2))


def close(found, expected):
    np.testing.assert_allclose(found, expected, atol=1e-12)


def test_the_identity_pose_returns_the_volume_bit_for_bit():
    with jax.enable_x64(False):
        single = volume().astype(jnp.float32)
        assert (rotate(single, jnp.array([IDENTITY], jnp.float32)) == single).all()


@pytest.mark.parametrize("angle", ["azimuth", "elevation"])
def test_four_quarter_turns_return_the_volume(angle):
    given = volume()
    turned, quarter = given, pose(**{angle: 180.0})
    for turn in range(4):
        turned = rotate(turned, quarter)
        assert (np.abs(turned - given).max() < 1e-12) == (turn == 3)
    close(rotate(given, pose(**{angle: 450.0})), given)


def test_a_quarter_turn_takes_x_to_z_and_a_quarter_tilt_takes_x_to_minus_y():
    given = volume()
    close(rotate(given, pose(azimuth=180.0)), jnp.flip(given.swapaxes(1, 3), 3))
    close(rotate(given, pose(elevation=0.0)), jnp.flip(given.swapaxes(2, 3), 2))


def test_shifts_move_by_voxels_and_zeros_come_in():
    given = volume()
    moved = rotate(given, pose(x=1.0))
    close(moved[:, :, :, 1:], given[:, :, :, :-1])
    close(moved[:, :, :, 0], 0 * moved[:, :, :, 0])
    close(rotate(given, pose(y=-1.0))[:, :, :-1], given[:, :, 1:])
    # Half a voxel out of the volume is half of its last plane: the border fades.
    close(rotate(given, pose(z=0.5))[:, 0], 0.5 * given[:, 0])


def test_a_larger_scale_enlarges_about_the_centre():
    ramp = jnp.arange(SIZE, dtype=float) - (SIZE - 1) / 2
    given = jnp.broadcast_to(ramp[:, None], (1, SIZE, SIZE, SIZE, 1))
    close(rotate(given, pose(scale=2.0)), given / 2)


def test_every_image_has_its_own_pose_and_gradients_reach_volumes_and_poses():
    given = jnp.concatenate([volume(0), volume(1)])
    poses = jnp.concatenate([pose(azimuth=130.0, elevation=75.0), pose(azimuth=50.0, scale=0.8)])
    poses += jnp.array([0.0, 3.0, 0.0, 0.3, -0.2, 0.1])[None]  # off the grid, where interpolation has no corners
    both = rotate(given, poses)
    for number in range(2):
        close(both[number], rotate(given[number : number + 1], poses[number : number + 1])[0])
    weights = jax.random.normal(jax.random.key(2), given.shape)

    def total(given, poses):
        return jnp.sum(weights * rotate(given, poses))

    by_volume, by_pose = jax.grad(total, (0, 1))(given, poses)
    step = jax.random.normal(jax.random.key(3), given.shape)
    # Linear in the volume: the derivative along any step is the value of the step.
    np.testing.assert_allclose(jnp.sum(by_volume * step), total(step, poses), rtol=1e-9)
    for column in range(6):
        move = jnp.zeros_like(poses).at[:, column].set(1e-6)
        numeric = (total(given, poses + move) - total(given, poses - move)) / 2e-6
        np.testing.assert_allclose(by_pose[:, column].sum(), numeric, rtol=1e-5, atol=1e-6)
