"""PyTorch of the GANs that `benchmarks.gan_step` times, written plainly: the same networks, losses and moves.

`MODELS`: name -> (wrap, place, width=published) -> Model; wrap is `torch.compile` or the identity. Columns of a batch
are float[rows, batch, channels, height, width], in [-1, 1] unless said, and labels int[rows, batch]. What differs from
the games of genjax, none of which costs or saves anything to speak of: first weights, paddings of an odd number of
pixels, the filter of SinGAN's resizing (PyTorch's own), and penalties that are computed under autocast too.
"""

import math
from collections.abc import Callable

import torch
from torch import nn
from torch.nn import functional as F

from benchmarks._torch_images import cyclegan, pix2pix, spade, srgan
from benchmarks._torch_parts import Model, Place, Side, View, cross_entropy, in_turn, not_fooled
from benchmarks._torch_residual import biggan, sagan, sngan, wgan_gp
from benchmarks._torch_styles import hologan, singan, stylegan


def dcgan(wrap: Callable, place: Place, width: int = 64, size: int = 64) -> Model:
    """Return the DCGAN with 4x4 kernels; images and samples pass the discriminator apart."""
    count = (size // 4).bit_length() - 1
    wide = [width * 2**stage for stage in reversed(range(count))]
    layers: list[nn.Module] = [nn.Linear(100, 16 * wide[0], bias=False), View(wide[0], 4, 4)]
    for inputs, outputs in zip(wide, [*wide[1:], 3], strict=True):
        layers += [nn.BatchNorm2d(inputs), nn.ReLU(), nn.ConvTranspose2d(inputs, outputs, 4, 2, 1, bias=False)]
    generator = nn.Sequential(*layers, nn.Tanh())
    layers = []
    for stage, (inputs, outputs) in enumerate(zip([3, *wide[:0:-1]], wide[::-1], strict=True)):
        layers += [nn.Conv2d(inputs, outputs, 4, 2, 1, bias=False)]
        layers += [nn.BatchNorm2d(outputs)] if stage else []
        layers += [nn.LeakyReLU(0.2)]
    discriminator = nn.Sequential(*layers, nn.Flatten(), nn.Linear(16 * wide[0], 1, bias=False))

    def judging(nets, images):
        judge, fake = nets["discriminator"], nets["generator"](place.normal(len(images), 100))
        return cross_entropy(judge(images), judge(fake))

    def fooling(nets, images):
        return not_fooled(nets["discriminator"](nets["generator"](place.normal(len(images), 100))))

    networks = {"generator": generator, "discriminator": discriminator}
    return in_turn(networks, (Side(("discriminator",), judging), Side(("generator",), fooling)), wrap, place)


NOISE, CLASSES, CONTINUOUS = 62, 10, 2


class _InfoDiscriminator(nn.Module):
    def __init__(self, width):
        super().__init__()
        layers = nn.Conv2d(1, width, 4, 2, 1), nn.LeakyReLU(0.1), nn.Conv2d(width, 2 * width, 4, 2, 1)
        self.body = nn.Sequential(
            *layers, nn.BatchNorm2d(2 * width), nn.LeakyReLU(0.1), nn.Flatten(),
            nn.Linear(49 * 2 * width, 16 * width), nn.BatchNorm1d(16 * width), nn.LeakyReLU(0.1),
        )  # fmt: skip
        self.judge = nn.Linear(16 * width, 1)
        self.recognition = nn.Sequential(
            nn.Linear(16 * width, 2 * width), nn.BatchNorm1d(2 * width), nn.LeakyReLU(0.1),
            nn.Linear(2 * width, CLASSES + 2 * CONTINUOUS),
        )  # fmt: skip

    def forward(self, x, read=True):
        x = self.body(x)
        return self.judge(x)[:, 0], self.recognition(x) if read else None


def infogan(wrap: Callable, place: Place, width: int = 64) -> Model:
    """Return the InfoGAN of MNIST: images float[rows, batch, 1, 28, 28] in [0, 1]."""
    generator = nn.Sequential(
        nn.Linear(NOISE + CLASSES + CONTINUOUS, 16 * width), nn.BatchNorm1d(16 * width), nn.ReLU(),
        nn.Linear(16 * width, 49 * 2 * width), nn.BatchNorm1d(49 * 2 * width), nn.ReLU(), View(2 * width, 7, 7),
        nn.ConvTranspose2d(2 * width, width, 4, 2, 1), nn.BatchNorm2d(width), nn.ReLU(),
        nn.ConvTranspose2d(width, 1, 4, 2, 1), nn.Sigmoid(),
    )  # fmt: skip

    def drawn(nets, count):
        labels, codes = place.labels(count, CLASSES), place.uniform(count, CONTINUOUS)
        latent = torch.cat([place.uniform(count, NOISE), F.one_hot(labels, CLASSES).float(), codes], 1)
        return nets["generator"](latent), labels, codes

    def information(numbers, labels, codes):
        logits, mean, log_variance = numbers.float().split([CLASSES, CONTINUOUS, CONTINUOUS], 1)
        density = math.log(2 * math.pi) + log_variance + (codes - mean).square() * torch.exp(-log_variance)
        known = (math.log(2) - density / 2).sum(1).mean()
        return math.log(CLASSES) - F.cross_entropy(logits, labels) + known

    def judging(nets, images):
        judge, (fake, labels, codes) = nets["discriminator"], drawn(nets, len(images))
        real_logits, (fake_logits, numbers) = judge(images, read=False)[0], judge(fake)
        return cross_entropy(real_logits, fake_logits) - information(numbers, labels, codes)

    def fooling(nets, images):
        fake, labels, codes = drawn(nets, len(images))
        logits, numbers = nets["discriminator"](fake)
        return not_fooled(logits) - information(numbers, labels, codes)

    networks = {"generator": generator, "discriminator": _InfoDiscriminator(width)}
    sides = Side(("discriminator",), judging), Side(("generator",), fooling, rate=1e-3)
    return in_turn(networks, sides, wrap, place)


MODELS: dict[str, Callable[..., Model]] = {
    "dcgan": dcgan, "sngan": sngan, "wgan_gp": wgan_gp, "cyclegan": cyclegan, "sagan": sagan, "stylegan": stylegan,
    "biggan": biggan, "pix2pix": pix2pix, "spade": spade, "srgan": srgan, "singan": singan, "hologan": hologan,
    "infogan": infogan,
}  # fmt: skip
