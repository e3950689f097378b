"""PyTorch of the models from images to images that `benchmarks.gan_step` times: CycleGAN, pix2pix, SPADE, SRGAN."""

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F
from torch.nn.utils.parametrizations import spectral_norm

from benchmarks._torch_parts import Model, Place, Side, Vgg, cross_entropy, in_turn, not_fooled


def _translator(width, blocks):
    layers: list[nn.Module] = [nn.ReflectionPad2d(3), nn.Conv2d(3, width, 7), nn.InstanceNorm2d(width), nn.ReLU()]
    for factor in (2, 4):
        inputs, outputs = factor * width // 2, factor * width
        layers += [nn.Conv2d(inputs, outputs, 3, 2, 1), nn.InstanceNorm2d(outputs), nn.ReLU()]
    layers += [_Residual(4 * width) for _ in range(blocks)]
    for factor in (2, 1):
        inputs, outputs = 2 * factor * width, factor * width
        layers += [nn.ConvTranspose2d(inputs, outputs, 3, 2, 1, 1), nn.InstanceNorm2d(outputs), nn.ReLU()]
    return nn.Sequential(*layers, nn.ReflectionPad2d(3), nn.Conv2d(width, 3, 7), nn.Tanh())


class _Residual(nn.Module):
    def __init__(self, width):
        super().__init__()
        half = nn.ReflectionPad2d(1), nn.Conv2d(width, width, 3), nn.InstanceNorm2d(width)
        other = nn.ReflectionPad2d(1), nn.Conv2d(width, width, 3), nn.InstanceNorm2d(width)
        self.body = nn.Sequential(*half, nn.ReLU(), *other)

    def forward(self, x):
        return x + self.body(x)


def _patches(width, channels, norm, bias):
    wide = [width, 2 * width, 4 * width, 8 * width]
    layers: list[nn.Module] = [nn.Conv2d(channels, width, 4, 2, 1), nn.LeakyReLU(0.2)]
    for inputs, outputs, stride in zip(wide, wide[1:], (2, 2, 1), strict=False):
        layers += [nn.Conv2d(inputs, outputs, 4, stride, 1, bias=bias), norm(outputs), nn.LeakyReLU(0.2)]
    return nn.Sequential(*layers, nn.Conv2d(wide[-1], 1, 4, 1, 1))


class _Pool:
    """The last generated images, as the authors keep them: a list."""

    def __init__(self, size=50):
        self.size, self.images = size, []

    def exchange(self, images):
        shown = []
        for image in images:
            if len(self.images) < self.size:
                self.images.append(image)
            elif torch.rand(()) < 0.5:
                slot = int(torch.randint(0, self.size, ()))
                image, self.images[slot] = self.images[slot], image
            shown.append(image)
        return torch.stack(shown)


def cyclegan(wrap: Callable, place: Place, width: int = 64, blocks: int = 6) -> Model:
    """Return the CycleGAN with identity terms; generators move first, and draw again for the discriminators."""
    names = ("forward", "backward", "discriminator_a", "discriminator_b")
    judges = (_patches(width, 3, nn.InstanceNorm2d, True) for _ in range(2))
    networks = dict(zip(names, (_translator(width, blocks), _translator(width, blocks), *judges), strict=True))
    pool_a, pool_b = _Pool(), _Pool()

    def translating(nets, a, b):
        ab, ba, judge_a, judge_b = (nets[name] for name in names)
        fake_b, fake_a = ab(a), ba(b)
        loss = (judge_b(fake_b) - 1).square().mean() + (judge_a(fake_a) - 1).square().mean()
        loss = loss + 10 * (F.l1_loss(ba(fake_b), a) + F.l1_loss(ab(fake_a), b))
        return loss + 5 * (F.l1_loss(ab(b), b) + F.l1_loss(ba(a), a))

    def judging(nets, a, b):
        ab, ba, judge_a, judge_b = (nets[name] for name in names)
        fake_b, fake_a = pool_b.exchange(ab(a)), pool_a.exchange(ba(b))
        loss = (judge_a(a) - 1).square().mean() + judge_a(fake_a).square().mean()
        return (loss + (judge_b(b) - 1).square().mean() + judge_b(fake_b).square().mean()) / 2

    return in_turn(networks, (Side(names[:2], translating), Side(names[2:], judging)), wrap, place)


