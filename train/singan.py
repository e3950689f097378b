"""SinGAN (Rott Shaham et al. 2019, arXiv 1905.01164): a model of one image.

    python -m train.singan [preset] [options]
    python -m train.singan paper --data image:photo.jpg

Presets
    small  a photograph that comes with the library, its middle square at 48 pixels, 4 scales, 16 channels: minutes on
           two CPU cores; our own
    paper  the authors' code (tamarott/SinGAN, config.py): longest side 250, shortest side of the coarsest scale 25,
           a factor of about 0.75 between scales, 32 channels, twice as many every 4 scales up to 128; 2,000 steps a
           scale of 3 moves of each network, Adam (5e-4, 0.5, 0.999), a tenth of the rate after 80 %; gradient penalty
           0.1, reconstruction 10, noise 0.1 times the error. z* is drawn once, as the text has it (--redraw: as the
           code)
One run serves `python -m eval.single`: samples of any size, paint to image, editing, harmonisation, super-resolution
and animation. For two of them the paper trains on the same image with other options, which are
    super-resolution  --scale-factor 0.794 --min-size 18 --reconstruction 100 (the factor is the third root of 1/2)
    animation         --noise-border --min-size 20

On the small preset (seed 0, 1 x cpu, 2026-11-26) four scales against one alone, of as many steps: distance of 7 x 7
patches of reduced samples to the image's 0.16 against 0.39, of 5 x 5 patches 0.12 against 0.24 (0.59 with its pixels
shuffled), single-image Frechet distance on the library's own features 0.12 against 1.9, reconstruction error 0.10
against 0.13, diversity 0.24 against 0.53; one scale alone draws texture without order.

A scale is a phase. Each takes --scale-steps; with --steps or --epochs, which count all scales, the last one takes what
the others leave of them. The optimizers start afresh in every scale. Of `paper` on a photograph of 250 x 167 pixels the
step of the largest scale needs 316 MiB, of which 310 are intermediate values (as compiled for a CPU; `small`: 4 MiB).
"""

from dataclasses import dataclass
from functools import partial
from typing import Annotated

import jax
import jax.numpy as jnp
import numpy as np

from genjax.data import Arrays, Dataset
from genjax.data.ranges import TANH
from genjax.engine.phases import Feed, Phase
from genjax.gans import singan
from genjax.nn.pyramid import Pyramid, pyramid, resized
from genjax.run.cli import main
from genjax.run.optimizers import adam, for_run, stairs
from genjax.run.options import PART, Limits, Options, above, at_least, steps_of
from genjax.run.run import Run, compute_type
from genjax.tasks.single import SingleImage

WIDENED = 4
"""Scales after which there are twice as many channels."""


@dataclass(frozen=True, kw_only=True)
class Hyper(Options):
    """Options of SinGAN."""

    scale_factor: Annotated[float, Limits(above=0, below=1)]
    """About by how much a scale is smaller than the next one; refitted so that the coarsest one has --min-size."""
    min_size: Annotated[int, at_least(1)]
    """Shorter side of the coarsest scale in pixels; that of the image, or more, for a single scale."""
    max_size: Annotated[int, at_least(1)]
    """Longer side in pixels to which the image is reduced if it is larger."""
    scale_steps: Annotated[int, at_least(1)]
    """Steps of a scale."""
    generator_steps: Annotated[int, at_least(1)]
    """Moves of the generator a step."""
    discriminator_steps: Annotated[int, at_least(1)]
    """Moves of the discriminator a step."""
    width: Annotated[int, at_least(1)]
    """Channels of the coarsest scales' layers, twice as many every four scales."""
    limit: Annotated[int, at_least(1)]
    """The most channels of a layer."""
    layers: Annotated[int, at_least(1)]
    """Convolutions of a network; its patches have twice as many pixels a side, and one."""
    generator_rate: Annotated[float, above(0)]
    """Learning rate of the generators, a tenth of it after 80 % of a scale's steps."""
    discriminator_rate: Annotated[float, above(0)]
    """Learning rate of the discriminators, falling likewise."""
    beta1: Annotated[float, PART]
    """Decay of Adam's mean gradient."""
    beta2: Annotated[float, PART]
    """Decay of Adam's mean squared gradient."""
    penalty: Annotated[float, at_least(0)]
    """Weight of the gradient penalty."""
    reconstruction: Annotated[float, at_least(0)]
    """Weight of the error with which the image itself is drawn."""
    noise: Annotated[float, at_least(0)]
    """Amplitude of a scale's noise, over the error of what comes from the scale below."""
    redraw: bool
    """Draw the noise that is to become the image anew in each move of the coarsest scale, instead of once."""
    noise_border: bool
    """Draw noise where images are framed too, instead of zeros."""


