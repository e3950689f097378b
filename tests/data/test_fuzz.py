"""Damaged files of every kind, seeded: they are read or refused in a sentence, and nothing else happens."""

import gzip
import io
import struct
import time
import warnings

import numpy as np
import pytest
from PIL import Image

from genjax.data import DataError, Dataset, load
from genjax.data.readers import idx, image

FORMATS = ("PNG", "JPEG", "GIF", "BMP", "TIFF", "WEBP", "PPM", "TGA", "ICO", "PCX", "SGI", "QOI", "JPEG2000", "AVIF")
QUICK, MANY = 300, 12_000
LONGEST = 10.0


def damaged(data, random):
    """Return `data` with bytes changed, cut out, doubled, or numbers in its first part set to extremes."""
    data = bytearray(data)
    for _ in range(random.integers(1, 4)):
        place, length = random.integers(0, max(len(data), 1)), int(random.integers(1, 40))
        match random.integers(0, 6):
            case 0:
                data[place : place + 1] = random.bytes(1)
            case 1:
                del data[place:]
            case 2:
                del data[place : place + length]
            case 3:
                data[place:place] = data[place : place + length]
            case 4:
                data[place : place + length] = bytes(length)
            case 5:
                place = int(random.integers(0, 64))
                value = int(random.choice([0, 1, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0xFFFFFFFF]))
                data[place : place + 4] = struct.pack(random.choice(["<I", ">I"]), value)
    return bytes(data)


def images(random):
    """Return files of all formats and kinds of pixels that Pillow writes."""
    colour = random.integers(0, 256, (12, 9, 3), np.uint8)
    deep = random.integers(0, 65536, (12, 9)).astype(np.uint16)
    pictures = [Image.fromarray(colour), Image.fromarray(colour[..., 0]), Image.fromarray(deep)]
    pictures += [pictures[0].convert(mode) for mode in ("P", "RGBA", "CMYK", "1")]
    files = []
    for kind in FORMATS:
        for picture in pictures:
            file = io.BytesIO()
            try:
                picture.save(file, kind)
            except (OSError, ValueError, KeyError):  # a format without such pixels, or a Pillow without the format
                continue
            files.append(file.getvalue())
    return files


def outcome(function, *arguments):
    """Return what a call gives, or the sentence of its DataError; fail where it takes long or raises another."""
    start = time.monotonic()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # as outside of tests, where warnings do not end a call
            result = function(*arguments)
    except DataError as error:
        result = str(error)
        asked = "".join(argument for argument in arguments if isinstance(argument, str))
        assert result.count("\n") <= 2 * asked.count("\n") and len(result) < 1000 + 2 * len(asked)
    assert time.monotonic() - start < LONGEST
    return result


@pytest.mark.parametrize("count", [QUICK, pytest.param(MANY, marks=pytest.mark.slow)])
def test_damaged_images(count):
    random = np.random.Generator(np.random.Philox(count))
    originals = images(random)
    assert len(originals) > 40
    read = refused = 0
    for number in range(count):
        data = damaged(originals[number % len(originals)], random)
        seen = outcome(image.examine, io.BytesIO(data), "it")
        picture = outcome(image.read, io.BytesIO(data), "it")
        if isinstance(picture, str):
            refused += 1
            continue
        read += 1
        assert picture.mode in ("L", "RGB")
        if isinstance(seen, image.Seen):
            assert (seen.height, seen.width) == (picture.height, picture.width)
            assert seen.channels == len(picture.getbands())
            assert image.fit(picture, 4, 3).shape == (4, 4, 3)
    assert min(read, refused) > count // 20


@pytest.mark.parametrize("count", [QUICK, pytest.param(MANY // 4, marks=pytest.mark.slow)])
def test_damaged_archives(count, tmp_path):
    random = np.random.Generator(np.random.Philox(count + 1))
    originals = []
    for save in (np.savez, np.savez_compressed):
        for kind in (np.uint8, np.float32, np.int64, bool):
            file = io.BytesIO()
            save(
                file, images=random.integers(0, 2, (6, 4, 4)).astype(kind), labels=np.arange(6) % 3,
                class_names=np.array(["a", "b", "c"]),
            )  # fmt: skip
            originals.append(file.getvalue())
    path, found = tmp_path / "set.npz", []
    for number in range(count):
        path.write_bytes(damaged(originals[number % len(originals)], random))
        found.append(outcome(load, str(path)))
        assert isinstance(found[-1], Dataset | str)
    assert 0 < sum(isinstance(one, str) for one in found) < count


@pytest.mark.parametrize("count", [QUICK, pytest.param(MANY // 4, marks=pytest.mark.slow)])
def test_damaged_idx_files(count, tmp_path):
    random = np.random.Generator(np.random.Philox(count + 2))
    array = random.integers(0, 256, (5, 6, 6), np.uint8)
    plain = bytes((0, 0, 8, 3)) + struct.pack(">3I", *array.shape) + array.tobytes()
    found = []
    for number in range(count):
        path = tmp_path / ("set.gz" if number % 2 else "set")
        data = damaged(plain, random)
        if number % 2:
            data = gzip.compress(data) if number % 4 == 1 else damaged(gzip.compress(plain), random)
        path.write_bytes(data)
        found.append(outcome(idx.read, path, 3))
    assert 0 < sum(isinstance(one, str) for one in found) < count


def test_strange_specifications(tmp_path):
    random = np.random.Generator(np.random.Philox(0))
    parts = [
        "digits", "folder:", "idx:", "npz", ".npz", "mixture:", "domains:", ":", "/", "..", "~nobody", "~", "\0", "\n",
        " ", "x" * 300, "é", "\udcff", str(tmp_path), "-", "*", "{}", "%s", "ring", "stacked", "PATH.npz", "DIR",
    ]  # fmt: skip
    for _ in range(500):
        spec = "".join(random.choice(parts, random.integers(1, 4)))
        found = outcome(load, spec)
        assert isinstance(found, Dataset | str)


@pytest.mark.parametrize(
    "spec", ["", ":", "a:b:c:d", "../x", "mnist/", "mnist:", "/", "\0", "mnist/x:1.0.0", "~nobody", "é", "*"]
)
def test_strange_names_of_prepared_sets(spec):
    assert isinstance(outcome(load, f"tfds:{spec}"), str)
