"""Generators that others have trained and published: their files, read into networks of this library.

    found = published.load("netG_100000_steps.pth", "sagan-128")
    images = found.draw(latents, labels)           # float32[count, height, width, channels] in [-1, 1]

`NETWORKS` names what can be read. An entry says how each variable is made of tensors in the file, so that what the file
lacks, what it has besides, and what does not fit are listed by name.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax.traverse_util import flatten_dict, unflatten_dict

from genjax import latent, tensors
from genjax.gans.published import mimicry
from genjax.gans.published.layers import Arrays, Published, Rows, filled

NETWORKS: dict[str, Published] = {**mimicry.NETWORKS}
"""Networks by name."""
AT_ONCE = 20
"""Samples in one call of a generator."""


class Found(NamedTuple):
    """A generator with a file's weights. classes: that it draws, 0 for one without labels."""

    network: Any
    variables: Any
    latent: int
    classes: int

    def latents(self, key: jax.Array, count: int, truncation: float | None = None) -> np.ndarray:
        """Return latents float32[count, latent] from N(0, 1), their components within `truncation` if given."""
        shape = (count, self.latent)
        if truncation is None:
            return np.asarray(latent.NORMAL.draw(key, shape))
        return np.asarray(latent.truncated(latent.NORMAL, key, shape, truncation))

    def draw(self, latents: Any, labels: Any = None) -> np.ndarray:
        """Return images float32[count, height, width, channels] in [-1, 1]; labels: int[count] where there are classes.

        latents: float[count, latent].
        """
        apply: Callable[..., jax.Array] = jax.jit(self.network.apply)
        parts = []
        for at in range(0, len(latents), AT_ONCE):
            told = () if labels is None else (jnp.asarray(labels[at : at + AT_ONCE]),)
            parts.append(np.asarray(apply(self.variables, jnp.asarray(latents[at : at + AT_ONCE]), *told)))
        return np.concatenate(parts)


def load(path: Path | str, name: str) -> Found:
    """Return the network of that name with the weights of a `.pth`, `.pt`, `.bin`, `.npz` or `.safetensors` file.

    Raises ValueError for another name, a file that cannot be read, or one whose tensors are not this network's.
    """
    if name not in NETWORKS:
        raise ValueError(f"there is no published network {name!r}; known are {', '.join(NETWORKS)}")
    try:
        arrays = tensors.read(path)
    except (FileNotFoundError, ModuleNotFoundError) as error:
        raise ValueError(str(error)) from None
    return restore(NETWORKS[name], arrays)


def restore(published: Published, arrays: Arrays) -> Found:
    """Return the network with the weights that `arrays` hold; ValueError lists tensors that are not its own."""
    network, classes = published.generator, 0
    if published.classes is not None:
        classes = len(arrays[published.classes]) if published.classes in arrays else 1
        network = network.clone(classes=classes)
    label = () if published.classes is None else (jnp.zeros(1, jnp.int32),)
    key = jax.eval_shape(lambda: jax.random.key(0))
    shapes = flatten_dict(jax.eval_shape(network.init, key, jnp.zeros((1, published.latent)), *label), sep="/")
    made = filled(published, shapes, arrays)
    variables = {path: jnp.asarray(made[path], leaf.dtype) for path, leaf in shapes.items()}
    return Found(network, unflatten_dict(variables, sep="/"), published.latent, classes)


__all__ = ["NETWORKS", "Arrays", "Found", "Published", "Rows", "load", "restore"]
