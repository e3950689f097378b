"""Variables of the classifiers from and to files: `.npz`, `.safetensors`, and PyTorch's `.pth` or `.pt`.

Two naming schemes are read, in any of the formats. The library's own: the path of a variable, joined by dots
("fire2.squeeze1x1.kernel", "layer1.block0.bn1.mean"). And torchvision's for ResNet, VGG and Inception, where that last
one is "layer1.0.bn1.running_mean": convolutions are stored OIHW, dense layers out x in, and VGG's first dense layer
reads a map flattened as CHW. To keep a PyTorch file as .npz:

    python -m genjax.classifiers.weights FILE.pth FILE.npz
"""

import hashlib
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn

from genjax import files
from genjax.classifiers.inception import InceptionV3
from genjax.classifiers.resnet import ResNet
from genjax.classifiers.vgg import VGG16
from genjax.tensors import ORIGIN, listing, read


class Source(NamedTuple):
    """Where a variable comes from: the tensor's name in the file, its shape there, and how it becomes the variable."""

    name: str
    shape: tuple[int, ...]
    convert: Callable[[np.ndarray], np.ndarray] = lambda tensor: tensor


Naming = Callable[[tuple[str, ...], tuple[int, ...]], Source]
"""(path of a variable without its collection, its shape) -> Source."""


def own_names(path: tuple[str, ...], shape: tuple[int, ...]) -> Source:
    """Return the library's own name of a variable: its path joined by dots."""
    return Source(".".join(path), shape)


def _torch(prefix: str, kind: str, shape: tuple[int, ...]) -> Source:
    kinds = {"kernel": "weight", "scale": "weight", "bias": "bias", "mean": "running_mean", "var": "running_var"}
    name = f"{prefix}.{kinds[kind]}"
    if len(shape) == 4:
        return Source(name, (shape[3], shape[2], shape[0], shape[1]), lambda t: t.transpose(2, 3, 1, 0))
    if len(shape) == 2:
        return Source(name, shape[::-1], lambda t: t.T)
    return Source(name, shape)


def torchvision_resnet_names(path: tuple[str, ...], shape: tuple[int, ...]) -> Source:
    """Return torchvision's name of a `ResNet` variable: layer1/block0/bn1/mean is layer1.0.bn1.running_mean."""
    *parts, kind = path
    renamed = {"downsample_conv": "downsample.0", "downsample_bn": "downsample.1"}
    return _torch(".".join(renamed.get(part, part.removeprefix("block")) for part in parts), kind, shape)


def torchvision_vgg_names(depths: Sequence[int]) -> Naming:
    """Return torchvision's names for a `VGG16` with these `depths`: stage2/conv1 is features.5, fc6 is classifier.0."""

    def names(path, shape):
        *parts, kind = path
        if parts[0].startswith("fc"):
            source = _torch(f"classifier.{ {'fc6': 0, 'fc7': 3, 'fc8': 6}[parts[0]] }", kind, shape)
            if path == ("fc6", "kernel"):
                channels, units = shape[0] // 49, shape[1]
                return source._replace(
                    convert=lambda t: t.reshape(units, channels, 7, 7).transpose(2, 3, 1, 0).reshape(shape)
                )
            return source
        stage, conv = (int(part[-1]) for part in parts)
        # A convolution and its ReLU take two places in the sequence, the pooling after a stage one.
        return _torch(f"features.{sum(2 * d + 1 for d in depths[: stage - 1]) + 2 * (conv - 1)}", kind, shape)

    return names


def torchvision_inception_names(path: tuple[str, ...], shape: tuple[int, ...]) -> Source:
    """Return the name of an `InceptionV3` variable: Mixed_5b/branch1x1/bn/mean is ...branch1x1.bn.running_mean."""
    *parts, kind = path
    return _torch(".".join(parts), kind, shape)


def naming_of(network: nn.Module, tensors: Mapping[str, np.ndarray]) -> Naming:
    """Return the naming scheme of a file with these tensors: torchvision's where one ends in ".weight", else our own.

    Raises ValueError where torchvision's names are found and the network is no `ResNet`, `VGG16` or `InceptionV3`.
    """
    if not any(name.endswith(".weight") for name in tensors):
        return own_names
    if isinstance(network, ResNet):
        return torchvision_resnet_names
    if isinstance(network, VGG16):
        return torchvision_vgg_names(network.depths)
    if isinstance(network, InceptionV3):
        return torchvision_inception_names
    raise ValueError(
        f"the file names its tensors as PyTorch does, which is understood for ResNet, VGG16 and InceptionV3, not for "
        f"{type(network).__name__}; store its variables under their own names, as genjax.classifiers.weights.save does"
    )


