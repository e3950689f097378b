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
from typing import Any, NamedTuple

import jax
import numpy as np

from genjax import processes, rng
from genjax.data import pipeline
from genjax.engine import checkpoint, log
from genjax.engine.phases import Phase, phase_at
from genjax.engine.state import State, init_state
from genjax.engine.step import make_run, make_step, steps_in_a_call
from genjax.parallel import Plan, check_batch

RETRIES = 3


class Settings(NamedTuple):
    """How to run, none of which changes what is computed but `accumulate` (to rounding).

    fuse: steps in one compiled call; None: as many as `genjax.engine.step.steps_in_a_call` says.
    accumulate: slices of a batch, one after the other.
    checkpoint_every, evaluate_every: steps.  keep: checkpoints kept.
    rollback: on a loss that is not finite, go back to the last checkpoint and continue with other random numbers.
    """

    fuse: int | None = None
    accumulate: int = 1
    checkpoint_every: int = 1000
    evaluate_every: int = 1000
    keep: int = 3
    rollback: bool = False
    tensorboard: bool = False


class Result(NamedTuple):
    """state: the last one.  signal: what ended the run early, or None.  seconds: of this start, compiling included.

    rows: the metrics over steps, {"step", "seconds", "<player>/loss", ...}, of a run without a folder.
    """

    state: State
    signal: int | None
    seconds: float
    compile_seconds: float
    scores: dict[str, float]
    rows: tuple[dict[str, Any], ...] = ()


class DivergedError(RuntimeError):
    """A loss was not finite; the text names the step, the player and the last good checkpoint."""


@contextmanager
def _signals() -> Iterator[list[int]]:
    """Yield a list to which SIGTERM and SIGINT are appended; a second one acts as if there were no handler."""
    received: list[int] = []

    def handler(number, frame):
        received.append(number)
        signal.signal(number, previous[number])

    previous = {}
    for number in (signal.SIGTERM, signal.SIGINT):
        try:
            previous[number] = signal.signal(number, handler)
        except ValueError:  # not in the main thread: signals are someone else's
            break
    try:
        yield received
    finally:
        for number, old in previous.items():
            signal.signal(number, old)


def _check_finite(metrics: Mapping[str, np.ndarray], start: int, phase: Phase) -> None:
    for player in phase.game.players:
        losses = metrics[f"{player.name}/loss"]
        bad = ~np.isfinite(losses)
        # Under loss scaling a step now and then overflows and is skipped; a whole call of them is divergence.
        if bad.all() if player.scale_loss else bad.any():
            first = int(np.argmax(bad))
            raise DivergedError(f"the loss of player '{player.name}' was {losses[first]} at step {start + first + 1}")


