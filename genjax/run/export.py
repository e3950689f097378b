"""Trained models for use elsewhere: weights by name, and the sampling function as a portable StableHLO file.

    model = load("runs/cgan-digits")
    save_weights(model, "cgan.safetensors")
    save_sampler(model, "cgan.stablehlo", count=16)

The second file needs jax alone (and flatbuffers, with which jax reads it):
`jax.export.deserialize(bytearray(open("cgan.stablehlo", "rb").read())).call(seed, labels)`.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from genjax.files import atomic
from genjax.run.load import Trained

PLATFORMS = ("cpu", "cuda", "tpu")


def named_arrays(model: Trained) -> dict[str, np.ndarray]:
    """Return all weights by names a person can read: "generator/Dense_0/kernel", "generator/ema/Dense_0/kernel", ...

    Parameters have no collection in their name, others theirs, such as "batch_stats"; averages have "ema" before it.
    """
    state, found = model.state, {}
    for net in state.params:
        trees = {"": state.params[net], **state.variables[net]}
        for collection, tree in state.ema.get(net, {}).items():
            trees["ema" if collection == "params" else f"ema/{collection}"] = tree
        for collection, tree in trees.items():
            for path, leaf in _leaves(tree):
                found["/".join(part for part in (net, collection, path) if part)] = np.asarray(leaf)
    return found


def _leaves(tree: Any) -> Iterator[tuple[str, Any]]:
    for path, leaf in jax.tree_util.tree_leaves_with_path(tree):
        yield "/".join(str(getattr(key, "key", getattr(key, "name", key))) for key in path), leaf


def save_weights(model: Trained, path: Path | str) -> None:
    """Write all weights to a .npz or .safetensors file, named as in `named_arrays`; ValueError for other suffixes."""
    path, arrays = Path(path), named_arrays(model)
    if path.suffix == ".npz":
        with atomic(path) as temporary, temporary.open("wb") as file:
            np.savez(file, **arrays)  # type: ignore[arg-type]
    elif path.suffix == ".safetensors":
        try:
            from safetensors.numpy import save_file
        except ModuleNotFoundError:
            raise ValueError("a .safetensors file needs the package safetensors; install it, or write .npz") from None
        with atomic(path) as temporary:
            save_file({name: np.ascontiguousarray(array) for name, array in arrays.items()}, temporary)
    else:
        raise ValueError(f"{path}: weights are written as .npz or .safetensors, not '{path.suffix}'")


def sampler(model: Trained, count: int) -> jax.export.Exported:
    """Return the sampling function of a generator or of an autoencoder with a prior, for `count` samples a call.

    (seed uint32[]) -> uint8[count, height, width, channels], with int32[count] labels as second argument of a
    conditional model; float32[count, 2] of points in the plane. The weights are inside. Runs on CPUs, GPUs and TPUs.
    Raises ValueError for a model that draws nothing from a latent.
    """
    task: Any = model.task
    if not hasattr(task, "traced_samples"):
        raise ValueError(f"{model.folder} is a run of {model.recipe.name}, which draws nothing from a latent")

    def sample(seed: jax.Array, *labels: jax.Array) -> jax.Array:
        return task.traced_samples(model.state, jax.random.key(seed), count, *labels)

    arguments: list[Any] = [jax.ShapeDtypeStruct((), jnp.uint32)]
    if task.classes:
        arguments.append(jax.ShapeDtypeStruct((count,), jnp.int32))
    return jax.export.export(jax.jit(sample), platforms=PLATFORMS)(*arguments)


def save_sampler(model: Trained, path: Path | str, *, count: int = 16) -> Mapping[str, Any]:
    """Write `sampler(model, count)` to a file and return its inputs and outputs, as `{"inputs", "outputs"}`."""
    exported = sampler(model, count)
    with atomic(Path(path)) as temporary:
        temporary.write_bytes(bytes(exported.serialize()))
    return {"inputs": exported.in_avals, "outputs": exported.out_avals}
