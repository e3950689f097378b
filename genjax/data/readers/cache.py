"""Decodes a split once into a memory-mapped file that later runs reuse."""

import hashlib
import os
import pathlib
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from genjax.data.dataset import Arrays, DataError, Files
from genjax.files import atomic

_ROWS = 64
_ABANDONED = 24 * 3600.0


def default_dir() -> pathlib.Path:
    """Return `genjax/data` under the user's cache directory ($XDG_CACHE_HOME, else ~/.cache)."""
    return pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache") / "genjax" / "data"


def memory_map(files: Files, key: object, cache_dir: str | os.PathLike | None) -> Arrays:
    """Return `files` as one memory-mapped uint8[count, height, width, channels], decoded if not yet there.

    `key` is everything the pixels depend on; its repr names the file. The file appears whole or not at all: it is
    written under another name, then renamed. DataError if the directory cannot be written.
    """
    folder = pathlib.Path(cache_dir).expanduser() if cache_dir is not None else default_dir()
    path = folder / (hashlib.sha256(repr(key).encode()).hexdigest()[:32] + ".npy")
    images = _open(path, (len(files), *files.shape))
    if images is None:
        try:
            _write(path, files)
        except OSError as error:
            raise DataError(
                f"cannot write the decoded images to {folder} ({error}); pass another cache_dir, or stream=True"
            ) from error
        images = np.load(path, mmap_mode="r")
    arrays = {"images": images}
    if files.labels is not None:
        arrays["labels"] = files.labels
    return Arrays(arrays)


def _open(path: pathlib.Path, shape: tuple[int, ...]) -> np.ndarray | None:
    try:
        images = np.load(path, mmap_mode="r")
    except (OSError, ValueError, EOFError):  # absent, or cut short by another program: decode (again)
        return None
    return images if images.shape == shape and images.dtype == np.uint8 else None


def _write(path: pathlib.Path, files: Files) -> None:
    from tqdm import tqdm

    for left in path.parent.glob(f".{path.stem}-*"):  # of processes that were killed while they decoded
        if time.time() - left.stat().st_mtime > _ABANDONED:
            left.unlink(missing_ok=True)
    with atomic(path) as temporary:
        images = np.lib.format.open_memmap(temporary, "w+", np.uint8, (len(files), *files.shape))

        def decode(first: int) -> int:
            last = min(first + _ROWS, len(files))
            images[first:last] = files.take(np.arange(first, last))["images"]
            return last - first

        with (
            ThreadPoolExecutor(min(32, 2 * (os.cpu_count() or 1))) as pool,
            tqdm(total=len(files), desc="decoding images", unit="image", disable=None, leave=False) as bar,
        ):
            for done in pool.map(decode, range(0, len(files), _ROWS)):
                bar.update(done)
        images.flush()
