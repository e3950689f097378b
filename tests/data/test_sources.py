"""The embedded sets, npz archives, idx files, and what a specification means."""

import gzip
import os
import struct
import subprocess
import sys
import zipfile

import numpy as np
import pytest

from genjax.data import Arrays, DataError, Dataset, load

GENERATOR = np.random.default_rng(0)


def pixels(*shape):
    return GENERATOR.integers(0, 256, shape, np.uint8)


def test_import_is_cheap():
    code = (
        "import sys, genjax.data, genjax.data.pipeline, genjax.data.transforms;"
        "print([m for m in ('sklearn', 'grain', 'tensorflow_datasets', 'PIL', 'tqdm', 'flax') if m in sys.modules])"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        (
            "mnist",
            r"unknown data 'mnist' \(did you mean tfds:mnist, .* or idx:DIR .*digits.*choose one of .*, folder:DIR",
        ),
        ("folder:", "unknown data 'folder:'"),
        ("mixture:rings", r"unknown data 'mixture:rings' \(did you mean mixture:ring\?\)"),
        ("digit", r"unknown data 'digit' \(did you mean digits\?\)"),
        ("/nowhere/at all.npz", "/nowhere/at all.npz does not exist; give the path of an .npz file"),
        ("folder:/nowhere", "/nowhere is not a directory; folder:DIR needs"),
        ("idx:/nowhere", "/nowhere is not a directory; idx:DIR needs"),
    ],
)
def test_bad_specifications(spec, message):
    with pytest.raises(DataError, match=message):
        load(spec)


def test_a_bare_directory_gets_a_hint(tmp_path):
    with pytest.raises(DataError, match=f"did you mean folder:{tmp_path}"):
        load(str(tmp_path))


@pytest.mark.parametrize("options", [{"image_size": 0}, {"channels": 2}])
def test_bad_options(options):
    with pytest.raises(DataError, match=f"{next(iter(options))} .* must be"):
        load("digits", **options)


def test_digits():
    data = load("digits")
    assert (len(data.train), len(data.test), data.shape, data.num_classes) == (1438, 359, (8, 8, 1), 10)
    images, labels = data.train.arrays["images"], data.train.arrays["labels"]
    assert images.dtype == np.uint8 and labels.dtype == np.int32 and (images.min(), images.max()) == (0, 255)
    assert set(np.unique(images)) == {round(level * 255 / 16) for level in range(17)}
    counts = np.bincount(data.test.arrays["labels"])
    assert counts.min() >= 35 and counts.max() <= 37  # a fifth of each class
    rows = {image.tobytes() for image in images}
    assert not rows & {image.tobytes() for image in data.test.arrays["images"]}
    np.testing.assert_array_equal(images, load("digits").train.arrays["images"])
    # Digits as people see them: zeros are dark in the middle, ones are bright there.
    middle = images[:, 3:5, 3:5, 0].mean((1, 2))
    assert middle[labels == 0].mean() < 60 < 150 < middle[labels == 1].mean()


def test_digits_resized_in_colour():
    data = load("digits", image_size=16, channels=3)
    assert data.shape == (16, 16, 3)
    large, small = data.train.arrays["images"].astype(float), load("digits").train.arrays["images"].astype(float)
    assert (large[..., 0] == large[..., 2]).all()
    pooled = large[..., :1].reshape(-1, 8, 2, 8, 2, 1).mean((2, 4))
    assert np.abs(pooled - small).mean() < 15


def test_photos():
    data = load("photos")
    assert (len(data.train), len(data.test), data.shape) == (2048, 512, (32, 32, 3))
    assert data.class_names == ("pagoda", "dahlia") and np.bincount(data.train.arrays["labels"]).tolist() == [
        1024,
        1024,
    ]
    images = data.train.arrays["images"]
    np.testing.assert_array_equal(images, load("photos").train.arrays["images"])
    assert len({image.tobytes() for image in images}) > 2000
    assert images.reshape(2048, -1, 3).std(1).max(1).min() > 8  # no plain sky
    red, blue = (images[data.train.arrays["labels"] == 1][..., channel].mean() for channel in (0, 2))
    assert red > blue  # RGB, not BGR: the dahlia is orange
    assert load("photos", image_size=16, channels=1).shape == (16, 16, 1)
    with pytest.raises(DataError, match="at most 205 pixels, not 206; for larger ones use folder:DIR"):
        load("photos", image_size=206)


# ---- npz ----


def save(path, **arrays):
    np.savez(path / "set.npz", **arrays)
    return str(path / "set.npz")


