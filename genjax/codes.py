"""Structured latents: noise, categorical codes and continuous codes side by side in one vector.

codes = Codes(noise=62, categorical=(10,), continuous=2)
latents = codes.prior().draw(key, (16, codes.size))           # float[16, 74]: U(-1, 1), one of ten as one-hot, U(-1, 1)
threes = codes.placed(latents, {"c1": 3, "c2": 0.5})          # the same noise under chosen codes
"""

import itertools
from collections.abc import Mapping
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from genjax.latent import Prior


class Codes(NamedTuple):
    """Which numbers of a latent are noise and which are codes, in this order.

    noise: numbers of U(-1, 1).  categorical: classes of each categorical code, uniform and one-hot.
    continuous: codes of U(-1, 1).  Codes are called "c1", "c2", ..., categorical ones first.
    """

    noise: int
    categorical: tuple[int, ...] = ()
    continuous: int = 0

    @property
    def size(self) -> int:
        """Numbers in a latent."""
        return self.noise + sum(self.categorical) + self.continuous

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the codes in their order."""
        return tuple(f"c{number + 1}" for number in range(len(self.categorical) + self.continuous))

    @property
    def classes(self) -> dict[str, int]:
        """Name -> classes of the categorical codes."""
        return dict(zip(self.names, self.categorical, strict=False))

    @property
    def slices(self) -> dict[str, slice]:
        """Name -> where the code lies in a latent."""
        sizes = (*self.categorical, *[1] * self.continuous)
        ends = itertools.accumulate(sizes, initial=self.noise)
        return {name: slice(a, b) for name, (a, b) in zip(self.names, itertools.pairwise(ends), strict=True)}

    @property
    def told(self) -> str:
        """How the codes are told on one line: "c1 (a class from 0 to 9), c2 (-1 to 1)"."""
        ranges = {name: f"a class from 0 to {count - 1}" for name, count in self.classes.items()}
        return ", ".join(f"{name} ({ranges.get(name, '-1 to 1')})" for name in self.names)

    def prior(self) -> Prior:
        """Return the distribution of whole latents; a walk between two of them changes classes at once, halfway."""
        parts = [f"U(-1, 1)^{self.noise}", *(f"Cat({count})" for count in self.categorical)]
        parts += [f"U(-1, 1)^{self.continuous}"] if self.continuous else []
        return Prior(" x ".join(parts), partial(_draw, self), 1.0, self.nearest)

    def split(self, latents: Any) -> dict[str, Any]:
        """Return the codes of latents float[..., size] by name, float[..., classes] one-hot or float[..., 1]."""
        return {name: latents[..., where] for name, where in self.slices.items()}

    def nearest(self, latents: Any) -> np.ndarray:
        """Return float[count, size] with each categorical code replaced by its largest number's one-hot code."""
        found = np.array(latents)
        for name, count in self.classes.items():
            where = self.slices[name]
            found[:, where] = np.eye(count)[found[:, where].argmax(-1)]
        return found

    def placed(self, latents: Any, values: Mapping[str, Any]) -> np.ndarray:
        """Return latents float[count, size] with the named codes set, to one value for all or one for each latent.

        Raises ValueError for unknown names, classes that are none, numbers that are not finite, and other counts.
        """
        found = np.array(latents, np.float32)
        for name, value in values.items():
            if name not in self.slices:
                raise ValueError(f"there is no code {name!r}; the codes are {self.told or 'none'}")
            where = self.slices[name]
            asked = np.asarray(value, np.float64)
            if asked.shape not in ((), (len(found),)):
                raise ValueError(f"{name}: {asked.size} values for {len(found)} samples; give one, or one a sample")
            if not np.isfinite(asked).all():
                raise ValueError(f"{name}: a code is a finite number, not {asked[~np.isfinite(asked)].ravel()[0]}")
            if name not in self.classes:
                found[:, where] = asked.reshape(-1, 1)
                continue
            count = self.classes[name]
            wrong = asked[(asked != np.round(asked)) | (asked < 0) | (asked >= count)]
            if wrong.size:
                raise ValueError(f"{name}: class {wrong.ravel()[0]:g}, but its classes are 0 to {count - 1}")
            found[:, where] = np.eye(count)[np.broadcast_to(asked, len(found)).astype(int)]
        return found

    def sweep(self, name: str, steps: int, reach: float = 1.0) -> np.ndarray:
        """Return the values that show a code: all its classes, or `steps` numbers from -reach to reach."""
        return np.arange(self.classes[name]) if name in self.classes else np.linspace(-reach, reach, steps)


def _draw(codes: Codes, key: jax.Array, shape: tuple[int, ...]) -> jax.Array:
    if len(shape) != 2 or shape[1] != codes.size:
        raise ValueError(f"latents of {codes.prior().name} are [count, {codes.size}], not {list(shape)}")
    count, plain = shape[0], codes.noise + codes.continuous
    uniform_key, *keys = jax.random.split(key, 1 + len(codes.categorical))
    uniform = jax.random.uniform(uniform_key, (count, plain), minval=-1.0, maxval=1.0)
    drawn = [
        jax.nn.one_hot(jax.random.randint(each, (count,), 0, classes), classes, dtype=uniform.dtype)
        for each, classes in zip(keys, codes.categorical, strict=True)
    ]
    return jnp.concatenate([uniform[:, : codes.noise], *drawn, uniform[:, codes.noise :]], -1)
