"""PyTorch of the residual GANs for 32 pixels that `benchmarks.gan_step` times: SNGAN, WGAN-GP, SAGAN and BigGAN."""

from collections.abc import Callable

import torch
from torch import nn
from torch.nn import functional as F
from torch.nn.utils.parametrizations import spectral_norm

from benchmarks._torch_parts import Model, Place, Side, View, averaged, gradient, hinge, in_turn

CLASSES = 10


class _Norm(nn.Module):
    """Batch norm, with a scale and a bias for each class where there are classes."""

    def __init__(self, features, classes):
        super().__init__()
        self.norm = nn.BatchNorm2d(features, affine=not classes)
        if classes:
            self.scale, self.bias = nn.Embedding(classes, features), nn.Embedding(classes, features)
            nn.init.ones_(self.scale.weight)
            nn.init.zeros_(self.bias.weight)
        self.classes = classes

    def forward(self, x, labels):
        x = self.norm(x)
        return self.scale(labels)[..., None, None] * x + self.bias(labels)[..., None, None] if self.classes else x


class _Up(nn.Module):
    def __init__(self, inputs, outputs, classes, norm):
        super().__init__()
        self.norm1, self.norm2 = _Norm(inputs, classes), _Norm(outputs, classes)
        self.conv1 = norm(nn.Conv2d(inputs, outputs, 3, padding=1))
        self.conv2 = norm(nn.Conv2d(outputs, outputs, 3, padding=1))
        self.shortcut = norm(nn.Conv2d(inputs, outputs, 1))

    def forward(self, x, labels):
        y = self.conv1(F.interpolate(F.relu(self.norm1(x, labels)), scale_factor=2))
        y = self.conv2(F.relu(self.norm2(y, labels)))
        return y + F.interpolate(self.shortcut(x), scale_factor=2)


class _Down(nn.Module):
    def __init__(self, inputs, outputs, down, first, norm, hidden):
        super().__init__()
        self.conv1 = norm(nn.Conv2d(inputs, hidden, 3, padding=1))
        self.conv2 = norm(nn.Conv2d(hidden, outputs, 3, padding=1))
        self.shortcut = norm(nn.Conv2d(inputs, outputs, 1)) if down or inputs != outputs else None
        self.down, self.first = down, first

    def forward(self, x):
        y = self.conv2(F.relu(self.conv1(x if self.first else F.relu(x))))
        if self.down:
            x, y = F.avg_pool2d(x, 2), F.avg_pool2d(y, 2)
        return y + (x if self.shortcut is None else self.shortcut(x))


