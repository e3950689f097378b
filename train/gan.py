"""GAN (Goodfellow et al. 2014, arXiv 1406.2661).

    python -m train.gan [preset] [options]

Presets
    small   embedded digits, two dense layers of 128 in each network: about a minute on two CPU cores
    paper   MNIST, from the authors' code (goodfeli/adversarial, mnist.yaml): 100-1200-1200-784 sigmoid against maxout
            240 x 5 twice with dropout; SGD with rate 0.1 divided by 1.000004 a step and momentum rising from 0.5 to 0.7
            in 250 epochs, batch 100, half the discriminator's loss, both networks moving at once, the output's bias at
            the data's mean, 50,000 images. The code names no length: 250 epochs are where the momentum ends. Parzen
            estimate of the log likelihood in the paper: 225 +- 2 nats
    cifar10 CIFAR-10, from the same (cifar10_fully_connected.yaml): 100-8000-8000-3072 linear against maxout 1600 x 5
            twice, rate 0.025, images with their mean taken off and norm 55, 40,000 of them
The first 50,000 and 40,000 images are tfds' first, which stores them in an order of its own.
"""

from dataclasses import dataclass, replace
from typing import Annotated, Literal, NamedTuple

import jax
import numpy as np

from genjax import latent
from genjax.data import Arrays, Dataset
from genjax.data.ranges import CONTRAST, TANH, UNIT, Range
from genjax.gans import gan
from genjax.latent import NORMAL, Prior
from genjax.losses import adversarial
from genjax.nn.initializers import uniform
from genjax.run.cli import main
from genjax.run.gan import BetaOptions, GanOptions, adam_or, gan_run, identity, output_of
from genjax.run.optimizers import Optimizer, Rise, divided, momentum
from genjax.run.options import above, steps_of
from genjax.run.run import Run, compute_type

EPOCHS = 250
"""Over which the authors' momentum rises."""
OBJECTIVES = {
    "non-saturating": adversarial.non_saturating_generator,
    "minimax": adversarial.minimax_generator,
}


class Networks(NamedTuple):
    """Both networks, and the latent and the pixels that they are made for."""

    generator: gan.Generator
    discriminator: gan.Discriminator
    prior: Prior
    pixels: Range


@dataclass(frozen=True, kw_only=True)
class Hyper(GanOptions, BetaOptions):
    """Options of the GAN."""

    objective: Literal["non-saturating", "minimax"]
    """What the generator minimises."""
    simultaneous: bool
    """Move both players at once, from the same batch, latent and parameters."""
    discriminator_weight: Annotated[float, above(0)]
    """Weight of the discriminator's loss, which matters under SGD."""
    networks: Literal["dense", "maxout", "wide"]
    """Two layers of 128 units each, trained by Adam, or the networks and the SGD of the authors' code for MNIST
    (maxout) and for CIFAR-10 (wide)."""


PAPER = Hyper(
    data="tfds:mnist", train_images=50_000, epochs=EPOCHS, batch_size=100, latent=100, generator_rate=0.1,
    discriminator_rate=0.1, objective="non-saturating", simultaneous=True, discriminator_weight=0.5,
    networks="maxout", ema=None, evaluate_every=50_000,
)  # fmt: skip
PRESETS = {
    "small": Hyper(
        steps=8000, batch_size=64, latent=16, generator_rate=2e-4, discriminator_rate=2e-4, beta1=0.5, beta2=0.999,
        objective="non-saturating", simultaneous=False, discriminator_weight=1.0, networks="dense", ema=0.995,
        evaluate_every=2000,
    ),
    "paper": PAPER,
    "cifar10": replace(
        PAPER, data="tfds:cifar10", train_images=40_000, networks="wide", generator_rate=0.025, discriminator_rate=0.025
    ),
}  # fmt: skip
SCORE = ("sliced_wasserstein", "sliced Wasserstein distance to test digits")
CONTROLS = {"both players at once": ("--simultaneous",)}


def authors(hyper: Hyper, dataset: Dataset) -> Networks:
    """Return the authors' networks for MNIST, or for CIFAR-10."""
    wide, dtype = hyper.networks == "wide", compute_type(hyper)
    pixels = CONTRAST if wide else UNIT
    generator = gan.Generator(
        (8000, 8000) if wide else (1200, 1200), dataset.shape, output=identity if wide else jax.nn.sigmoid,
        initializer=uniform(0.05), dtype=dtype, last=jax.nn.sigmoid if wide else None,
        output_initializer=uniform(0.5) if wide else gan.biased(uniform(0.05), mean_image(dataset)),
    )  # fmt: skip
    discriminator = gan.Discriminator(
        (1600, 1600) if wide else (240, 240), 5, input_dropout=0.2, dropout=0.5, initializer=uniform(0.005),
        dtype=dtype,
    )  # fmt: skip
    # Uniform with variance 1 on MNIST.
    return Networks(generator, discriminator, NORMAL if wide else latent.uniform(-(3**0.5), 3**0.5), pixels)


def mean_image(dataset: Dataset) -> np.ndarray:
    """Return the mean of the training images in [0, 1], float64[height, width, channels]; 1/2 where they are absent."""
    if dataset.absent:
        return np.full(dataset.shape, 0.5)
    if not isinstance(dataset.train, Arrays):
        raise ValueError("the output's bias starts at the mean image, for which all are read: leave out --stream")
    images = dataset.train.arrays["images"]
    mean = np.asarray(np.mean(images, 0, np.float64))
    return mean / 255 if np.issubdtype(images.dtype, np.integer) else mean


def dense(hyper: Hyper, dataset: Dataset) -> Networks:
    """Return two layers of 128 units each."""
    dtype = compute_type(hyper)
    generator = gan.Generator((128, 128), dataset.shape, output=output_of(dataset), dtype=dtype)
    return Networks(generator, gan.Discriminator((128, 128), dtype=dtype), NORMAL, TANH)


def sgd(rate: float, steps_an_epoch: int) -> Optimizer:
    """Return the authors' SGD, whose momentum rises epoch by epoch."""
    return momentum(rate, momentum=Rise(0.5, 0.7, EPOCHS - 1, steps_an_epoch), decay=divided(1.000004))


def build(hyper: Hyper, dataset: Dataset) -> Run:
    """Return the GAN's run on `dataset`."""
    steps, chosen = steps_of(hyper, len(dataset.train)), (dense if hyper.networks == "dense" else authors)
    generator, discriminator, prior, pixels = chosen(hyper, dataset)
    epoch = max(1, len(dataset.train) // hyper.batch_size)
    optimizers = {
        player: adam_or(hyper, rate, None if hyper.networks == "dense" else sgd(rate, epoch))
        for player, rate in (("generator", hyper.generator_rate), ("discriminator", hyper.discriminator_rate))
    }
    game = gan.game(
        generator, discriminator, generator_tx=optimizers["generator"].transformation(steps),
        discriminator_tx=optimizers["discriminator"].transformation(steps), image_shape=dataset.shape,
        latent=hyper.latent, prior=prior, objective=OBJECTIVES[hyper.objective], weight=hyper.discriminator_weight,
        simultaneous=hyper.simultaneous, ema=hyper.ema,
    )  # fmt: skip
    return gan_run(
        hyper, dataset, [(game, steps)], generator=generator, prior=prior, optimizers=optimizers, pixels=pixels
    )


if __name__ == "__main__":
    raise SystemExit(main("gan"))
