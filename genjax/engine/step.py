"""The training step of every model: a player's move, a round of moves, and K rounds in one compiled call."""

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from genjax import parallel, precision, rng
from genjax.engine.game import Aux, Batch, Game, Player
from genjax.engine.state import State, followed, init_state
from genjax.nn import conv_cpu
from genjax.nn.conv_layout import in_fast_layout


def steps_in_a_call(game: Game) -> int:
    """Return how many steps to put into one compiled call: 50, or 1 for convolutional networks on CPUs.

    There a step takes far longer than a call, so that more of them in one would only delay signals and news.
    """
    if jax.default_backend() != "cpu":
        return 50
    begin = jax.make_jaxpr(lambda key: init_state(game, key))(jax.random.key(0))
    return 1 if any(map(_convolves, _equations(begin.jaxpr))) else 50


def _convolves(equation: Any) -> bool:
    return equation.primitive is lax.conv_general_dilated_p or equation.params.get("name") == conv_cpu.NAME


def _equations(jaxpr: Any) -> Iterator[Any]:
    """Yield the equations of a jaxpr and those inside them."""
    for equation in jaxpr.eqns:
        yield equation
        for value in equation.params.values():
            for inner in value if isinstance(value, (tuple, list)) else (value,):
                inner = getattr(inner, "jaxpr", inner)
                if hasattr(inner, "eqns"):
                    yield from _equations(inner)


Metrics = dict[str, jax.Array]
Step = Callable[[State, Batch, jax.Array], tuple[State, Metrics]]


def _merge(state: State, player: Player, aux: Aux) -> State:
    foreign = sorted(set(aux.variables) - set(player.owns))
    if foreign:
        raise ValueError(
            f"player '{player.name}' returned updated variables of {foreign}, but owns {list(player.owns)}: "
            "leave them out of Aux.variables, so that a network's statistics change only in its owner's moves"
        )
    variables = {net: {**state.variables[net], **new} for net, new in aux.variables.items()}
    return state.replace(variables={**state.variables, **variables}, memory={**state.memory, **aux.memory})


def _gradient(player: Player, state: State, own: Any, batch: Batch, key: jax.Array, *, scale: jax.Array | None):
    def objective(own):
        loss, aux = player.loss(state.replace(params={**state.params, **own}), batch, key)
        return (loss if scale is None else loss * scale), (loss, aux)

    gradient, (loss, aux) = jax.grad(objective, has_aux=True)(own)
    return gradient, {"loss": loss, **aux.metrics}, _merge(state, player, aux)


