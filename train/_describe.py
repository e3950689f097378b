"""What a recipe would train, told without allocating anything, and the card of what it has trained."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import jax
import numpy as np

from genjax import data
from genjax.data import Dataset
from genjax.engine.phases import Phase
from genjax.engine.state import init_state
from genjax.engine.step import make_step

if TYPE_CHECKING:
    from train._cli import Common, Run

# Shapes of data sets that a preset names and a machine may not have, so that --describe works without them:
# image shape, classes, training images, test images.
KNOWN = {
    "tfds:mnist": ((28, 28, 1), 10, 60_000, 10_000),
    "tfds:cifar10": ((32, 32, 3), 10, 50_000, 10_000),
    "tfds:stl10": ((96, 96, 3), 10, 5_000, 8_000),
    "tfds:celeb_a": ((218, 178, 3), 0, 162_770, 19_962),
    "tfds:celeb_a_hq/1024": ((1024, 1024, 3), 0, 24_000, 6_000),
    "tfds:lsun/bedroom": ((256, 256, 3), 0, 3_033_042, 300),
    "folder:horse2zebra": ((256, 256, 3), 0, 1_177, 140),
    "folder:cityscapes": ((128, 128, 3), 0, 2_975, 500),
    "tfds:imagenet2012": ((256, 256, 3), 1000, 1_281_167, 50_000),
}


def placeholder(spec: str, image_size: int | None) -> Dataset:
    """Return a data set with the shapes of `spec`, one of `KNOWN`, that holds nothing."""
    (height, width, channels), classes, *counts = KNOWN[spec]
    shape = (height, width, channels) if image_size is None else (image_size, image_size, channels)

    def split(count: int) -> data.Arrays:  # broadcasting a zero allocates nothing
        labels = {"labels": np.broadcast_to(np.int32(0), count)} if classes else {}
        images = np.broadcast_to(np.uint8(0), (count, *shape))
        targets = {"targets": images} if spec.startswith("folder:") else {}
        return data.Arrays({"images": images, **targets, **labels})

    return Dataset(spec, split(counts[0]), split(counts[1]), tuple(map(str, range(classes))))


def describe(recipe: str, preset: str, hyper: Common, run: Run) -> dict[str, Any]:
    """Return, without allocating, each network's trainable parameters, the optimizers, the batch and FLOPs per step."""
    phases: list[dict[str, Any]] = []
    games: dict[int, Phase] = {}  # a game that plays in several phases is told once, with all its steps
    for phase in run.phases:
        steps = games[id(phase.game)].steps if id(phase.game) in games else 0
        games[id(phase.game)] = phase._replace(steps=steps + phase.steps)
    for phase in games.values():
        key = jax.eval_shape(lambda: jax.random.key(0))
        state = jax.eval_shape(lambda key, game=phase.game: init_state(game, key), key)
        lead = (phase.game.batches_per_step, phase.feed.batch_size)
        example = {name: jax.ShapeDtypeStruct(x.shape, x.dtype) for name, x in phase.feed.split.take([0]).items()}
        batch = {name: jax.ShapeDtypeStruct((lead[1], *x.shape[1:]), x.dtype) for name, x in example.items()}
        if phase.feed.prepare is not None:
            batch = jax.eval_shape(phase.feed.prepare, batch, key)
        batch = {name: jax.ShapeDtypeStruct((lead[0], *x.shape), x.dtype) for name, x in batch.items()}
        lowered = jax.jit(make_step(phase.game, None, hyper.accumulate)).lower(state, batch, key)
        phases.append(
            {
                "steps": phase.steps,
                "batch": {name: list(x.shape) for name, x in batch.items()},
                "parameters": {
                    net: sum(int(np.prod(x.shape)) for x in jax.tree.leaves(params))
                    for net, params in state.params.items()
                },
                "convolutions": lowered.as_text().count("stablehlo.convolution"),
                "flops_per_step": int((lowered.cost_analysis() or {}).get("flops", 0)),
            }
        )
    return {"recipe": recipe, "preset": preset, "optimizers": dict(run.optimizers), "phases": phases}


def card(recipe: str, preset: str, config: dict[str, Any], described: dict[str, Any], result, folder: Path) -> str:
    """Return the card of a finished run: data, sizes, optimizers, device, time, scores."""
    phases = described["phases"]
    parameters = "\n".join(f"| {net} | {count:,} |" for net, count in phases[-1]["parameters"].items())
    scores = "\n".join(f"| {name} | {value:.4f} |" for name, value in result.scores.items())
    where = config["environment"]
    return f"""# {recipe}, preset {preset}

- data: {config["hyper"]["data"]}, {config["images"]["train"]} training and {config["images"]["test"]} test images of shape {config["images"]["shape"]}
- steps: {int(result.state.step)}, batch {phases[-1]["batch"]}, seed {config["hyper"]["seed"]}
- optimizers: {"; ".join(f"{name}: {text}" for name, text in described["optimizers"].items())}
- device: {where["device"]}, {where["processor"]}
- time of this start: {result.seconds:.1f} s, of which {result.compile_seconds:.1f} s to compile the first call; FLOPs per step: {phases[-1]["flops_per_step"]:,}
- date: {where["date"]}; versions: {", ".join(f"{k} {v}" for k, v in where["versions"].items())}

| network | trainable parameters |
|---|---|
{parameters}

| score on test images | value |
|---|---|
{scores}

All hyperparameters: `config.json`. Training curves: `metrics.jsonl`, `curves.png`.
"""  # noqa: E501 (lines of a table)
