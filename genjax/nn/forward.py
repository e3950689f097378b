"""How a player's loss runs a network: in training mode, keeping changed variables only for the network's owner."""

from collections.abc import Mapping
from typing import Any

import jax
from flax import linen as nn

Variables = Mapping[str, Any]


def forward(
    network: nn.Module, params: Any, variables: Variables, *inputs: Any, key: jax.Array | None = None, own: bool = False
) -> tuple[Any, dict[str, Any]]:
    """Return the output of `network(*inputs, train=True)` and its variables after the call.

    own: whether the moving player owns the network. If not, batch norm still uses the statistics of this batch, but all
    variables come back as they were, and state that moves on by being mutable (spectral norm's) stands still.
    key: for dropout.
    """
    mutable = list(variables) if own else ["batch_stats"]
    rngs = None if key is None else {"dropout": key}
    output, changed = network.apply({"params": params, **variables}, *inputs, train=True, mutable=mutable, rngs=rngs)
    return output, {**variables, **changed} if own else dict(variables)
