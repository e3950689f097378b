"""Golden values of published networks: read them, bring PyTorch's arrays into this library's trees, and compare.

The files in tests/golden are written by `tests.golden.make`, which names their source. Keys and axes there are
PyTorch's: images [batch, channels, height, width], convolutions [out, in, h, w], transposed ones [in, out, h, w], dense
layers [out, in]. All numbers were computed in float64 and stored in float32: 1e-7 of an array's largest is noise.
"""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax.traverse_util import flatten_dict, unflatten_dict

from genjax.engine import Game, State, init_state, move
from tests.golden import FOLDER

TOLERANCE = 1e-6

Arrays = Mapping[str, np.ndarray]
Layer = tuple[tuple[str, str, Callable[[np.ndarray], np.ndarray]], ...]
"""Lines of (PyTorch's name in a layer, our path with the layer's for {}, how the numbers move)."""
Names = Mapping[str, tuple[Layer, str]]
"""A network: our layer -> (its kind, PyTorch's layer)."""


def read(model: str) -> dict[str, np.ndarray]:
    """Return the golden values of a model, float64 (integers as they are)."""
    with np.load(FOLDER / f"{model}.npz") as file:
        return {name: x.astype(np.float64) if x.dtype.kind == "f" else x for name, x in file.items()}


def under(values: Arrays, prefix: str) -> dict[str, np.ndarray]:
    """Return the values whose names start with `prefix`, without it."""
    return {name.removeprefix(prefix): x for name, x in values.items() if name.startswith(prefix)}


def images(x: np.ndarray) -> np.ndarray:
    """Return [batch, height, width, channels] of [batch, channels, height, width]."""
    return x.transpose(0, 2, 3, 1)


def thinned(x: np.ndarray) -> np.ndarray:
    """Return every third row and column of [batch, channels, height, width], and images below 24 pixels as they are.

    It is what is shipped of images that networks draw. Three, so that all places in a doubled image take part.
    """
    return x[..., ::3, ::3] if x.shape[-2] >= 24 else x


# Layers


def _same(x):
    return x


def _first(x):
    return x[0]


def _kernel(x):
    return x.transpose(2, 3, 1, 0)


def _mirrored(x):
    return x.transpose(2, 3, 0, 1)


def _scattering(x):
    # PyTorch scatters a transposed convolution's kernel, `jax.lax` slides it: the same numbers the other way round.
    return _mirrored(x)[::-1, ::-1]


def _to_pixels(x):
    return x.transpose(0, 2, 3, 1).reshape(len(x), -1)


def weights(kernel: Callable[[np.ndarray], np.ndarray]) -> Layer:
    """Return a layer with a kernel, perhaps spectrally normalised, and perhaps a bias."""
    return (
        ("weight", "params/{}/kernel", kernel),
        ("weight_orig", "params/{}/kernel", kernel),
        ("weight_u", "spectral/{}/norm/u", _same),
        ("u0", "spectral/{}/norm/u", _first),
        ("bias", "params/{}/bias", _same),
    )


def pixels_first(side: int) -> Layer:
    """Return a dense layer to side x side pixels, which PyTorch orders [channels, height, width]."""

    def channels_last(x):
        return np.moveaxis(x.reshape(-1, side, side, *x.shape[1:]), 0, 2).reshape(x.shape).T

    return (
        ("weight", "params/{}/kernel", channels_last),
        ("weight_orig", "params/{}/kernel", channels_last),
        ("weight_u", "spectral/{}/norm/u", channels_last),
        ("u0", "spectral/{}/norm/u", lambda x: channels_last(x[0])),
        ("bias", "params/{}/bias", channels_last),
    )


def pixels_last(side: int) -> Layer:
    """Return a dense layer on side x side pixels, which PyTorch orders [channels, height, width] or convolves."""

    def channels_last(x):
        return x.reshape(len(x), -1, side, side).transpose(2, 3, 1, 0).reshape(-1, len(x))

    return ("weight", "params/{}/kernel", channels_last), ("bias", "params/{}/bias", _same)


CONV = weights(_kernel)
TRANSPOSED = weights(_scattering)
MIRRORED = weights(_mirrored)
"""A transposed convolution between two mirrorings."""
DENSE = weights(np.transpose)
UNFOLDED = weights(_to_pixels)
"""A dense layer to pixels, in PyTorch a transposed convolution of one pixel."""
TABLE: Layer = (
    ("weight", "params/{}/table", _same),
    ("weight_orig", "params/{}/table", _same),
    ("weight_u", "spectral/{}/norm/u", _same),
    ("u0", "spectral/{}/norm/u", _first),
)
GAMMA: Layer = (("gamma", "params/{}/gamma", _same),)
SCALE: Layer = (
    ("weight", "params/{}/scale", _same),
    ("gain", "params/{}/scale", _same),
    ("bias", "params/{}/bias", _same),
)
STATISTICS: Layer = (
    ("running_mean", "batch_stats/{}/mean", _same),
    ("running_var", "batch_stats/{}/var", _same),
    ("stored_mean", "batch_stats/{}/mean", _same),
    ("stored_var", "batch_stats/{}/var", _same),
)
CLASS_SCALE: Layer = (
    ("weight", "params/{}/scale", lambda x: np.split(x, 2, axis=1)[0]),
    ("weight", "params/{}/bias", lambda x: np.split(x, 2, axis=1)[1]),
)
"""Batch norm with a row per class: its scales, then its biases."""


