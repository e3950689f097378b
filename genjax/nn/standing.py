"""Standing statistics: batch norm's means and variances for sampling, taken anew from batches like those to be drawn.

Running statistics belong to the latents of training and to weights of some time ago. A generator that is sampled at
another truncation, or whose weights are an average, draws with means and variances that are not those of its
activations. Source: Brock et al. 2019, arXiv 1809.11096, appendix C.1.
"""

from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from flax import linen as nn
from flax.traverse_util import flatten_dict, unflatten_dict


def standing_statistics(
    module: nn.Module, variables: Mapping[str, Any], batches: Iterable[Sequence[Any]]
) -> dict[str, Any]:
    """Return `variables` whose "batch_stats" are the means over `batches` of a batch's means and variances.

    batches: inputs of `module`, such as (latents, labels), one batch each; all of one shape, or each is compiled.
    Raises ValueError for a network without batch norm, and for no batch.
    """
    if "batch_stats" not in variables:
        raise ValueError("standing statistics are for batch norm, of which this network has none; leave them out")
    total, count = None, 0
    for inputs in batches:
        found = _of_a_batch(module, variables, *inputs)
        total = found if total is None else jax.tree.map(jnp.add, total, found)
        count += 1
    if total is None:
        raise ValueError("standing statistics of no batch; give at least one")
    return {**variables, "batch_stats": jax.tree.map(lambda x: x / count, total)}


@partial(jax.jit, static_argnums=0)
def _of_a_batch(module: nn.Module, variables: Mapping[str, Any], *inputs: Any) -> Any:
    """Return the means and variances of one batch: what enters running statistics of 0, by its share 1 - momentum."""
    shares: dict[tuple[str, ...], float] = {}

    def note(call: Any, args: Any, kwargs: Any, context: Any) -> Any:
        if isinstance(context.module, nn.BatchNorm):
            shares[context.module.path] = 1 - context.module.momentum
        return call(*args, **kwargs)

    empty = jax.tree.map(jnp.zeros_like, variables["batch_stats"])
    with nn.intercept_methods(note):
        _, changed = module.apply({**variables, "batch_stats": empty}, *inputs, train=True, mutable=["batch_stats"])
    entered = flatten_dict(changed["batch_stats"])
    return unflatten_dict({path: x / shares[path[:-1]] for path, x in entered.items()})
