"""Prepared tensorflow-datasets sets, made and read here without TensorFlow."""

import importlib
import json
import shutil
import subprocess
import sys

import numpy as np
import pytest

from genjax.data import Arrays, DataError, Files, known, load

# A builder must live in a module inside a package, and give encoded images, to need no TensorFlow.
BUILDER = '''
import io
import numpy as np
import tensorflow_datasets as tfds
from PIL import Image


def image(number):
    return np.random.default_rng(number).integers(0, 256, (6, 6, 3), np.uint8)


class TinyShapes(tfds.core.GeneratorBasedBuilder):
    """Random pictures."""

    VERSION = tfds.core.Version("1.0.0")

    def _info(self):
        return self.dataset_info_from_configs(
            features=tfds.features.FeaturesDict(
                {
                    "image": tfds.features.Image(shape=(6, 6, 3)),
                    "label": tfds.features.ClassLabel(names=["sun", "moon"]),
                }
            )
        )

    def _split_generators(self, manager):
        return {
            "train": self._generate_examples(0, 20),
            "test": self._generate_examples(20, 25),
            "unlabelled": self._generate_examples(25, 55, labelled=False),
        }

    def _generate_examples(self, first, last, labelled=True):
        for number in range(first, last):
            file = io.BytesIO()
            Image.fromarray(image(number)).save(file, "PNG")
            file.seek(0)
            yield number, {"image": file, "label": number % 2 if labelled else -1}
'''


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    root = tmp_path_factory.mktemp("tfds")
    package = root / "tiny_package"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "tiny_shapes.py").write_text(BUILDER)
    (package / "README.md").write_text("tiny")
    (package / "CITATIONS.bib").write_text("")
    (package / "TAGS.txt").write_text("")
    sys.path.insert(0, str(root))
    try:
        module = importlib.import_module("tiny_package.tiny_shapes")
        builder = module.TinyShapes(data_dir=str(root / "data"), file_format="array_record")
        builder.download_and_prepare()
        yield root / "data" / "tiny_shapes" / "1.0.0", module.image
    finally:
        sys.path.remove(str(root))


def test_another_split_to_train_on(prepared, tmp_path):
    path, _ = prepared
    data = load(f"tfds:{path}@unlabelled", cache_dir=tmp_path)
    assert (len(data.train), len(data.test), data.class_names) == (30, 5, ())
    assert not data.train.labelled and not data.test.labelled
    assert data.name.endswith("@unlabelled")
    assert known(f"tfds:{path}@unlabelled").train == 30
    with pytest.raises(DataError, match='a split "moon"'):
        load(f"tfds:{path}@moon", cache_dir=tmp_path)


@pytest.mark.parametrize("stream", [False, True])
def test_a_prepared_set(prepared, tmp_path, stream):
    path, image = prepared
    data = load(f"tfds:{path}", cache_dir=tmp_path, stream=stream)
    assert "tensorflow" not in sys.modules
    assert isinstance(data.train, Files if stream else Arrays)
    assert (len(data.train), len(data.test), data.shape, data.class_names) == (20, 5, (6, 6, 3), ("sun", "moon"))
    expected = sorted(image(number).tobytes() for number in range(20))
    batch = data.train.take(np.arange(20))
    assert sorted(picture.tobytes() for picture in batch["images"]) == expected
    numbers = {image(number).tobytes(): number for number in range(25)}
    for split in (data.train, data.test):
        batch = split.take(np.arange(len(split)))
        assert [numbers[picture.tobytes()] % 2 for picture in batch["images"]] == batch["labels"].tolist()


@pytest.mark.parametrize("size", [None, 4])
def test_what_the_description_tells_is_true(prepared, tmp_path, size):
    path, _ = prepared
    facts = known(f"tfds:{path}", image_size=size)
    assert facts.to_json() == load(f"tfds:{path}", cache_dir=tmp_path, image_size=size).facts.to_json()


