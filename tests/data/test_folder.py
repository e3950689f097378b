"""Folders of image files, the memory-mapped cache, and streaming."""

import os
import threading

import numpy as np
import pytest
from PIL import Image

from genjax.data import Arrays, DataError, Files, load
from genjax.data.pipeline import chunks
from genjax.data.readers.cache import default_dir, memory_map

GENERATOR = np.random.default_rng(0)


def write(path, size=(8, 8), mode="RGB", array=None):
    path.parent.mkdir(parents=True, exist_ok=True)
    if array is None:
        array = GENERATOR.integers(0, 256, (size[1], size[0]) + ((3,) if mode == "RGB" else ()), np.uint8)
    Image.fromarray(array).save(path)
    return array


@pytest.fixture
def classes(tmp_path):
    root = tmp_path / "animals"
    arrays = {name: [write(root / name / f"{number:02}.png") for number in range(10)] for name in ("cat", "ant", "bee")}
    return root, arrays


def get(root, cache, **options):
    return load(f"folder:{root}", cache_dir=cache, **options)


def test_class_per_folder(classes, tmp_path):
    root, arrays = classes
    (root / "notes.txt").write_text("not an image")
    (root / ".hidden").mkdir()
    data = get(root, tmp_path / "cache")
    assert data.class_names == ("ant", "bee", "cat") and data.shape == (8, 8, 3)
    assert (len(data.train), len(data.test)) == (24, 6) and isinstance(data.train, Arrays)
    assert np.bincount(data.test.arrays["labels"]).tolist() == [2, 2, 2]
    for split in (data.train, data.test):
        for row in range(len(split)):
            item = split.take([row])
            name = data.class_names[item["labels"][0]]
            assert any(np.array_equal(item["images"][0], array) for array in arrays[name])


def test_flat_single_and_nested(tmp_path):
    arrays = [write(tmp_path / "flat" / f"{number}.png") for number in range(10)]
    data = get(tmp_path / "flat", tmp_path / "cache")
    assert not data.train.labelled and data.num_classes == 0 and (len(data.train), len(data.test)) == (8, 2)
    assert {image.tobytes() for image in arrays} == {
        image.tobytes() for split in (data.train, data.test) for image in split.arrays["images"]
    }
    write(tmp_path / "one" / "only.jpg")
    data = get(tmp_path / "one", tmp_path / "cache")
    assert len(data.train) == len(data.test) == 1
    write(tmp_path / "deep" / "cat" / "a" / "b" / "1.png")
    write(tmp_path / "deep" / "cat" / "2.png")
    assert len(get(tmp_path / "deep", tmp_path / "cache").train) == 2


@pytest.mark.parametrize("second", ["test", "val"])
def test_train_and_test_folders(tmp_path, second):
    for split, count in (("train", 3), (second, 2)):
        for name in ("a", "b"):
            for number in range(count):
                write(tmp_path / "set" / split / name / f"{number}.png")
    data = get(tmp_path / "set", tmp_path / "cache")
    assert (len(data.train), len(data.test), data.class_names) == (6, 4, ("a", "b"))
    assert data.test.arrays["labels"].tolist() == [0, 0, 1, 1]
    write(tmp_path / "set" / second / "c" / "0.png")
    with pytest.raises(DataError, match="c is a class that train lacks; its classes are a, b"):
        get(tmp_path / "set", tmp_path / "cache")


def test_resize_is_antialiased_and_centred(tmp_path):
    checks = np.tile(np.array([[0, 255], [255, 0]], np.uint8), (32, 64))
    write(tmp_path / "set" / "checks.png", array=checks)
    grey = get(tmp_path / "set", tmp_path / "cache", image_size=16).train.arrays["images"]
    assert grey.shape == (1, 16, 16, 1) and abs(grey.astype(int) - 128).max() <= 2  # a plain pick would be 0 and 255
    bars = np.zeros((40, 100, 3), np.uint8)
    bars[:, 18:82] = (10, 200, 30)
    write(tmp_path / "bars" / "bars.png", array=bars)
    image = get(tmp_path / "bars", tmp_path / "cache", image_size=8).train.arrays["images"][0]
    assert (image == (10, 200, 30)).all()


