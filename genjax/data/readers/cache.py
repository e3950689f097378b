"""Decodes a split once into a memory-mapped file that later runs reuse."""

import hashlib
import os
import pathlib
import shutil
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import numpy as np

from genjax.data.dataset import Arrays, DataError, Files
from genjax.data.options import user_path
from genjax.files import atomic

_ROWS = 64
_ABANDONED = 24 * 3600.0
_EVERY = 30.0
Item = TypeVar("Item")


def default_dir() -> pathlib.Path:
    """Return `genjax/data` under the user's cache directory ($XDG_CACHE_HOME, else ~/.cache)."""
    return pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache") / "genjax" / "data"


def cache_folder(cache_dir: str | os.PathLike | None) -> pathlib.Path:
    """Return the folder of decoded images: `cache_dir`, or `default_dir()` where it is None."""
    return user_path(cache_dir) if cache_dir is not None else default_dir()


def memory_map(files: Files, key: object, cache_dir: str | os.PathLike | None) -> Arrays:
    """Return `files` as one memory-mapped uint8[count, height, width, channels], decoded if not yet there.

    `key` is everything the pixels depend on; its repr names the file. The file appears whole or not at all: it is
    written under another name, then renamed. DataError if the directory cannot be written, or holds too little.
    """
    folder = cache_folder(cache_dir)
    path = folder / (hashlib.sha256(repr(key).encode()).hexdigest()[:32] + ".npy")
    images = kept(path, (len(files), *files.shape), np.dtype(np.uint8))
    if images is None:
        try:
            _write(path, files)
            images = np.load(path, mmap_mode="r")
        except OSError as error:
            raise DataError(
                f"cannot write the decoded images to {folder} ({error}); pass another cache_dir, or stream=True"
            ) from error
    arrays = {"images": images}
    if files.labels is not None:
        arrays["labels"] = files.labels
    return Arrays(arrays)


def run_in_threads(function: Callable[[Item], int], items: Sequence[Item], said: str, total: int) -> None:
    """Call function(item) for all items, with a bar named `said` that grows to `total` by what each call returns.

    Without a terminal it is a line every 30 seconds. The first error ends it: what has not begun is dropped.
    """
    from tqdm import tqdm

    pool = ThreadPoolExecutor(min(32, 2 * (os.cpu_count() or 1)), thread_name_prefix="genjax-decode")
    try:
        with tqdm(total=total, desc=said, unit="image", disable=None, leave=False) as bar:
            ready, told = 0, time.monotonic()
            for done in pool.map(function, items):
                bar.update(done)
                ready += done
                if bar.disable and time.monotonic() - told >= _EVERY:
                    print(f"{said}: {ready:,} of {total:,}", file=sys.stderr, flush=True)
                    told = time.monotonic()
    finally:
        pool.shutdown(cancel_futures=True)


def kept(path: pathlib.Path, shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray | None:
    """Return the memory-mapped array that an earlier run kept; None where it is absent, damaged or of another shape."""
    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except Exception:  # NumPy's parser of headers raises nearly anything at damaged ones
        return None
    return array if array.shape == shape and array.dtype == dtype else None


def _write(path: pathlib.Path, files: Files) -> None:
    for left in path.parent.glob(f".{path.stem}-*"):  # of processes that were killed while they decoded
        if time.time() - left.stat().st_mtime > _ABANDONED:
            left.unlink(missing_ok=True)
    with atomic(path) as temporary:
        shape = (len(files), *files.shape)
        needed, free = int(np.prod(shape, dtype=np.int64)), shutil.disk_usage(path.parent).free
        # Writing to a memory-mapped file beyond the disk's end would kill the process.
        if needed > free:
            raise OSError(f"they take {needed / 2**20:.0f} MiB and {free / 2**20:.0f} MiB are free")
        images = np.lib.format.open_memmap(temporary, "w+", np.uint8, shape)
        if hasattr(os, "posix_fallocate"):
            with temporary.open("r+b") as file:
                os.posix_fallocate(file.fileno(), 0, temporary.stat().st_size)

        def decode(first: int) -> int:
            last = min(first + _ROWS, len(files))
            images[first:last] = files.take(np.arange(first, last))["images"]
            return last - first

        run_in_threads(decode, range(0, len(files), _ROWS), "decoding images", len(files))
        images.flush()
