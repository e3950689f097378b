"""Several seeds of one run as one program: all that a seed changes has one more axis in front, over which it is mapped.

Each seed has its own first state, order of images and keys, those it would have alone, and reads the same images. So it
trains as it would alone, but for rounding: a batch of products sums in another order than one product. Several devices
share the seeds, and nothing passes between them.
"""

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import AxisType, NamedSharding, PartitionSpec

from genjax import parallel, rng
from genjax.data import pipeline
from genjax.engine import checkpoint, log
from genjax.engine.loop import DivergedError, _report, _Run, _settle
from genjax.engine.phases import Phase, phase_at
from genjax.engine.progress import Silent, telling
from genjax.engine.records import DEFAULTS, Result, Settings
from genjax.engine.signals import caught
from genjax.engine.state import State, init_state
from genjax.engine.step import make_run, make_step, steps_in_a_call

SEEDS = "seeds"
"""The name of the axis over which seeds are split."""


class Member(NamedTuple):
    """One seed of several: its number, where its metrics and checkpoints go, and what is called with its results."""

    seed: int
    folder: Path | None = None
    report: Callable[[Result], None] | None = None


def mapped(run: Callable[..., Any], mesh: jax.sharding.Mesh, batched: bool) -> Callable[..., Any]:
    """Return `run(states, source, indices, keys)` for all seeds, compiled, of which each device has its share.

    batched: a device's seeds at once by `vmap`, which fills accelerators; one after the other if not: a processor's
    core gains nothing by batches, and is slow at convolutions that have a kernel for each seed.
    """

    def share(states: Any, source: Any, indices: Any, keys: jax.Array) -> Any:
        if batched:
            return jax.vmap(run, in_axes=(0, None, 0, 0))(states, source, indices, keys)
        return jax.lax.map(lambda x: run(x[0], source, *x[1:]), (states, indices, keys))

    own, whole = PartitionSpec(SEEDS), PartitionSpec()
    split = jax.shard_map(share, mesh=mesh, in_specs=(own, whole, own, own), out_specs=own, check_vma=False)
    return jax.jit(split, donate_argnums=0)


class _Team:
    """The seeds of a run: what they share, and a `_Run` of each, which writes its metrics, checkpoints and scores."""

    def __init__(self, devices: Sequence[jax.Device], runs: Sequence[_Run], batched: bool) -> None:
        self.runs, self.batched = runs, batched
        self.mesh = jax.make_mesh((len(devices),), (SEEDS,), axis_types=(AxisType.Auto,), devices=tuple(devices))
        self.diverged: dict[int, DivergedError] = {}

    def put(self, tree: Any, split: bool = True) -> Any:
        """Put arrays on the devices: the seeds' own share on each, or the whole on all."""
        return jax.device_put(tree, NamedSharding(self.mesh, PartitionSpec(SEEDS) if split else PartitionSpec()))

    def training(self) -> list[tuple[int, _Run]]:
        """Return the places and runs of the seeds that have not diverged."""
        return [(place, run) for place, run in enumerate(self.runs) if place not in self.diverged]

    def settle(self, phase: Phase, start: int, count: int, metrics: Mapping[str, jax.Array]) -> None:
        """Read, check and write the metrics of a call, [seeds, count], each seed's by itself."""
        values = {name: np.asarray(value) for name, value in metrics.items()}
        for place, run in self.training():
            try:
                _settle(run, phase, start, count, {name: value[place] for name, value in values.items()})
            except DivergedError as error:
                self.diverged[place] = error

    def train(self, index: int, states: Sequence[State]) -> tuple[list[State], list[dict[str, float]]]:
        """Train all seeds through phase `index`, or to a signal; return their states and last scores."""
        lead, phase = self.runs[0], self.runs[0].phases[index]
        step, settings = int(states[0].step), lead.settings
        keys = self.put(jnp.stack([jax.random.key(run.seed) for run in self.runs]))
        steps = mapped(make_run(make_step(phase.game, None, settings.accumulate), phase.feed.prepare), self.mesh,
                       self.batched)  # fmt: skip
        source, stacked = self.put(phase.feed.split.arrays, split=False), self.put(jax.tree.map(_stacked, *states))
        scores: list[dict[str, float]] = [{} for _ in self.runs]
        pending: deque[tuple[int, int, Any]] = deque()
        orders = zip(*(run.orders(index, step - lead.first(index)) for run in self.runs), strict=True)
        for given in orders:
            count = given[0][0]
            indices = self.put(np.stack([indices for _, indices in given]))
            with lead.compiling(steps):
                stacked, metrics = steps(stacked, source, indices, keys)
            pending.append((step, count, metrics))
            step += count
            save, test = (lead.due(step, every) for every in (settings.checkpoint_every, settings.evaluate_every))
            stop = bool(lead.signals)
            while len(pending) > (0 if save or test or stop else 1):
                self.settle(phase, *pending.popleft())
            if save or test or stop:
                host = jax.device_get(stacked)
                for place, run in self.training():
                    own = _one(host, place)
                    if save or stop:
                        checkpoint.save(run.manager, own, {**run.meta, "phase": index, "retry": 0})
                    if test:
                        scores[place] = _report(run, own)
            if stop or not self.training():
                break
        while pending:
            self.settle(phase, *pending.popleft())
        host = jax.device_get(stacked)
        return [_one(host, place) for place in range(len(self.runs))], scores


