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
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

from genjax import rng
from genjax.data import pipeline
from genjax.engine import checkpoint, log
from genjax.engine.phases import Phase, phase_at
from genjax.engine.state import State, init_state
from genjax.engine.step import make_run, make_step
from genjax.parallel import Plan, check_batch

RETRIES = 3


class Settings(NamedTuple):
    """How to run, none of which changes what is computed but `accumulate` (to rounding).

    fuse: steps in one compiled call.  accumulate: slices of a batch, one after the other.
    checkpoint_every, evaluate_every: steps.  keep: checkpoints kept.
    rollback: on a loss that is not finite, go back to the last checkpoint and continue with other random numbers.
    """

    fuse: int = 50
    accumulate: int = 1
    checkpoint_every: int = 1000
    evaluate_every: int = 1000
    keep: int = 3
    rollback: bool = False
    tensorboard: bool = False


class Result(NamedTuple):
    """state: the last one.  signal: what ended the run early, or None.  seconds: of this start, compiling included."""

    state: State
    signal: int | None
    seconds: float
    compile_seconds: float
    scores: dict[str, float]


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


def _calls(phase: Phase, plan: Plan, seed: int, fuse: int, first: int, last: int) -> Iterator[tuple[int, Any, Any]]:
    """Yield (steps, source, indices) for the compiled run from step `first` of the phase to `last`."""
    split, size, repeats = phase.feed.split, phase.feed.batch_size, phase.game.batches_per_step
    if pipeline.fits_on_device(split):
        source = plan.put_source(split.arrays)
        for step in range(first, last, fuse):
            count = min(fuse, last - step)
            order = pipeline.order(len(split), size, seed, step * repeats, count * repeats)
            yield count, source, plan.put_batches(order.reshape(count, repeats, size))
    else:
        yield from (
            (count, batches, None)
            for _, count, batches in pipeline.chunks(
                split, batch_size=size, repeats=repeats, fuse=fuse, seed=seed, start=first, stop=last,
                put=plan.put_batches,
            )
        )  # fmt: skip


def _check_finite(metrics: Mapping[str, np.ndarray], start: int, phase: Phase) -> None:
    for player in phase.game.players:
        losses = metrics[f"{player.name}/loss"]
        bad = ~np.isfinite(losses)
        # Under loss scaling a step now and then overflows and is skipped; a whole call of them is divergence.
        if bad.all() if f"{player.name}/loss_scale" in metrics else bad.any():
            first = int(np.argmax(bad))
            raise DivergedError(f"the loss of player '{player.name}' was {losses[first]} at step {start + first + 1}")


