"""Samples as a folder of pictures, and classes by their names."""

import numpy as np
import pytest

from eval import sample
from genjax import data


def test_samples_as_a_folder_are_read_back_as_a_data_set(tmp_path):
    images = np.random.default_rng(0).integers(0, 256, (4, 8, 8, 3), np.uint8)
    drawn = sample.Drawn(images, np.zeros((4, 2)), np.array([2, 2, 0, 0]), ["red fox", "cat"])
    sample.write_folder(tmp_path / "made", drawn)
    names = sorted(str(path.relative_to(tmp_path / "made")) for path in (tmp_path / "made").rglob("*.png"))
    assert names == ["cat/000002.png", "cat/000003.png", "red fox/000000.png", "red fox/000001.png"]
    found = data.load(f"folder:{tmp_path / 'made'}", hold_out=0.5)
    assert found.class_names == ("cat", "red fox")
    with pytest.raises(ValueError, match="holds images already"):
        sample.write_folder(tmp_path / "made", drawn)
    sample.write_folder(tmp_path / "plain", drawn._replace(labels=None, names=[]))
    assert len(list((tmp_path / "plain").glob("*.png"))) == 4


def test_classes_are_asked_for_by_number_or_name():
    names = ("cat", "red fox", "Owl")
    assert sample.choose_labels(["owl", "0", "red fox"], names, "it") == [2, 0, 1]
    assert sample.choose_labels([], names, "it") == [0, 1, 2]
    assert sample.choose_labels(["1"], ("7", "1", "3"), "it") == [1], "a name is a name, though it is a number"
    with pytest.raises(
        ValueError, match=r"--labels owll \(did you mean owl\?\): the classes of it are 0 to 2, or cat,"
    ):
        sample.choose_labels(["owll"], names, "it")
    with pytest.raises(ValueError, match="the classes of it are 0 to 1$"):
        sample.choose_labels(["2"], ("0", "1"), "it")
    with pytest.raises(ValueError, match="draws without labels"):
        sample.choose_labels(["2"], (), "it")