def converted(arrays: Arrays, names: Names) -> dict[str, np.ndarray]:
    """Return a network's arrays, or as many of its gradients or statistics as there are, under our paths."""
    return {
        path.format(ours): move_numbers(arrays[f"{theirs}.{name}"])
        for ours, (layer, theirs) in names.items()
        for name, path, move_numbers in layer
        if f"{theirs}.{name}" in arrays
    }


def biased(
    before: Arrays, after: Arrays, counts: Mapping[str, int], began: Arrays | None = None
) -> dict[str, np.ndarray]:
    """Return PyTorch's running statistics as if the biased variance of the batch had entered them, as it does ours.

    counts: of how many numbers a layer's statistics are.  began: for a second batch, ours after the first.
    """
    out = {}
    for name, x in after.items():
        layer, leaf = name.rsplit(".", 1)
        share = (counts[layer] - 1) / counts[layer] if leaf.endswith("_var") else 1
        out[name] = 0.9 * (before if began is None else began)[name] + (x - 0.9 * before[name]) * share
    return out


# Games


def given(numbers: np.ndarray) -> Callable[..., jax.Array]:
    """Return a `draw(key, shape)` which always gives these numbers."""

    def draw(key, shape, *_, **__):
        assert tuple(shape) == numbers.shape, f"{shape} are drawn where the golden values have {numbers.shape}"
        return jnp.asarray(numbers)

    return draw


def txs(opponent: str) -> dict[str, optax.GradientTransformation]:
    """Return plain gradient descent at rate 1 for a generator and its opponent: a move subtracts the gradient."""
    return {"generator_tx": optax.sgd(1.0), f"{opponent}_tx": optax.sgd(1.0)}


_COMPARED: list[dict[str, tuple[int, ...]]] = []
"""The shapes of networks that were found to be those of their golden values."""


def start(game: Game, **networks: Arrays) -> State:
    """Return the state of a game with these networks by path, in float64; no array may be missing or left over."""
    key, started = jax.random.key(0), {}
    for net, init in game.networks.items():
        given_shapes = {path: x.shape for path, x in networks[net].items()}
        if given_shapes not in _COMPARED:  # every test has a game of its own, and tracing its networks takes long
            shapes = {path: x.shape for path, x in flatten_dict(jax.eval_shape(init, key), sep="/").items()}
            assert given_shapes == shapes
            _COMPARED.append(shapes)
        variables = unflatten_dict({path: jnp.asarray(x) for path, x in networks[net].items()}, sep="/")
        started[net] = partial(lambda variables, key: variables, variables)
    return init_state(game._replace(networks=started), key)


@partial(jax.jit, static_argnames=("network", "train"))
def outputs(network: Any, variables: Mapping[str, Any], *inputs: np.ndarray, train: bool = False, **options) -> Any:
    """Return what a network makes of its inputs, in training or in evaluation."""
    if not train:
        return network.apply(variables, *inputs, **options)
    return network.apply(variables, *inputs, train=True, mutable=["batch_stats"], **options)[0]


class Case(NamedTuple):
    """A model's golden values and its game with their weights.

    modules: by name.  batch: real images.  latents, labels: of samples.
    """

    values: Arrays
    modules: Mapping[str, Any]
    game: Game
    state: State
    batch: Mapping[str, np.ndarray]
    latents: np.ndarray | None = None
    labels: np.ndarray | None = None

    def outputs(self, net: str, *inputs: np.ndarray, train: bool = False, **options: Any) -> Any:
        """Return what a network of the game makes of its inputs."""
        return outputs(self.modules[net], self.state.variables_of(net), *inputs, train=train, **options)

    def variables(self, net: str, state: State | None = None) -> dict[str, jax.Array]:
        """Return a network's statistics and vectors of the power iteration by path, here or in a later state."""
        return flatten_dict((state or self.state).variables[net], sep="/")

    def moved(self, name: str) -> tuple[dict[str, jax.Array], dict[str, Arrays], State]:
        """Return metrics of a player's move, loss included, its gradients {net: {path: array}}, and the state after."""
        player = next(player for player in self.game.players if player.name == name)
        after, metrics = jax.jit(partial(move, player))(self.state, self.batch, jax.random.key(0))
        gradients = {net: jax.tree.map(jnp.subtract, self.state.params[net], after.params[net]) for net in player.owns}
        by_path = {net: flatten_dict({"params": gradient}, sep="/") for net, gradient in gradients.items()}
        return {key.removeprefix(f"{name}/"): value for key, value in metrics.items()}, by_path, after


def agree(found: Any, expected: Any, tolerance: float = TOLERANCE) -> None:
    """Assert that arrays, or mappings to them, differ by at most `tolerance` of an array's largest value.

    Only what is in `expected` is compared; there must be something.
    """
    if not isinstance(expected, Mapping):
        found, expected = {"array": found}, {"array": expected}
    assert expected
    for path, right in expected.items():
        left, right = np.asarray(found[path]), np.asarray(right)
        assert left.shape == right.shape, f"{path}: {left.shape} instead of {right.shape}"
        error = np.abs(left - right).max() / np.abs(right).max()
        assert error <= tolerance, f"{path}: {error:.1e} of the largest value apart"


def images_agree(found: Any, expected: np.ndarray) -> None:
    """Assert that images [batch, height, width, channels] agree with golden ones, [batch, channels, height, width]."""
    agree(thinned(np.transpose(found, (0, 3, 1, 2))), expected)
