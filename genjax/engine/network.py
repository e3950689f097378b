"""Networks as values: a loss calls them, and says at its end which of them changed.

A flax network is a module, its parameters and its other collections (batch statistics, vectors of a power iteration).
`with_networks` hands a loss the three as one callable value each, so that the loss reads like its equation:

    def critic_loss(nets, state, batch, key, *, draw):
        fake = nets.generator.output(draw(key, len(batch["images"])))
        real_scores, critic = nets.critic(batch["images"])
        fake_scores, critic = critic(fake)
        loss = jnp.mean(fake_scores) - jnp.mean(real_scores)
        return loss, aux(critic, distance=-loss)
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from types import SimpleNamespace
from typing import Any

import jax

from genjax.engine.game import Aux, Batch, Loss

NetworkLoss = Callable[[Any, Any, Batch, jax.Array], tuple[jax.Array, Aux]]
"""(networks as attributes, state, batch, key) -> (scalar to minimise, Aux)."""


@partial(jax.tree_util.register_dataclass, data_fields=("params", "variables"), meta_fields=("name", "module", "owned"))
@dataclass(frozen=True, eq=False)
class Network:
    """One network as a loss sees it: call it, and get its output and the network after the call.

    module: anything with flax's `apply` and `clone`.  owned: whether the moving player owns it.
    It is a pytree of its parameters and variables, so `jax.lax.stop_gradient(network)` is the network held fixed.
    """

    name: str
    module: Any
    params: Any
    variables: Mapping[str, Any]
    owned: bool

    def __call__(self, *inputs: Any, key: jax.Array | None = None, **options: Any) -> tuple[Any, "Network"]:
        """Return `module(*inputs, train=True, **options)` and the network with the variables that this call changed.

        An owned network keeps all of them. One of another player comes back as it was: its batch norm uses the
        statistics of this batch, and what moves on with its owner's moves (spectral norm's vectors) stands still.
        key: for dropout.
        """
        if not self.owned:
            return self.output(*inputs, key=key, **options), self
        output, changed = self._apply(list(self.variables), inputs, key, options)
        return output, replace(self, variables={**self.variables, **changed})

    def output(self, *inputs: Any, key: jax.Array | None = None, **options: Any) -> Any:
        """Return the output alone, a plain function of its inputs: for penalties, and where nothing is to be kept."""
        return self._apply(["batch_stats"], inputs, key, options)[0]

    def evaluated(self, *inputs: Any, **options: Any) -> Any:
        """Return `module(*inputs, train=False)`: running statistics, no dropout; for a network that is held."""
        return self.module.apply({"params": self.params, **self.variables}, *inputs, train=False, **options)

    def at(self, dtype: Any) -> "Network":
        """Return the network computing in `dtype`; None: in the type of its parameters and inputs."""
        return replace(self, module=self.module.clone(dtype=dtype))

    def _apply(self, mutable: list[str], inputs: tuple, key: jax.Array | None, options: Mapping[str, Any]) -> Any:
        variables = {"params": self.params, **self.variables}
        rngs = None if key is None else {"dropout": key}
        return self.module.apply(variables, *inputs, train=True, mutable=mutable, rngs=rngs, **options)


def aux(*networks: Network, memory: Any = None, **metrics: Any) -> Aux:
    """Return what a loss gives back beside its scalar: variables of the given networks that it owns, and metrics.

    memory: `{name: array}`, replacements for entries of `State.memory`.
    """
    variables = {network.name: network.variables for network in networks if network.owned}
    return Aux(variables, memory or {}, metrics)


def with_networks(loss: NetworkLoss, modules: Mapping[str, Any], owns: tuple[str, ...]) -> Loss:
    """Return the engine's form of `loss`: `(state, batch, key)`, with the state's networks bound to their modules.

    modules: `{net: module}`, which become `nets.<net>`.  owns: names of those that the player owns.
    """

    def bound(state: Any, batch: Batch, key: jax.Array) -> tuple[jax.Array, Aux]:
        nets = {
            name: Network(name, module, state.params[name], state.variables[name], name in owns)
            for name, module in modules.items()
        }
        return loss(SimpleNamespace(**nets), state, batch, key)

    return bound