def _stacked(*leaves: Any) -> np.ndarray:
    return np.stack([np.asarray(leaf) for leaf in leaves])


def _one(states: Any, place: int) -> Any:
    return jax.tree.map(lambda x: jnp.asarray(x[place]), states)


def train_seeds(
    phases: Sequence[Phase],
    devices: Sequence[jax.Device],
    members: Sequence[Member],
    *,
    settings: Settings = DEFAULTS,
    meta: Mapping[str, Any] | None = None,
    begin: Callable[[State], State] | None = None,
    evaluate: Callable[[State], Mapping[str, float]] | None = None,
    progress: bool = True,
    batched: bool | None = None,
) -> list[Result | DivergedError]:
    """Train all members through `phases` in one program; return each one's result, or why it was given up.

    A member's folder becomes that of a run by itself, which `train` continues. One whose loss is not finite writes
    nothing from then on, and the others go on. progress: of the first member.  begin, evaluate: as in `train`.
    batched: see `mapped`; as the device likes it, if not given.
    Raises ValueError for images that cannot stay on a device, and for seeds that the devices cannot share.
    """
    check_shares(len(members), len(devices))
    check_resident(phases)
    fuse = settings.fuse or min(steps_in_a_call(phase.game) for phase in phases)
    plan, total = parallel.jit_plan(devices[:1]), sum(phase.steps for phase in phases)
    starts = {id(phase.game): jax.jit(partial(init_state, phase.game)) for phase in phases}
    rows: list[list[dict[str, Any]]] = [[] for _ in members]

    def fresh(seed: int, index: int, name: str) -> State:
        return starts[id(phases[index].game)](rng.named(jax.random.key(seed), name))

    def first(seed: int) -> State:
        state = fresh(seed, 0, "init")
        return state if begin is None else begin(state)

    with ExitStack() as stack:
        signals, told = stack.enter_context(caught()), stack.enter_context(telling(total, 0, progress))
        runs: list[_Run] = []
        for member, own in zip(members, rows, strict=True):
            folder = member.folder
            opened = checkpoint.open_checkpoints(folder and folder / "checkpoints", settings.keep)
            write, _ = stack.enter_context(log.metrics_writer(folder, 0, settings.trackers, own))
            runs.append(
                _Run(
                    phases=phases, plan=plan, seed=member.seed, folder=folder, settings=settings, fuse=fuse,
                    meta=meta or {}, evaluate=evaluate, report=member.report, manager=stack.enter_context(opened),
                    write=write, progress=Silent() if runs else told, signals=signals,
                )
            )  # fmt: skip
        team = _Team(devices, runs, jax.default_backend() != "cpu" if batched is None else batched)
        index, states = 0, [first(run.seed) for run in runs]
        scores: list[dict[str, float]] = [{} for _ in runs]
        while (step := int(states[0].step)) < total and not signals and team.training():
            if (now := phase_at(phases, step)[0]) != index:
                enter = phases[now].enter
                pairs = zip(states, runs, strict=True)
                states, index = [enter(state, fresh(run.seed, now, f"phase {now}")) for state, run in pairs], now
            states, scores = team.train(index, states)
    return [
        team.diverged.get(place) or run.result(states[place], scores[place])._replace(rows=tuple(rows[place]))
        for place, run in enumerate(runs)
    ]


def check_shares(seeds: int, devices: int) -> None:
    """Raise ValueError unless every one of the devices has as many of the seeds."""
    if seeds % devices:
        raise ValueError(f"{seeds} seeds cannot be shared evenly by {devices} devices; give a multiple of {devices}")


def check_resident(phases: Sequence[Phase]) -> None:
    """Raise ValueError unless all images are arrays that stay on a device, where all seeds read them."""
    if not all(pipeline.fits_on_device(phase.feed.split) for phase in phases):
        raise ValueError(
            "several seeds at once read one set of images on the device, and these are files, unpaired, or more than "
            "2 GiB; train one seed at a time"
        )
