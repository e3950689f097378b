"""The loop around the compiled step: feeds, logs, checkpoints, resumes, and stops in good order.

The device never waits for the host: metrics of a call are read while the next one runs, checkpoints are written in the
background, and everything random follows from (seed, step), so that a resumed run continues bit for bit.
"""

import signal
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import jax
import numpy as np

from genjax import processes, rng
from genjax.data import pipeline
from genjax.engine import checkpoint, log
from genjax.engine.divergence import DivergedError, advice, check_finite
from genjax.engine.phases import Phase, phase_at, shapes_of
from genjax.engine.progress import Progress, telling
from genjax.engine.records import DEFAULTS, Result, Settings
from genjax.engine.signals import caught
from genjax.engine.state import State, init_state
from genjax.engine.step import make_run, make_step, steps_in_a_call
from genjax.parallel import Plan, check_batch

RETRIES = 3


@dataclass(kw_only=True)
class _Run:
    """A run from its first step to its last: what `train` was given, what it writes to, and what phases share.

    compile_seconds: of every program's first call.  programs: compiled steps by game and feed.
    compiled: those that have been called.
    resident: the last split that was put on the devices, and its arrays there.
    """

    phases: Sequence[Phase]
    plan: Plan
    seed: int
    folder: Path | None
    settings: Settings
    fuse: int
    meta: Mapping[str, Any]
    evaluate: Callable[[State], Mapping[str, float]] | None
    report: Callable[[Result], None] | None
    manager: Any
    write: log.Writer
    progress: Progress
    signals: list[int]
    begun: float = field(default_factory=time.perf_counter)
    compile_seconds: list[float] = field(default_factory=list)
    programs: dict[tuple[int, int], Any] = field(default_factory=dict)
    compiled: set[int] = field(default_factory=set)
    resident: tuple[Any, Any] = (None, None)

    @property
    def total(self) -> int:
        return sum(phase.steps for phase in self.phases)

    @property
    def ends(self) -> tuple[int, int]:
        """Multiples of these steps end a call."""
        return self.settings.checkpoint_every, self.settings.evaluate_every

    def first(self, index: int) -> int:
        """Return the step of the run at which phase `index` begins."""
        return sum(phase.steps for phase in self.phases[:index])

    def stopping(self) -> bool:
        """Return whether any process has been asked to stop, which counts for this one too; waits for all."""
        stop = processes.anywhere(bool(self.signals))
        if stop and not self.signals:
            self.signals.append(signal.SIGTERM)
        return stop

    def due(self, step: int, every: int) -> bool:
        """Return whether what happens every so many steps, and at the end, happens at this one; calls end there."""
        return step == self.total or (step > 0 and step % every == 0)

    def result(self, state: State, scores: Mapping[str, float]) -> Result:
        """Return what is known of the run at `state`."""
        seconds = time.perf_counter() - self.begun
        return Result(state, next(iter(self.signals), None), seconds, sum(self.compile_seconds[:1]), dict(scores))

    def steps(self, phase: Phase) -> Any:
        """Return the compiled steps of `phase`, the same for all phases of one game and one feed."""
        name = id(phase.game), id(phase.feed.prepare)  # both live as long as the phases do
        if name not in self.programs:
            one = make_step(phase.game, self.plan.axis, self.settings.accumulate)
            self.programs[name] = self.plan.compile(make_run(one, phase.feed.prepare))
        return self.programs[name]

    @contextmanager
    def compiling(self, steps: Any) -> Iterator[None]:
        """Time the block, and tell of it, if it is the first call of a program: it compiles, dispatches and returns."""
        if id(steps) in self.compiled:
            yield
            return
        self.progress.compiling()
        called = time.perf_counter()
        yield
        self.compiled.add(id(steps))
        self.compile_seconds.append(time.perf_counter() - called)
        self.progress.compiled(self.compile_seconds[-1])

    def source(self, split: Any) -> Any:
        """Return the arrays of `split` on the devices: put there once for all phases in a row that train on it."""
        if self.resident[0] is not split:
            self.resident = (None, None)  # the last one goes before the next one comes
            self.resident = (split, self.plan.put_source(split.arrays))
        return self.resident[1]

    def _skipped(self, index: int) -> int:
        """Return how many batches of the images of phase `index` the phases before it have used."""
        feed = self.phases[index].feed
        return sum(other.images for other in self.phases[:index] if other.feed.split is feed.split) // feed.batch_size

    def orders(self, index: int, start: int, retry: int = 0) -> Iterator[tuple[int, np.ndarray]]:
        """Yield (steps, int32[steps, repeats, batch]), the images of every call from step `start` of a phase on.

        Images go on where the phases before it, on the same data, stopped; no call goes beyond a checkpoint or a score.
        """
        phase, skip = self.phases[index], self._skipped(index)
        split, size, repeats = phase.feed.split, phase.feed.batch_size, phase.game.batches_per_step
        for step, count in pipeline.calls(range(start, phase.steps), self.fuse, self.ends, self.first(index)):
            order = pipeline.order(len(split), size, self.seed + retry, skip + step * repeats, count * repeats)
            yield count, order.reshape(count, repeats, size)

    def calls(self, index: int, start: int, retry: int) -> Iterator[tuple[int, Any, Any]]:
        """Yield (steps, source, indices) for the compiled steps of the calls that `orders` tells."""
        phase, plan = self.phases[index], self.plan
        split, size, repeats = phase.feed.split, phase.feed.batch_size, phase.game.batches_per_step
        if pipeline.fits_on_device(split):
            for count, indices in self.orders(index, start, retry):
                yield count, self.source(split), plan.put_batches(indices[..., plan.share(size)])
        else:
            yield from (
                (count, batches, None)
                for _, count, batches in pipeline.chunks(
                    split, batch_size=size, repeats=repeats, fuse=self.fuse, seed=self.seed + retry, start=start,
                    stop=phase.steps, ends=self.ends, first=self.first(index), skip=self._skipped(index),
                    put=plan.put_batches, share=plan.share(size),
                )
            )  # fmt: skip


