"""Write the small files that tests/test_tensors.py reads; needs PyTorch (these are of version 2.13.0).

python tests/torch_files/make.py
"""

from collections import OrderedDict
from pathlib import Path

import torch

FOLDER = Path(__file__).parent


def main() -> None:
    """Write a state in both formats, a checkpoint with an optimizer's state, and a whole module."""
    torch.manual_seed(0)
    base = torch.arange(24.0).reshape(2, 3, 4)
    state = OrderedDict(
        [
            ("a.weight", base),
            ("a.view", base.transpose(0, 2)[1:]),
            ("a.half", torch.tensor([1.5, -2.0]).half()),
            ("a.bf", torch.tensor([1.5, -2.0]).bfloat16()),
            ("a.num_batches_tracked", torch.tensor(7)),
            ("a.gamma", torch.tensor(0.25)),
            ("a.empty", torch.zeros(0, 3)),
            ("a.parameter", torch.nn.Parameter(torch.ones(2))),
            ("a.double", torch.tensor([0.1], dtype=torch.float64)),
        ]
    )
    torch.save(state, FOLDER / "new.pth")
    torch.save(state, FOLDER / "old.pth", _use_new_zipfile_serialization=False)
    module = torch.nn.Linear(2, 3)
    optimizer = torch.optim.Adam(module.parameters())
    module(torch.ones(1, 2)).sum().backward()
    optimizer.step()
    checkpoint = {
        "model_state_dict": module.state_dict(),
        "optimizer_state_dict": optimizer.state_dict(),
        "global_step": 9,
    }
    torch.save(checkpoint, FOLDER / "nested.pth", _use_new_zipfile_serialization=False)
    torch.save(module, FOLDER / "whole.pth")


if __name__ == "__main__":
    main()