@dataclass(kw_only=True)
class _Run:
    """A run from its first step to its last: what `train` was given, what it writes to, and what phases share.

    compile_seconds: of every phase's first call.  programs: compiled steps by game and feed.
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
    pictures: Callable[[State, int], None] | None
    manager: Any
    write: log.Writer
    progress: Any
    signals: list[int]
    begun: float
    compile_seconds: list[float] = field(default_factory=list)
    programs: dict[tuple[int, int], Any] = field(default_factory=dict)
    resident: tuple[Any, Any] = (None, None)

    @property
    def total(self) -> int:
        return sum(phase.steps for phase in self.phases)

    def steps(self, phase: Phase) -> Any:
        """Return the compiled steps of `phase`, the same for all phases of one game and one feed."""
        name = id(phase.game), id(phase.feed.prepare)  # both live as long as the phases do
        if name not in self.programs:
            one = make_step(phase.game, self.plan.axis, self.settings.accumulate)
            self.programs[name] = self.plan.compile(make_run(one, phase.feed.prepare))
        return self.programs[name]

    def source(self, split: Any) -> Any:
        """Return the arrays of `split` on the devices: put there once for all phases in a row that train on it."""
        if self.resident[0] is not split:
            self.resident = (None, None)  # the last one goes before the next one comes
            self.resident = (split, self.plan.put_source(split.arrays))
        return self.resident[1]

    def calls(self, index: int, start: int, retry: int) -> Iterator[tuple[int, Any, Any]]:
        """Yield (steps, source, indices) for the compiled steps, from step `start` of phase `index` to its end.

        Images go on where the phases before it, on the same data, stopped; no call goes beyond a checkpoint or a score.
        """
        phase, before, plan, seed = self.phases[index], self.phases[:index], self.plan, self.seed + retry
        split, size, repeats = phase.feed.split, phase.feed.batch_size, phase.game.batches_per_step
        first = sum(other.steps for other in before)
        ends = self.settings.checkpoint_every, self.settings.evaluate_every
        seen = sum(other.images for other in before if other.feed.split is split)
        skip = seen // size
        if pipeline.fits_on_device(split):
            for step, count in pipeline.calls(range(start, phase.steps), self.fuse, ends, first):
                order = pipeline.order(len(split), size, seed, skip + step * repeats, count * repeats)
                indices = order.reshape(count, repeats, size)[..., plan.share(size)]
                yield count, self.source(split), plan.put_batches(indices)
        else:
            yield from (
                (count, batches, None)
                for _, count, batches in pipeline.chunks(
                    split, batch_size=size, repeats=repeats, fuse=self.fuse, seed=seed, start=start,
                    stop=phase.steps, ends=ends, first=first, skip=skip, put=plan.put_batches,
                    share=plan.share(size),
                )
            )  # fmt: skip


def _settle(run: _Run, phase: Phase, start: int, count: int, metrics: Mapping[str, jax.Array]) -> None:
    """Read a call's metrics, which waits for it; check and write them."""
    values = run.plan.get_metrics(metrics)
    _check_finite(values, start, phase)
    row = {name: float(np.mean(value)) for name, value in values.items()}
    run.write(start + count, {"seconds": round(time.perf_counter() - run.begun, 3), **row})
    run.progress.set_postfix({name: f"{value:.4g}" for name, value in row.items() if name.endswith("/loss")})


def _report(run: _Run, state: State, step: int) -> dict[str, float]:
    """Score and draw `state`; return the scores."""
    if not processes.is_first():
        return {}
    scores = {name: float(value) for name, value in run.evaluate(state).items()} if run.evaluate else {}
    if scores:
        run.write(step, {f"test/{name}": value for name, value in scores.items()})
    if run.pictures:
        run.pictures(state, step)
    return scores