def _settle(run: _Run, phase: Phase, start: int, count: int, metrics: Mapping[str, jax.Array]) -> None:
    """Read a call's metrics, which waits for it; check and write them."""
    values = run.plan.get_metrics(metrics)
    check_finite(values, start, phase.game)
    row = {name: float(np.mean(value)) for name, value in values.items()}
    run.write(start + count, {"seconds": round(time.perf_counter() - run.begun, 3), **row})
    images = count * phase.game.batches_per_step * phase.feed.batch_size
    losses = {name: value for name, value in row.items() if name.endswith("/loss")}
    run.progress.moved(start + count, images, losses)


def _report(run: _Run, state: State, known: Mapping[str, float] | None = None) -> dict[str, float]:
    """Score `state`, unless its scores are known, and have it reported; return the scores."""
    if not processes.is_first():
        return {}
    step, scores = int(state.step), dict(known or {})
    run.progress.scoring()
    if run.evaluate and not scores:
        scores = {name: float(value) for name, value in run.evaluate(state).items()}
        run.write(step, {f"test/{name}": value for name, value in scores.items()})
    run.progress.scored(step, scores)
    if run.report:
        run.report(run.result(state, scores))
    return scores


def _train_phase(run: _Run, index: int, host_state: State, retry: int) -> tuple[State, dict[str, float]]:
    """Train from `host_state` to the end of phase `index` or a signal; return the state and the last scores."""
    phase, settings = run.phases[index], run.settings
    step, scores = int(host_state.step), {}
    key = jax.random.key(run.seed)
    key = rng.named(key, f"retry {retry}") if retry else key
    steps, state = run.steps(phase), run.plan.put_state(host_state)
    pending: deque[tuple[int, int, Any]] = deque()
    for count, source, indices in run.calls(index, step - run.first(index), retry):
        with run.compiling(steps):
            state, metrics = steps(state, source, indices, key)
        pending.append((step, count, metrics))
        step += count
        save, test = (run.due(step, every) for every in (settings.checkpoint_every, settings.evaluate_every))
        stop = run.stopping()
        # One call stays unread, so that the device has work; what is saved or scored is checked first.
        while len(pending) > (0 if save or test or stop else 1):
            _settle(run, phase, *pending.popleft())
        if save or stop:
            meta = {**run.meta, "phase": index, "retry": retry}
            checkpoint.save(run.manager, run.plan.get_state(state), meta)
        if test:
            scores = _report(run, run.plan.get_state(state))
        if stop:
            break
    while pending:
        _settle(run, phase, *pending.popleft())
    return run.plan.get_state(state), scores