def _accumulated_gradient(player, state, own, batch, key, *, scale, parts):
    """Average over `parts` equal slices of the batch, one after the other, for the memory of one slice."""

    def split(x):
        if x.shape[0] % parts:
            raise ValueError(f"a batch of {x.shape[0]} cannot be accumulated in {parts} equal parts; change either")
        # Strided slices keep every device's rows on that device when the batch is sharded.
        return jnp.swapaxes(x.reshape(x.shape[0] // parts, parts, *x.shape[1:]), 0, 1)

    def body(carry, part):
        state, total = carry
        index, batch = part
        gradient, metrics, state = _gradient(player, state, own, batch, jax.random.fold_in(key, index), scale=scale)
        return (state, jax.tree.map(jnp.add, total, gradient)), metrics

    start = (state, jax.tree.map(jnp.zeros_like, own))
    slices = (jnp.arange(parts), jax.tree.map(split, batch))
    (state, total), metrics = lax.scan(body, start, slices)
    return jax.tree.map(lambda g: g / parts, total), jax.tree.map(jnp.mean, metrics), state


def _or_skipped(
    before: State, after: State, finite: jax.Array, scale: precision.LossScale
) -> tuple[State, precision.LossScale]:
    """Return `after`, or `before` where a gradient was not finite: a skipped move leaves no trace; and the next scale.

    Parameters, statistics, the optimizer's moments and its count of steps, and memory all stay as they were.
    """

    def pick(new, old):
        return new if new is old else jnp.where(finite, new, old)

    return jax.tree.map(pick, after, before), precision.next_scale(scale, finite)


def move(
    player: Player, state: State, batch: Batch, key: jax.Array, *, axis: str | None = None, accumulate: int = 1
) -> tuple[State, Metrics]:
    """Let `player` take one optimizer step on `batch`, leaves [B, ...], and return the new state and metrics.

    With `axis`, the name of a mapped axis over devices, gradients, metrics and updated variables are averaged over it.
    Where the state has a loss scale for `player`, a move whose gradient is not finite is skipped.
    """
    own = {net: state.params[net] for net in player.owns}
    if axis is not None:
        # Marked as differing by device, so that the gradient is this device's own and the mean below is the mean.
        own = jax.tree.map(lambda p: lax.pcast(p, axis, to="varying"), own)
    before, scale = state, state.loss_scale.get(player.name)
    factor = None if scale is None else scale.scale
    if accumulate == 1:
        gradient, metrics, state = _gradient(player, state, own, batch, key, scale=factor)
    else:
        gradient, metrics, state = _accumulated_gradient(player, state, own, batch, key, scale=factor, parts=accumulate)
    if axis is not None:
        variables = {net: state.variables[net] for net in player.owns}
        gradient, metrics, variables = lax.pmean((gradient, metrics, variables), axis)
        state = state.replace(variables={**state.variables, **variables})
    if scale is not None:
        gradient = precision.unscaled(gradient, scale)
    own = {net: state.params[net] for net in player.owns}
    updates, opt_state = player.tx.update(gradient, state.opt_state[player.name], own)
    params = {**state.params, **jax.tree.map(lambda p, u: (p + u).astype(p.dtype), own, updates)}
    state = state.replace(params=params, opt_state={**state.opt_state, player.name: opt_state})
    if scale is not None:
        state, scale = _or_skipped(before, state, precision.all_finite(gradient), scale)
        state = state.replace(loss_scale={**state.loss_scale, player.name: scale})
        metrics = {**metrics, "loss_scale": scale.scale}
    return state, {f"{player.name}/{name}": value for name, value in metrics.items()}


# By primitive, and by name those convolutions that `genjax.nn.conv` writes as products and sums.
_PRODUCTS = jax.checkpoint_policies.save_from_both_policies(
    lambda primitive, *_, **__: primitive in (lax.dot_general_p, lax.conv_general_dilated_p),
    jax.checkpoint_policies.save_only_these_names(conv_cpu.NAME),
)


def rematerialized(game: Game) -> Game:
    """Return `game` with losses that keep only matrix products and convolutions for their gradients.

    Everything between them (normalisation, activations) is computed again backwards: less memory for more time, and
    the same gradients. XLA's compiler for CPUs undoes it, so it pays on accelerators alone.
    """
    losses = (jax.checkpoint(player.loss, policy=_PRODUCTS) for player in game.players)
    return game._replace(
        players=tuple(player._replace(loss=loss) for player, loss in zip(game.players, losses, strict=True))
    )


def _move_on(player: Player, axis: str | None, accumulate: int, state: State, part: tuple[Batch, jax.Array]):
    batch, key = part
    return move(player, state, batch, key, axis=axis, accumulate=accumulate)


def _averages(game: Game, state: State) -> dict[str, Any]:
    """Return the averages after a step: average = decay * average + (1 - decay) * new, or new in the first steps."""

    def moved(net: str, decay: Any) -> Any:
        d = decay if not game.ema_start else jnp.where(state.step < game.ema_start, 0.0, decay)
        new = followed(state.params[net], state.variables[net])
        return jax.tree.map(lambda old, x: d * old + (1 - d) * x, state.ema[net], new)

    return {net: moved(net, decay) for net, decay in game.ema.items()}


def make_step(game: Game, axis: str | None = None, accumulate: int = 1) -> Step:
    """Return `step(state, batch, key) -> (state, metrics)`: every player in turn, then averages, then step + 1.

    batch: leaves [R, B, ...] with R = `game.batches_per_step` sub-batches; a player uses the last `repeats` of them.
    key: the run's key; the step's own follows from it and `state.step`.
    """

    def step(state: State, batch: Batch, key: jax.Array) -> tuple[State, Metrics]:
        key = rng.at_step(key, state.step)
        metrics: Metrics = {}
        for player in game.players:
            player_key = rng.named(key, player.name)
            if player.repeats == 1:
                last = jax.tree.map(lambda x: x[-1], batch)
                state, moved = move(player, state, last, player_key, axis=axis, accumulate=accumulate)
            else:
                keys = jax.random.split(player_key, player.repeats)
                parts = jax.tree.map(lambda x, n=player.repeats: x[-n:], batch)
                moves = partial(_move_on, player, axis, accumulate)
                state, moved = lax.scan(moves, state, (parts, keys))
                moved = jax.tree.map(jnp.mean, moved)
            metrics |= moved
        return state.replace(step=state.step + 1, ema=_averages(game, state)), metrics

    return in_fast_layout(step)


def _prepared(prepare: Callable[[Any, jax.Array], Any], batch: Batch, key: jax.Array) -> Batch:
    """Return `prepare` of every example of a batch, leaves [R, B, ...], each with a key of its own."""

    def one(example, key):
        return jax.tree.map(lambda x: x[0], prepare(jax.tree.map(lambda x: x[None], example), key))

    repeats, count = jax.tree.leaves(batch)[0].shape[:2]
    keys = jax.vmap(lambda key: parallel.rows(jax.random.split, key, (count,)))(jax.random.split(key, repeats))
    return jax.vmap(jax.vmap(one))(batch, keys)


def make_run(
    step: Step, prepare: Callable[[Any, jax.Array], Any] | None = None
) -> Callable[[State, Mapping[str, jax.Array], jax.Array | None, jax.Array], tuple[State, Metrics]]:
    """Return `run(state, source, indices, key)`, K steps in one call by `lax.scan`.

    source: arrays [N, ...] that live on the device, with indices int32[K, R, B] into them; or, with indices None, the
        batches themselves, [K, R, B, ...].
    prepare: `(batch, key) -> batch`, inside the compiled step (scaling of uint8, flips, noise). It is given leaves
        [1, ...], an example each with a key of its own, so that no split of a batch over devices changes what it draws.
    Returns the state after K steps and metrics stacked to [K].
    """

    def body(state, batch, key):
        if prepare is not None:
            batch = _prepared(prepare, batch, rng.named(rng.at_step(key, state.step), "data"))
        return step(state, batch, key)

    def run(state, source, indices, key):
        def one(state, x):
            batch = x if indices is None else {name: array[x] for name, array in source.items()}
            return body(state, batch, key)

        steps = source if indices is None else indices
        return lax.scan(one, state, steps)

    return run
