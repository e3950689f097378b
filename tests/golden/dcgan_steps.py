"""Train DCGAN for two steps with PyTorch from the weights of `dcgan.npz`, and write losses and weights beside it.

    python tests/golden/dcgan_steps.py          # needs torch, and not this library

Layers and training loop are those of pytorch/examples dcgan/main.py, one stage fewer: the discriminator moves on real
images and on samples, a batch each, then the generator on the same samples, both by Adam (beta1 0.5). In float64; the
same images and latents in both steps, and a rate of 0.01, so that two steps change much.
"""

import pathlib

import numpy as np
import torch
from torch import nn
from torch.nn.functional import softplus

FOLDER = pathlib.Path(__file__).resolve().parent


def up(taken: int, given: int, stride: int, padding: int) -> list[nn.Module]:
    """Return a transposed convolution, batch norm and ReLU."""
    conv = nn.ConvTranspose2d(taken, given, 4, stride, padding, bias=False)
    return [conv, nn.BatchNorm2d(given), nn.ReLU()]


def down(taken: int, given: int) -> list[nn.Module]:
    """Return a strided convolution, batch norm and leaky ReLU."""
    return [nn.Conv2d(taken, given, 4, 2, 1, bias=False), nn.BatchNorm2d(given), nn.LeakyReLU(0.2)]


def loaded(layers: list[nn.Module], values: dict[str, np.ndarray], net: str) -> nn.Module:
    """Return the layers with their golden weights, in float64."""
    network = nn.Sequential(*layers).double()
    prefix = f"{net}/state/main."
    state = {name.removeprefix(prefix): torch.tensor(x) for name, x in values.items() if name.startswith(prefix)}
    missing, unexpected = network.load_state_dict(state, strict=False)
    assert not unexpected and all(name.endswith("num_batches_tracked") for name in missing)
    return network


def main() -> None:
    """Write dcgan_steps.npz."""
    values = dict(np.load(FOLDER / "dcgan.npz"))
    last_up = nn.ConvTranspose2d(4, 3, 4, 2, 1, bias=False)
    generator = loaded([*up(6, 16, 1, 0), *up(16, 8, 2, 1), *up(8, 4, 2, 1), last_up, nn.Tanh()], values, "G")
    first = [nn.Conv2d(3, 4, 4, 2, 1, bias=False), nn.LeakyReLU(0.2)]
    last = nn.Conv2d(16, 1, 4, bias=False)
    discriminator = loaded([*first, *down(4, 8), *down(8, 16), last], values, "D")
    players = {"D": discriminator, "G": generator}
    txs = {name: torch.optim.Adam(net.parameters(), lr=0.01, betas=(0.5, 0.999)) for name, net in players.items()}
    images, latents = (torch.tensor(values[f"in/{name}"]).double() for name in "xz")

    written = {}
    for step in (1, 2):
        fake = generator(latents)
        txs["D"].zero_grad()
        loss = softplus(-discriminator(images)).mean() + softplus(discriminator(fake.detach())).mean()
        loss.backward()
        txs["D"].step()
        written[f"loss/D/{step}"] = loss.detach().numpy()
        txs["G"].zero_grad()
        loss = softplus(-discriminator(fake)).mean()
        loss.backward()
        txs["G"].step()
        written[f"loss/G/{step}"] = loss.detach().numpy()
    for name, net in players.items():
        for path, x in net.named_parameters():
            written[f"{name}/after/main.{path}"] = x.detach().numpy().astype(np.float32)
    for path, x in generator.named_buffers():
        if path.endswith("running_mean"):
            written[f"G/after/main.{path}"] = x.numpy().astype(np.float32)
    np.savez_compressed(FOLDER / "dcgan_steps.npz", **written)


if __name__ == "__main__":
    main()