def test_resized_grey_and_cached(prepared, tmp_path):
    path, _ = prepared
    data = load(f"tfds:{path}", image_size=4, channels=1, cache_dir=tmp_path)
    assert data.shape == (4, 4, 1) and isinstance(data.train.arrays["images"], np.memmap)
    before = {path.name: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    load(f"tfds:{path}", image_size=4, channels=1, cache_dir=tmp_path)
    assert {path.name: path.stat().st_mtime_ns for path in tmp_path.iterdir()} == before and len(before) == 2


def run(code, data_dir, home):
    environment = {"TFDS_DATA_DIR": str(data_dir), "PATH": "", "HOME": str(home)}
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment)


def test_without_a_test_part(prepared, tmp_path):
    path, image = prepared
    copy = tmp_path / "tiny_shapes" / "1.0.0"
    shutil.copytree(path, copy)
    info = json.loads((copy / "dataset_info.json").read_text())
    info["splits"] = [split for split in info["splits"] if split["name"] == "train"]
    (copy / "dataset_info.json").write_text(json.dumps(info))
    data = load(f"tfds:{copy}", cache_dir=tmp_path / "cache")
    assert (len(data.train), len(data.test)) == (16, 4) and np.bincount(data.test.arrays["labels"]).tolist() == [2, 2]
    numbers = {image(number).tobytes(): number for number in range(20)}
    for split in (data.train, data.test):
        found = [numbers[picture.tobytes()] % 2 for picture in split.arrays["images"]]
        assert found == split.arrays["labels"].tolist()


def test_found_by_name_in_the_data_directory(prepared, tmp_path):
    # A set that was prepared elsewhere and copied is found by the name of its folder.
    path, _ = prepared
    code = "from genjax.data import load; d = load('tfds:tiny_shapes', stream=True); print(len(d.train), d.num_classes)"
    done = run(code, path.parents[1], tmp_path)
    assert done.stdout.split() == ["20", "2"], done.stderr


def test_not_prepared_is_said_at_once_and_offline(tmp_path):
    code = """
import socket, time
def refuse(*args):
    raise AssertionError("touched the network")
socket.socket.connect = socket.getaddrinfo = refuse
import tensorflow_datasets
from genjax.data import DataError, load
begin = time.monotonic()
try:
    load("tfds:mnist")
except DataError as error:
    print(time.monotonic() - begin, error)
"""
    done = run(code, tmp_path, tmp_path)
    seconds, message = done.stdout.split(maxsplit=1)
    assert float(seconds) < 5 and done.stderr == ""
    assert message.startswith(f"tfds:mnist is not prepared under {tmp_path}/mnist/3.0.1. Once, on a machine with")
    assert "t.builder('mnist', file_format='array_record').download_and_prepare()" in message


def test_unknown_names_get_a_hint():
    with pytest.raises(DataError, match=r"no set 'mnits' .* did you mean mnist"):
        load("tfds:mnits")
    with pytest.raises(DataError, match="no set 'xqzzzv' .* see tensorflow.org"):
        load("tfds:xqzzzv")
    with pytest.raises(DataError, match="tfds:mnist:9.9.9 cannot be opened: .*only: 3.0.1"):
        load("tfds:mnist:9.9.9")


def test_other_formats_and_features_are_refused(prepared, tmp_path):
    path, _ = prepared
    copy = tmp_path / "tiny_shapes" / "1.0.0"
    shutil.copytree(path, copy)
    info = json.loads((copy / "dataset_info.json").read_text())
    (copy / "dataset_info.json").write_text(json.dumps({**info, "fileFormat": "tfrecord"}))
    with pytest.raises(
        DataError, match="is stored as tfrecord, which cannot be read without TensorFlow; prepare it again"
    ):
        load(f"tfds:{copy}")
    features = json.loads((path / "features.json").read_text())
    fields = features["featuresDict"]["features"]
    fields["picture"] = fields.pop("image")
    (copy / "dataset_info.json").write_text(json.dumps(info))
    (copy / "features.json").write_text(json.dumps(features))
    with pytest.raises(
        DataError, match=r'has the features .*picture.* expected a feature "image" of uint8 and a split "train"'
    ):
        load(f"tfds:{copy}")


def test_without_the_package_it_is_one_sentence(monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorflow_datasets", None)
    with pytest.raises(DataError, match=r"tfds:mnist is read with .* pip install 'genjax-models\[tfds\]'"):
        load("tfds:mnist")
