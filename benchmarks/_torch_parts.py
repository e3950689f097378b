"""PyTorch: what the plainly written models of `benchmarks` share: moves in turn, losses and a few layers.

Images are float[batch, channels, height, width].
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import torch
from torch import nn
from torch.nn import functional as F

VGG19 = (2, 2, 4, 4, 4)


class Place(NamedTuple):
    """device: "cpu" or "cuda".  bf16: autocast to it."""

    device: str
    bf16: bool = False

    def autocast(self) -> Any:
        """Return the context of a forward pass."""
        return torch.autocast(self.device, torch.bfloat16, enabled=self.bf16)

    def normal(self, *shape: int) -> torch.Tensor:
        """Draw N(0, 1)."""
        return torch.randn(shape, device=self.device)

    def uniform(self, *shape: int) -> torch.Tensor:
        """Draw U(-1, 1)."""
        return 2 * torch.rand(shape, device=self.device) - 1

    def labels(self, count: int, classes: int) -> torch.Tensor:
        """Draw labels."""
        return torch.randint(0, classes, (count,), device=self.device)


class Model(NamedTuple):
    """networks: by the names that genjax gives them.  step: one training step on the columns of its batches."""

    networks: dict[str, nn.Module]
    step: Callable[..., None]


class Side(NamedTuple):
    """What moves: the networks it owns, its loss of (networks by name, *columns), and Adam's settings."""

    owns: tuple[str, ...]
    loss: Callable[..., Any]
    repeats: int = 1
    rate: float = 2e-4
    betas: tuple[float, float] = (0.5, 0.999)


def in_turn(
    networks: Mapping[str, nn.Module],
    sides: Sequence[Side],
    wrap: Callable,
    place: Place,
    after: Callable[[], None] = lambda: None,
) -> Model:
    """Return the Model whose sides move in turn, each on the last `repeats` rows of columns [rows, batch, ...].

    wrap: `torch.compile` or the identity.  after: what follows a step.
    """
    networks = {name: network.to(place.device) for name, network in networks.items()}
    called = {name: wrap(network) for name, network in networks.items()}
    optimizers = [
        torch.optim.Adam([p for name in side.owns for p in networks[name].parameters()], side.rate, side.betas)
        for side in sides
    ]

    def step(*columns):
        for side, optimizer in zip(sides, optimizers, strict=True):
            for name, network in networks.items():
                network.requires_grad_(name in side.owns)
            for rows in zip(*(column[-side.repeats :] for column in columns), strict=True):
                with place.autocast():
                    loss = side.loss(called, *rows)
                optimizer.zero_grad(set_to_none=True)
                loss.backward()
                optimizer.step()
        after()

    return Model(networks, step)


def averaged(network: nn.Module, decay: float, first: int, place: Place, buffers: bool) -> Callable[[], None]:
    """Return what moves an average of a network on: a copy in the `first` steps, then by `decay`.

    buffers: whether running statistics are averaged too.
    """
    from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

    network.to(place.device)
    follow, stay = get_ema_multi_avg_fn(0.0), get_ema_multi_avg_fn(decay)
    average = AveragedModel(network, multi_avg_fn=follow, use_buffers=buffers)
    done = 0

    def move():
        nonlocal done
        average.multi_avg_fn = follow if done < first else stay
        average.update_parameters(network)
        done += 1

    return move


# Losses


def cross_entropy(real: torch.Tensor, fake: torch.Tensor) -> torch.Tensor:
    """Return a discriminator's loss of logits."""
    return F.softplus(-real).mean() + F.softplus(fake).mean()


def not_fooled(fake: torch.Tensor) -> torch.Tensor:
    """Return the non-saturating loss of a generator."""
    return F.softplus(-fake).mean()


def hinge(real: torch.Tensor, fake: torch.Tensor) -> torch.Tensor:
    """Return a discriminator's hinge loss of scores."""
    return F.relu(1 - real).mean() + F.relu(1 + fake).mean()


def gradient(judge: Callable, images: torch.Tensor, mix: torch.Tensor, fake: torch.Tensor) -> torch.Tensor:
    """Return the gradient of the sum of scores between images and samples, to be differentiated again."""
    between = (mix * images + (1 - mix) * fake).requires_grad_()
    return torch.autograd.grad(judge(between).sum(), between, create_graph=True)[0].float()


# Layers


class View(nn.Module):
    """Give the numbers of each example another shape."""

    def __init__(self, *shape):
        super().__init__()
        self.shape = shape

    def forward(self, x):
        return x.reshape(len(x), *self.shape)


class Vgg(nn.Module):
    """The convolutions of VGG-19, frozen, with random weights: what they see behind the layers `seen`."""

    stages: Any

    def __init__(self, width, seen):
        super().__init__()
        self.seen = seen
        self.stages = nn.ModuleList()
        inputs = 3
        for depth, factor in zip(VGG19, (1, 2, 4, 8, 8), strict=True):
            stage = nn.ModuleList()
            for _ in range(depth):
                stage.append(nn.Conv2d(inputs, factor * width, 3, padding=1))
                inputs = factor * width
            self.stages.append(stage)
        self.requires_grad_(False)

    def forward(self, x):
        found = []
        for number, stage in enumerate(self.stages, 1):
            x = F.max_pool2d(x, 2) if number > 1 else x
            for layer, conv in enumerate(stage, 1):
                x = F.relu(conv(x))
                if (number, layer) in self.seen:
                    found.append(x)
                if len(found) == len(self.seen):
                    return found
        raise ValueError(f"VGG-19 has no layers {self.seen}")
