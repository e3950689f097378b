"""Input checks shared by the saliency functions: one clear sentence each, for concrete values and traced ones alike."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np


def is_concrete(value: Any) -> bool:
    """Whether the numbers of `value` can be looked at: they cannot while `jit`, `vmap` or `grad` trace it."""
    return not isinstance(value, jax.core.Tracer)


def require_finite(name: str, values: Any) -> None:
    """Raise ValueError when concrete `values` hold a NaN or an infinity."""
    if is_concrete(values):
        bad = int(np.sum(~np.isfinite(np.asarray(values).astype(np.float64))))
        if bad:
            raise ValueError(f"{name} hold {bad} values that are NaN or infinite: clean the input before explaining it")


def require_class(class_index: Any, classes: int) -> None:
    """Raise TypeError or ValueError unless `class_index` is one integer, and in [0, classes) where it is concrete."""
    if not jnp.issubdtype(jnp.result_type(class_index), jnp.integer) or jnp.ndim(class_index):
        raise TypeError(
            f"class_index is {jnp.result_type(class_index)}{list(jnp.shape(class_index))}, expected one integer: "
            "batch with jax.vmap or explain"
        )
    if is_concrete(class_index) and not 0 <= int(class_index) < classes:
        raise ValueError(
            f"class {int(class_index)} is out of range: the head has {classes} logits (0 to {classes - 1})"
        )


def nan_for_unknown_class(values: Any, class_index: Any, classes: int) -> Any:
    """`values`, as NaN where a traced `class_index` turns out not to be in [0, classes): indexing would clamp it."""
    if is_concrete(class_index):
        return values
    known = (class_index >= 0) & (class_index < classes)
    return jax.tree.map(lambda v: jnp.where(known, v, jnp.nan), values)


def require_spatial(activations: Any) -> None:
    """Raise ValueError unless `activations` are float[height, width, channels] of one image."""
    if jnp.ndim(activations) != 3:
        raise ValueError(
            f"activations have shape {list(jnp.shape(activations))}, expected [height, width, channels] of one image: "
            "choose a layer with spatial axes (fold tokens back into a grid), and batch with jax.vmap or explain"
        )
