"""What a recipe would train, told without allocating anything, and the card of what it has trained."""

import gc
import math
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Any

import jax

from genjax.engine.game import Game, Variables
from genjax.engine.loop import Result
from genjax.engine.phases import Phase
from genjax.engine.state import init_state
from genjax.engine.step import make_step
from genjax.environment import peak_memory
from genjax.run.options import Options
from genjax.run.run import Run


def _key() -> Any:
    return jax.eval_shape(lambda: jax.random.key(0))


def parameters(game: Game) -> dict[str, int]:
    """Return the number of trainable parameters of each network."""
    return {net: _count(init) for net, init in game.networks.items()}


@lru_cache(maxsize=64)  # the stages of growth to one size share their networks, and tracing takes long
def _count(init: Callable[[jax.Array], Variables]) -> int:
    params = jax.eval_shape(init, _key())["params"]
    return sum(math.prod(x.shape) for x in jax.tree.leaves(params))


def batch_of(phase: Phase) -> dict[str, jax.ShapeDtypeStruct]:
    """Return the shapes of what one step takes, leaves [repeats, batch, ...]."""
    feed = phase.feed
    example = feed.split.take([0])
    batch = {name: jax.ShapeDtypeStruct((feed.batch_size, *x.shape[1:]), x.dtype) for name, x in example.items()}
    if feed.prepare is not None:
        batch = jax.eval_shape(feed.prepare, batch, _key())
    repeats = phase.game.batches_per_step
    return {name: jax.ShapeDtypeStruct((repeats, *x.shape), x.dtype) for name, x in batch.items()}


def flops(phase: Phase, accumulate: int = 1) -> int:
    """Return the floating-point operations of one step, for which it is traced and lowered."""
    state = jax.eval_shape(lambda key: init_state(phase.game, key), _key())
    lowered = jax.jit(make_step(phase.game, None, accumulate)).lower(state, batch_of(phase), _key())
    return int((lowered.cost_analysis() or {}).get("flops", 0))


def _merged(phases: tuple[Phase, ...]) -> Iterator[Phase]:
    """Yield a phase for every game, with all its steps: one that plays in several phases is told once."""
    steps: dict[int, int] = {}
    for phase in phases:
        steps[id(phase.game)] = steps.get(id(phase.game), 0) + phase.steps
    for phase in phases:
        if id(phase.game) in steps:
            yield phase._replace(steps=steps.pop(id(phase.game)))


def describe(recipe: str, preset: str, options: Options, run: Run) -> dict[str, Any]:
    """Return, without allocating, steps, batch and trainable parameters of each phase, and the optimizers."""
    collects = gc.isenabled()
    gc.disable()  # tracing makes so many objects that looking for some to free takes a fifth of the time
    try:
        phases = _phases(options, run)
    finally:
        if collects:
            gc.enable()
    optimizers = {player: str(optimizer) for player, optimizer in run.optimizers.items()}
    notes = {"notes": list(run.notes)} if run.notes else {}
    seeds = {"seeds": options.seeds} if options.seeds > 1 else {}
    return {"recipe": recipe, "preset": preset, **seeds, "optimizers": optimizers, **notes, "phases": phases}


def _phases(options: Options, run: Run) -> list[dict[str, Any]]:
    return [
        {
            "steps": phase.steps,
            "batch": {name: list(x.shape) for name, x in batch_of(phase).items()},
            "parameters": parameters(phase.game),
            **({"flops_per_step": flops(phase, options.accumulate)} if options.flops else {}),
        }
        for phase in _merged(run.phases)
    ]


def card(config: dict[str, Any], run: Run, result: Result) -> str:
    """Return the card of a run so far: data, sizes, optimizers, device, time, scores, and every start."""
    phase = run.phases[-1]
    sizes = "\n".join(f"| {net} | {count:,} |" for net, count in parameters(phase.game).items())
    scores = "\n".join(f"| {name} | {value:.4f} |" for name, value in result.scores.items())
    optimizers = "; ".join(f"{player}: {optimizer}" for player, optimizer in run.optimizers.items())
    notes = "".join(f"\n- {note}" for note in run.notes)
    where, data = config["environment"], config["data"]
    shape = data["columns"]["images"][0]
    batch = {name: list(x.shape) for name, x in batch_of(phase).items()}
    peak = peak_memory()
    memory = "unknown" if peak is None else f"{peak / 2**20:,.0f} MiB"
    starts = "\n".join(
        f"| {start['time']} | {start['from_step']} | `{start['command']}` | {start['data'] or 'embedded'} |"
        for start in config["starts"]
    )
    return f"""# {config["recipe"]}, preset {config["preset"]}

- data: {config["hyper"]["data"]}, {data["train"]} training and {data["test"]} test images of shape {shape}
- steps: {int(result.state.step)}, batch {batch}, seed {config["hyper"]["seed"]}
- optimizers: {optimizers}{notes}
- device: {where["device"]}, {where["processor"]}
- time of this start: {result.seconds:.1f} s, of which {result.compile_seconds:.1f} s to compile the first call
- peak memory: {memory}
- date: {where["date"]}; versions: {", ".join(f"{k} {v}" for k, v in where["versions"].items())}

| network | trainable parameters |
|---|---|
{sizes}

| score on test images | value |
|---|---|
{scores}

| started | from step | command | fingerprint of the data |
|---|---|---|---|
{starts}

All hyperparameters: `config.json`. Training curves: `metrics.jsonl`, `curves.png`.
"""
