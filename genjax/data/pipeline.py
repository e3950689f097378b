"""The order of the images, a pure function of (seed, epoch), and the chunks of batches that feed the compiled step.

Unit batch number u (one batch of one sub-step) lies in epoch u // (length // batch_size); training step t with
`repeats` sub-batches uses the units t * repeats ... t * repeats + repeats - 1. So a resumed run needs only its step.
"""

import contextlib
import functools
import itertools
import os
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import jax
import numpy as np

from genjax.data.dataset import Arrays, DataError, Files, Unpaired

Batch = dict[str, Any]
_WORD = (1 << 64) - 1


@functools.lru_cache(maxsize=4)
def permutation(length: int, seed: int, epoch: int) -> np.ndarray:
    """Return a permutation of 0 .. length - 1 that depends on (length, seed, epoch) only: int32[length], read-only.

    Philox's raw words are the same in every release of NumPy, which Generator.permutation does not promise. Each word
    keeps its number in the low bits, so no two are equal and one plain sort, faster than a shuffle, orders them.
    """
    words = np.random.Philox(key=np.array([seed & _WORD, epoch], np.uint64)).random_raw(length)
    low = np.uint64((1 << max(length - 1, 1).bit_length()) - 1)
    words = np.sort((words & ~low) | np.arange(length, dtype=np.uint64))
    numbers = (words & low).astype(np.int32)
    numbers.flags.writeable = False
    return numbers


def units_per_epoch(length: int, batch_size: int) -> int:
    """Return the whole batches in one pass over `length` images (the rest is dropped). DataError if there is none."""
    if not 1 <= batch_size <= length:
        raise DataError(f"batch size {batch_size} is not in 1 .. {length}, the number of images; choose a smaller one")
    return length // batch_size


def order(length: int, batch_size: int, seed: int, start: int, count: int) -> np.ndarray:
    """Return the images in unit batches start .. start + count - 1: int32[count, batch_size]. DataError as above."""
    per_epoch = units_per_epoch(length, batch_size)
    if start < 0 or count < 0:
        raise DataError(f"unit batches are numbered from 0: start {start} and count {count} must not be negative")
    indices = np.empty((count, batch_size), np.int32)
    done = 0
    while done < count:
        epoch, first = divmod(start + done, per_epoch)
        take = min(per_epoch - first, count - done)
        rows = permutation(length, seed, epoch)[first * batch_size : (first + take) * batch_size]
        indices[done : done + take] = rows.reshape(take, batch_size)
        done += take
    return indices


def fits_on_device(split: Arrays | Files | Unpaired, limit: int = 2**31) -> bool:
    """Return whether the split's arrays, as stored, take at most `limit` bytes, so that they can stay on the device."""
    return isinstance(split, Arrays) and split.nbytes <= limit


def calls(steps: range, fuse: int, ends: Sequence[int] = (), first: int = 0) -> Iterator[tuple[int, int]]:
    """Yield (step, count) of the calls that make up `steps`: `fuse` steps each, fewer before an end.

    ends: no call goes beyond a multiple of any of these, counted over a run in which these steps begin at `first`.
    """
    step = steps.start
    while step < steps.stop:
        left = [every - (first + step) % every for every in ends]
        count = min(fuse, steps.stop - step, *left)
        yield step, count
        step += count


