"""Data that would be ruined silently, hang, or fill the memory: refused or mended, and said in a sentence."""

import gzip
import os
import shutil
import signal
import struct
import tracemalloc
import zlib

import numpy as np
import pytest
from PIL import Image

from genjax.data import Arrays, DataError, Files, load
from genjax.data.readers import bounds, cache, image

GENERATOR = np.random.default_rng(0)


@pytest.fixture(autouse=True)
def never_a_hang():
    def late(*_):
        raise TimeoutError("this took more than 60 seconds")

    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(60)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


def colours(*shape):
    return GENERATOR.integers(0, 256, shape, np.uint8)


def write(path, array=None):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(colours(8, 8, 3) if array is None else array).save(path)
    return path


def get(root, **options):
    return load(f"folder:{root}", cache_dir=root.parent / "cache", **options)


def npz(path, **arrays):
    np.savez(path / "set.npz", **arrays)
    return str(path / "set.npz")


def has_note(data, text):
    return any(text in note for note in data.notes)


# ---- labels and classes ----


def test_labels_are_checked_against_the_classes_not_the_images(tmp_path):
    x = colours(5, 4, 4)
    arrays = {"x_train": colours(10, 4, 4), "y_train": np.arange(10), "x_test": x, "y_test": [9, 8, 7, 6, 5]}
    data = load(npz(tmp_path, **arrays))
    assert data.num_classes == 10 and data.test.arrays["labels"].tolist() == [9, 8, 7, 6, 5]
    assert has_note(data, "5 of 10 classes have no test image: 0, 1, 2, 3, 4")
    for name in "abcde":
        write(tmp_path / "few" / "train" / name / "1.png")
    write(tmp_path / "few" / "test" / "e" / "1.png")
    for stream in (False, True):
        data = get(tmp_path / "few", stream=stream)
        assert data.test.take([0])["labels"].tolist() == [4]
        assert has_note(data, "4 of 5 classes have no test image: a, b, c, d")


def test_classes_without_images_are_named(tmp_path):
    data = load(npz(tmp_path, images=colours(4, 4, 4), labels=[0, 3, 3, 0], class_names=["ant", "bee", "cat", "dog"]))
    assert has_note(data, "2 of 4 classes have no training image: bee, cat")
    for name in ("ant", "bee", "cat"):
        (tmp_path / "set" / name).mkdir(parents=True)
    write(tmp_path / "set" / "ant" / "1.png")
    (tmp_path / "set" / "bee" / "1.doc").write_text("no image")
    with pytest.raises(DataError, match=r"set/bee holds no images \(only 1 files .*\(.doc: 1\)\) \(nor do cat\)"):
        get(tmp_path / "set")


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (np.array("ant"), r"list of texts, .*not <U3\[\]"),
        (["ant", "ant"], "'ant' twice"),
        ([0.5, 1.5], "list of texts"),
    ],
)
def test_class_names_that_are_none(tmp_path, names, message):
    with pytest.raises(DataError, match=message):
        load(npz(tmp_path, images=colours(2, 4, 4), labels=[0, 1], class_names=names))


# ---- values that would come out black ----