def test_npz_with_both_parts(tmp_path):
    x, y = pixels(20, 6, 5), np.arange(20) % 4
    data = load(save(tmp_path, x_train=x[:12], y_train=y[:12], x_test=x[12:], y_test=y[12:]))
    assert (data.name, data.shape, data.num_classes, len(data.test)) == ("set", (6, 5, 1), 4, 8)
    np.testing.assert_array_equal(data.train.arrays["images"][..., 0], x[:12])
    np.testing.assert_array_equal(data.test.arrays["labels"], y[12:])
    assert data.train.arrays["labels"].dtype == np.int32 and data.class_names == ("0", "1", "2", "3")


@pytest.mark.parametrize("keys", [("images", "labels"), ("x", "y")])
def test_npz_without_a_test_part(tmp_path, keys):
    x, y = pixels(50, 4, 4, 3), np.repeat(np.arange(5), 10)
    path = save(tmp_path, **{keys[0]: x, keys[1]: y})
    data = load(path)
    assert (len(data.train), len(data.test)) == (40, 10)
    assert np.bincount(data.test.arrays["labels"]).tolist() == [2] * 5
    both = np.concatenate([data.train.arrays["images"], data.test.arrays["images"]])
    assert {image.tobytes() for image in both} == {image.tobytes() for image in x}
    np.testing.assert_array_equal(load(path).test.arrays["images"], data.test.arrays["images"])


def test_npz_unlabelled_single_and_partly_labelled(tmp_path):
    data = load(save(tmp_path, images=pixels(10, 4, 4)))
    assert not data.train.labelled and data.num_classes == 0 and set(data.train.take([0])) == {"images"}
    data = load(save(tmp_path, images=pixels(1, 4, 4)))
    assert len(data.train) == len(data.test) == 1
    data = load(save(tmp_path, images=pixels(10, 4, 4), labels=np.array([-1] * 5 + [0, 1, 2, 1, 0])))
    assert data.num_classes == 3 and data.train.labelled
    data = load(
        save(tmp_path, images=pixels(3, 4, 4), labels=np.array([[0], [1], [1]]), class_names=["cat", "dog", "owl"])
    )
    assert data.class_names == ("cat", "dog", "owl") and data.train.arrays["labels"].ndim == 1


@pytest.mark.parametrize(
    ("x", "expected"),
    [
        (np.array([0.0, 0.2, 1.0]), [0, 51, 255]),
        (np.array([-1.0, 0.0, 1.0], np.float32), [0, 128, 255]),
        (np.array([False, True, True]), [0, 255, 255]),
        (np.array([0, 7, 255], np.int64), [0, 7, 255]),
    ],
)
def test_npz_pixel_types(tmp_path, x, expected):
    images = np.tile(x.reshape(1, 1, 3), (2, 1, 1))
    data = load(save(tmp_path, x_train=images, x_test=images))
    assert data.train.arrays["images"].dtype == np.uint8
    assert data.train.arrays["images"][0].ravel().tolist() == expected


def test_npz_resized_and_transparent(tmp_path):
    wide = np.zeros((4, 10, 30, 1), np.uint8)
    wide[:, :, 5:25] = 255
    data = load(save(tmp_path, images=wide), image_size=5, channels=3)
    assert data.shape == (5, 5, 3) and (data.train.arrays["images"] == 255).all()  # the centre square is white
    clear = np.zeros((4, 6, 6, 4), np.uint8)
    clear[..., :3, :, 3] = 255
    data = load(save(tmp_path, images=clear))
    assert data.shape == (6, 6, 3)
    assert (data.train.arrays["images"][0, :, :, 0] == np.array([[0] * 6] * 6)).mean() == 0.5