def train(
    phases: Sequence[Phase],
    plan: Plan,
    *,
    seed: int,
    folder: Path,
    settings: Settings = Settings(),  # noqa: B008 (immutable)
    meta: Mapping[str, Any] | None = None,
    resume: bool = False,
    evaluate: Callable[[State], Mapping[str, float]] | None = None,
    pictures: Callable[[State, Path, int], None] | None = None,
) -> Result:
    """Train through `phases`, writing metrics, pictures and checkpoints under `folder`; return the last state.

    meta: JSON kept with every checkpoint.  resume: continue from the newest checkpoint, if there is one.
    evaluate: state -> scores, logged as "test/<name>".  pictures: writes PNG files for a state.
    Raises DivergedError when a loss is not finite (with `rollback`, only after several attempts), and ValueError for a
    batch that the devices cannot share.
    """
    for phase in phases:
        check_batch(phase.feed.batch_size, plan.devices, settings.accumulate)
    total = sum(phase.steps for phase in phases)
    begun, compile_seconds, scores = time.perf_counter(), 0.0, {}
    with checkpoint.open_checkpoints(folder / "checkpoints", settings.keep) as manager, _signals() as signals:
        retry, key, host_state = 0, jax.random.key(seed), None

        def shapes(index):
            return jax.eval_shape(lambda: init_state(phases[index].game, key))

        def load() -> tuple[State, int, int]:
            saved = checkpoint.read_meta(manager) or {}
            return checkpoint.restore(manager, shapes(saved["phase"])), saved["phase"], saved["retry"]

        index = 0
        if resume and manager.latest_step() is not None:
            host_state, index, retry = load()
        else:
            host_state = jax.jit(lambda key: init_state(phases[0].game, key))(rng.named(key, "init"))
        step = int(host_state.step)
        with log.metrics_writer(folder, step, settings.tensorboard) as write, _progress(total, step) as progress:
            while True:
                if (now := phase_at(phases, step)[0]) != index:
                    fresh = jax.jit(lambda key, game=phases[now].game: init_state(game, key))(rng.named(key, f"{now}"))
                    host_state, index = phases[now].enter(host_state, fresh), now
                phase, first = phases[index], sum(p.steps for p in phases[:index])
                state = plan.put_state(host_state)
                run_key = rng.named(key, f"retry {retry}") if retry else key
                run = plan.compile(
                    make_run(make_step(phase.game, plan.axis, settings.accumulate), phase.feed.prepare, plan.axis)
                )
                pending: deque[tuple[int, int, Any]] = deque()

                def settle(phase=phase, pending=pending):
                    """Read the oldest call's metrics, check and write them."""
                    start, count, metrics = pending.popleft()
                    values = plan.get_metrics(metrics)
                    _check_finite(values, start, phase)
                    row = {name: float(np.mean(value)) for name, value in values.items()}
                    write(start + count, {"seconds": round(time.perf_counter() - begun, 3), **row})
                    progress.set_postfix({name: f"{value:.4g}" for name, value in row.items() if "loss" in name})

                def save(state, index=index, retry=retry):
                    checkpoint.save(manager, plan.get_state(state), {**(meta or {}), "phase": index, "retry": retry})

                try:
                    calls = _calls(phase, plan, seed + retry, settings.fuse, step - first, phase.steps)
                    for count, source, indices in calls:
                        called = time.perf_counter()
                        state, metrics = run(state, source, indices, run_key)
                        if not compile_seconds:  # the first call returns when it has been compiled and dispatched
                            compile_seconds = time.perf_counter() - called
                        pending.append((step, count, metrics))
                        step += count
                        progress.update(count)
                        if len(pending) > 1:
                            settle()
                        due = {
                            name: step == total or step // every > (step - count) // every
                            for name, every in (("save", settings.checkpoint_every), ("test", settings.evaluate_every))
                        }
                        if due["save"] or due["test"] or signals:
                            while pending:
                                settle()
                        if due["save"] or signals:
                            save(state)
                        if due["test"]:
                            scores = _report(plan.get_state(state), step, folder, write, evaluate, pictures)
                        if signals:
                            break
                    while pending:
                        settle()
                except DivergedError as error:
                    latest = manager.latest_step()
                    where = f"{folder / 'checkpoints'}/{latest}" if latest is not None else "none was saved yet"
                    advice = "lower the learning rate or clip gradients, then --resume; or --on-nonfinite rollback"
                    if not (settings.rollback and retry < RETRIES and latest is not None):
                        raise DivergedError(f"{error}; last good checkpoint: {where}; {advice}") from None
                    print(f"{error}; rolling back to step {latest}", file=sys.stderr)
                    host_state, index, saved_retry = load()
                    retry, step = max(retry, saved_retry) + 1, int(host_state.step)
                    progress.reset(total)
                    progress.update(step)
                    continue
                host_state = plan.get_state(state)
                if signals or step >= total:
                    break
        manager.wait_until_finished()
        return Result(
            host_state,
            signals[0] if signals else None,
            time.perf_counter() - begun,
            compile_seconds,
            scores,
        )


def _report(state, step, folder, write, evaluate, pictures) -> dict[str, float]:
    scores = {name: float(value) for name, value in evaluate(state).items()} if evaluate else {}
    if scores:
        write(step, {f"test/{name}": value for name, value in scores.items()})
    if pictures:
        pictures(state, folder, step)
    return scores


def _progress(total: int, done: int):
    from tqdm import tqdm

    return tqdm(total=total, initial=done, unit="step", disable=None, dynamic_ncols=True, file=sys.stderr)