def chunks(
    split: Arrays | Files | Unpaired,
    *,
    batch_size: int,
    seed: int,
    stop: int,
    start: int = 0,
    repeats: int = 1,
    fuse: int = 1,
    ends: Sequence[int] = (),
    first: int = 0,
    skip: int = 0,
    put: Callable[[Batch], Batch] = jax.device_put,
    share: slice = slice(None),
    depth: int = 2,
    workers: int | None = None,
) -> Generator[tuple[int, int, Batch], None, None]:
    """Yield batches for the training steps start .. stop - 1, `fuse` steps at a time, read and `put` ahead by a thread.

    Yields (first step, number k of steps, put({"images": uint8[k, repeats, batch_size, height, width, channels]}));
    k is `fuse` but before an end: see `calls`. skip: unit batches that were used before step 0. At most `depth` chunks
    wait, besides the one in use. `Files` are decoded by `workers` threads; their number changes nothing but speed. Of
    every batch only `share` is read, which is the part of one process among several. Closing the iterator ends the
    threads. DataError if the batch is larger than the split.
    """
    units_per_epoch(len(split), batch_size)
    if min(repeats, fuse, depth) < 1 or start < 0:
        raise DataError(
            f"repeats {repeats}, fuse {fuse} and depth {depth} must be positive and start {start} not negative"
        )

    def rows(unit: int, count: int) -> np.ndarray:
        indices = order(len(split), batch_size, seed, unit, count)[:, share]
        if isinstance(split, Unpaired):  # the epoch decides which images of the smaller domain come with them
            epochs = np.arange(unit, unit + count) // (len(split) // batch_size)
            return indices + len(split) * epochs[:, None]
        return indices

    def generate() -> Generator[tuple[int, int, Batch], None, None]:
        with (
            _reader(split, rows, range(skip + start * repeats, skip + stop * repeats), workers) as read,
            _ahead() as pool,
        ):

            def fetch(step: int, k: int) -> tuple[int, int, Batch]:
                batch = read(skip + step * repeats, k * repeats)
                return step, k, put({name: leaf.reshape(k, repeats, *leaf.shape[1:]) for name, leaf in batch.items()})

            steps = calls(range(start, stop), fuse, ends, first)
            pending = deque(pool.submit(fetch, *call) for call in itertools.islice(steps, depth))
            while pending:
                ready = pending.popleft().result()
                pending.extend(pool.submit(fetch, *call) for call in itertools.islice(steps, 1))
                yield ready

    return generate()


def batches(
    split: Arrays | Files | Unpaired, batch_size: int, *, workers: int | None = None
) -> Iterator[dict[str, np.ndarray]]:
    """Yield the whole split once, in stored order; {"images": uint8[at most batch_size, height, width, channels]}."""
    if batch_size < 1:
        raise DataError(f"batch size {batch_size} must be positive")

    def rows(unit: int, count: int) -> np.ndarray:
        return np.arange(unit * batch_size, min((unit + 1) * batch_size, len(split)))[None]

    count = -(-len(split) // batch_size)
    with _reader(split, rows, range(count), workers) as read:
        for unit in range(count):
            yield {name: leaf[0] for name, leaf in read(unit, 1).items()}


def default_workers() -> int:
    """Return how many threads decode files where no number is given: two a core, at most 16."""
    return min(16, 2 * (os.cpu_count() or 1))


@contextlib.contextmanager
def _reader(
    split: Arrays | Files | Unpaired, rows: Callable[[int, int], np.ndarray], units: range, workers: int | None
) -> Iterator[Callable[[int, int], Batch]]:
    """Yield read(unit, count) -> {"images": uint8[count, batch, ...]}; files are read from units.start on, in order."""
    parts = (split.first, split.second) if isinstance(split, Unpaired) else (split,)
    if all(isinstance(part, Arrays) for part in parts):
        yield lambda unit, count: split.take(rows(unit, count))
        return
    import grain

    threads = workers or default_workers()
    tasks = grain.MapDataset.range(units.start, units.stop).map(lambda unit: split.take(rows(unit, 1)[0]))
    stream = iter(tasks.to_iter_dataset(grain.ReadOptions(num_threads=threads, prefetch_buffer_size=2 * threads)))
    try:
        yield lambda unit, count: jax.tree.map(lambda *leaves: np.stack(leaves), *itertools.islice(stream, count))
    finally:
        stream.close()


@contextlib.contextmanager
def _ahead() -> Iterator[ThreadPoolExecutor]:
    """Yield one background thread; leaving drops what it has not begun and waits for what it has."""
    pool = ThreadPoolExecutor(1, thread_name_prefix="genjax-data")
    try:
        yield pool
    finally:
        pool.shutdown(cancel_futures=True)
