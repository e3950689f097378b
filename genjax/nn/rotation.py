"""Rigid rotation of feature volumes by trilinear resampling.

A pose is (azimuth, elevation, scale, x, y, z): degrees, a factor and voxels. Azimuth 90 and elevation 90 leave a volume
as it is; azimuth turns it about its upright axis y, and elevation, counted from that axis, then tilts it about z:
    p' = pivot + (x, y, z) + scale Rz(90 - elevation) Ry(azimuth - 90) (p - pivot)
Source: Nguyen-Phuoc et al. 2019, arXiv 1904.01326, section 3.1, with the angles of the authors' code.
"""

import itertools

import jax
import jax.numpy as jnp

from genjax.nn.wide import wide

IDENTITY = (90.0, 90.0, 1.0, 0.0, 0.0, 0.0)
"""The pose that leaves a volume as it is."""


def rotate(volume: jax.Array, poses: jax.Array, *, official_border: bool = False) -> jax.Array:
    """Return the volumes moved rigidly into their poses, float[batch, n, n, n, channels], axes (z, y, x).

    volume: float[batch, n, n, n, channels].  poses: float[batch, 6], see above.
    A target voxel p' is the trilinear interpolation of the volume at the source p. The pivot is the centre (n - 1) / 2,
    and all is 0 outside: what lies within a voxel of the border fades. The identity pose returns the volume, and four
    quarter turns do.
    official_border: as the authors' code has it, pivot n / 2, and 0 where a source coordinate is not in [0, n - 1): the
    last plane of every axis is lost even by the identity pose, and half a turn shifts by a voxel.
    """
    batch, size = volume.shape[:2]
    places = sources(poses, size, size / 2 if official_border else (size - 1) / 2)
    x, y, z = (_neighbours(place, size, official_border) for place in jnp.moveaxis(places, -1, 0))
    flat, total = volume.reshape(batch, size**3, -1), jnp.zeros((), volume.dtype)
    # One voxel more, which none reads: XLA for CPUs never merges what makes a concatenation's parts into what reads it,
    # and else would make the volume anew for each of the eight neighbours.
    flat = jnp.concatenate([flat, flat[:, :1]], 1)
    for (k, c), (j, b), (i, a) in itertools.product(z, y, x):
        voxels = jnp.take_along_axis(flat, ((k * size + j) * size + i)[..., None], 1)
        total = total + (a * b * c)[..., None].astype(volume.dtype) * voxels
    return total.reshape(volume.shape)


def _neighbours(place: jax.Array, size: int, official_border: bool) -> list[tuple[jax.Array, jax.Array]]:
    """Return the two voxels around each place on an axis, and their shares, 0 outside."""
    low = jnp.floor(place)
    part, first = place - low, low.astype(jnp.int32)
    found = []
    for index, share in ((first, 1 - part), (first + 1, part)):
        inside = (place >= 0) & (place < size - 1) if official_border else (index >= 0) & (index < size)
        found.append((jnp.clip(index, 0, size - 1), jnp.where(inside, share, 0)))
    return found


def sources(poses: jax.Array, size: int, pivot: float) -> jax.Array:
    """Return where each target voxel comes from: float[batch, size^3, 3], (x, y, z) of voxels in order (z, y, x)."""
    poses = wide(poses)
    ticks = jnp.arange(size, dtype=poses.dtype)
    z, y, x = jnp.meshgrid(ticks, ticks, ticks, indexing="ij")
    grid = jnp.stack([x.ravel(), y.ravel(), z.ravel()], -1)
    centred = (grid[None] - pivot - poses[:, None, 3:]) / poses[:, None, 2:3]
    # Rotations are orthogonal: row vectors times the matrix are columns times its inverse.
    return pivot + jnp.einsum("bvi,bij->bvj", centred, matrices(poses), precision="highest")


def matrices(poses: jax.Array) -> jax.Array:
    """Return Rz(90 - elevation) Ry(azimuth - 90) of each pose: float[batch, 3, 3], for columns (x, y, z)."""
    turn, tilt = jnp.radians(poses[:, 0] - 90), jnp.radians(90 - poses[:, 1])
    (c, s), (u, v) = ((jnp.cos(angle), jnp.sin(angle)) for angle in (turn, tilt))
    rows = [[u * c, v, -u * s], [-v * c, u, v * s], [s, jnp.zeros_like(s), c]]
    return jnp.stack([jnp.stack(row, -1) for row in rows], -2)