def test_modes_of_files(tmp_path):
    root = tmp_path / "modes"
    ramp = np.arange(64, dtype=np.uint8).reshape(8, 8) * 4
    write(root / "a_colour.png")
    write(root / "b_grey.png", array=ramp)
    Image.fromarray(ramp.astype(np.uint16) * 257).save(root / "c_sixteen.png")
    Image.fromarray(np.dstack([ramp, ramp, ramp, np.full_like(ramp, 0)])).save(root / "d_clear.png")
    Image.fromarray(ramp).convert("P").save(root / "e_palette.png")
    turned = Image.fromarray(np.dstack([ramp] * 3))
    exif = turned.getexif()
    exif[0x0112] = 6  # shown turned by 90 degrees
    turned.save(root / "f_turned.png", exif=exif)
    data = get(root, tmp_path / "cache", stream=True)
    images = dict(zip("abcdef", read_all(data, root), strict=True))
    for name in "bce":
        np.testing.assert_array_equal(images[name], np.dstack([ramp] * 3))
    assert (images["d"] == 255).all()  # transparency is white
    np.testing.assert_array_equal(images["f"][..., 0], np.rot90(ramp, -1))
    grey = get(root, tmp_path / "cache", channels=1)
    assert grey.shape == (8, 8, 1)


def read_all(data, root):
    """Images of both splits in the order of the file names."""
    from genjax.data.holdout import held_out

    train, test = held_out(len(data.train) + len(data.test), None)
    images = [*data.train.take(np.arange(len(train)))["images"], *data.test.take(np.arange(len(test)))["images"]]
    return [images[place] for place in np.argsort(np.concatenate([train, test]))]


@pytest.mark.parametrize("content", [b"", b"not an image", "cut"])
@pytest.mark.parametrize("stream", [False, True])
def test_a_bad_image_is_named(classes, tmp_path, content, stream):
    root, _ = classes
    bad = root / "bee" / "03.png"
    bad.write_bytes(bad.read_bytes()[:100] if content == "cut" else content)
    with pytest.raises(DataError, match=r"bee/03.png is not a readable image .*repair or delete it"):
        data = get(root, tmp_path / "cache", stream=stream)
        for split in (data.train, data.test):
            split.take(np.arange(len(split)))
    cache = tmp_path / "cache"
    assert not [name for name in (os.listdir(cache) if cache.exists() else []) if name.startswith(".")]


def test_mixed_shapes_and_colours(tmp_path):
    write(tmp_path / "sizes" / "a.png", size=(8, 8))
    write(tmp_path / "sizes" / "b.png", size=(9, 8))
    with pytest.raises(
        DataError, match=r"images of 2 sizes: .*a.png is 8 x 8 .* but .*b.png is 8 x 9; pass image_size"
    ):
        get(tmp_path / "sizes", tmp_path / "cache")
    assert get(tmp_path / "sizes", tmp_path / "cache", image_size=8).shape == (8, 8, 3)
    for one, other in (("a", "b"), ("b", "a")):  # whichever comes first
        write(tmp_path / one / f"{one}.png", mode="L")
        write(tmp_path / one / f"{other}.png")
        data = get(tmp_path / one, tmp_path / "cache")
        assert data.shape == (8, 8, 3) and "1 of 2 images are grey and get three equal channels" in data.notes[0]
    assert get(tmp_path / "a", tmp_path / "cache", channels=1).shape == (8, 8, 1)


def test_empty_and_mixed_up_folders(tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match=r"empty holds no images; put images \(.png"):
        get(tmp_path / "empty", tmp_path / "cache")
    write(tmp_path / "half" / "cat" / "1.png")
    (tmp_path / "half" / "dog").mkdir()
    with pytest.raises(DataError, match="half/dog holds no images; remove empty folders"):
        get(tmp_path / "half", tmp_path / "cache")
    write(tmp_path / "both" / "cat" / "1.png")
    write(tmp_path / "both" / "loose.png")
    with pytest.raises(DataError, match=r"both holds both images \(loose.png, ...\) and sub-folders \(cat, ...\)"):
        get(tmp_path / "both", tmp_path / "cache")
    write(tmp_path / "uneven" / "train" / "cat" / "1.png")
    write(tmp_path / "uneven" / "test" / "1.png")
    with pytest.raises(DataError, match="test must have sub-folders per class exactly when its sibling train has"):
        get(tmp_path / "uneven", tmp_path / "cache")


# ---- the cache ----


def test_cache_is_reused_and_renewed(classes, tmp_path, monkeypatch):
    root, _ = classes
    cache = tmp_path / "cache"
    first = get(root, cache)
    assert isinstance(first.train.arrays["images"], np.memmap)
    files = {name: os.stat(cache / name).st_mtime_ns for name in os.listdir(cache)}
    assert len(files) == 3 and all(name.endswith(".npy") for name in files)  # two splits, and what was found in them

    again = get(root, cache)
    assert {name: os.stat(cache / name).st_mtime_ns for name in os.listdir(cache)} == files  # nothing decoded again
    np.testing.assert_array_equal(first.train.arrays["images"], again.train.arrays["images"])

    get(root, cache, image_size=4)
    assert len(os.listdir(cache)) == 5
    get(root, cache, image_size=4, channels=1)
    assert len(os.listdir(cache)) == 7

    for name in ("ant", "bee", "cat"):  # the same names and sizes, other pixels and times
        for number in range(10):
            path = root / name / f"{number:02}.png"
            write(path, array=np.full((8, 8, 3), 7, np.uint8))
            os.utime(path, ns=(1, 1))
    renewed = get(root, cache)
    assert (renewed.train.arrays["images"] == 7).all()
    os.utime(root / "ant" / "00.png", ns=(2, 2))
    before = len(os.listdir(cache))
    get(root, cache)
    assert len(os.listdir(cache)) == before + 2  # the split that holds the touched file, and what was found