def nan_image():
    images = np.zeros((4, 3, 3))
    images[2, 1, 1] = np.nan
    return images


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"data": pixels(2, 3, 3)}, "set.npz has the keys data; expected x_train, y_train"),
        (
            {"x_train": pixels(2, 3, 3), "y_train": [0, 1], "x_test": pixels(2, 3, 3)},
            "labels for one split only; add y_test",
        ),
        ({"images": pixels(2, 9)}, r"images has shape \[2, 9\], not \[count, height, width\].*reshape it"),
        ({"images": pixels(2, 3, 9, 9)}, "move the channels last"),
        ({"images": pixels(0, 9, 9)}, r"shape \[0, 9, 9, 1\]"),
        ({"images": nan_image()}, r"set.npz: images: image 2 has a NaN or infinite pixel \(1 images do\)"),
        ({"images": np.full((2, 3, 3), 200.0)}, r"floats must lie in \[0, 1\] or \[-1, 1\], not \[200, 200\]"),
        ({"images": np.full((2, 3, 3), 300)}, "integer pixels must lie in 0..255, not 300..300"),
        ({"images": np.full((2, 3, 3), "a")}, "holds <U1, not numbers"),
        ({"images": np.full((2, 3, 3), None)}, "not a readable .npz file of plain arrays"),
        ({"images": pixels(4, 3, 3), "labels": [0, 1, 2]}, r"4 images need labels of shape \[4\], not \[3\]"),
        ({"images": pixels(2, 3, 3), "labels": [0.0, 1.0]}, "labels must be integers .* not float64; cast them"),
        (
            {"images": pixels(2, 3, 3), "labels": [0, -2]},
            "label -2 of image 1 is out of range; number the classes from 0",
        ),
        ({"images": pixels(2, 3, 3), "labels": [0, 70_000]}, "label 70000 of image 1 is out of range.*from 0 .*65,536"),
        ({"images": pixels(2, 3, 3), "labels": [0, 1], "class_names": ["a"]}, r"label 1 of image 1.*0 \.\. 0"),
        (
            {
                "x_train": pixels(9, 3, 3),
                "y_train": np.arange(9) % 3,
                "x_test": pixels(4, 3, 3),
                "y_test": [0, 1, 2, 3],
            },
            r"set.npz: y_test: label 3 of image 3 is out of range; number the classes 0 \.\. 2",
        ),
        (
            {"x_train": pixels(2, 3, 3), "x_test": pixels(2, 4, 4)},
            r"training images are \[3, 3, 1\] but test .*image_size",
        ),
        ({"x_train": pixels(2, 3, 3), "x_test": np.zeros((2, 3, 3))}, "differ in kind"),
    ],
)
def test_npz_errors(tmp_path, arrays, message):
    with pytest.raises(DataError, match=message):
        load(save(tmp_path, **arrays))


def test_npz_that_is_no_archive(tmp_path):
    path = tmp_path / "broken.npz"
    path.write_bytes(b"PK\x03\x04 nonsense")
    with pytest.raises(DataError, match="broken.npz is not a readable .npz file"):
        load(str(path))
    np.savez(tmp_path / "whole.npz", images=pixels(40, 9, 9))
    path.write_bytes((tmp_path / "whole.npz").read_bytes()[:-300])
    with pytest.raises(DataError, match="broken.npz is not a readable .npz file"):
        load(str(path))


def test_an_archive_with_something_else_in_it(tmp_path):
    path = save(tmp_path, images=pixels(4, 3, 3))
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("class_names.npy", b"no array")
    with pytest.raises(DataError, match="not a readable .npz file of plain arrays .class_names is no array."):
        load(path)
    names = np.array(["ab"])
    names.view(np.uint32)[0] = 0x7FFFFFFF
    with pytest.raises(DataError, match="class_names holds what is no text"):
        load(save(tmp_path, images=pixels(4, 3, 3), labels=[0] * 4, class_names=names))


def test_splits_check_themselves():
    with pytest.raises(DataError, match=r'"images" must be uint8 or float32 .* not float64\[2, 3, 3, 1\]'):
        Arrays({"images": np.zeros((2, 3, 3, 1))})
    with pytest.raises(DataError, match="not nothing"):
        Arrays({"labels": np.zeros(3, np.int32)})
    split = Arrays({"images": pixels(2, 3, 3, 1), "labels": np.array([0, 5])})
    with pytest.raises(DataError, match=r"mine, training images: label 5 of image 1 .* 0 .. 1"):
        Dataset("mine", split, split, ("a", "b"))
    with pytest.raises(DataError, match=r"float images must lie in \[0, 1\], not \[0, 255\]"):
        Arrays({"images": np.float32([[[[0]]], [[[255]]]])})
    split = Arrays({"images": np.zeros((2, 3, 3, 1), np.float32)})
    assert Dataset("mine", split, split).shape == (3, 3, 1)


def test_mnist(reference_data):
    data = load(str(reference_data / "mnist.npz"))
    assert (len(data.train), len(data.test), data.shape, data.num_classes) == (60000, 10000, (28, 28, 1), 10)
    scaled = data.train.arrays["images"] / np.float32(255)
    assert abs(scaled.mean() - 0.13066) < 5e-6 and abs(scaled.std() - 0.30811) < 5e-6
    assert np.bincount(data.test.arrays["labels"]).tolist() == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]


# ---- idx ----


def idx_bytes(array):
    array = np.asarray(array, np.uint8)
    return bytes((0, 0, 8, array.ndim)) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()


@pytest.fixture
def idx_dir(tmp_path):
    arrays = {
        "train-images-idx3-ubyte": pixels(12, 28, 28),
        "train-labels-idx1-ubyte": np.arange(12) % 10,
        "t10k-images-idx3-ubyte": pixels(5, 28, 28),
        "t10k-labels-idx1-ubyte": np.arange(5),
    }
    for name, array in arrays.items():
        (tmp_path / f"{name}.gz").write_bytes(gzip.compress(idx_bytes(array)))
    return tmp_path, arrays