def train(
    phases: Sequence[Phase],
    plan: Plan,
    *,
    seed: int,
    folder: Path | None = None,
    settings: Settings = DEFAULTS,
    meta: Mapping[str, Any] | None = None,
    resume: bool = False,
    begin: Callable[[State], State] | None = None,
    evaluate: Callable[[State], Mapping[str, float]] | None = None,
    report: Callable[[Result], None] | None = None,
    progress: bool = True,
) -> Result:
    """Train through `phases`, writing metrics and checkpoints under `folder`, if any; return the last state.

    meta: JSON kept with every checkpoint.  resume: continue from the newest checkpoint that is whole, if there is one.
    begin: what a new run does with its first state, such as taking weights of another run.
    evaluate: state -> scores, logged as "test/<name>".  report: called after every evaluation, and first of all with
    what a run that was killed between a checkpoint and its report has not reported; so it may see a step twice.
    progress: show a bar on a terminal, a line every 30 seconds elsewhere.
    Raises DivergedError when a loss is not finite (with `rollback`, only after several attempts), ValueError for a
    batch that the devices cannot share and for checkpoints of another model, OSError where the disk is full.
    """
    fuse = settings.fuse or min(steps_in_a_call(phase.game) for phase in phases)
    for phase in phases:
        check_batch(phase.feed.batch_size, plan.devices, settings.accumulate)
    key, begun = jax.random.key(seed), time.perf_counter()
    games = {id(phase.game): phase.game for phase in phases}
    starts = {name: jax.jit(partial(init_state, game)) for name, game in games.items()}

    def fresh(index: int, name: str) -> State:
        return starts[id(phases[index].game)](rng.named(key, name))

    def first() -> State:
        return fresh(0, "init") if begin is None else begin(fresh(0, "init"))

    rows: list[dict[str, Any]] = []
    with (
        checkpoint.open_checkpoints(folder and folder / "checkpoints", settings.keep) as manager,
        caught() as signals,
    ):

        def load() -> tuple[State, int, int] | None:
            found = checkpoint.restore(manager, partial(shapes_of, phases), discard=True)
            return found and (found[0], found[1]["phase"], found[1]["retry"])

        state, index, retry = (resume and load()) or (first(), 0, 0)
        checkpoint.remove_surplus(manager, settings.keep)
        start, total = int(state.step), sum(phase.steps for phase in phases)
        with (
            log.metrics_writer(folder, start, settings.trackers, rows) as (write, known),
            telling(total, start, progress) as told,
        ):
            run = _Run(
                phases=phases, plan=plan, seed=seed, folder=folder, settings=settings, fuse=fuse, meta=meta or {},
                evaluate=evaluate, report=report, manager=manager, write=write, progress=told, signals=signals,
                begun=begun,
            )  # fmt: skip
            scores: dict[str, float] = {}
            if start and run.due(start, settings.evaluate_every):
                scores = _report(run, state, _scores_at(known, start))
            while int(state.step) < total and not run.stopping():
                if (now := phase_at(phases, int(state.step))[0]) != index:
                    state, index = phases[now].enter(state, fresh(now, f"phase {now}")), now
                try:
                    state, scores = _train_phase(run, index, state, retry)
                except DivergedError as error:
                    back = load() if settings.rollback and retry < RETRIES else None
                    if back is None:
                        raise DivergedError(f"{error}; {advice(folder, checkpoint.latest_step(manager))}") from None
                    state, index = back[:2]
                    retry = max(retry, back[2]) + 1
                    if processes.is_first():
                        print(f"{error}; rolling back to step {int(state.step)}", file=sys.stderr)
    return run.result(state, scores)._replace(rows=tuple(rows))


def _scores_at(rows: Sequence[Mapping[str, Any]], step: int) -> dict[str, float]:
    """Return the scores that the rows of a run hold for a step; empty where it was not scored."""
    found = {name: value for row in rows if row["step"] == step for name, value in row.items()}
    return {
        name.removeprefix("test/"): float("nan") if value is None else value
        for name, value in found.items()
        if name.startswith("test/")
    }
