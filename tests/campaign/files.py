"""Damaged and hostile files of every kind that is read: they are read or refused in a sentence, and nothing else."""

import gzip
import io
import json
import os
import pickle
import random
import resource
import shutil
import struct
import time
import warnings
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from genjax import data, tensors
from genjax.data.readers import idx, image
from tests.campaign.tally import Tally
from tests.damage import damaged

FORMATS = ("PNG", "JPEG", "GIF", "BMP", "TIFF", "WEBP", "PPM", "TGA", "ICO", "PCX", "SGI", "QOI", "JPEG2000", "AVIF")
TORCH = Path(__file__).parents[1] / "torch_files"
LONGEST, LARGEST = 10.0, 256 * 2**20
"""Seconds and bytes that the smallest of files may cost."""


class UnfitError(Exception):
    """What was read is not what the reader promises."""


def outcome(read: Callable, *arguments: Any) -> tuple[str, str | None]:
    """Return how reading ended, and what was wrong about it, if anything."""
    begun, before = time.monotonic(), peak()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # as outside of tests, where warnings do not end a call
            read(*arguments)
        how, wrong = "read", None
    except (ValueError, FileNotFoundError) as error:
        how, wrong = "refused", None if 0 < len(str(error)) < 1000 else f"said {str(error)[:300]!r}"
    except BaseException as error:
        how, wrong = "traceback", f"{type(error).__name__}: {str(error)[:300]}"
    if time.monotonic() - begun > LONGEST:
        wrong = wrong or f"took {time.monotonic() - begun:.0f} s"
    more = peak() - before
    return how, wrong or (f"took {more / 2**20:.0f} MiB" if more > LARGEST else None)


def peak() -> int:
    """Return the most memory that this process has had, in bytes."""
    return 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def pictures(draw: random.Random) -> list[bytes]:
    """Return files of all formats and kinds of pixels that Pillow writes."""
    colour = np.frombuffer(draw.randbytes(12 * 9 * 3), np.uint8).reshape(12, 9, 3)
    deep = np.frombuffer(draw.randbytes(12 * 9 * 2), np.uint16).reshape(12, 9)
    drawn = [Image.fromarray(colour), Image.fromarray(colour[..., 0].copy()), Image.fromarray(deep)]
    drawn += [drawn[0].convert(mode) for mode in ("P", "RGBA", "CMYK", "1")]
    files = []
    for kind in FORMATS:
        for picture in drawn:
            file = io.BytesIO()
            try:
                picture.save(file, kind)
            except (OSError, ValueError, KeyError):  # a format without such pixels, or a Pillow without the format
                continue
            files.append(file.getvalue())
    return files


def read_picture(content: bytes) -> None:
    """Examine and read a picture, and check that both say the same of it."""
    try:
        seen = image.examine(io.BytesIO(content), "it")
    except data.DataError:
        seen = None
    picture = image.read(io.BytesIO(content), "it")
    sides = seen is None or (seen.height, seen.width) == (picture.height, picture.width)
    if not (picture.mode in ("L", "RGB") and sides and (seen is None or seen.channels == len(picture.getbands()))):
        raise UnfitError(f"{seen} of {picture}")
    if seen is not None and image.fit(picture, 4, 3).shape != (4, 4, 3):
        raise UnfitError("a square of another shape")


def archives(draw: random.Random) -> list[bytes]:
    """Return data sets in NumPy's archives, of several types, packed and not."""
    files = []
    for save in (np.savez, np.savez_compressed):
        for kind in (np.uint8, np.float32, np.int64, bool):
            file, bits = io.BytesIO(), np.frombuffer(draw.randbytes(96), np.uint8).reshape(6, 4, 4) % 2
            save(file, images=bits.astype(kind), labels=np.arange(6) % 3, class_names=np.array(["a", "b", "c"]))
            files.append(file.getvalue())
    return files


def safetensors(header: dict, content: bytes) -> bytes:
    """Return a file of the format of that name."""
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + content


def weights(draw: random.Random) -> list[tuple[str, bytes]]:
    """Return (suffix, content) of files of weights in all formats."""
    found = [(".pth", (TORCH / f"{x}.pth").read_bytes()) for x in ("new", "old", "nested")]
    for save in (np.savez, np.savez_compressed):
        file = io.BytesIO()
        save(file, **{"a.kernel": np.frombuffer(draw.randbytes(48), np.float32).reshape(3, 4), "a.bias": np.zeros(4)})
        found.append((".npz", file.getvalue()))
    header = {"a": {"dtype": "F32", "shape": [2, 2], "data_offsets": [0, 16]}}
    return [*found, (".safetensors", safetensors(header, draw.randbytes(16)))]


