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
from genjax.cpu import program
from genjax.gans.published import biggan, mimicry
from genjax.gans.published.layers import Arrays, Published, Rows, filled
from genjax.nn.standing import standing_statistics

NETWORKS: dict[str, Published] = {**mimicry.NETWORKS, **biggan.NETWORKS}
"""Networks by name."""
AT_ONCE = 20
"""Samples in one call of a generator."""


class Found(NamedTuple):
    """A generator with a file's weights.

    classes: that it draws, 0 for one without labels.  scaled: whether latents are truncated by scaling, as its
    statistics of batch norm are.
    """

    network: Any
    variables: Any
    latent: int
    classes: int
    scaled: bool = False

    def latents(self, key: jax.Array, count: int, truncation: float | None = None) -> np.ndarray:
        """Return latents float32[count, latent] from N(0, 1), truncated if asked for or, by scaling, as 1 is."""
        shape = (count, self.latent)
        if self.scaled:
            return np.asarray(latent.scaled(latent.NORMAL, key, shape, 1.0 if truncation is None else truncation))
        if truncation is None:
            return np.asarray(latent.NORMAL.draw(key, shape))
        return np.asarray(latent.truncated(latent.NORMAL, key, shape, truncation))

    def settled(self, key: jax.Array, count: int, passes: int, truncation: float | None = None) -> "Found":
        """Return the generator with batch norm's statistics from `passes` batches of samples and random classes.

        count: samples that are to be drawn, of which a batch has as many, or 20.  truncation: at which.
        """

        def batch(key: jax.Array) -> tuple[Any, ...]:
            latent_key, label_key = jax.random.split(key)
            drawn = self.latents(latent_key, min(count, AT_ONCE), truncation)
            labels = jax.random.randint(label_key, (len(drawn),), 0, self.classes) if self.classes else None
            return (drawn,) if labels is None else (drawn, labels)

        batches = map(batch, jax.random.split(key, passes))
        return self._replace(variables=standing_statistics(self.network, self.variables, batches))

    def draw(self, latents: Any, labels: Any = None) -> np.ndarray:
        """Return images float32[count, height, width, channels] in [-1, 1]; labels: int[count] where there are classes.

        latents: float[count, latent].
        """
        apply: Callable[..., jax.Array] = program(self.network.apply)
        parts = []
        for at in range(0, len(latents), AT_ONCE):
            told = () if labels is None else (jnp.asarray(labels[at : at + AT_ONCE]),)
            parts.append(np.asarray(apply(self.variables, jnp.asarray(latents[at : at + AT_ONCE]), *told)))
        return np.concatenate(parts)


def load(path: Path | str, name: str, truncation: float | None = None) -> Found:
    """Return the network of that name with the weights of a `.pth`, `.pt`, `.bin`, `.npz` or `.safetensors` file.

    truncation: at which it is to be sampled, for networks whose statistics of batch norm are stored for several.
    Raises ValueError for another name, a file that cannot be read, or one whose tensors are not this network's.
    """
    if name not in NETWORKS:
        raise ValueError(f"there is no published network {name!r}; known are {', '.join(NETWORKS)}")
    try:
        arrays = tensors.read(path)
    except (FileNotFoundError, ModuleNotFoundError) as error:
        raise ValueError(str(error)) from None
    return restore(NETWORKS[name], arrays, truncation)


def restore(published: Published, arrays: Arrays, truncation: float | None = None) -> Found:
    """Return the network with the weights that `arrays` hold; ValueError lists tensors that are not its own."""
    network = published.generator
    if published.classes is not None:
        network = network.clone(classes=len(arrays[published.classes]) if published.classes in arrays else 1)
    if published.at_truncation is not None:
        chosen = published.at_truncation(1.0 if truncation is None else truncation)
        published = published._replace(rows={**published.rows, **chosen})
    label = (jnp.zeros(1, jnp.int32),) if network.classes else ()
    key = jax.eval_shape(lambda: jax.random.key(0))
    shapes = flatten_dict(jax.eval_shape(network.init, key, jnp.zeros((1, published.latent)), *label), sep="/")
    made = filled(published, shapes, arrays)
    variables = {path: jnp.asarray(made[path], leaf.dtype) for path, leaf in shapes.items()}
    scaled = published.at_truncation is not None
    return Found(network, unflatten_dict(variables, sep="/"), published.latent, network.classes, scaled)


__all__ = ["NETWORKS", "Arrays", "Found", "Published", "Rows", "load", "restore"]