PRESETS = {
    "small": Hyper(
        data="photo:pagoda", image_size=48, batch_size=1, scale_steps=150, scale_factor=0.6, min_size=18, max_size=48,
        generator_steps=3, discriminator_steps=3, width=16, limit=128, layers=5, generator_rate=2e-3,
        discriminator_rate=2e-3, beta1=0.5, beta2=0.999, penalty=0.1, reconstruction=10.0, noise=0.1, redraw=False,
        noise_border=False, evaluate_every=600,
    ),
    "paper": Hyper(
        data="photo:pagoda", batch_size=1, scale_steps=2000, scale_factor=0.75, min_size=25, max_size=250,
        generator_steps=3, discriminator_steps=3, width=32, limit=128, layers=5, generator_rate=5e-4,
        discriminator_rate=5e-4, beta1=0.5, beta2=0.999, penalty=0.1, reconstruction=10.0, noise=0.1, redraw=False,
        noise_border=False, evaluate_every=2000, checkpoint_every=500,
    ),
}  # fmt: skip
SCORE = ("layout_distance", "distance of 7 x 7 patches of samples, reduced to 20 pixels, to the image's nearest")
CONTROLS = {"one scale alone": ("--min-size", "48", "--scale-steps", "600")}


def check_one(dataset: Dataset) -> None:
    """Raise ValueError where a data set has more than one image."""
    if len(dataset.train) != 1:
        raise ValueError(
            f"SinGAN learns from one image, and {dataset.name} has {len(dataset.train):,}; give one as --data "
            "image:FILE, or --train-images 1 for the first one"
        )


def image_of(dataset: Dataset) -> np.ndarray:
    """Return the first image of a data set, float32[1, height, width, channels] in [0, 1]."""
    images = dataset.train.take([0])["images"]
    return images / np.float32(255) if images.dtype == np.uint8 else images


def reals(image: np.ndarray, sizes: Pyramid) -> list[np.ndarray]:
    """Return an image at all sizes of its pyramid, each resized from the finest one, in [0, 1]."""

    @jax.jit  # one program: compiled one by one, the resizings of ten scales take seconds
    def every(image: jax.Array) -> list[jax.Array]:
        finest = image if sizes.first == 1 else resized(image, sizes.first, sizes.sizes[-1])
        finest = jnp.clip(finest, 0, 1)
        last = len(sizes.sizes) - 1
        made = [resized(finest, sizes.factor ** (last - level), size) for level, size in enumerate(sizes.sizes[:-1])]
        return [jnp.clip(x, 0, 1).astype(jnp.float32) for x in [*made, finest]]

    return jax.device_get(every(image))


def lengths(hyper: Hyper, scales: int) -> list[int]:
    """Return the steps of each scale that is trained: with --steps or --epochs the last one takes what is left."""
    if hyper.steps is None and hyper.epochs is None:
        return [hyper.scale_steps] * scales
    left = steps_of(hyper, 1, max(hyper.generator_steps, hyper.discriminator_steps))
    plan = [min(hyper.scale_steps, left - level * hyper.scale_steps) for level in range(scales - 1)]
    return [steps for steps in [*plan, left - len(plan) * hyper.scale_steps] if steps > 0]


def build(hyper: Hyper, dataset: Dataset) -> Run:
    """Return the run of all scales on `dataset`; ValueError where it has more than one image, or too small a one."""
    if hyper.rate_warm_up:
        raise ValueError(
            "SinGAN's optimizers start afresh in every scale, so that rates cannot rise over the run; leave out "
            "--rate-warm-up"
        )
    check_one(dataset)
    height, width, channels = dataset.shape
    sizes = pyramid(height, width, factor=hyper.scale_factor, least=hyper.min_size, most=hyper.max_size)
    if dataset.absent:
        images = [np.zeros((1, *size, channels), np.float32) for size in sizes.sizes]
    else:
        images = reals(image_of(dataset), sizes)
    dtype = compute_type(hyper)
    right = jax.device_get(jax.jit(lambda images: [TANH.from_bytes(x) for x in images])(images))
    widths = [min(hyper.width * 2 ** (level // WIDENED), hyper.limit) for level in range(len(images))]
    generators = tuple(singan.Generator(width, channels, hyper.layers, dtype=dtype) for width in widths)
    scales = singan.Scales(sizes, generators, hyper.noise_border)
    own = {
        player: for_run(adam(rate, b1=hyper.beta1, b2=hyper.beta2, decay=stairs(0.8)), hyper)
        for player, rate in (("generator", hyper.generator_rate), ("discriminator", hyper.discriminator_rate))
    }
    phases = []
    for level, steps in enumerate(lengths(hyper, len(images))):
        game = singan.game(
            scales, level, singan.Discriminator(widths[level], hyper.layers, dtype=dtype),
            generator_tx=own["generator"].transformation(steps * hyper.generator_steps),
            discriminator_tx=own["discriminator"].transformation(steps * hyper.discriminator_steps),
            generator_steps=hyper.generator_steps, discriminator_steps=hyper.discriminator_steps,
            reconstruction=hyper.reconstruction, penalty=hyper.penalty, redrawn=hyper.redraw,
            begins=not level or widths[level] != widths[level - 1], seed=hyper.seed,
        )  # fmt: skip
        feed = Feed(Arrays({"images": images[level]}), hyper.batch_size, TANH.prepare)
        enter = partial(singan.entered, scales=scales, image=right[level], amplitude=hyper.noise)
        phases.append(Phase(game, steps, feed, enter))
    described = ", ".join(f"{h} x {w}" for h, w in sizes.sizes)
    note = f"scales: {described} (factor {sizes.factor:.4f})"
    return Run(tuple(phases), own, SingleImage(dataset=dataset, scales=scales, images=tuple(images)), (note,),
               by_seed="the latents of the reconstruction")  # fmt: skip


if __name__ == "__main__":
    raise SystemExit(main("singan"))