class Code:
    """An object whose unpickling calls `function`."""

    def __init__(self, function: Callable, *arguments: object):
        self.called = function, arguments

    def __reduce__(self) -> tuple:
        return self.called


def of_torch(content: bytes) -> bytes:
    """Return an archive as PyTorch writes it, with this pickle and one storage."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("a/data.pkl", content)
        archive.writestr("a/data/0", bytes(16))
    return file.getvalue()


def traps(sprung: Path) -> list[tuple[str, bytes]]:
    """Return (suffix, content) of files that run code where a reader lets them, which makes the file `sprung`."""
    touch, found = f"touch {sprung}", []
    codes = [
        Code(os.system, touch), Code(eval, f"open({str(sprung)!r}, 'w')"), Code(exec, f"open({str(sprung)!r}, 'w')"),
        Code(open, str(sprung), "w"), Code(os.mkdir, str(sprung)), Code(getattr, "a", "join"),
        Code(__import__, "antigravity"), Code(shutil.copy, "/etc/hostname", str(sprung)),
    ]  # fmt: skip
    for code in codes:
        for wrapped in (code, {"a": code}, [{}, (code,)], {"model_state_dict": {"a": code}}):
            for protocol in range(6):
                content = pickle.dumps(wrapped, protocol)
                found += [(".pth", content), (".pt", of_torch(content)), (".npz", content)]
                found.append((".bin", pickle.dumps(0x1950A86A20F9469CFC6C, 2) + content))
        file = io.BytesIO()
        np.savez(file, images=np.array([code], object), a=np.array([code], object))
        found.append((".npz", file.getvalue()))
    text = f"cposix\nsystem\n(S'{touch}'\ntR.".encode()
    return [*found, (".pth", text), (".pt", of_torch(text)), (".pth", b"ctorch._utils\n_rebuild_tensor_v2\n(tR.")]


def bombs() -> Iterator[tuple[str, bytes]]:
    """Yield (suffix, content) of small files that ask for more memory or time than there is."""
    wide: Any = []
    for _ in range(100):
        wide = [wide, wide]
    deep: Any = []
    for _ in range(5000):
        deep = [deep]
    loop: list = []
    loop.append(loop)
    for value in ({"a": wide}, {"a": loop}):
        yield ".pth", of_torch(pickle.dumps(value))
    opened = b"]" * 200_000 + b"a" * 199_999
    yield ".pth", of_torch(b"\x80\x02" + opened + b".")
    for shape, stride in (
        ((2**40,), (0,)),
        ((2**31, 2**31), (0, 0)),
        ((-1,), (1,)),
        ((4, 4), (1, 1)),
        ((2**62,), (1,)),
    ):
        yield ".pth", of_torch(rebuilt(shape, stride))
    yield ".pth", b"\x80\x02\x8e" + struct.pack("<Q", 2**40) + b"x."  # a text of a terabyte
    for name, member in (
        ("a/data.pkl", b""),
        ("images.npy", header_of((2**36,))),
        ("images.npy", header_of((2**20, 2**20))),
    ):
        yield (".pth" if name.endswith("pkl") else ".npz"), packed(name, member, 2**36)
    huge = {"a": {"dtype": "F32", "shape": [2**20, 2**20], "data_offsets": [0, 2**42]}}
    yield ".safetensors", safetensors(huge, bytes(16))
    yield ".safetensors", struct.pack("<Q", 2**60) + b"{}"
    yield ".safetensors", safetensors({"a": {"dtype": "F32", "shape": [2**63], "data_offsets": [0, 16]}}, bytes(16))


def header_of(shape: tuple[int, ...]) -> bytes:
    """Return the header of an array of that shape as NumPy writes it."""
    file = io.BytesIO()
    np.lib.format.write_array_header_1_0(file, {"descr": "|u1", "fortran_order": False, "shape": shape})
    return file.getvalue()


def packed(name: str, begin: bytes, size: int) -> bytes:
    """Return an archive of a few bytes whose one member says that it has `size`."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, begin + bytes(10**6))
        archive.filelist[0].file_size = size
    return file.getvalue()


def rebuilt(shape: tuple[int, ...], stride: tuple[int, ...]) -> bytes:
    """Return the pickle of {"a": a tensor of a storage of four numbers, with this shape and these strides}."""
    storage, *rest = (pickle.dumps(x, 2)[2:-1] for x in (("storage", "FloatStorage", "0", "cpu", 4), 0, shape, stride))
    return (
        b"\x80\x02}X\x01\x00\x00\x00actorch._utils\n_rebuild_tensor_v2\n(" + storage + b"Q" + b"".join(rest) + b"tRs."
    )


def read_idx(path: Path, content: bytes) -> None:
    """Read an idx file with this content."""
    path.write_bytes(content)
    idx.read(path, 3)