class _UNet(nn.Module):
    """Six halvings; dropout behind the decoder's first three layers."""

    def __init__(self, width):
        super().__init__()
        wide = [width * min(2**layer, 8) for layer in range(6)]
        conv = partial(nn.Conv2d, kernel_size=4, stride=2, padding=1, bias=False)
        grow = partial(nn.ConvTranspose2d, kernel_size=4, stride=2, padding=1)
        self.down = nn.ModuleList(conv(*pair) for pair in zip([3, *wide], wide, strict=False))
        self.down_norms = nn.ModuleList(nn.BatchNorm2d(features) for features in wide[1:-1])
        skips = wide[-2::-1]
        inputs = [wide[-1], *(2 * features for features in skips)]
        self.up = nn.ModuleList(grow(*pair, bias=False) for pair in zip(inputs, skips, strict=False))
        self.up_norms = nn.ModuleList(nn.BatchNorm2d(features) for features in skips)
        self.last = grow(inputs[-1], 3)

    def forward(self, x):
        made = [self.down[0](x)]
        for layer in range(1, 6):
            x = self.down[layer](F.leaky_relu(made[-1], 0.2))
            made.append(self.down_norms[layer - 1](x) if layer < 5 else x)
        x = made.pop()
        for layer, (up, norm) in enumerate(zip(self.up, self.up_norms, strict=True)):
            x = norm(up(F.relu(x)))
            x = F.dropout(x, 0.5) if layer < 3 else x
            x = torch.cat([made.pop(), x], 1)
        return torch.tanh(self.last(F.relu(x)))


def pix2pix(wrap: Callable, place: Place, width: int = 64) -> Model:
    """Return the pix2pix of 64 pixels; the discriminator sees input and output, and judges patches of 70 pixels."""
    networks = {"generator": _UNet(width), "discriminator": _patches(width, 6, nn.BatchNorm2d, False)}

    def judging(nets, x, y):
        judge = nets["discriminator"]
        fake = judge(torch.cat([x, nets["generator"](x)], 1))
        return cross_entropy(judge(torch.cat([x, y], 1)), fake) / 2

    def fooling(nets, x, y):
        fake = nets["generator"](x)
        return not_fooled(nets["discriminator"](torch.cat([x, fake], 1))) + 100 * F.l1_loss(fake, y)

    return in_turn(networks, (Side(("discriminator",), judging), Side(("generator",), fooling)), wrap, place)


CLASSES = 151


class _SpatialNorm(nn.Module):
    def __init__(self, features, hidden):
        super().__init__()
        self.norm = nn.BatchNorm2d(features, affine=False)
        self.shared = nn.Conv2d(CLASSES, hidden, 3, padding=1)
        self.gamma, self.beta = (nn.Conv2d(hidden, features, 3, padding=1) for _ in range(2))

    def forward(self, x, maps):
        read = F.relu(self.shared(F.interpolate(maps, x.shape[2:])))
        return self.norm(x) * (1 + self.gamma(read)) + self.beta(read)


class _SpatialBlock(nn.Module):
    def __init__(self, inputs, outputs, hidden):
        super().__init__()
        middle = min(inputs, outputs)
        self.norm0, self.norm1 = _SpatialNorm(inputs, hidden), _SpatialNorm(middle, hidden)
        self.conv0 = spectral_norm(nn.Conv2d(inputs, middle, 3, padding=1))
        self.conv1 = spectral_norm(nn.Conv2d(middle, outputs, 3, padding=1))
        self.grows = inputs != outputs
        if self.grows:
            self.norm_shortcut = _SpatialNorm(inputs, hidden)
            self.shortcut = spectral_norm(nn.Conv2d(inputs, outputs, 1, bias=False))

    def forward(self, x, maps):
        y = self.conv0(F.leaky_relu(self.norm0(x, maps), 0.2))
        y = self.conv1(F.leaky_relu(self.norm1(y, maps), 0.2))
        return y + (self.shortcut(self.norm_shortcut(x, maps)) if self.grows else x)


class _SpatialGenerator(nn.Module):
    def __init__(self, width):
        super().__init__()
        stages = ((16, False), (16, True), (16, False), (8, True), (4, True), (2, True), (1, True))
        self.start, self.last = nn.Conv2d(CLASSES, 16 * width, 3, padding=1), nn.Conv2d(width, 3, 3, padding=1)
        self.doubles, self.blocks, inputs = [double for _, double in stages], nn.ModuleList(), 16 * width
        for factor, _ in stages:
            self.blocks.append(_SpatialBlock(inputs, factor * width, 2 * width))
            inputs = factor * width

    def forward(self, maps):
        x = self.start(F.interpolate(maps, scale_factor=1 / 32))
        for double, block in zip(self.doubles, self.blocks, strict=True):
            x = block(F.interpolate(x, scale_factor=2) if double else x, maps)
        return torch.tanh(self.last(F.leaky_relu(x, 0.2)))


class _Scales(nn.Module):
    """Patch discriminators of an image with its map and of their halves; what every layer sees, the scores last."""

    scales: Any

    def __init__(self, width):
        super().__init__()
        self.scales = nn.ModuleList(self._scale(width) for _ in range(2))

    def _scale(self, width):
        conv = partial(nn.Conv2d, kernel_size=4, padding=2)
        layers = nn.ModuleList([nn.Sequential(conv(CLASSES + 3, width, stride=2), nn.LeakyReLU(0.2))])
        for factor, stride in ((1, 2), (2, 2), (4, 1)):
            made = spectral_norm(conv(factor * width, 2 * factor * width, stride=stride, bias=False))
            layers.append(nn.Sequential(made, nn.InstanceNorm2d(2 * factor * width), nn.LeakyReLU(0.2)))
        layers.append(conv(8 * width, 1))
        return layers

    def forward(self, maps, images):
        x, found = torch.cat([maps, images], 1), []
        for number, layers in enumerate(self.scales):
            x = F.avg_pool2d(x, 3, 2, 1, count_include_pad=False) if number else x
            seen = [x]
            for layer in layers:
                seen.append(layer(seen[-1]))
            found.append(seen[1:])
        return found


