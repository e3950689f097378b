"""WGAN-GP (Gulrajani et al. 2017, arXiv 1704.00028).

    python -m train.wgan_gp [preset] [options]

Presets, each from a script of the authors' code (igul222/improved_wgan_training)
    small   the ring of eight Gaussians, dense networks, penalty's weight 0.1: about a minute on two CPU cores; our own
            (--weight 0 is without it)
    paper   CIFAR-10, gan_cifar_resnet.py without labels, and appendix F: residual networks, Adam (2e-4, 0, 0.9) falling
            to 0 in 100,000 steps, five critic steps, batch 64, 128 in the generator's steps; published inception score
            7.86 +- 0.07
    lsun    64 pixels of LSUN bedrooms, gan_64x64.py (there ImageNet): residual networks with layer norm in the critic,
            Adam (1e-4, 0, 0.9), 200,000 steps; the text's appendix E has beta1 0.5
    lsun_strided  the same script's strided networks, all weights uniform with deviation 0.02
    cifar10_strided  CIFAR-10, gan_cifar.py: strided networks, Adam (1e-4, 0.5, 0.9), 200,000 steps
    mnist   MNIST, gan_mnist.py: strided networks, sigmoid, Adam (1e-4, 0.5, 0.9), batch 50, 200,000 steps, 50,000
            images (the first of tfds, which has an order of its own)
    plane   gan_toy.py: eight Gaussians on a circle of radius sqrt 2, three layers of 512 units, latent 2, batch 256,
            Adam (1e-4, 0.5, 0.9), 100,000 steps
For your own images: `paper --data folder:DIR --image-size 32`.
"""

from dataclasses import dataclass, replace
from typing import Annotated, Any, Literal

import jax

from genjax.data import Dataset
from genjax.data.ranges import TANH, UNIT
from genjax.gans import gan, wgan_gp
from genjax.latent import NORMAL
from genjax.nn.initializers import GLOROT, HE
from genjax.nn.residual import WIDE
from genjax.run.cli import main
from genjax.run.gan import AdamOptions, GanOptions, adam_of, gan_run, noise, output_of, square
from genjax.run.options import above, at_least, check_uses, steps_of
from genjax.run.run import Run, compute_type

PIXELS = {"tanh": TANH, "sigmoid": UNIT}
OUTPUTS = {"tanh": jax.numpy.tanh, "sigmoid": jax.nn.sigmoid}
USES = {
    "dense": ("units", "initializer"),
    "residual": ("width",),
    "normalised": ("width",),
    "strided": ("width", "critic_width", "norm", "layer_norm", "pixels", "deviation"),
}


@dataclass(frozen=True, kw_only=True)
class Hyper(GanOptions, AdamOptions):
    """Options of the WGAN-GP."""

    networks: Literal["dense", "residual", "normalised", "strided"]
    """Dense layers, residual networks for 32 pixels, those for 64 with layer norm, or strided convolutions."""
    units: Annotated[tuple[int, ...] | None, at_least(1)] = None
    """Units of the dense layers of either network; for dense ones."""
    initializer: Literal["glorot", "he"] | None = None
    """First weights of the dense networks' hidden layers: Glorot's rule, or He's; the last layer has Glorot's."""
    width: Annotated[int | None, at_least(1)] = None
    """Channels of the residual networks (64 pixels: at the largest square), and at half of the strided generator's
    size; not for dense ones."""
    critic_width: Annotated[int | None, at_least(1)] = None
    """Channels of the strided critic at half the size."""
    norm: Literal["none", "unit", "channel"] | None = None
    """Batch norm of the strided generator: none, per channel, or at first per unit."""
    layer_norm: bool = False
    """Normalise the strided critic's layers, but for the first."""
    pixels: Literal["tanh", "sigmoid"] | None = None
    """The strided generator's last function, and so the range of pixels: [-1, 1] or [0, 1]; tanh for others."""
    deviation: Annotated[float | None, above(0)] = None
    """Standard deviation of all first weights of the strided networks; by size and stride of each layer if not
    given."""
    weight: Annotated[float, at_least(0)]
    """Weight of the gradient penalty."""
    critic_steps: Annotated[int, at_least(1)]
    """Moves of the critic in a step."""
    generator_batch: Annotated[int, at_least(1)]
    """Samples in a generator's move, as a multiple of the batch."""
    dequantize: bool
    """Add uniform noise of one grey level to the images."""


