"""Label maps as networks read them: one-hot, with borders of instances, resized without mixing classes."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np


class Labels(NamedTuple):
    """What a map's numbers mean: classes 0 .. classes - 1.

    dont_care: give every other number (255) a channel of its own; without, such pixels are in no class.
    edges: add a channel that is 1 along the borders of instances.
    """

    classes: int
    dont_care: bool = False
    edges: bool = False

    @property
    def channels(self) -> int:
        """Channels of what `read` returns."""
        return self.classes + self.dont_care + self.edges

    def read(self, batch: Any) -> jax.Array:
        """Return one-hot maps, with the edges of "instances" (of "maps" where there are none), float32[b, h, w, c]."""
        maps = batch["maps"][..., 0].astype(jnp.int32)
        if self.dont_care:
            maps = jnp.where((maps < 0) | (maps >= self.classes), self.classes, maps)
        parts = [jax.nn.one_hot(maps, self.classes + self.dont_care)]
        if self.edges:
            parts.append(edges(batch.get("instances", batch["maps"])))
        return jnp.concatenate(parts, -1)


def edges(instances: jax.Array) -> jax.Array:
    """Return 1 on both sides of every border between instances, of four neighbours, else 0: float32[b, h, w, 1]."""
    found = jnp.zeros(instances.shape, bool)
    for axis in (1, 2):
        border = jnp.diff(instances.astype(jnp.int32), axis=axis) != 0
        for side in ((1, 0), (0, 1)):
            found |= jnp.pad(border, [side if each == axis else (0, 0) for each in range(4)])
    return found.astype(jnp.float32)


def nearest(maps: jax.Array, height: int, width: int) -> jax.Array:
    """Return maps at another size, [batch, height, width, ...]: pixel i is pixel floor(i rows / height) of the map.

    It copies labels and never mixes them. `jax.image.resize` would take the pixel at the middle when shrinking, another
    one of the map than PyTorch's.
    """
    rows, columns = (np.arange(to) * of // to for to, of in ((height, maps.shape[1]), (width, maps.shape[2])))
    return maps[:, rows][:, :, columns]