def test_idx(idx_dir):
    root, arrays = idx_dir
    data = load(f"idx:{root}")
    assert (len(data.train), len(data.test), data.shape, data.num_classes) == (12, 5, (28, 28, 1), 10)
    np.testing.assert_array_equal(data.train.arrays["images"][..., 0], arrays["train-images-idx3-ubyte"])
    np.testing.assert_array_equal(data.test.arrays["labels"], arrays["t10k-labels-idx1-ubyte"])
    for name, array in arrays.items():  # unpacked files serve as well
        (root / f"{name}.gz").unlink()
        (root / name).write_bytes(idx_bytes(array))
    np.testing.assert_array_equal(load(f"idx:{root}").train.arrays["images"], data.train.arrays["images"])
    assert load(f"idx:{root}", image_size=14).shape == (14, 14, 1)


def test_the_official_mnist_file_is_read_byte_for_byte(reference_data, tmp_path):
    with np.load(reference_data / "mnist.npz") as archive:
        for prefix, split in (("train", "train"), ("t10k", "test")):
            images, labels = archive[f"x_{split}"][:500], archive[f"y_{split}"][:500]
            (tmp_path / f"{prefix}-images-idx3-ubyte.gz").write_bytes(gzip.compress(idx_bytes(images), 1))
            (tmp_path / f"{prefix}-labels-idx1-ubyte.gz").write_bytes(gzip.compress(idx_bytes(labels), 1))
        data = load(f"idx:{tmp_path}")
        np.testing.assert_array_equal(data.train.arrays["images"][..., 0], archive["x_train"][:500])


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("t10k-images-idx3-ubyte.gz", None, "has no t10k-images-idx3-ubyte.gz"),
        ("train-labels-idx1-ubyte.gz", b"not gzip", "train-labels-idx1-ubyte.gz is not a readable gzip file.*again"),
        ("train-labels-idx1-ubyte.gz", gzip.compress(b"hello"), "starts with bytes 68656c6c, not 00000801"),
        ("train-labels-idx1-ubyte.gz", gzip.compress(idx_bytes(range(12))[:-1]), r"has 11 bytes .* says \[12\]"),
        ("train-labels-idx1-ubyte.gz", gzip.compress(idx_bytes(range(12)))[:-9], "not a readable gzip file"),
        ("train-labels-idx1-ubyte.gz", gzip.compress(idx_bytes(range(11))), r"12 images need labels of shape \[12\]"),
        (
            "t10k-labels-idx1-ubyte.gz",
            gzip.compress(idx_bytes([0, 1, 2, 3, 10])),
            "label 10 of image 4 is out of range",
        ),
    ],
    ids=["missing", "no gzip", "other bytes", "short", "cut", "too few", "label"],
)
def test_idx_errors(idx_dir, name, content, message):
    root, _ = idx_dir
    if content is None:
        os.remove(root / name)
    else:
        (root / name).write_bytes(content)
    with pytest.raises(DataError, match=message):
        load(f"idx:{root}")


def test_a_single_photograph_is_whole_unless_a_size_is_asked_for():
    for name in ("pagoda", "dahlia"):
        data = load(f"photo:{name}")
        assert data.shape == (427, 640, 3) and len(data.train) == len(data.test) == 1 and not data.num_classes
    assert load("photo:pagoda", image_size=32, channels=1).shape == (32, 32, 1)
    with pytest.raises(DataError, match="unknown data 'photo:rose'"):
        load("photo:rose")


def test_one_image_of_any_size_is_a_data_set(tmp_path):
    from PIL import Image

    path = tmp_path / "photo.png"
    pixels = np.random.default_rng(0).integers(0, 256, (7, 12, 3), np.uint8)
    Image.fromarray(pixels).save(path)
    data = load(f"image:{path}")
    np.testing.assert_array_equal(data.train.arrays["images"][0], pixels)
    assert data.name == "image:photo" and data.fingerprint
    assert load(f"image:{path}", image_size=5).shape == (5, 5, 3)
    (tmp_path / "text.png").write_text("no picture")
    for spec, sentence in (
        ("nowhere.png", "does not exist"),
        (tmp_path, "is no regular file"),
        (tmp_path / "text.png", "is not a readable image"),
    ):
        with pytest.raises(DataError, match=sentence):
            load(f"image:{spec}")
    with pytest.raises(DataError, match="a single image has a test part of its own"):
        load(f"image:{path}", hold_out=0.5)