def read_archive(path: Path, content: bytes) -> None:
    """Read a data set with this content."""
    path.write_bytes(content)
    if not isinstance(data.load(str(path)), data.Dataset):
        raise UnfitError("no data set")


def read_weights(path: Path, content: bytes) -> None:
    """Read weights with this content."""
    path.write_bytes(content)
    if not all(isinstance(x, np.ndarray) for x in tensors.read(path).values()):
        raise UnfitError("no arrays")


def pictures_campaign(count: int, folder: Path, seed: int = 0) -> Tally:
    """Damage pictures of all formats."""
    tally, draw = Tally("damaged pictures"), random.Random(f"{seed} pictures")
    originals = pictures(draw)
    for number in range(count):
        content = damaged(originals[number % len(originals)], draw, draw.randint(1, 3))
        tally.note(*outcome(read_picture, content))
    return tally


def archives_campaign(count: int, folder: Path, seed: int = 0) -> Tally:
    """Damage data sets in NumPy's archives."""
    tally, draw = Tally("damaged .npz data sets"), random.Random(f"{seed} archives")
    originals = archives(draw)
    for number in range(count):
        content = damaged(originals[number % len(originals)], draw, draw.randint(1, 3))
        tally.note(*outcome(read_archive, folder / "set.npz", content))
    return tally


def idx_campaign(count: int, folder: Path, seed: int = 0) -> Tally:
    """Damage idx files, packed ones before and after packing."""
    tally, draw = Tally("damaged idx files"), random.Random(f"{seed} idx")
    plain = bytes((0, 0, 8, 3)) + struct.pack(">3I", 5, 6, 6) + draw.randbytes(5 * 6 * 6)
    for number in range(count):
        content = damaged(plain, draw, draw.randint(1, 3))
        if number % 2:
            content = gzip.compress(content) if number % 4 == 1 else damaged(gzip.compress(plain), draw)
        tally.note(*outcome(read_idx, folder / ("set.gz" if number % 2 else "set"), content))
    return tally


def weights_campaign(count: int, folder: Path, seed: int = 0) -> Tally:
    """Damage files of weights."""
    tally, draw = Tally("damaged weights"), random.Random(f"{seed} weights")
    originals = weights(draw)
    for number in range(count):
        suffix, content = originals[number % len(originals)]
        content = damaged(content, draw, draw.randint(1, 3))
        tally.note(*outcome(read_weights, folder / f"weights{suffix}", content))
    return tally


def hostile_campaign(count: int, folder: Path, seed: int = 0) -> Tally:
    """Try files that would run code, fill the memory, hang, or are none, `count` of them or all that there are."""
    tally, sprung = Tally("hostile files"), folder / "sprung"
    readers: list[tuple[str, str, Callable, tuple]] = []
    for kind, files in (("code", traps(sprung)), ("bomb", list(bombs()))):
        readers += [(kind, suffix, read_weights, (content,)) for suffix, content in files]
        readers += [(kind, suffix, read_archive, (content,)) for suffix, content in files if suffix == ".npz"]
    readers += [("bomb", "", lambda path, content: read_picture(content), (picture_bomb(side),)) for side in SIDES]
    readers += [("bomb", ".gz", read_idx, (idx_bomb(),))]
    readers += [
        ("no file", suffix, special, (make,)) for suffix in (".npz", ".pth", ".safetensors") for make in SPECIAL
    ]
    random.Random(seed).shuffle(readers)
    for number, (kind, suffix, read, arguments) in enumerate(readers[:count]):
        how, wrong = outcome(read, folder / f"{number}{suffix}", *arguments)
        if sprung.exists() or Path("sprung").exists():
            wrong = "it ran code"
        tally.note(f"{kind} {how}", wrong and f"{kind}, {suffix}, {arguments[0][:80]!r}: {wrong}")
    return tally


SIDES = (12_000, 60_000, 2**31 - 1)
SPECIAL = ("pipe", "device", "nowhere", "circle", "folder")


def special(path: Path, kind: str) -> None:
    """Read what is no regular file, as weights and as a data set; ValueError where both are refused."""
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    else:
        path.symlink_to({"device": "/dev/zero", "nowhere": path.parent / "nowhere", "circle": path}[kind])
    for read in (tensors.read, lambda place: data.load(str(place))):
        try:
            read(path)
        except (ValueError, FileNotFoundError):
            continue
        raise UnfitError(f"a {kind} was read")
    raise ValueError("refused")


def picture_bomb(side: int) -> bytes:
    """Return a PNG of a few bytes that says it has `side` x `side` pixels."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    content = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + content


def idx_bomb() -> bytes:
    """Return a packed idx file of one image with a hundred million bytes behind it."""
    return gzip.compress(bytes((0, 0, 8, 3)) + struct.pack(">3I", 1, 28, 28) + bytes(10**8), 1)