def test_sixteen_bits_that_hold_twelve(tmp_path):
    ramp = np.linspace(0, 4095, 64).reshape(8, 8).astype(np.uint16)
    for name, array in (("a.png", ramp // 2), ("b.tif", ramp)):
        write(tmp_path / "set" / name, array)
    for stream in (False, True):
        data = get(tmp_path / "set", stream=stream, hold_out=0)
        images = data.train.take([0, 1])["images"]
        assert images[1].max() == 255 and 120 < images[0].max() < 135
        assert has_note(data, "hold values up to 4095 only; 4095 is taken as white")
    with pytest.raises(DataError, match=r"b.tif cannot be used: its 16 bits hold values up to 4095 only"):
        image.read(tmp_path / "set" / "b.tif")
    write(tmp_path / "set" / "c.png", ramp * 16)  # one file decides for all
    data = get(tmp_path / "set", hold_out=0)
    assert [array.max() for array in data.train.arrays["images"]] == [8, 16, 255] and not has_note(data, "taken as")


def test_masks_of_zero_and_one(tmp_path):
    mask = (np.indices((8, 8)).sum(0) % 2).astype(np.uint8)
    for name in ("a", "b"):
        write(tmp_path / "set" / f"{name}.png", mask)
    for stream in (False, True):
        data = get(tmp_path / "set", stream=stream)
        assert np.unique(data.train.take([0])["images"]).tolist() == [0, 255]
        assert has_note(data, "0 and 1 only; 1 is taken as white")
    data = load(npz(tmp_path, images=np.stack([mask, mask]).astype(np.int64)))
    assert np.unique(data.train.arrays["images"]).tolist() == [0, 255] and has_note(data, "1 is taken as white")


def test_dark_integers_are_pointed_out(tmp_path):
    ramp = np.arange(17, dtype=np.uint8).repeat(17).reshape(17, 17)
    write(tmp_path / "set" / "a.png", ramp)
    for data in (get(tmp_path / "set"), load(npz(tmp_path, images=ramp[None]))):
        assert has_note(data, "no pixel is brighter than 16 of 255") and data.train.arrays["images"].max() == 16


def test_files_of_floats(tmp_path):
    ramp = np.linspace(0, 1, 64, dtype=np.float32).reshape(8, 8)
    write(tmp_path / "set" / "a.tif", ramp)
    np.testing.assert_array_equal(get(tmp_path / "set").train.arrays["images"][0, ..., 0], np.round(255 * ramp))
    write(tmp_path / "set" / "a.tif", 2 * ramp)
    with pytest.raises(DataError, match=r"a.tif cannot be used: its floats go from 0 to 2; .*\[0, 1\]: rescale"):
        get(tmp_path / "set")
    write(tmp_path / "set" / "a.tif", np.full((8, 8), 70_000, np.int32))
    with pytest.raises(DataError, match="its integers go from 70000 to 70000; save it with 8 or 16 bits"):
        get(tmp_path / "set")


@pytest.mark.parametrize(
    ("low", "high", "message"),
    [(-0.01, 1.0, r"may be meant for \[0, 1\] or for \[-1, 1\]"), (0.0, 1 / 255, "were they divided by 255 twice")],
)
def test_floats_of_no_clear_range(tmp_path, low, high, message):
    with pytest.raises(DataError, match=message):
        load(npz(tmp_path, images=np.linspace(low, high, 64).reshape(1, 8, 8)))


def test_floats_say_what_became_of_them(tmp_path):
    data = load(npz(tmp_path, images=np.linspace(-1, 1, 64).reshape(1, 8, 8)))
    assert has_note(data, "floats in [-1, 1] are stored with 256 levels")


# ---- channels and shapes ----


def test_any_number_of_channels(tmp_path):
    for channels in (2, 5):
        x = colours(6, 8, 12, channels)
        data = load(npz(tmp_path, images=x), image_size=None)
        assert data.shape == (8, 12, channels)
        small = load(npz(tmp_path, images=x), image_size=4)
        alone = load(npz(tmp_path, images=x[..., 1]), image_size=4)
        np.testing.assert_array_equal(small.train.arrays["images"][..., 1:2], alone.train.arrays["images"])
        with pytest.raises(DataError, match=f"{channels} channels cannot be brought to 3"):
            load(npz(tmp_path, images=x), channels=3)
    x = colours(5, 8, 8, 4)
    data = load(npz(tmp_path, images=x), channels=4, hold_out=0)
    np.testing.assert_array_equal(data.train.arrays["images"], x)
    data = load(npz(tmp_path, images=x))
    assert data.shape == (8, 8, 3) and has_note(data, "taken for transparency")
    with pytest.raises(DataError, match="read in grey or colour; channels 4"):
        get(write(tmp_path / "set" / "1.png").parent, channels=4)
    with pytest.raises(DataError, match="channels 4 must be 1 .* for digits"):
        load("digits", channels=4)


def test_tiny_and_long_images(tmp_path):
    for name, size in (("a.jpg", (1, 1)), ("b.jpg", (3, 200)), ("c.png", (200, 1))):
        write(tmp_path / "set" / name, colours(*size, 3))
    assert get(tmp_path / "set", image_size=16, hold_out=0).train.arrays["images"].shape == (3, 16, 16, 3)
    write(tmp_path / "wide" / "1.jpg", colours(5, 9, 3))
    assert get(tmp_path / "wide").shape == (5, 9, 3)


def test_turned_images_count_by_the_side_they_are_shown(tmp_path):
    turned = Image.fromarray(colours(6, 10, 3))
    exif = turned.getexif()
    exif[0x0112] = 6
    (tmp_path / "set").mkdir()
    turned.save(tmp_path / "set" / "a.jpg", exif=exif)
    write(tmp_path / "set" / "b.png", colours(10, 6, 3))
    assert get(tmp_path / "set").shape == (10, 6, 3)


# ---- what is held out ----


def test_the_share_that_is_held_out(tmp_path):
    for name in "ab":
        for number in range(10):
            write(tmp_path / "set" / name / f"{number}.png")
    data = get(tmp_path / "set")
    assert len(data.test) == 4 and has_note(data, "4 of 20 images (20%) are held out for tests, of every class alike")
    data = get(tmp_path / "set", hold_out=0.5)
    assert np.bincount(data.test.arrays["labels"]).tolist() == [5, 5] and has_note(data, "10 of 20 images (50%)")
    data = get(tmp_path / "set", hold_out=0)
    assert len(data.train) == len(data.test) == 20 and has_note(data, "nothing is held out: all 20 images")
    assert len(load("digits", hold_out=0.1).test) == 179
    assert len(get(tmp_path / "set", hold_out=0.99).train) == 2  # one of each class stays
    for share in (-0.1, 1.0, float("nan")):
        with pytest.raises(DataError, match="hold_out .* from 0 to less than 1"):
            get(tmp_path / "set", hold_out=share)


def test_nothing_is_held_out_where_there_is_a_test_part(tmp_path):
    for split in ("train", "test"):
        write(tmp_path / "set" / split / "1.png")
    x = colours(4, 4, 4)
    archive = npz(tmp_path, x_train=x, x_test=x)
    for spec in (f"folder:{tmp_path / 'set'}", archive, "mixture:ring", "photos", "domains:scenes"):
        with pytest.raises(DataError, match="has a test part of its own, so nothing is held out; leave out hold_out"):
            load(spec, hold_out=0.3, cache_dir=tmp_path / "cache")


# ---- files that cannot be read ----


@pytest.fixture
def broken(tmp_path):
    for number in range(30):
        shade = colours(8, 8, 3) // 2 + 128 * (number % 2)  # b is bright
        path = write(tmp_path / "set" / "ab"[number % 2] / f"{number:02}.png", shade.astype(np.uint8))
        if number % 10 == 0:
            path.write_bytes(path.read_bytes()[:60])
    (tmp_path / "set" / "b" / "99.jpg").write_text("<html>")
    return tmp_path / "set"


@pytest.mark.parametrize("stream", [False, True])
def test_all_unreadable_files_are_listed_at_once_or_left_out(broken, stream):
    with pytest.raises(DataError) as error:
        get(broken, stream=stream)
    message = str(error.value)
    assert message.startswith(
        f"4 of 31 files of {broken} cannot be read; repair or delete them, or pass skip_unreadable"
    )
    assert all(f"{name} is not a readable image (" in message for name in ("00.png", "10.png", "20.png", "99.jpg"))
    data = get(broken, stream=stream, skip_unreadable=True)
    assert isinstance(data.train, Files if stream else Arrays) and len(data.train) + len(data.test) == 27
    assert has_note(data, "left out 4 of 31 files that cannot be read: ")
    for split in (data.train, data.test):
        batch = split.take(np.arange(len(split)))
        assert batch["labels"].tolist() == (batch["images"].mean((1, 2, 3)) > 128).tolist()


def test_a_repaired_file_is_seen_and_what_was_whole_is_not_read_again(broken, monkeypatch):
    with pytest.raises(DataError, match="4 of 31"):
        get(broken, stream=True)
    read = []
    monkeypatch.setattr(image, "examine", lambda file, name, real=image.examine: read.append(name) or real(file, name))
    with pytest.raises(DataError, match="4 of 31"):
        get(broken, stream=True)
    assert len(read) == 4
    before = (broken / "a" / "00.png").stat()
    good = (broken / "a" / "02.png").read_bytes()
    for name in ("a/00.png", "a/10.png", "a/20.png", "b/99.jpg"):
        (broken / name).write_bytes(good)
    os.utime(broken / "a" / "00.png", ns=(before.st_atime_ns, before.st_mtime_ns))
    assert len(get(broken, stream=True, hold_out=0).train) == 31


def test_a_folder_of_broken_files_only(tmp_path):
    for name in ("a.png", "b.png"):
        (tmp_path / "set").mkdir(exist_ok=True)
        (tmp_path / "set" / name).write_text("no")
    for skip in (False, True):
        with pytest.raises(DataError, match="2 of 2 files of .* cannot be read; put images there that can be read"):
            get(tmp_path / "set", skip_unreadable=skip)


def test_files_passed_over_are_counted_and_named(tmp_path):
    write(tmp_path / "set" / "a.png")
    write(tmp_path / "set" / "b.TGA")  # whatever Pillow reads
    for name in ("x.txt", "y.txt", "z.npy", "README", ".hidden"):
        (tmp_path / "set" / name).write_text("no")
    data = get(tmp_path / "set", hold_out=0)
    assert len(data.train) == 2
    assert has_note(data, "skipped 4 files that are no images by their names (.txt: 2, without suffix: 1, .npy: 1)")
    (tmp_path / "set" / "a.png").unlink()
    (tmp_path / "set" / "b.TGA").unlink()
    with pytest.raises(DataError, match=r"set holds no images \(only 4 files .*\.txt: 2"):
        get(tmp_path / "set")


def test_no_program_is_run_for_a_file(tmp_path):
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "a.png").write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 8 8\n%%EndComments\n")
    with pytest.raises(DataError, match="a.png is not a readable image"):
        get(tmp_path / "set")
    assert ".eps" not in image.suffixes() and {".png", ".jpg", ".tif", ".webp", ".bmp", ".gif"} < set(image.suffixes())


@pytest.mark.parametrize("stream", [False, True])
def test_pipes_devices_and_links_that_lead_nowhere(tmp_path, stream):
    root = tmp_path / "set"
    write(root / "a.png")
    os.mkfifo(root / "b.png")
    os.symlink("/dev/zero", root / "c.png")
    os.symlink(root / "nowhere.png", root / "d.png")
    os.symlink("e.png", root / "e.png")
    os.symlink(root / "a.png", root / "f.png")  # a good one
    with pytest.raises(DataError) as error:
        get(root, stream=stream)
    assert str(error.value).startswith(f"4 of 6 files of {root} cannot be read")
    for name, reason in (("b", "pipe"), ("c", "device"), ("d", "leads nowhere"), ("e", "leads nowhere")):
        assert any(f"/{name}.png is not" in line and reason in line for line in str(error.value).splitlines())
    data = get(root, stream=stream, skip_unreadable=True, hold_out=0)
    assert len(data.train) == 2 and has_note(data, "left out 4 of 6 files")


def test_folders_that_link_in_circles(tmp_path):
    root = tmp_path / "set"
    for number in range(12):  # 12! ways from one to the next
        write(root / "a" / f"{number:02}" / "1.png")
    for one in range(12):
        for other in range(12):
            os.symlink(root / "a" / f"{other:02}", root / "a" / f"{one:02}" / f"to{other:02}")
    os.symlink(root, root / "a" / "up")
    write(root / "b" / "1.png")
    data = get(root, hold_out=0)
    assert np.bincount(data.train.arrays["labels"]).tolist() == [13, 1]  # "up" leads to b too, every folder once


def test_files_where_pipes_are(tmp_path):
    os.mkfifo(tmp_path / "set.npz")
    with pytest.raises(DataError, match="set.npz is no regular file"):
        load(str(tmp_path / "set.npz"))
    with pytest.raises(DataError, match="is not a directory"):
        load(f"folder:{tmp_path / 'set.npz'}")


def test_names_that_are_no_text(tmp_path):
    root = tmp_path / "set"
    write(root / "a.png")
    with open(os.fsencode(root) + b"/\xff\xfe.png", "wb") as file:
        file.write(b"no")
    with pytest.raises(DataError) as error:
        get(root)
    assert r"\xff\xfe.png" in str(error.value).encode("utf-8").decode()
    data = get(root, skip_unreadable=True)
    assert len(data.train) == 1 and "".join(data.notes).encode("utf-8")


# ---- gigantic ones ----


def chunk(kind, content):
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def bomb(width, height):
    """A PNG of a few bytes that says it is `width` x `height`."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


@pytest.mark.parametrize("size", [(12_000, 12_000), (60_000, 60_000), (2**31 - 1, 2**31 - 1)])
def test_images_that_would_fill_the_memory(tmp_path, size):
    write(tmp_path / "set" / "a.png")
    (tmp_path / "set" / "b.png").write_bytes(bomb(*size))
    with pytest.raises(DataError, match=r"b.png (is not a readable image|cannot be used).*(pixels|exceeds)"):
        get(tmp_path / "set", stream=True)
    assert len(get(tmp_path / "set", skip_unreadable=True).train) == 1


def test_archives_and_idx_files_that_would_fill_the_memory(tmp_path, monkeypatch):
    path = npz(tmp_path, images=np.zeros((100, 100, 100), np.uint8), other=np.zeros(10**7, np.uint8))
    monkeypatch.setattr(bounds, "memory", lambda: 2 * 10**6)
    load(path)  # what is not used does not count, nor is it read
    load(npz(tmp_path, images=np.zeros((100, 100, 100), np.uint8), other=np.array([{"pickled": 1}])))
    monkeypatch.setattr(bounds, "memory", lambda: 10**6)
    with pytest.raises(DataError, match=r"set.npz would take 0.0 GiB, and this machine has"):
        load(path)
    for name in ("train-images-idx3", "t10k-images-idx3", "train-labels-idx1", "t10k-labels-idx1"):
        rank = int(name[-1])
        head = bytes((0, 0, 8, rank)) + struct.pack(f">{rank}I", *[2**31] * rank)
        (tmp_path / f"{name}-ubyte.gz").write_bytes(gzip.compress(head + bytes(10**6)))
    with pytest.raises(DataError, match=r"ubyte.gz would take .* GiB"):
        load(f"idx:{tmp_path}")
    with pytest.raises(DataError, match=r"1797 images of 4096 pixels would take"):
        load("digits", image_size=4096)
    with pytest.raises(DataError, match="image_size 100000 must be positive and at most"):
        load("digits", image_size=100_000)


def test_an_idx_file_is_not_unpacked_beyond_its_header(tmp_path):
    shape = (1, 28, 28)
    head = bytes((0, 0, 8, 3)) + struct.pack(">3I", *shape)
    path = tmp_path / "train-images-idx3-ubyte.gz"
    path.write_bytes(gzip.compress(head + bytes(10**8), 1))
    from genjax.data.readers import idx

    tracemalloc.start()
    try:
        with pytest.raises(DataError, match="has more bytes of data"):
            idx.read(path, 3)
        assert tracemalloc.get_traced_memory()[1] < 10**7
    finally:
        tracemalloc.stop()


def test_a_disk_without_room(tmp_path, monkeypatch):
    root = write(tmp_path / "set" / "a.png").parent
    usage = cache.shutil.disk_usage(tmp_path)
    monkeypatch.setattr(cache.shutil, "disk_usage", lambda path: usage._replace(free=100))
    with pytest.raises(DataError, match=r"they take 0 MiB and 0 MiB are free.*pass another cache_dir, or stream"):
        get(root)
    assert not [name for name in os.listdir(tmp_path / "cache") if not name.endswith(".seen.npy")]


# ---- the cache knows everything that changes the result ----


def test_files_that_swap_their_names_are_decoded_again(tmp_path):
    root = tmp_path / "set"
    for name, value in (("a", 10), ("b", 200)):
        write(root / f"{name}.bmp", np.full((4, 4, 3), value, np.uint8))
        os.utime(root / f"{name}.bmp", ns=(1, 1))
    assert get(root, hold_out=0).train.arrays["images"][:, 0, 0, 0].tolist() == [10, 200]
    os.rename(root / "a.bmp", root / "c.bmp")
    os.rename(root / "b.bmp", root / "a.bmp")
    os.rename(root / "c.bmp", root / "b.bmp")
    assert get(root, hold_out=0).train.arrays["images"][:, 0, 0, 0].tolist() == [200, 10]


def test_a_new_size_is_a_new_file_though_shapes_agree(tmp_path):
    write(tmp_path / "set" / "a.png", colours(8, 8, 3))
    whole = np.array(get(tmp_path / "set").train.arrays["images"])
    np.testing.assert_array_equal(get(tmp_path / "set", image_size=8).train.arrays["images"], whole)
    Image.fromarray(colours(8, 8, 3)).resize((16, 16)).save(tmp_path / "set" / "a.png")
    assert get(tmp_path / "set", image_size=8).shape == (8, 8, 3)


def test_the_fingerprint_tells_that_files_have_changed(tmp_path):
    for name in ("a", "b", "c"):
        write(tmp_path / "set" / f"{name}.png")
    first = get(tmp_path / "set").fingerprint
    assert first and first == get(tmp_path / "set", image_size=4, channels=1).fingerprint
    shutil.copytree(tmp_path / "set", tmp_path / "copy")  # keeps the times
    assert get(tmp_path / "copy").fingerprint == first
    os.rename(tmp_path / "copy" / "b.png", tmp_path / "copy" / "bb.png")
    renamed = get(tmp_path / "copy").fingerprint
    write(tmp_path / "set" / "b.png")
    assert len({first, renamed, get(tmp_path / "set").fingerprint}) == 3
    x = colours(4, 4, 4)
    one = load(npz(tmp_path, images=x)).fingerprint
    os.utime(tmp_path / "set.npz", ns=(1, 1))
    assert one != load(str(tmp_path / "set.npz")).fingerprint != "" and load("digits").fingerprint == ""
