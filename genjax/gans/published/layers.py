"""How variables of this library are made of the tensors of PyTorch's layers, by name.

A function here is a kind of layer: given our path and their name, it returns a row for each variable,

    conv("Conv_0", "c5")  ->  {"params/Conv_0/kernel": Row(("c5.weight",), kernel), "params/Conv_0/bias": ...}

and a network's rows are the union of its layers'. Weights that are spectrally normalised are divided by their singular
value here, as their own code finds it in evaluation, so that the network needs no vectors: `stored` and `iterated`.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np

from genjax.tensors import listing

Arrays = Mapping[str, np.ndarray]


class Row(NamedTuple):
    """names: of the tensors that a variable is made of.  make: those arrays -> the variable."""

    names: tuple[str, ...]
    make: Callable[..., np.ndarray]

    def of(self, arrays: Arrays) -> np.ndarray:
        """Return the variable; arithmetic is in float64."""
        return self.make(*(np.asarray(arrays[name], np.float64) for name in self.names))


Rows = Mapping[str, Row]
"""{path of one of our variables, collection first: Row}."""


class Published(NamedTuple):
    """A published generator.

    generator: its network, (latents, labels) -> images in [-1, 1]; rows: see `Rows`.  latent: its size.
    classes: name of a tensor with a row for each class, of which the generator then has as many; None without classes.
    ignored: pattern of tensors that sampling does not need.
    """

    generator: Any
    rows: Rows
    latent: int
    classes: str | None = None
    ignored: str = r".*num_batches_tracked"


class Kernel(NamedTuple):
    """How a layer's kernel is made.

    suffixes: of its tensors' names.  divided: those arrays -> W that the layer computes with, in their order of axes.
    """

    suffixes: tuple[str, ...] = ("weight",)
    divided: Callable[..., np.ndarray] = lambda w: w


def _matrix(w: np.ndarray) -> np.ndarray:
    return w.reshape(len(w), -1)


def stored(w: np.ndarray, u: np.ndarray, v: np.ndarray) -> np.ndarray:
    """Return W / (u^T W v) with the vectors that were kept: torch.nn.utils.spectral_norm in evaluation."""
    return w / (u.reshape(-1) @ _matrix(w) @ v.reshape(-1))


def iterated(w: np.ndarray, u: np.ndarray) -> np.ndarray:
    """Return W / sigma after one more step of the power iteration from u, which some codes make in evaluation too."""
    v = u.reshape(-1) @ _matrix(w)
    v = v / np.linalg.norm(v)
    return w / np.linalg.norm(_matrix(w) @ v)


PLAIN = Kernel()
SPECTRAL = Kernel(("weight_orig", "weight_u", "weight_v"), stored)
"""Of torch.nn.utils.spectral_norm."""


def _layer(ours: str, theirs: str, kernel: Kernel, turned: Callable[[np.ndarray], np.ndarray], bias: bool) -> Rows:
    names = tuple(f"{theirs}.{suffix}" for suffix in kernel.suffixes)
    rows = {f"params/{ours}/kernel": Row(names, lambda *parts: turned(kernel.divided(*parts)))}
    return rows | ({f"params/{ours}/bias": same(f"{theirs}.bias")} if bias else {})


def same(name: str) -> Row:
    """Return the row of a variable that is the tensor as it is."""
    return Row((name,), lambda x: x)


def conv(ours: str, theirs: str, kernel: Kernel = PLAIN, *, bias: bool = True) -> Rows:
    """Return the rows of a convolution: [out, in, h, w] becomes [h, w, in, out]."""
    return _layer(ours, theirs, kernel, lambda w: w.transpose(2, 3, 1, 0), bias)


def conv_transpose(ours: str, theirs: str, *, bias: bool = True, mirrored: bool = False) -> Rows:
    """Return the rows of a transposed convolution: [in, out, h, w] becomes [h, w, in, out], turned by half a turn.

    PyTorch scatters the kernel, `jax.lax` slides it.  mirrored: our layer runs on mirrored maps: nothing is turned.
    """

    def turned(w: np.ndarray) -> np.ndarray:
        return w.transpose(2, 3, 0, 1) if mirrored else w.transpose(2, 3, 0, 1)[::-1, ::-1]

    return _layer(ours, theirs, PLAIN, turned, bias)


def dense(ours: str, theirs: str, kernel: Kernel = PLAIN, *, bias: bool = True) -> Rows:
    """Return the rows of a dense layer: [out, in] becomes [in, out]."""
    return _layer(ours, theirs, kernel, np.transpose, bias)


def dense_to_pixels(ours: str, theirs: str, side: int, kernel: Kernel = PLAIN) -> Rows:
    """Return the rows of a dense layer whose outputs are maps, theirs in the order [channels, side, side]."""

    def channels_last(x: np.ndarray) -> np.ndarray:
        return np.moveaxis(x.reshape(-1, side, side, *x.shape[1:]), 0, 2).reshape(x.shape).T

    rows = dict(_layer(ours, theirs, kernel, channels_last, bias=False))
    return rows | {f"params/{ours}/bias": Row((f"{theirs}.bias",), channels_last)}


def statistics(ours: str, theirs: str) -> Rows:
    """Return the rows of batch norm's running statistics."""
    names = {"mean": "running_mean", "var": "running_var"}
    inner = f"{ours}/BatchNorm_0"  # flax's own layer inside `genjax.nn.normalization.BatchNorm`
    return {f"batch_stats/{inner}/{leaf}": same(f"{theirs}.{name}") for leaf, name in names.items()}


