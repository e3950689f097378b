"""PyTorch of StyleGAN, HoloGAN and a scale of SinGAN, which `benchmarks.gan_step` times."""

import math
from collections.abc import Callable

import torch
from torch import nn
from torch.nn import functional as F
from torch.nn.utils.parametrizations import spectral_norm

from benchmarks._torch_parts import Model, Place, Side, averaged, cross_entropy, gradient, in_turn, not_fooled

RELU_GAIN = math.sqrt(2)


class _Equalised(nn.Module):
    """A dense layer, or a convolution with `size` pixels a side, whose weights are scaled when they are used."""

    def __init__(self, inputs, outputs, size=None, gain=RELU_GAIN, rate=1.0, bias=True):
        super().__init__()
        shape = (outputs, inputs) if size is None else (outputs, inputs, size, size)
        self.weight = nn.Parameter(torch.randn(shape) / rate)
        self.bias = nn.Parameter(torch.zeros(outputs)) if bias else None
        self.size, self.rate, self.scale = size, rate, gain * rate / math.sqrt(math.prod(shape[1:]))

    def forward(self, x):
        bias = None if self.bias is None else self.bias * self.rate
        if self.size is None:
            return F.linear(x, self.weight * self.scale, bias)
        return F.conv2d(x, self.weight * self.scale, bias, padding=self.size // 2)


def _blur(x):
    taps = torch.tensor([1.0, 2.0, 1.0], device=x.device, dtype=x.dtype) / 4
    kernel = (taps[:, None] * taps).expand(x.shape[1], 1, 3, 3)
    return F.conv2d(x, kernel, padding=1, groups=x.shape[1])


class _Styled(nn.Module):
    def __init__(self, width, style, convolves, doubles):
        super().__init__()
        self.conv = _Equalised(width, width, 3, bias=False) if convolves else None
        self.doubles = doubles
        self.strength, self.bias = (nn.Parameter(torch.zeros(width, 1, 1)) for _ in range(2))
        self.style = _Equalised(style, 2 * width, gain=1.0)

    def forward(self, x, w, noise):
        if self.conv is not None:
            x = self.conv(F.interpolate(x, scale_factor=2) if self.doubles else x)
            x = _blur(x) if self.doubles else x
        x = F.instance_norm(F.leaky_relu(x + self.strength * noise + self.bias, 0.2), eps=1e-8)
        scale, shift = self.style(w)[..., None, None].chunk(2, 1)
        return x * (1 + scale) + shift


class _StyleGenerator(nn.Module):
    """32 pixels: eight styled layers of the same width."""

    average: torch.Tensor

    def __init__(self, width):
        super().__init__()
        self.mapping = nn.ModuleList(_Equalised(width, width, rate=0.01) for _ in range(8))
        self.constant = nn.Parameter(torch.ones(1, width, 4, 4))
        layers = (_Styled(width, width, layer > 0, layer > 0 and layer % 2 == 0) for layer in range(8))
        self.layers = nn.ModuleList(layers)
        self.colours = nn.ModuleList(_Equalised(width, 3, 1, gain=1.0) for _ in range(4))
        self.register_buffer("average", torch.zeros(width))

    def mapped(self, latent):
        x = latent * torch.rsqrt(latent.square().mean(1, keepdim=True) + 1e-8)
        for layer in self.mapping:
            x = F.leaky_relu(layer(x), 0.2)
        return x

    def forward(self, latent, second, crossover, noises):
        w, other = self.mapped(latent), self.mapped(second)
        if w.requires_grad:
            with torch.no_grad():
                self.average.lerp_(w.float().mean(0), 0.005)
        x = self.constant.expand(len(w), -1, -1, -1)
        for number, (layer, noise) in enumerate(zip(self.layers, noises, strict=True)):
            x = layer(x, torch.where(crossover > number, w, other), noise)
        return self.colours[-1](x)


class _StyleDiscriminator(nn.Module):
    """32 pixels: three halvings, the deviation of groups of four images, two dense layers."""

    def __init__(self, width):
        super().__init__()
        self.colours = nn.ModuleList(_Equalised(3, width, 1) for _ in range(4))
        self.blocks = nn.ModuleList(_Equalised(width, width, 3) for _ in range(6))
        self.conv, self.dense = _Equalised(width + 1, width, 3), _Equalised(16 * width, width)
        self.score = _Equalised(width, 1, gain=1.0)

    def forward(self, x):
        x = F.leaky_relu(self.colours[-1](x), 0.2)
        for first, second in zip(self.blocks[::2], self.blocks[1::2], strict=True):
            x = F.leaky_relu(first(x), 0.2)
            x = F.leaky_relu(F.avg_pool2d(second(_blur(x)), 2), 0.2)
        group = min(4, len(x))
        y = x.reshape(group, len(x) // group, *x.shape[1:])
        deviation = (y.var(0, unbiased=False) + 1e-8).sqrt().mean((1, 2, 3)).repeat(group)
        x = torch.cat([x, deviation[:, None, None, None].expand(-1, 1, *x.shape[2:])], 1)
        x = F.leaky_relu(self.dense(F.leaky_relu(self.conv(x), 0.2).flatten(1)), 0.2)
        return self.score(x)[:, 0]


def stylegan(wrap: Callable, place: Place, width: int = 512) -> Model:
    """Return the StyleGAN at 32 pixels with R1, mixed styles, noise, and the average of its generator."""
    networks = {"generator": _StyleGenerator(width), "discriminator": _StyleDiscriminator(width)}

    def drawn(nets, count):
        mixed = torch.rand((), device=place.device) < 0.9
        crossover = torch.where(mixed, torch.randint(1, 8, (), device=place.device), 8)
        noises = [place.normal(count, 1, side, side) for side in (4, 8, 16, 32) for _ in range(2)]
        return nets["generator"](place.normal(count, width), place.normal(count, width), crossover, noises)

    def judging(nets, images):
        judge, images = nets["discriminator"], images.requires_grad_()
        real, fake = judge(images), judge(drawn(nets, len(images)))
        (slope,) = torch.autograd.grad(real.sum(), images, create_graph=True)
        return cross_entropy(real, fake) + 10 / 2 * slope.float().square().sum((1, 2, 3)).mean()

    def fooling(nets, images):
        return not_fooled(nets["discriminator"](drawn(nets, len(images))))

    after = averaged(networks["generator"], 0.999, 0, place, buffers=False)
    sides = (
        Side(("discriminator",), judging, rate=1e-3, betas=(0.0, 0.99)),
        Side(("generator",), fooling, rate=1e-3, betas=(0.0, 0.99)),
    )
    return in_turn(networks, sides, wrap, place, after)


class _Bent(nn.Module):
    """Instance norm with a rectified scale and shift from the latent, then ReLU."""

    def __init__(self, latent, features):
        super().__init__()
        self.style = nn.Linear(latent, 2 * features)

    def forward(self, x, latent):
        scale, shift = F.relu(self.style(latent)).reshape(len(x), -1, *(1,) * (x.ndim - 2)).chunk(2, 1)
        return F.relu(scale * F.instance_norm(x, eps=1e-8) + shift)


class _Turned(nn.Module):
    """HoloGAN's generator of 64 pixels."""

    def __init__(self, width):
        super().__init__()
        volumes, images, flat = (2 * width, width), (4 * width, width), 16 * width
        self.template = nn.Parameter(0.02 * torch.randn(1, 8 * width, 4, 4, 4))
        self.volumes = nn.ModuleList(
            nn.ConvTranspose3d(*pair, 3, 2, 1, 1) for pair in zip((8 * width, 2 * width), volumes, strict=True)
        )
        self.flat = nn.Conv2d(16 * width, flat, 1)
        self.images = nn.ModuleList(
            nn.ConvTranspose2d(*pair, 4, 2, 1) for pair in zip((flat, 4 * width), images, strict=True)
        )
        self.last = nn.ConvTranspose2d(width, 3, 4, 1, 1)
        self.styles = nn.ModuleList(_Bent(128, features) for features in (8 * width, *volumes, *images))

    def forward(self, latent, turns):
        first, *styles = self.styles
        x = first(self.template.expand(len(latent), -1, -1, -1, -1), latent)
        for conv, style in zip(self.volumes, styles[:2], strict=True):
            x = style(conv(x), latent)
        places = F.affine_grid(turns, list(x.shape), align_corners=True)
        x = F.grid_sample(x.float(), places, align_corners=True)
        x = x.permute(0, 4, 1, 3, 2).flip(3).flatten(1, 2)  # depth x, rows -y, columns z
        x = F.relu(self.flat(x))
        for conv, style in zip(self.images, styles[2:], strict=True):
            x = style(conv(x), latent)
        return torch.tanh(self.last(x)[..., :-1, :-1])


class _Telling(nn.Module):
    """HoloGAN's discriminator: logits, and the latent that it tells."""

    def __init__(self, width):
        super().__init__()
        layers: list[nn.Module] = [nn.Conv2d(3, width, 5, 2, 2), nn.LeakyReLU(0.2)]
        for factor in (1, 2, 4):
            conv = spectral_norm(nn.Conv2d(factor * width, 2 * factor * width, 5, 2, 2))
            layers += [conv, nn.InstanceNorm2d(2 * factor * width, affine=True), nn.LeakyReLU(0.2)]
        self.body = nn.Sequential(*layers, nn.Flatten())
        self.logit = nn.Linear(16 * 8 * width, 1)
        self.latent = nn.Sequential(nn.Linear(16 * 8 * width, 128), nn.LeakyReLU(0.2), nn.Linear(128, 128), nn.Tanh())

    def forward(self, x):
        x = self.body(x)
        return self.logit(x)[:, 0], self.latent(x)


def hologan(wrap: Callable, place: Place, width: int = 64) -> Model:
    """Return the HoloGAN of 64 pixels with the identity loss, azimuths 220 to 320 and elevations 70 to 110 degrees."""
    networks = {"generator": _Turned(width), "discriminator": _Telling(width)}

    def drawn(nets, count):
        latent, angles = place.uniform(count, 128), place.uniform(count, 2)
        turn, tilt = torch.deg2rad(180 + 50 * angles[:, 0]), torch.deg2rad(20 * angles[:, 1])
        (c, u), (s, v), none = torch.cos(torch.stack([turn, tilt])), torch.sin(torch.stack([turn, tilt])), 0 * turn
        rows = ((u * c, -v * c, s, none), (v, u, none, none), (-u * s, v * s, c, none))
        turns = torch.stack([torch.stack(row, -1) for row in rows], 1)
        return nets["generator"](latent, turns), latent

    def judging(nets, images):
        fake, latent = drawn(nets, len(images))
        logits, told = nets["discriminator"](torch.cat([images, fake]))
        return cross_entropy(*logits.chunk(2)) + F.mse_loss(told.chunk(2)[1], latent)

    def fooling(nets, images):
        fake, latent = drawn(nets, len(images))
        logits, told = nets["discriminator"](fake)
        return not_fooled(logits) + F.mse_loss(told, latent)

    sides = Side(("discriminator",), judging, 1, 1e-4), Side(("generator",), fooling, 2, 1e-4)
    return in_turn(networks, sides, wrap, place)


class _Patches(nn.Sequential):
    def __init__(self, width, outputs):
        layers: list[nn.Module] = []
        for layer in range(4):
            made = nn.Conv2d(width if layer else 3, width, 3), nn.BatchNorm2d(width), nn.LeakyReLU(0.2)
            layers += made
        super().__init__(*layers, nn.Conv2d(width, outputs, 3))


SIZES = ((25, 38), (31, 46), (37, 55), (44, 66), (54, 80), (64, 96))


def singan(wrap: Callable, place: Place, width: int = 32) -> Model:
    """Return the finest scale of a SinGAN of 64 x 96 pixels, the sixth, with the five below it frozen."""
    networks = {"generator": _Patches(2 * width, 3), "discriminator": _Patches(2 * width, 1)}
    lower = [_Patches(width if level < 4 else 2 * width, 3).to(place.device).eval() for level in range(5)]
    below = [wrap(network.requires_grad_(False)) for network in lower]
    previous = torch.zeros(1, 3, *SIZES[-1], device=place.device)

    def added(network, noise, image):
        return image + torch.tanh(network(F.pad(noise + image, (5,) * 4)))

    def sampled(count):
        image = torch.zeros(count, 3, *SIZES[0], device=place.device)
        with torch.no_grad():
            for level, network in enumerate(below):
                noise = place.normal(count, 3 if level else 1, *SIZES[level])
                image = added(network, noise, image)
                image = F.interpolate(image, SIZES[level + 1], mode="bicubic", align_corners=False).clamp(-1, 1)
        return place.normal(count, 3, *SIZES[-1]), image

    def judging(nets, images):
        judge, fake = nets["discriminator"], added(nets["generator"], *sampled(len(images)))
        slope = gradient(judge, images, torch.rand(len(images), 1, 1, 1, device=place.device), fake)
        return judge(fake).mean() - judge(images).mean() + 0.1 * (slope.norm(dim=1) - 1).square().mean()

    def drawing(nets, images):
        fake = added(nets["generator"], *sampled(len(images)))
        drawn = added(nets["generator"], 0 * previous, previous)
        return -nets["discriminator"](fake).mean() + 10 * F.mse_loss(drawn, images)

    sides = Side(("discriminator",), judging, 3, 5e-4), Side(("generator",), drawing, 3, 5e-4)
    return in_turn(networks, sides, wrap, place)
