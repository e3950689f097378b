"""Named tensors from files: `.npz`, `.safetensors`, and PyTorch's `.pth`, `.pt` and `.bin`."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from genjax import torch_files
from genjax.data.errors import reason
from genjax.data.readers import bounds

ORIGIN = "sha256 of the source"
"""Entry of a converted .npz that is no tensor: the hash of the file it was made from."""
NESTED = "model_state_dict"
"""Key under which a checkpoint may keep the tensors beside its optimizer's."""


def read(path: Path | str) -> dict[str, np.ndarray]:
    """Return `{name: array}` of a file; `.safetensors` needs the package of that name.

    PyTorch is not needed, pickled code is never run, and floating numbers of its files become float32. Raises
    FileNotFoundError, ModuleNotFoundError for a missing reader, and ValueError for another suffix or a file that is not
    what its suffix says.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"no weights at {path}; expected a .npz, .safetensors, .pth, .pt or .bin file")
    readers = {
        ".npz": _read_npz, ".safetensors": _read_safetensors, ".pth": _read_torch, ".pt": _read_torch,
        ".bin": _read_torch,
    }  # fmt: skip
    if path.suffix not in readers:
        raise ValueError(f"weights in {path.name!r}: expected one of the suffixes {', '.join(readers)}")
    try:
        return readers[path.suffix](path)
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            f"{path.name!r} needs the package {error.name}: install it, or convert the file to .npz"
        ) from error
    except Exception as error:
        raise ValueError(f"{path.name!r} cannot be read as {path.suffix}: {reason(error)}") from error


def _read_npz(path: Path) -> dict[str, np.ndarray]:
    with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:  # np.load leaves open what is damaged
        bounds.check(sum(member.file_size for member in archive.zip.infolist()), path)
        return {name: archive[name] for name in archive.files if name != ORIGIN}


def _read_safetensors(path: Path) -> dict[str, np.ndarray]:
    from safetensors.numpy import load_file

    return load_file(path)


def _read_torch(path: Path) -> dict[str, np.ndarray]:
    content = torch_files.read(path)
    tensors = content.get(NESTED, content) if isinstance(content, Mapping) else content
    if not isinstance(tensors, Mapping) or not all(isinstance(tensor, np.ndarray) for tensor in tensors.values()):
        raise ValueError("it holds something else than a state_dict of tensors; save model.state_dict() alone")
    return {name: x.astype(np.float32) if x.dtype.kind == "f" else x for name, x in tensors.items()}


def listing(names: Sequence[str], most: int = 6) -> str:
    """Return the first names, and how many more there are."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more
