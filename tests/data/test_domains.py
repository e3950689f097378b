"""Two domains: drawn ones, and folders of images."""

import numpy as np
import pytest
from PIL import Image

from genjax import data
from genjax.data import pipeline
from genjax.data.drawn import domains


def write(folder, count, size=(6, 5), start=0):
    folder.mkdir(parents=True)
    for i in range(count):
        Image.new("RGB", size, (start + i, 0, 0)).save(folder / f"{i:02d}.png")


def test_digits_have_two_looks_and_no_image_in_both():
    split = data.load("domains:digits").train
    assert len(split) == len(split.first) > len(split.second) > 0
    a = {image.tobytes() for image in domains.restyle(split.first.arrays["images"])}
    b = [image.tobytes() for image in split.second.arrays["images"]]
    assert sum(image in a for image in b) <= 2  # a few digits were written alike
    np.testing.assert_array_equal(domains.restyle(np.full((1, 1, 1), 255, np.uint8))[0, 0], domains.INK)


@pytest.mark.parametrize("stream", [False, True])
def test_a_folder_of_two_domains_gives_other_couples_in_each_epoch(stream, tmp_path):
    write(tmp_path / "set" / "trainA", 3, start=100)
    write(tmp_path / "set" / "trainB", 7, start=200)
    write(tmp_path / "set" / "testA", 1)
    write(tmp_path / "set" / "testB", 2)
    loaded = data.load(f"folder:{tmp_path / 'set'}", cache_dir=tmp_path / "cache", stream=stream)
    assert (len(loaded.train), len(loaded.test), loaded.shape) == (7, 2, (5, 6, 3))
    couples = []
    for _, k, batch in pipeline.chunks(loaded.train, batch_size=1, seed=0, stop=14, fuse=7):
        a, b = (np.asarray(batch[name])[..., 0, 0, 0].reshape(k) for name in ("images", "targets"))
        assert set(b.tolist()) == set(range(200, 207))
        assert set(a.tolist()) <= {100, 101, 102}
        couples.append(dict(zip(b.tolist(), a.tolist(), strict=True)))
    assert couples[0] != couples[1]
    *_, (_, _, again) = pipeline.chunks(loaded.train, batch_size=1, seed=0, start=7, stop=14, fuse=7)
    np.testing.assert_array_equal(again["images"], batch["images"])


def test_bad_domains_are_one_clear_sentence(tmp_path):
    cases = {
        "lacks trainB": {"trainA": 2},
        "trainB holds no images": {"trainA": 2, "trainB": 0},
        "only one of testA and testB": {"trainA": 2, "trainB": 2, "testA": 1},
    }
    for number, (sentence, folders) in enumerate(cases.items()):
        root = tmp_path / str(number)
        for name, count in folders.items():
            write(root / name, count)
        with pytest.raises(data.DataError, match=sentence):
            data.load(f"folder:{root}", stream=True)
    with pytest.raises(data.DataError, match="domains:digits, domains:scenes"):
        data.load("domains:cats")
    with pytest.raises(data.DataError, match="differ in colour"):
        data.load("domains:digits", channels=1)