def spade(wrap: Callable, place: Place, width: int = 64) -> Model:
    """Return the SPADE of 64 pixels and ADE20K's 151 classes; maps int[rows, batch, 1, 64, 64].

    The perceptual loss is by a VGG-19 with random weights.
    """
    networks = {"generator": _SpatialGenerator(width), "discriminator": _Scales(width)}
    see = wrap(Vgg(width, tuple((stage, 1) for stage in range(1, 6))).to(place.device))

    def compared(nets, maps, images):
        maps = F.one_hot(maps[:, 0].clamp(max=CLASSES - 1), CLASSES).permute(0, 3, 1, 2).float()
        drawn = nets["generator"](maps)
        found = nets["discriminator"](torch.cat([maps, maps]), torch.cat([drawn, images]))
        return drawn, [[x.chunk(2) for x in scale] for scale in found]

    def drawing(nets, images, maps):
        drawn, scales = compared(nets, maps, images)
        fooling = -sum(scale[-1][0].mean() for scale in scales) / 2
        matching = sum(F.l1_loss(fake, real.detach()) for scale in scales for fake, real in scale[:-1]) / 2
        with torch.no_grad():
            right = see(images)
        shares = (1 / 32, 1 / 16, 1 / 8, 1 / 4, 1)
        seen = sum(share * F.l1_loss(a, b) for share, a, b in zip(shares, see(drawn), right, strict=True))
        return fooling + 10 * matching + 10 * seen

    def judging(nets, images, maps):
        scores = [scale[-1] for scale in compared(nets, maps, images)[1]]
        return sum(F.relu(1 - real).mean() + F.relu(1 + fake).mean() for fake, real in scores) / 2

    sides = (
        Side(("generator",), drawing, rate=1e-4, betas=(0.0, 0.9)),
        Side(("discriminator",), judging, rate=4e-4, betas=(0.0, 0.9)),
    )
    return in_turn(networks, sides, wrap, place)


class _Enlarging(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.first, self.blocks = nn.Sequential(nn.Conv2d(3, width, 9, padding=4), nn.PReLU()), nn.ModuleList()
        conv = partial(nn.Conv2d, width, kernel_size=3, padding=1)
        for _ in range(16):
            half = conv(width), nn.BatchNorm2d(width), nn.PReLU()
            self.blocks.append(nn.Sequential(*half, conv(width), nn.BatchNorm2d(width)))
        self.after = nn.Sequential(conv(width), nn.BatchNorm2d(width))
        up = (layer for _ in range(2) for layer in (conv(4 * width), nn.PixelShuffle(2), nn.PReLU()))
        self.up = nn.Sequential(*up, nn.Conv2d(width, 3, 9, padding=4))

    def forward(self, x):
        first = x = self.first(x)
        for block in self.blocks:
            x = x + block(x)
        return self.up(first + self.after(x))


def _large_or_enlarged(width):
    layers: list[nn.Module] = []
    inputs = 3
    for layer in range(8):
        features = width * 2 ** (layer // 2)
        layers.append(nn.Conv2d(inputs, features, 3, 1 + layer % 2, 1))
        layers += [nn.BatchNorm2d(features)] if layer else []
        layers.append(nn.LeakyReLU(0.2))
        inputs = features
    hidden = nn.Linear(36 * inputs, 16 * width), nn.LeakyReLU(0.2)
    return nn.Sequential(*layers, nn.Flatten(), *hidden, nn.Linear(16 * width, 1))


def srgan(wrap: Callable, place: Place, width: int = 64) -> Model:
    """Return the SRGAN of crops of 96 pixels, 4x: images, and lows float[rows, batch, 3, 24, 24] in [0, 1].

    The content loss is by relu5_4 of a VGG-19 with random weights.
    """
    networks = {"generator": _Enlarging(width), "discriminator": _large_or_enlarged(width)}
    see = wrap(Vgg(width, ((5, 4),)).to(place.device))
    mean, deviation = (
        torch.tensor(x, device=place.device)[:, None, None] for x in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
    )

    def content(images):
        return see(((images + 1) / 2 - mean) / deviation)[0]

    def judging(nets, images, lows):
        judge, enlarged = nets["discriminator"], nets["generator"](lows)
        return cross_entropy(judge(images), judge(enlarged))

    def enlarging(nets, images, lows):
        enlarged = nets["generator"](lows)
        with torch.no_grad():
            right = content(images)
        distance = (content(enlarged) - right).square().mean() / 12.75**2
        return distance + 1e-3 * not_fooled(nets["discriminator"](enlarged))

    betas = (0.9, 0.999)
    sides = Side(("discriminator",), judging, 1, 1e-4, betas), Side(("generator",), enlarging, 1, 1e-4, betas)
    return in_turn(networks, sides, wrap, place)