class _Attention(nn.Module):
    def __init__(self, width, norm):
        super().__init__()
        self.query = norm(nn.Conv2d(width, width // 8, 1, bias=False))
        self.key = norm(nn.Conv2d(width, width // 8, 1, bias=False))
        self.value = norm(nn.Conv2d(width, width // 2, 1, bias=False))
        self.output = norm(nn.Conv2d(width // 2, width, 1, bias=False))
        self.gamma = nn.Parameter(torch.zeros(()))

    def forward(self, x):
        query, key, value = self.query(x), F.max_pool2d(self.key(x), 2), F.max_pool2d(self.value(x), 2)
        query, key, value = (y.flatten(2) for y in (query, key, value))
        shares = torch.bmm(query.transpose(1, 2), key).softmax(-1)
        seen = torch.bmm(value, shares.transpose(1, 2)).reshape(len(x), -1, *x.shape[2:])
        return x + self.gamma * self.output(seen)


class _Generator(nn.Module):
    """attends: the number of the block behind which there is attention."""

    def __init__(self, width, norm, classes=0, attends=None):
        super().__init__()
        self.first, self.last = norm(nn.Linear(128, 16 * width)), norm(nn.Conv2d(width, 3, 3, padding=1))
        self.start, self.norm = View(width, 4, 4), nn.BatchNorm2d(width)
        self.blocks = nn.ModuleList(_Up(width, width, classes, norm) for _ in range(3))
        self.attention, self.attends = nn.Identity() if attends is None else _Attention(width, norm), attends

    def forward(self, latent, labels=None):
        x = self.start(self.first(latent))
        for number, block in enumerate(self.blocks):
            x = block(x, labels)
            x = self.attention(x) if number == self.attends else x
        return torch.tanh(self.last(F.relu(self.norm(x))))


class _Discriminator(nn.Module):
    """mean: over pixels, else their sum.  last_bias: of the linear unit."""

    def __init__(self, width, norm, *, mean=False, last_bias=True, classes=0, attends=None):
        super().__init__()
        blocks = (_Down(width if i else 3, width, i < 2, i == 0, norm, width) for i in range(4))
        self.blocks, self.last = nn.ModuleList(blocks), norm(nn.Linear(width, 1, bias=last_bias))
        self.mean = mean
        self.rows = norm(nn.Embedding(classes, width)) if classes else None
        self.attention, self.attends = nn.Identity() if attends is None else _Attention(width, norm), attends

    def forward(self, x, labels=None):
        for number, block in enumerate(self.blocks):
            x = block(x)
            x = self.attention(x) if number == self.attends else x
        x = F.relu(x).mean((2, 3)) if self.mean else F.relu(x).sum((2, 3))
        score = self.last(x)[:, 0]
        return score if self.rows is None else score + (self.rows(labels) * x).sum(1)


def sngan(wrap: Callable, place: Place, width: int = 256) -> Model:
    """Return the residual SNGAN, hinge loss; images and samples pass the discriminator together."""
    networks = {
        "generator": _Generator(width, lambda layer: layer),
        "discriminator": _Discriminator(width // 2, spectral_norm, last_bias=False),
    }

    def judging(nets, images):
        fake = nets["generator"](place.normal(len(images), 128))
        return hinge(*nets["discriminator"](torch.cat([images, fake])).chunk(2))

    def fooling(nets, images):
        return -nets["discriminator"](nets["generator"](place.normal(2 * len(images), 128))).mean()

    sides = Side(("discriminator",), judging, 5, betas=(0.0, 0.9)), Side(("generator",), fooling, betas=(0.0, 0.9))
    return in_turn(networks, sides, wrap, place)


def wgan_gp(wrap: Callable, place: Place, width: int = 128) -> Model:
    """Return the residual WGAN-GP."""
    networks = {
        "generator": _Generator(width, lambda layer: layer),
        "critic": _Discriminator(width, lambda layer: layer, mean=True),
    }

    def judging(nets, images):
        judge, fake = nets["critic"], nets["generator"](place.normal(len(images), 128))
        slope = gradient(judge, images, torch.rand(len(images), 1, 1, 1, device=place.device), fake)
        penalty = (slope.flatten(1).norm(dim=1) - 1).square().mean()
        return judge(fake).mean() - judge(images).mean() + 10 * penalty

    def fooling(nets, images):
        return -nets["critic"](nets["generator"](place.normal(2 * len(images), 128))).mean()

    sides = Side(("critic",), judging, 5, betas=(0.0, 0.9)), Side(("generator",), fooling, betas=(0.0, 0.9))
    return in_turn(networks, sides, wrap, place)


def _conditional(networks, wrap, place, moves, betas, after):
    """Hinge losses under labels, of samples drawn uniformly; the discriminator moves `moves` times a step."""

    def judging(nets, images, labels):
        told = place.labels(len(images), CLASSES)
        fake = nets["generator"](place.normal(len(images), 128), told)
        return hinge(*nets["discriminator"](torch.cat([images, fake]), torch.cat([labels, told])).chunk(2))

    def fooling(nets, images, labels):
        told = place.labels(len(images), CLASSES)
        return -nets["discriminator"](nets["generator"](place.normal(len(images), 128), told), told).mean()

    sides = Side(("discriminator",), judging, moves, betas=betas), Side(("generator",), fooling, betas=betas)
    return in_turn(networks, sides, wrap, place, after)


def sagan(wrap: Callable, place: Place, width: int = 256) -> Model:
    """Return the SAGAN of CIFAR-10, attention at 16 pixels in both networks."""
    networks = {
        "generator": _Generator(width, spectral_norm, CLASSES, attends=1),
        "discriminator": _Discriminator(width // 2, spectral_norm, classes=CLASSES, attends=0),
    }
    return _conditional(networks, wrap, place, 5, (0.5, 0.999), lambda: None)


def biggan(wrap: Callable, place: Place, width: int = 64) -> Model:
    """Return the BigGAN of CIFAR-10 and the average of its generator, which is a copy for 1000 steps."""
    networks = {
        "generator": _Generator(4 * width, spectral_norm, CLASSES),
        "discriminator": _Discriminator(4 * width, spectral_norm, classes=CLASSES),
    }
    after = averaged(networks["generator"], 0.9999, 1000, place, buffers=True)
    return _conditional(networks, wrap, place, 4, (0.0, 0.999), after)
