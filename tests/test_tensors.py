"""Tensors from files; those of PyTorch in both of its formats, without PyTorch and without running what they hold."""

import io
import pickle
import shutil

import numpy as np
import pytest

from genjax import tensors
from tests.campaign import files
from tests.conftest import REPOSITORY

FOLDER = REPOSITORY / "tests" / "torch_files"
BASE = np.arange(24.0).reshape(2, 3, 4)


@pytest.mark.parametrize("name", ["new.pth", "old.pth"])
def test_both_formats_of_pytorch(name):
    found = tensors.read(FOLDER / name)
    expected = {
        "a.weight": BASE,
        "a.view": BASE.transpose(2, 1, 0)[1:],
        "a.half": [1.5, -2],
        "a.bf": [1.5, -2],
        "a.num_batches_tracked": 7,
        "a.gamma": 0.25,
        "a.empty": np.zeros((0, 3)),
        "a.parameter": [1, 1],
        "a.double": np.float32([0.1]),
    }
    assert list(found) == list(expected)
    for key, value in expected.items():
        assert found[key].dtype == (np.int64 if key == "a.num_batches_tracked" else np.float32)
        np.testing.assert_array_equal(found[key], value)


def test_a_checkpoint_gives_the_tensors_of_its_model(tmp_path):
    found = tensors.read(FOLDER / "nested.pth")
    assert {name: x.shape for name, x in found.items()} == {"weight": (3, 2), "bias": (3,)}
    # As Hugging Face names such files.
    shutil.copy(FOLDER / "nested.pth", tmp_path / "pytorch_model.bin")
    assert np.array_equal(tensors.read(tmp_path / "pytorch_model.bin")["weight"], found["weight"])


class Trap:
    """Something whose unpickling writes a file."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), "w")


def test_code_in_a_file_is_not_run(tmp_path):
    with pytest.raises(ValueError, match=r"cannot be read as .pth: it holds a torch.nn.modules.linear.Linear"):
        tensors.read(FOLDER / "whole.pth")
    (tmp_path / "trap.pth").write_bytes(pickle.dumps(Trap(tmp_path / "sprung")))
    with pytest.raises(ValueError, match=r"it holds a (_?io|builtins).open"):
        tensors.read(tmp_path / "trap.pth")
    assert not (tmp_path / "sprung").exists()


def test_damaged_files_and_other_files_are_refused(tmp_path):
    whole = (FOLDER / "old.pth").read_bytes()
    for cut in (10, 200, len(whole) - 5):
        (tmp_path / "cut.pth").write_bytes(whole[:cut])
        with pytest.raises(ValueError, match=r"'cut.pth' cannot be read as .pth"):
            tensors.read(tmp_path / "cut.pth")
    buffer = io.BytesIO()
    np.savez(buffer, a=np.zeros(2))
    (tmp_path / "other.pth").write_bytes(buffer.getvalue())
    with pytest.raises(ValueError, match="has no data.pkl, so PyTorch did not write it"):
        tensors.read(tmp_path / "other.pth")
    (tmp_path / "number.pth").write_bytes(pickle.dumps(3))
    with pytest.raises(ValueError, match="PyTorch did not write it"):
        tensors.read(tmp_path / "number.pth")


def test_small_files_that_ask_for_much_memory_are_refused(tmp_path):
    """Before it is taken: an object's number, a tensor of one number, a packed member, and lists in lists."""
    world: list = []
    for _ in range(100):
        world = [world, world]
    for number, (content, told) in enumerate(
        (
            (b"\x80\x02}r\xff\xff\xff\xff.", "PyTorch did not write it"),
            (files.of_torch(files.rebuilt((2**40,), (0,))), "would take 8192.0 GiB"),
            (files.of_torch(files.rebuilt((2, 2, 2), (1, 1, 1))), "has 4 numbers, so the file is damaged"),
            (files.packed("a/data.pkl", b"", 2**36), "would take 64.0 GiB"),
            (files.of_torch(pickle.dumps({"a": world})), "something else than a state_dict"),
        )
    ):
        (tmp_path / f"{number}.pth").write_bytes(content)
        assert files.outcome(tensors.read, tmp_path / f"{number}.pth") == ("refused", None)
        with pytest.raises(ValueError, match=told):
            tensors.read(tmp_path / f"{number}.pth")
    (tmp_path / "a.npz").write_bytes(files.packed("a.npy", files.header_of((2**36,)), 2**36))
    with pytest.raises(ValueError, match="would take 64.0 GiB"):
        tensors.read(tmp_path / "a.npz")