def _train_phase(run: _Run, index: int, host_state: State, retry: int) -> tuple[State, dict[str, float]]:
    """Train from `host_state` to the end of phase `index` or a signal; return the state and the last scores."""
    phase, settings = run.phases[index], run.settings
    first = sum(earlier.steps for earlier in run.phases[:index])
    step, total, scores = int(host_state.step), run.total, {}
    key = jax.random.key(run.seed)
    key = rng.named(key, f"retry {retry}") if retry else key
    steps, state = run.steps(phase), run.plan.put_state(host_state)
    pending: deque[tuple[int, int, Any]] = deque()
    for count, source, indices in run.calls(index, step - first, retry):
        called = time.perf_counter()
        state, metrics = steps(state, source, indices, key)
        if not pending:  # the first call returns when it has been compiled and dispatched
            run.compile_seconds.append(time.perf_counter() - called)
        pending.append((step, count, metrics))
        step += count
        run.progress.update(count)
        save, test = (
            step == total or step // every > (step - count) // every
            for every in (settings.checkpoint_every, settings.evaluate_every)
        )
        stop = processes.anywhere(bool(run.signals))
        # One call stays unread, so that the device has work; what is saved or scored is checked first.
        while len(pending) > (0 if save or test or stop else 1):
            _settle(run, phase, *pending.popleft())
        if save or stop:
            meta = {**run.meta, "phase": index, "retry": retry}
            checkpoint.save(run.manager, run.plan.get_state(state), meta)
        if test:
            scores = _report(run, run.plan.get_state(state), step)
        if stop:
            run.signals.extend([] if run.signals else [signal.SIGTERM])  # where another process got it
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
    settings: Settings = Settings(),  # noqa: B008 (immutable)
    meta: Mapping[str, Any] | None = None,
    resume: bool = False,
    evaluate: Callable[[State], Mapping[str, float]] | None = None,
    pictures: Callable[[State, int], None] | None = None,
    progress: bool = True,
) -> Result:
    """Train through `phases`, writing metrics, pictures and checkpoints under `folder`, if any; return the last state.

    meta: JSON kept with every checkpoint.  resume: continue from the newest checkpoint, if there is one.
    evaluate: state -> scores, logged as "test/<name>".  pictures: (state, step) draws it.  progress: show a bar.
    Raises DivergedError when a loss is not finite (with `rollback`, only after several attempts), and ValueError for a
    batch that the devices cannot share.
    """
    fuse = settings.fuse or min(steps_in_a_call(phase.game) for phase in phases)
    for phase in phases:
        check_batch(phase.feed.batch_size, plan.devices, settings.accumulate)
    key, begun = jax.random.key(seed), time.perf_counter()
    games = {id(phase.game): phase.game for phase in phases}
    starts = {name: jax.jit(partial(init_state, game)) for name, game in games.items()}

    def fresh(index: int, name: str) -> State:
        return starts[id(phases[index].game)](rng.named(key, name))

    rows: list[dict[str, Any]] = []
    with (
        checkpoint.open_checkpoints(folder and folder / "checkpoints", settings.keep) as manager,
        _signals() as signals,
    ):

        def load() -> tuple[State, int, int]:
            saved = checkpoint.read_meta(manager) or {}
            like = jax.eval_shape(lambda: init_state(phases[saved["phase"]].game, key))
            return checkpoint.restore(manager, like), saved["phase"], saved["retry"]

        resumes = resume and checkpoint.latest_step(manager) is not None
        state, index, retry = load() if resumes else (fresh(0, "init"), 0, 0)
        start, total = int(state.step), sum(phase.steps for phase in phases)
        with (
            log.metrics_writer(folder, start, settings.tensorboard, rows) as write,
            _progress(total, start, progress) as bar,
        ):
            run = _Run(
                phases=phases, plan=plan, seed=seed, folder=folder, settings=settings, fuse=fuse, meta=meta or {},
                evaluate=evaluate, pictures=pictures, manager=manager, write=write, progress=bar, signals=signals,
                begun=begun,
            )  # fmt: skip
            scores: dict[str, float] = {}
            while True:
                if (now := phase_at(phases, int(state.step))[0]) != index:
                    state, index = phases[now].enter(state, fresh(now, f"phase {now}")), now
                try:
                    state, scores = _train_phase(run, index, state, retry)
                except DivergedError as error:
                    latest = checkpoint.latest_step(manager)
                    if not (settings.rollback and retry < RETRIES and latest is not None):
                        saved = folder is not None and latest is not None
                        where = f"{folder}/checkpoints/{latest}" if saved else "none was saved yet"
                        advice = (
                            "lower the learning rate or clip gradients and --resume, or add --on-nonfinite rollback"
                        )
                        raise DivergedError(f"{error}; last good checkpoint: {where}; {advice}") from None
                    if processes.is_first():
                        print(f"{error}; rolling back to step {latest}", file=sys.stderr)
                    state, index, saved_retry = load()
                    retry = max(retry, saved_retry) + 1
                    bar.reset(total)
                    bar.update(int(state.step))
                    continue
                if signals or int(state.step) >= total:
                    break
            if start == total and evaluate and processes.is_first():
                # A finished run that was resumed: nothing to train, all to tell.
                scores = {name: float(value) for name, value in evaluate(state).items()}
    stopped_by = signals[0] if signals else None
    return Result(state, stopped_by, time.perf_counter() - begun, sum(run.compile_seconds[:1]), scores, tuple(rows))


def _progress(total: int, done: int, shown: bool):
    from tqdm import tqdm

    silent = None if shown and processes.is_first() else True  # None: silent unless a person watches
    return tqdm(total=total, initial=done, unit="step", disable=silent, dynamic_ncols=True, file=sys.stderr)