@pytest.mark.parametrize("left", [200, 40, 0])  # in the content, in the header
def test_cache_that_was_cut_short_is_made_again(classes, tmp_path, left):
    root, _ = classes
    whole = np.array(get(root, tmp_path / "cache").train.arrays["images"])
    for path in (tmp_path / "cache").iterdir():
        content = path.read_bytes()
        path.write_bytes(content[:left] + b"{" * (left == 40) * (len(content) - left))
    np.testing.assert_array_equal(get(root, tmp_path / "cache").train.arrays["images"], whole)


def test_cache_of_another_shape_is_made_again(tmp_path):
    for shape in ((2, 2, 1), (3, 2, 1)):
        files = Files(lambda index, shape=shape: np.full(shape, index, np.uint8), 5, shape)
        assert memory_map(files, "key", tmp_path).shape == shape


def test_cache_appears_whole_or_not_at_all(tmp_path):
    seen = []

    def decode(index):
        seen.append(sorted(path.suffix for path in tmp_path.glob("[!.]*")))
        if index == 150:
            raise DataError("no. 150 is broken")
        return np.full((2, 2, 1), index % 256, np.uint8)

    with pytest.raises(DataError, match="no. 150 is broken"):
        memory_map(Files(decode, 200, (2, 2, 1)), "key", tmp_path)
    assert list(tmp_path.iterdir()) == []
    split = memory_map(Files(decode, 150, (2, 2, 1)), "key", tmp_path)
    assert not any(seen)  # under its own name only once complete
    assert split.arrays["images"][:, 0, 0, 0].tolist() == list(range(150))
    assert [path.suffix for path in tmp_path.iterdir()] == [".npy"]


def test_two_runs_may_build_the_cache_at_once(tmp_path):
    barrier = threading.Barrier(2)

    def decode(index):
        if index == 0:
            barrier.wait(timeout=10)
        return np.full((2, 2, 1), index, np.uint8)

    results = []
    threads = [
        threading.Thread(target=lambda: results.append(memory_map(Files(decode, 50, (2, 2, 1)), "key", tmp_path)))
        for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 2 and len(list(tmp_path.iterdir())) == 1
    for split in results:
        assert split.arrays["images"][:, 0, 0, 0].tolist() == list(range(50))


def test_what_a_killed_run_left_is_removed_later(tmp_path):
    files = Files(lambda index: np.zeros((2, 2, 1), np.uint8), 3, (2, 2, 1))
    memory_map(files, "key", tmp_path)
    [path] = tmp_path.iterdir()
    old, new = tmp_path / f".{path.stem}-old.npy", tmp_path / f".{path.stem}-new.npy"
    for left in (old, new):
        left.write_bytes(b"half")
    os.utime(old, (1, 1))
    path.unlink()
    memory_map(files, "key", tmp_path)
    assert sorted(tmp_path.iterdir()) == sorted([path, new])


def test_cache_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("in the way")
    files = Files(lambda index: np.zeros((2, 2, 1), np.uint8), 3, (2, 2, 1))
    with pytest.raises(
        DataError, match=r"cannot write the decoded images to .*file.*pass another cache_dir, or stream"
    ):
        memory_map(files, "key", tmp_path / "file")


def test_default_cache_is_the_users(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert default_dir() == tmp_path / "genjax" / "data"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert default_dir() == tmp_path / ".cache" / "genjax" / "data"


def test_streamed_and_mapped_folders_give_the_same_batches(classes, tmp_path):
    root, _ = classes
    mapped, streamed = (get(root, tmp_path / "cache", image_size=6, stream=stream) for stream in (False, True))
    assert isinstance(streamed.train, Files) and not (tmp_path / "never").exists()
    options = {"batch_size": 5, "repeats": 2, "fuse": 3, "seed": 2, "stop": 11, "put": lambda batch: batch}
    for (step, k, one), (other_step, other_k, other) in zip(
        chunks(mapped.train, **options), chunks(streamed.train, **options), strict=True
    ):
        assert (step, k) == (other_step, other_k)
        np.testing.assert_array_equal(one["images"], other["images"])
        np.testing.assert_array_equal(one["labels"], other["labels"])
