"""Views: the ranges from which a camera's poses are drawn."""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from genjax import parallel

Span = tuple[float, float]


class Views(NamedTuple):
    """Ranges of azimuth and elevation in degrees, of scale, and of the shift along each axis in voxels.

    What the numbers of a pose mean says `genjax.nn.rotation`.
    """

    azimuth: Span = (0.0, 360.0)
    elevation: Span = (90.0, 90.0)
    scale: Span = (1.0, 1.0)
    shift: Span = (0.0, 0.0)

    @property
    def ranges(self) -> tuple[Span, ...]:
        """The ranges of the six numbers of a pose."""
        return (self.azimuth, self.elevation, self.scale, self.shift, self.shift, self.shift)

    @property
    def middle(self) -> tuple[float, ...]:
        """The pose in the middle of all ranges."""
        return tuple((low + high) / 2 for low, high in self.ranges)

    def draw(self, key: jax.Array, count: int) -> jax.Array:
        """Return poses float[count, 6], uniform within the ranges, the same rows however devices split a batch."""
        low, high = jnp.array(self.ranges).T[:, None]
        return low + (high - low) * parallel.rows(jax.random.uniform, key, (count, 6))