LSUN = Hyper(
    data="tfds:lsun/bedroom", image_size=64, steps=200_000, batch_size=64, latent=128, generator_rate=1e-4,
    discriminator_rate=1e-4, beta1=0.0, beta2=0.9, decay_from=None, networks="normalised", width=64, weight=10.0,
    critic_steps=5, generator_batch=1, dequantize=False, ema=None, evaluate_every=5000, checkpoint_every=5000,
)  # fmt: skip
PRESETS = {
    "small": Hyper(
        data="mixture:ring", steps=2500, batch_size=128, latent=8, generator_rate=1e-3, discriminator_rate=1e-3,
        beta1=0.5, beta2=0.9, decay_from=None, networks="dense", units=(64, 64), initializer="glorot", weight=0.1,
        critic_steps=5, generator_batch=1, dequantize=False, ema=None, evaluate_every=500,
    ),
    "paper": Hyper(
        data="tfds:cifar10", steps=100_000, batch_size=64, latent=128, generator_rate=2e-4, discriminator_rate=2e-4,
        beta1=0.0, beta2=0.9, decay_from=0.0, networks="residual", width=128, weight=10.0, critic_steps=5,
        generator_batch=2, dequantize=True, ema=None, evaluate_every=5000, checkpoint_every=5000,
    ),
    "lsun": LSUN,
    "lsun_strided": replace(
        LSUN, networks="strided", critic_width=64, norm="channel", layer_norm=True, pixels="tanh", deviation=0.02
    ),
    "cifar10_strided": replace(
        LSUN, data="tfds:cifar10", image_size=None, networks="strided", width=128, critic_width=128, norm="unit",
        pixels="tanh", beta1=0.5,
    ),
    "mnist": replace(
        LSUN, data="tfds:mnist", image_size=None, train_images=50_000, networks="strided", critic_width=64,
        norm="none", pixels="sigmoid", batch_size=50, beta1=0.5,
    ),
    "plane": Hyper(
        data="mixture:ring-1.414", steps=100_000, batch_size=256, latent=2, generator_rate=1e-4,
        discriminator_rate=1e-4, beta1=0.5, beta2=0.9, decay_from=None, networks="dense", units=(512, 512, 512),
        initializer="he", weight=0.1, critic_steps=5, generator_batch=1, dequantize=False, ema=None,
        evaluate_every=5000,
    ),
}  # fmt: skip
SCORE = ("overlap", "overlap of samples with equal shares of the ring's 8 modes, 1 at most")
CONTROLS = {"without the penalty": ("--weight", "0")}


def networks(hyper: Hyper, dataset: Dataset) -> tuple[Any, Any]:
    """Return generator and critic as the options choose them; ValueError for options of other networks."""
    given = check_uses(hyper, "networks", USES, optional=("deviation",))
    dtype, width, channels = compute_type(hyper), given.width, dataset.shape[-1]
    generator: Any
    if hyper.networks == "dense":
        layers: dict[str, Any] = {
            "hidden": given.units, "initializer": HE if given.initializer == "he" else GLOROT,
            "output_initializer": GLOROT, "dtype": dtype,
        }  # fmt: skip
        generator = gan.Generator(image_shape=dataset.shape, output=output_of(dataset), **layers)
        return generator, gan.Discriminator(activation=jax.nn.relu, **layers)
    shared: dict[str, Any] = {"size": square(dataset), "channels": channels, "dtype": dtype}
    if hyper.networks == "residual":
        generator = wgan_gp.Generator(widths=(width,) * 3, start=width, **shared)
        return generator, wgan_gp.Critic((width,) * 4, dtype=dtype)
    if hyper.networks == "normalised":
        widths = (8 * width, 4 * width, 2 * width, width)
        critic = wgan_gp.NormalizedCritic(width, (2 * width, 4 * width, 8 * width, 8 * width), dtype)
        return wgan_gp.Generator(widths=widths, start=8 * width, first_bias=False, last=WIDE, **shared), critic
    generator = wgan_gp.StridedGenerator(
        width=width, norm=given.norm, output=OUTPUTS[given.pixels], deviation=given.deviation, **shared
    )
    return generator, wgan_gp.StridedCritic(
        shared["size"], given.critic_width, given.layer_norm, given.deviation, dtype
    )


def build(hyper: Hyper, dataset: Dataset) -> Run:
    """Return the WGAN-GP's run on `dataset`."""
    pixels = PIXELS[hyper.pixels or "tanh"]
    noisy = noise(dataset, pixels) if hyper.dequantize else None
    steps = steps_of(hyper, len(dataset.train), hyper.critic_steps)
    generator, critic = networks(hyper, dataset)
    optimizers = {
        "generator": adam_of(hyper, hyper.generator_rate),
        "critic": adam_of(hyper, hyper.discriminator_rate),
    }
    game = wgan_gp.game(
        generator, critic, generator_tx=optimizers["generator"].transformation(steps),
        critic_tx=optimizers["critic"].transformation(steps * hyper.critic_steps), image_shape=dataset.shape,
        latent=hyper.latent, critic_steps=hyper.critic_steps, weight=hyper.weight,
        generator_batch=hyper.generator_batch, ema=hyper.ema,
    )  # fmt: skip
    return gan_run(
        hyper, dataset, [(game, steps)], generator=generator, prior=NORMAL, optimizers=optimizers, pixels=pixels,
        prepare=noisy,
    )  # fmt: skip


if __name__ == "__main__":
    raise SystemExit(main("wgan_gp"))
