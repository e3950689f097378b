"""Read PyTorch's .pth, .pt and .bin files without PyTorch, and without running what is in them.

Such a file is a pickle of a dictionary whose tensors name storages: since PyTorch 1.6 the pickle and a file for each
storage lie in a ZIP archive, before that the storages follow the pickle. Only dictionaries, lists, numbers, texts and
tensors are rebuilt; a pickle that asks for anything else is refused, as with `torch.load(weights_only=True)`.
"""

import io
import math
import pickle
import zipfile
from collections import OrderedDict
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np

from genjax.data.readers import bounds

MAGIC = 0x1950A86A20F9469CFC6C
"""First object of a file from before PyTorch 1.6."""
KINDS = {
    "DoubleStorage": "<f8", "FloatStorage": "<f4", "HalfStorage": "<f2", "LongStorage": "<i8", "IntStorage": "<i4",
    "ShortStorage": "<i2", "CharStorage": "<i1", "ByteStorage": "<u1", "BoolStorage": "<u1", "BFloat16Storage": "<u2",
}  # fmt: skip
"""Storages and the type of their numbers."""


class Storage(NamedTuple):
    """Numbers that tensors look into. key: its name in the file.  kind: of `KINDS`."""

    key: str
    kind: str


class Tensor(NamedTuple):
    """A tensor before its storage is read: numbers of it from `offset` on, with `stride` along each axis of `shape`."""

    storage: Storage
    offset: int
    shape: tuple[int, ...]
    stride: tuple[int, ...]


class _Pickle(pickle._Unpickler):  # not the one in C, which takes memory for as many objects as a file says it has
    """An unpickler that builds tensors and plain containers, and nothing else. storages: those that it met."""

    def __init__(self, file: Any):
        super().__init__(file)
        self.storages: dict[str, Storage] = {}

    def find_class(self, module: str, name: str) -> Any:
        if module == "torch" and name in KINDS:
            return name
        known: dict[tuple[str, str], Any] = {
            ("collections", "OrderedDict"): OrderedDict,
            ("torch._utils", "_rebuild_tensor_v2"): _tensor,
            ("torch._utils", "_rebuild_parameter"): lambda tensor, *others: tensor,
            ("torch", "Size"): tuple,
        }
        if (module, name) not in known:
            raise ValueError(f"it holds a {module}.{name}, which is no tensor; save model.state_dict() alone")
        return known[module, name]

    def persistent_load(self, saved: Any) -> Storage:
        _, kind, key, *_ = saved
        return self.storages.setdefault(str(key), Storage(str(key), str(kind)))


def _tensor(storage: Storage, offset: int, shape: Any, stride: Any, *others: Any) -> Tensor:
    return Tensor(storage, offset, tuple(shape), tuple(stride))


def read(path: Path) -> Any:
    """Return what a file holds, tensors as arrays (bfloat16 and half precision as float32).

    Raises ValueError for another kind of file, or one with other objects.
    """
    if zipfile.is_zipfile(path):
        return _of_archive(path)
    with path.open("rb") as file:
        return _of_stream(file)


def _of_archive(path: Path) -> Any:
    with zipfile.ZipFile(path) as archive:
        found = [name for name in archive.namelist() if name.endswith("data.pkl")]
        if len(found) != 1:
            raise ValueError("the archive has no data.pkl, so PyTorch did not write it")
        folder = found[0].removesuffix("data.pkl")
        order = f"{folder}byteorder"
        if order in archive.namelist() and archive.read(order) != b"little":
            raise ValueError("its numbers are in the order of a big-endian machine")
        bounds.check(sum(member.file_size for member in archive.infolist()), path)
        content = _Pickle(io.BytesIO(archive.read(found[0]))).load()
        return _filled(content, lambda storage: archive.read(f"{folder}data/{storage.key}"))


def _of_stream(file: BinaryIO) -> Any:
    if _Pickle(file).load() != MAGIC:
        raise ValueError("PyTorch did not write it")
    for _ in range(2):  # version, and facts of the machine
        _Pickle(file).load()
    pickled = _Pickle(file)
    content, stored = pickled.load(), {}
    for key in _Pickle(file).load():
        (count,) = np.frombuffer(file.read(8), "<i8")
        stored[key] = file.read(int(count) * np.dtype(KINDS[pickled.storages[key].kind]).itemsize)
    return _filled(content, lambda storage: stored[storage.key])


def _filled(content: Any, stored: Callable[[Storage], bytes]) -> Any:
    """Return the content with arrays for tensors; stored: a storage's bytes."""
    known: dict[int, Any] = {}  # a pickle may hold an object in many places, a few lists a world of lists
    taken = 0

    def fill(value: Any) -> Any:
        nonlocal taken
        if id(value) in known:
            return known[id(value)]
        if isinstance(value, Tensor):
            taken += 8 * math.prod(value.shape)
            bounds.check(taken, "its tensors")
            known[id(value)] = _array(value, stored(value.storage))
        elif isinstance(value, Mapping):
            known[id(value)] = {key: fill(one) for key, one in value.items()}
        elif isinstance(value, (list, tuple)):
            known[id(value)] = [fill(one) for one in value]
        else:
            return value
        return known[id(value)]

    return fill(content)


def _array(tensor: Tensor, stored: bytes) -> np.ndarray:
    kind = tensor.storage.kind
    numbers = np.frombuffer(stored, KINDS[kind])
    last = tensor.offset + sum((size - 1) * step for size, step in zip(tensor.shape, tensor.stride, strict=True))
    if tensor.offset < 0 or min(tensor.stride, default=0) < 0 or last >= max(len(numbers), 1):
        raise ValueError("a tensor looks for numbers beyond its storage, so the file is damaged")
    if math.prod(tensor.shape) > len(numbers):
        raise ValueError(f"a tensor of shape {tensor.shape} has {len(numbers)} numbers, so the file is damaged")
    if kind == "BFloat16Storage":
        numbers = (numbers.astype(np.uint32) << 16).view(np.float32)
    elif kind == "HalfStorage":
        numbers = numbers.astype(np.float32)
    if 0 in tensor.shape:
        return np.zeros(tensor.shape, numbers.dtype)
    steps = [step * numbers.itemsize for step in tensor.stride]
    return np.lib.stride_tricks.as_strided(numbers[tensor.offset :], tensor.shape, steps).copy()