def norm(ours: str, theirs: str) -> Rows:
    """Return the rows of batch norm with a scale and a bias."""
    inner = f"params/{ours}/BatchNorm_0"
    affine = {f"{inner}/scale": same(f"{theirs}.weight"), f"{inner}/bias": same(f"{theirs}.bias")}
    return affine | dict(statistics(ours, theirs))


def class_norm(ours: str, theirs: str, classes: bool) -> Rows:
    """Return the rows of a `ClassNorm`; theirs keeps a scale and then a bias for each class in a table `embed`."""
    if not classes:
        return norm(f"{ours}/BatchNorm_0", theirs)
    table = f"{theirs}.embed.weight"
    return {
        f"params/{ours}/scale": Row((table,), lambda x: np.split(x, 2, axis=1)[0]),
        f"params/{ours}/bias": Row((table,), lambda x: np.split(x, 2, axis=1)[1]),
        **statistics(f"{ours}/BatchNorm_0", f"{theirs}.bn"),
    }


def self_attention(ours: str, theirs: str, kernel: Kernel = PLAIN) -> Rows:
    """Return the rows of a `SelfAttention`, whose layers are called theta, phi, g and o there."""
    names = {"query": "theta", "key": "phi", "value": "g", "output": "o"}
    rows: dict[str, Row] = {f"params/{ours}/gamma": same(f"{theirs}.gamma")}
    for layer, name in names.items():
        rows |= conv(f"{ours}/{layer}", f"{theirs}.{name}", kernel, bias=False)
    return rows


def filled(published: Published, shapes: Mapping[str, Any], arrays: Arrays) -> dict[str, np.ndarray]:
    """Return the variables by path; ValueError lists tensors that are missing, not expected, or of another shape.

    shapes: of the variables, `{path: anything with a shape}`.
    """
    rows = published.rows
    assert set(rows) == set(shapes), f"no row, or no variable: {sorted(set(rows) ^ set(shapes))}"
    needed = dict.fromkeys(name for row in rows.values() for name in row.names)
    missing = [name for name in needed if name not in arrays]
    unexpected = [name for name in arrays if name not in needed and not re.fullmatch(published.ignored, name)]
    made, wrong = {}, []
    for path, row in rows.items():
        if any(name not in arrays for name in row.names):
            continue
        try:
            made[path] = row.of(arrays)
        except ValueError:
            made[path] = np.zeros(0)
        if made[path].shape != shapes[path].shape:
            wrong.append(f"{row.names[0]} of {list(arrays[row.names[0]].shape)}")
    told = {"are missing": missing, "are not expected": unexpected, "have another shape": wrong}
    if any(told.values()):
        parts = [f"{len(names)} tensors {what} ({listing(names)})" for what, names in told.items() if names]
        raise ValueError(f"these are weights of another network: {'; '.join(parts)}")
    return made