def digest(path: Path | str) -> str:
    """Return the SHA-256 of the file at `path`; of the file it was made from where `main` converted it."""
    path = Path(path)
    if path.suffix == ".npz":
        with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
            if ORIGIN in archive.files:
                return str(archive[ORIGIN])
    return hashlib.sha256(path.read_bytes()).hexdigest()


def restore(variables: Any, tensors: Mapping[str, np.ndarray], naming: Naming = own_names) -> dict[str, Any]:
    """Return `variables` (arrays or their shapes, as from `jax.eval_shape`) filled from `tensors`, in their dtype.

    Counters of training steps that batch norm keeps in PyTorch ("num_batches_tracked") are passed over. Raises
    ValueError that lists missing and unexpected tensors, or names each tensor of a wrong shape and the one expected.
    """

    def source(path, leaf):
        # The wrapped layer inside `genjax.nn.normalization.BatchNorm` adds a level that no file format has.
        names = tuple(key.key for key in path[1:] if key.key != "BatchNorm_0")
        return naming(names, leaf.shape)

    sources = jax.tree_util.tree_map_with_path(source, variables)
    wanted = jax.tree.leaves(sources, is_leaf=lambda node: isinstance(node, Source))
    missing = [s.name for s in wanted if s.name not in tensors]
    known = {s.name for s in wanted}
    unexpected = [name for name in tensors if name not in known and not name.endswith("num_batches_tracked")]
    if missing or unexpected:
        parts = [f"{len(missing)} tensors are missing ({listing(missing)})"] if missing else []
        parts += [f"{len(unexpected)} are not expected ({listing(unexpected)})"] if unexpected else []
        raise ValueError(f"these are weights of another network: {'; '.join(parts)}")
    wrong = [
        f"{s.name!r} has shape {tuple(tensors[s.name].shape)}, expected {s.shape}"
        for s in wanted
        if tuple(tensors[s.name].shape) != s.shape
    ]
    if wrong:
        raise ValueError(f"these are weights of another network, or for other classes: {listing(wrong)}")
    return jax.tree.map(
        lambda leaf, s: jnp.asarray(s.convert(np.asarray(tensors[s.name])), leaf.dtype), variables, sources
    )


def load(network: nn.Module, path: Path | str, image_shape: Sequence[int], dtype: Any = jnp.float32) -> dict[str, Any]:
    """Return the flax variables of `network` for images (H, W, C) from the file at `path`, in `dtype`.

    The naming scheme is found by `naming_of`. Raises what `read`, `naming_of` and `restore` raise.
    """
    tensors = read(path)
    images = jax.ShapeDtypeStruct((1, *image_shape), jnp.float32)
    template = jax.eval_shape(network.init, jax.random.key(0), images)
    template = jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape, dtype), template)
    return restore(template, tensors, naming_of(network, tensors))


def save(path: Path | str, variables: Any) -> None:
    """Write variables to a `.npz` file under the library's own names, whole or not at all; `load` reads them back."""
    tensors = {}
    for keys, leaf in jax.tree_util.tree_leaves_with_path(variables):
        tensors[own_names(tuple(k.key for k in keys[1:] if k.key != "BatchNorm_0"), leaf.shape).name] = np.asarray(leaf)
    save_tensors(path, tensors)


def save_tensors(path: Path | str, tensors: Mapping[str, np.ndarray]) -> None:
    """Write tensors to a `.npz` file under these names, whole or not at all."""
    path = Path(path)
    if path.suffix != ".npz":
        raise ValueError(f"weights are saved as .npz, not as {path.name!r}")
    with files.atomic(path) as temporary:
        np.savez(temporary, allow_pickle=False, **tensors)


def main(arguments: Sequence[str]) -> int:
    """Store the tensors of a file, under the names they have there, as .npz with its hash; return the exit status."""
    if len(arguments) != 2 or not arguments[1].endswith(".npz"):
        print("usage: python -m genjax.classifiers.weights FILE.pth FILE.npz", file=sys.stderr)
        return 2
    try:
        tensors = read(arguments[0])
    except (ValueError, FileNotFoundError, ModuleNotFoundError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    with files.atomic(Path(arguments[1])) as temporary:
        np.savez(temporary, allow_pickle=False, **tensors, **{ORIGIN: np.array(digest(arguments[0]))})
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
