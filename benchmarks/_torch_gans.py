"""PyTorch of the GANs that `benchmarks.gan_step` times, written plainly: the same networks, losses and moves.

Images, of CycleGAN those of both domains, are float[repeats, batch, channels, height, width] in [-1, 1]. `wrap`
is `torch.compile` or the identity.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
from torch import nn
from torch.nn import functional as F
from torch.nn.utils.parametrizations import spectral_norm

Loss = Callable[..., Any]


class Model(NamedTuple):
    """networks: by the names that genjax gives them.  step: one training step on images."""

    networks: dict[str, nn.Module]
    step: Callable[..., None]


def _adam(modules: Sequence[nn.Module], rate: float, betas: tuple[float, float]) -> Any:
    return torch.optim.Adam([p for module in modules for p in module.parameters()], lr=rate, betas=betas)


def _move(optimizer: Any, loss: Any) -> None:
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    optimizer.step()


def _alternate(names, networks, losses, latent, wrap, place, repeats=1, multiple=1, rate=2e-4, betas=(0.5, 0.999)):
    """Return the Model in which the second network moves `repeats` times, then the first."""
    generator, critic = (network.to(place.device) for network in networks)
    optimizers = _adam([generator], rate, betas), _adam([critic], rate, betas)
    draw, judge = wrap(generator), wrap(critic)

    def step(images):
        critic.requires_grad_(True)
        for real in images[-repeats:]:
            with place.autocast():
                with torch.no_grad():
                    fake = draw(torch.randn(len(real), latent, device=place.device))
                loss = losses[0](judge, real, fake)
            _move(optimizers[1], loss)
        critic.requires_grad_(False)
        with place.autocast():
            loss = losses[1](judge(draw(torch.randn(multiple * len(real), latent, device=place.device))))
        _move(optimizers[0], loss)

    return Model(dict(zip(names, (generator, critic), strict=True)), step)


class Place(NamedTuple):
    """device: "cpu" or "cuda".  bf16: autocast to it."""

    device: str
    bf16: bool = False

    def autocast(self) -> Any:
        """Return the context of a forward pass."""
        return torch.autocast(self.device, torch.bfloat16, enabled=self.bf16)


class _View(nn.Module):
    def __init__(self, *shape):
        super().__init__()
        self.shape = shape

    def forward(self, x):
        return x.reshape(len(x), *self.shape)


def dcgan(wrap: Callable, place: Place, size: int = 64, width: int = 64) -> Model:
    """Return the DCGAN with 4x4 kernels; images and samples pass the discriminator apart."""
    count = (size // 4).bit_length() - 1
    wide = [width * 2**stage for stage in reversed(range(count))]
    layers: list[nn.Module] = [nn.Linear(100, 16 * wide[0], bias=False), _View(wide[0], 4, 4)]
    for inputs, outputs in zip(wide, [*wide[1:], 3], strict=True):
        layers += [nn.BatchNorm2d(inputs), nn.ReLU(), nn.ConvTranspose2d(inputs, outputs, 4, 2, 1, bias=False)]
    generator = nn.Sequential(*layers, nn.Tanh())
    layers = []
    for stage, (inputs, outputs) in enumerate(zip([3, *wide[:0:-1]], wide[::-1], strict=True)):
        layers += [nn.Conv2d(inputs, outputs, 4, 2, 1, bias=False)]
        layers += [nn.BatchNorm2d(outputs)] if stage else []
        layers += [nn.LeakyReLU(0.2)]
    discriminator = nn.Sequential(*layers, nn.Flatten(), nn.Linear(16 * wide[0], 1, bias=False))

    def first(judge, real, fake):
        return F.softplus(-judge(real)).mean() + F.softplus(judge(fake)).mean()

    losses = first, lambda scores: F.softplus(-scores).mean()
    return _alternate(("generator", "discriminator"), (generator, discriminator), losses, 100, wrap, place)


class _Up(nn.Module):
    def __init__(self, inputs, outputs):
        super().__init__()
        self.norm1, self.norm2 = nn.BatchNorm2d(inputs), nn.BatchNorm2d(outputs)
        self.conv1, self.conv2 = nn.Conv2d(inputs, outputs, 3, padding=1), nn.Conv2d(outputs, outputs, 3, padding=1)
        self.shortcut = nn.Conv2d(inputs, outputs, 1)

    def forward(self, x):
        y = self.conv1(F.interpolate(F.relu(self.norm1(x)), scale_factor=2))
        y = self.conv2(F.relu(self.norm2(y)))
        return y + F.interpolate(self.shortcut(x), scale_factor=2)


class _Down(nn.Module):
    def __init__(self, inputs, outputs, down, first, norm):
        super().__init__()
        hidden = outputs if first else inputs
        self.conv1 = norm(nn.Conv2d(inputs, hidden, 3, padding=1))
        self.conv2 = norm(nn.Conv2d(hidden, outputs, 3, padding=1))
        self.shortcut = norm(nn.Conv2d(inputs, outputs, 1)) if down or inputs != outputs else None
        self.down, self.first = down, first

    def forward(self, x):
        y = self.conv2(F.relu(self.conv1(x if self.first else F.relu(x))))
        if self.down:
            x, y = F.avg_pool2d(x, 2), F.avg_pool2d(y, 2)
        return y + (x if self.shortcut is None else self.shortcut(x))


class _Features(nn.Module):
    """mean: over pixels, else their sum."""

    def __init__(self, mean):
        super().__init__()
        self.mean = mean

    def forward(self, x):
        return F.relu(x).mean((2, 3)) if self.mean else F.relu(x).sum((2, 3))


def _residual(width, critic_width, norm, mean, last_bias):
    generator = nn.Sequential(
        nn.Linear(128, 16 * width), _View(width, 4, 4), *(_Up(width, width) for _ in range(3)), nn.BatchNorm2d(width),
        nn.ReLU(), nn.Conv2d(width, 3, 3, padding=1), nn.Tanh(),
    )  # fmt: skip
    wide = critic_width
    blocks = (_Down(wide if i else 3, wide, i < 2, i == 0, norm) for i in range(4))
    return generator, nn.Sequential(*blocks, _Features(mean), norm(nn.Linear(wide, 1, bias=last_bias)))


def sngan(wrap: Callable, place: Place, width: int = 256) -> Model:
    """Return the residual SNGAN for 32 pixels, hinge loss; images and samples pass the discriminator together."""
    networks = _residual(width, width // 2, spectral_norm, False, False)

    def first(judge, real, fake):
        real, fake = judge(torch.cat([real, fake])).chunk(2)
        return F.relu(1 - real).mean() + F.relu(1 + fake).mean()

    losses = first, lambda scores: -scores.mean()
    return _alternate(
        ("generator", "discriminator"), networks, losses, 128, wrap, place, repeats=5, multiple=2, betas=(0.0, 0.9)
    )


def wgan_gp(wrap: Callable, place: Place, width: int = 128) -> Model:
    """Return the residual WGAN-GP for 32 pixels."""
    networks = _residual(width, width, lambda layer: layer, True, True)

    def first(judge, real, fake):
        mix = torch.rand(len(real), 1, 1, 1, device=real.device)
        between = (mix * real + (1 - mix) * fake).requires_grad_()
        (gradient,) = torch.autograd.grad(judge(between).sum(), between, create_graph=True)
        penalty = (gradient.float().flatten(1).norm(dim=1) - 1).square().mean()
        return judge(fake).mean() - judge(real).mean() + 10 * penalty

    losses = first, lambda scores: -scores.mean()
    return _alternate(
        ("generator", "critic"), networks, losses, 128, wrap, place, repeats=5, multiple=2, betas=(0.0, 0.9)
    )


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


def _patches(width):
    wide = [width, 2 * width, 4 * width, 8 * width]
    layers: list[nn.Module] = [nn.Conv2d(3, width, 4, 2, 1), nn.LeakyReLU(0.2)]
    for inputs, outputs, stride in zip(wide, wide[1:], (2, 2, 1), strict=False):
        layers += [nn.Conv2d(inputs, outputs, 4, stride, 1), nn.InstanceNorm2d(outputs), nn.LeakyReLU(0.2)]
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
    networks = (_translator(width, blocks), _translator(width, blocks), _patches(width), _patches(width))
    networks = tuple(network.to(place.device) for network in networks)
    optimizers = _adam(networks[:2], 2e-4, (0.5, 0.999)), _adam(networks[2:], 2e-4, (0.5, 0.999))
    ab, ba, judge_a, judge_b = (wrap(network) for network in networks)
    pool_a, pool_b = _Pool(), _Pool()

    def step(images, others):
        a, b = images[-1], others[-1]
        for network in networks[2:]:
            network.requires_grad_(False)
        with place.autocast():
            fake_b, fake_a = ab(a), ba(b)
            loss = (judge_b(fake_b) - 1).square().mean() + (judge_a(fake_a) - 1).square().mean()
            loss = loss + 10 * (F.l1_loss(ba(fake_b), a) + F.l1_loss(ab(fake_a), b))
            loss = loss + 5 * (F.l1_loss(ab(b), b) + F.l1_loss(ba(a), a))
        _move(optimizers[0], loss)
        for network in networks[2:]:
            network.requires_grad_(True)
        with place.autocast():
            with torch.no_grad():
                fake_b, fake_a = pool_b.exchange(ab(a)), pool_a.exchange(ba(b))
            loss = (judge_a(a) - 1).square().mean() + judge_a(fake_a).square().mean()
            loss = loss + (judge_b(b) - 1).square().mean() + judge_b(fake_b).square().mean()
            loss = loss / 2
        _move(optimizers[1], loss)

    return Model(dict(zip(names, networks, strict=True)), step)
